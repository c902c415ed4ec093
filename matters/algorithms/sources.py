"""Whose each preset is, and from which year: papers and code change, and so does what a name stands for.

One table for all algorithms, so that what somebody calls TD3 or PPO can be told apart at a glance. Where the
year is that of code, the commit is named; a preset named after a library has that library's defaults of the
version in `constraints.txt`.
"""

SOURCES: dict[str, str] = {
    "reinforce": "Williams 1992, reward-to-go",
    "vpg": "sizes and steps of Spinning Up's code of 2018 to 2020 (commit 038665d, 2020), its tricks off",
    "a2c": "Mnih et al. 2016, run synchronously, with the values of Stable-Baselines3 (2021)",
    "a2c-sb3": "Stable-Baselines3's defaults (2021)",
    "npg": "Kakade 2002 with the normalised step of Peters and Schaal 2008 and Rajeswaran et al. 2017",
    "tnpg": "Duan et al. 2016, without their check of the step",
    "tnpg-reject": "Duan et al. 2016, as rllab's code of 2016 (commit ba78e4c) checks the step",
    "trpo": "Schulman et al. 2015, with the sizes of Engstrom et al. 2020",
    "trpo-plain": "TRPO with none of PPO's tricks, δ of Engstrom et al. 2020",
    "trpo-tricks": "TRPO with every trick of PPO's, δ of Engstrom et al. 2020",
    "trpo+": "Engstrom et al. 2020, TRPO+ on Walker2d as the paper describes it",
    "trpo-released": "Engstrom et al. 2020, their released code (commit 5ee6ecb), task by task",
    "trpo+-released": "Engstrom et al. 2020, their released code (commit 5ee6ecb), task by task",
    "trpo-sb3": "sb3-contrib's defaults (2021)",
    "ppo": "Schulman et al. 2017 with the tricks of OpenAI baselines' code of 2017 to 2020",
    "ppo-m": "Schulman et al. 2017, all tricks off, after Engstrom et al. 2020",
    "ppo-baselines": "OpenAI baselines' ppo2 of 2020 (commit ea25b9e)",
    "ppo-released": "Engstrom et al. 2020, their released code (commit 5ee6ecb), task by task",
    "ppo-m-released": "Engstrom et al. 2020, their released code (commit 5ee6ecb), task by task",
    "ppo-noclip-released": "Engstrom et al. 2020, their released code (commit 5ee6ecb), task by task",
    "ppo-noclip": "Engstrom et al. 2020, PPO with the tricks and without clipping",
    "ppo-kl": "Schulman et al. 2017, section 4: the adaptive KL penalty, with the tricks",
    "ppo-beta": "Chou et al. 2017 and Hsu et al. 2020: a Beta policy, with the tricks",
    "ppo-recommended": "Andrychowicz et al. 2021, what they recommend",
    "ppo-sb3": "Stable-Baselines3's defaults (2021)",
    "mdpo": "Tomar et al. 2020, sizes of their code (commit c9bd3ba), with the tricks of published PPO",
    "mdpo-m": "Tomar et al. 2020, all tricks off",
    "ddpg": "Lillicrap et al. 2016, without its batch norm",
    "ddpg-tuned": "“our DDPG” of Fujimoto et al. 2018 (table 3)",
    "ddpg-sb3": "Stable-Baselines3's defaults (2021)",
    "td3": "Fujimoto et al. 2018, the paper (section 6.1)",
    "td3-no-cdq": "Fujimoto et al. 2018, table 2: TD3 − CDQ",
    "td3-no-delay": "Fujimoto et al. 2018, table 2: TD3 − DP",
    "td3-no-smoothing": "Fujimoto et al. 2018, table 2: TD3 − TPS",
    "td3-only-cdq": "Fujimoto et al. 2018, table 2: AHE + CDQ",
    "td3-only-delay": "Fujimoto et al. 2018, table 2: AHE + DP",
    "td3-only-smoothing": "Fujimoto et al. 2018, table 2: AHE + TPS",
    "td3-256": "the authors' code of 2020 and later (sfujim/TD3, commit 34770cc) in sizes and rates",
    "td3-256-only-cdq": "the same without delayed updates and smoothing, as SAC has it (2018)",
    "td3-sb3": "Stable-Baselines3's defaults (2021)",
    "sac": "Haarnoja et al. 2018, the second version, with the clamp of log σ of their code of 2018",
    "sac-fixed": "Haarnoja et al. 2018 with the fixed temperature of Spinning Up (2018)",
    "sac-sb3": "Stable-Baselines3's defaults (2021)",
}
"""By preset; the references are their libraries' own."""
