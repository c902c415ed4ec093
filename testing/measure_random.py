"""The random policy's score on each MuJoCo task: `python -m testing.measure_random [--episodes N] [ID …]`.

Prints lines to paste into `suites/tasks/yardsticks.py`. Actions are uniform in the action space; episodes
and actions are seeded, so that the same packages on the same kind of processor give the same numbers.
Tasks whose episodes always last 1000 steps take 10 to 30 seconds for 200 episodes on one core.
"""

import argparse
import sys

import numpy as np
from gymnasium.spaces import Box

from matters.suites.tasks import environments, yardsticks

EPISODES = 400
SEED = 20_260_101


def random_return(environment_id: str, episodes: int, seed: int = SEED) -> yardsticks.Score:
    """Mean undiscounted return of uniform random actions over whole episodes, with its standard error."""
    starts, actions = np.random.SeedSequence(seed).spawn(2)
    generator = np.random.default_rng(actions)
    env = environments.make(environment_id)
    space = env.action_space
    assert isinstance(space, Box)
    env.reset(seed=int(starts.generate_state(1)[0]))
    returns = np.empty(episodes)
    for episode in range(episodes):
        env.reset()
        total, ended = 0.0, False
        while not ended:
            action = generator.uniform(space.low, space.high).astype(np.float32)
            _, reward, terminated, truncated, _ = env.step(action)
            total += float(reward)
            ended = terminated or truncated
        returns[episode] = total
    env.close()
    standard_error = float(returns.std(ddof=1) / np.sqrt(episodes))
    return yardsticks.Score(float(returns.mean()), standard_error, episodes, yardsticks.RANDOM)


def main(arguments: list[str]) -> None:
    """Measure the named tasks, or all MuJoCo tasks of the table."""
    parser = argparse.ArgumentParser(prog="python -m testing.measure_random", description=__doc__)
    parser.add_argument("ids", nargs="*", default=list(yardsticks.MUJOCO))
    parser.add_argument("--episodes", type=int, default=EPISODES)
    options = parser.parse_args(arguments)
    for environment_id in options.ids:
        score = random_return(environment_id, options.episodes)
        literal = f"Score({score.value:.6g}, {score.standard_error:.3g}, {score.n}, RANDOM)"
        sys.stdout.write(f"{environment_id}: {literal}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
