"""The released presets do what Engstrom et al.'s released code does, update by update, in double precision.

What follows is written from its files alone (MadryLab/implementation-matters, commit 5ee6ecb: agent.py,
steps.py, torch_utils.py and the fifteen of configs/), with autograd and PyTorch's Adam, and knows nothing of
our rules. Both learn from the same recorded rollouts and draw the same minibatches; theirs draws others for
the policy than for V. Not held here, and not the same: theirs takes an episode's last observation into the
running moments, has 204 samples for the Fisher information where ours has 205, and moves δ before an update
where ours moves it after.
"""

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from matters.algorithms import load
from matters.algorithms.interface import Problem, Rollout

T, SIZE, A, UPDATES = 64, 5, 2, 3
EPOCHS, BATCHES = 2, 8
PROBLEM = Problem(SIZE, A, (-1.0,) * A, (1.0,) * A)

WALKER, HOPPER, HUMANOID = "Walker2d-v5", "Hopper-v5", "Humanoid-v5"


@dataclass(frozen=True)
class Source:
    """One of configs/*.py over src/MuJoCo.json, under its names there."""

    mode: str
    val_lr: float
    ppo_lr_adam: float = 3e-4
    clip_eps: float = 0.2
    norm_rewards: str = "returns"
    clip_rewards: float = 10.0
    clip_observations: float = 10.0
    initialization: str = "orthogonal"
    anneal_lr: bool = True
    value_clipping: bool = True
    entropy_coeff: float = 0.0
    gae_lambda: float = 0.95
    clip_grad_norm: float = -1.0
    max_kl: float = 0.01
    max_kl_final: float = 0.01


def plain(mode: str, **values: float) -> Source:
    """What the configs of PPO-M and of TRPO have in common."""
    return Source(
        mode, norm_rewards="none", clip_rewards=-1.0, clip_observations=-1.0, initialization="xavier",
        anneal_lr=False, value_clipping=False, **values,
    )  # fmt: skip


NO_CLIP = {"mode": "ppo", "clip_eps": 1e32}
SOURCES: dict[tuple[str, str, str], Source] = {
    ("ppo", "ppo-released", WALKER): Source("ppo", 3e-4, 4e-4),
    ("ppo", "ppo-released", HOPPER): Source("ppo", 2.5e-4, 3e-4, value_clipping=False),
    ("ppo", "ppo-released", HUMANOID): Source("ppo", 1e-4, 1.5e-4),
    ("ppo", "ppo-m-released", WALKER): plain("ppo", val_lr=2e-4, ppo_lr_adam=1e-4),
    ("ppo", "ppo-m-released", HOPPER): plain("ppo", val_lr=4e-4, ppo_lr_adam=1.7e-4),
    ("ppo", "ppo-m-released", HUMANOID): plain("ppo", val_lr=4e-4, ppo_lr_adam=9e-5),
    ("ppo", "ppo-noclip-released", WALKER): Source(
        **NO_CLIP, val_lr=6e-4, ppo_lr_adam=0.725e-4, norm_rewards="rewards", clip_rewards=30.0,
        clip_observations=-1.0, value_clipping=False, entropy_coeff=-0.01, gae_lambda=0.85,
        clip_grad_norm=0.1,
    ),
    ("ppo", "ppo-noclip-released", HOPPER): Source(
        **NO_CLIP, val_lr=4e-4, ppo_lr_adam=6e-5, norm_rewards="rewards", clip_rewards=2.5,
        value_clipping=False, entropy_coeff=-0.005, gae_lambda=0.925, clip_grad_norm=4.0,
    ),
    ("ppo", "ppo-noclip-released", HUMANOID): Source(
        **NO_CLIP, val_lr=5e-5, ppo_lr_adam=2e-5, initialization="xavier", anneal_lr=False,
        entropy_coeff=0.005, gae_lambda=0.85, clip_grad_norm=0.5,
    ),
    ("trpo", "trpo-released", WALKER): plain("trpo", val_lr=3e-4, max_kl=0.04, max_kl_final=0.04),
    ("trpo", "trpo-released", HOPPER): plain("trpo", val_lr=2e-4, max_kl=0.13, max_kl_final=0.13),
    ("trpo", "trpo-released", HUMANOID): plain("trpo", val_lr=3e-4, max_kl=0.07, max_kl_final=0.07),
    ("trpo", "trpo+-released", WALKER): Source(
        "trpo", 1e-4, anneal_lr=False, value_clipping=False, max_kl=0.07, max_kl_final=0.04,
        clip_grad_norm=1.0,
    ),
    ("trpo", "trpo+-released", HOPPER): Source(
        "trpo", 2e-4, anneal_lr=False, value_clipping=False, max_kl=0.04, max_kl_final=0.07,
        clip_grad_norm=1.0,
    ),
    ("trpo", "trpo+-released", HUMANOID): Source(
        "trpo", 5e-5, anneal_lr=False, max_kl=0.1, max_kl_final=0.05, initialization="xavier",
        gae_lambda=0.85, clip_grad_norm=0.5,
    ),
}  # fmt: skip


class RunningStat:
    """torch_utils.RunningStat."""

    def __init__(self):
        self.n, self.mean, self.s = 0, 0.0, 0.0

    def push(self, x):
        self.n += 1
        old = self.mean
        self.mean = x if self.n == 1 else old + (x - old) / self.n
        self.s = 0.0 if self.n == 1 else self.s + (x - old) * (x - self.mean)

    @property
    def std(self):
        return np.sqrt(self.s / (self.n - 1) if self.n > 1 else np.square(self.mean))


class Theirs:
    """Trainer and its steps, for a tanh policy of two layers with a free log σ, and a V like it."""

    def __init__(self, source, policy, value):
        self.source = source
        self.policy = [torch.tensor(part, dtype=torch.float64, requires_grad=True) for part in policy]
        self.value = [torch.tensor(part, dtype=torch.float64, requires_grad=True) for part in value]
        self.policy_adam = torch.optim.Adam(self.policy, lr=source.ppo_lr_adam, eps=1e-5)
        self.val_opt = torch.optim.Adam(self.value, lr=source.val_lr, eps=1e-5)
        self.stat, self.ret = RunningStat(), 0.0

    def net(self, parts, x):
        for k in range(0, len(parts) - 2, 2):
            x = torch.tanh(x @ parts[k] + parts[k + 1])
        return x @ parts[-2] + parts[-1]

    def dist(self, states):
        return self.net(self.policy[:-1], states), self.policy[-1]

    def log_p(self, dist, actions):
        mean, log_std = dist
        normal = torch.distributions.Normal(mean, log_std.exp().expand_as(mean))
        return normal.log_prob(actions).sum(-1)

    def rewards(self, raw, dones):
        scaled = []
        for r, done in zip(raw, dones, strict=True):
            x = r
            if self.source.norm_rewards == "returns":
                self.ret = self.ret * 0.99 + x
                self.stat.push(self.ret)
                x = x / (self.stat.std + 1e-8)
            elif self.source.norm_rewards == "rewards":
                self.stat.push(x)
                x = (x - self.stat.mean) / (self.stat.std + 1e-8) + self.stat.mean
            if self.source.clip_rewards > 0:
                x = np.clip(x, -self.source.clip_rewards, self.source.clip_rewards)
            scaled.append(x)
            self.ret = 0.0 if done else self.ret
        self.ret = 0.0  # every iteration begins with a reset
        return torch.tensor(scaled, dtype=torch.float64)

    def advantages(self, rewards, values, not_dones):
        following = torch.cat([values[1:], values[-1:]]) * not_dones
        deltas = rewards + 0.99 * following - values
        found, running = torch.zeros_like(rewards), 0.0
        for t in reversed(range(len(rewards))):
            running = deltas[t] + 0.99 * self.source.gae_lambda * not_dones[t] * running
            found[t] = running
        return found

    def value_loss(self, states, old, advantages, not_dones):
        target = old + advantages
        value = self.net(self.value, states).squeeze(-1)
        clipped = old + torch.clamp(value - old, -0.2, 0.2)
        chosen = not_dones.bool()
        errors = (value - target)[chosen].pow(2)
        if self.source.value_clipping:
            errors = torch.max(errors, (clipped - target)[chosen].pow(2))
        return errors.mean()

    def fit_value(self, data, orders):
        states, _, old, advantages, not_dones = data
        for order in orders:
            for chosen in np.array_split(order, BATCHES):
                self.val_opt.zero_grad()
                self.value_loss(states[chosen], old[chosen], advantages[chosen], not_dones[chosen]).backward()
                self.val_opt.step()

    def ppo_step(self, data, orders):
        states, actions, _, advantages, _ = data
        with torch.no_grad():
            before = self.log_p(self.dist(states), actions)
        for order in orders:
            for chosen in np.array_split(order, BATCHES):
                dist = self.dist(states[chosen])
                ratio = (self.log_p(dist, actions[chosen]) - before[chosen]).exp()
                own = advantages[chosen]
                own = (own - own.mean()) / (own.std() + 1e-8)
                eps = self.source.clip_eps
                surrogate = torch.min(ratio * own, ratio.clamp(1 - eps, 1 + eps) * own).mean()
                entropy = (dist[1] + 0.5 * np.log(2 * np.pi * np.e)).sum()
                self.policy_adam.zero_grad()
                (-surrogate - self.source.entropy_coeff * entropy).backward()
                if self.source.clip_grad_norm != -1:
                    torch.nn.utils.clip_grad_norm_(self.policy, self.source.clip_grad_norm)
                self.policy_adam.step()

    def trpo_step(self, data, subset, max_kl):
        states, actions, _, advantages, _ = data
        own = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
        old = tuple(part.detach() for part in self.dist(states))
        before = self.log_p(old, actions)

        def surrogate():
            return ((self.log_p(self.dist(states), actions) - before).exp() * own).mean()

        def kl(first, second):
            normals = (torch.distributions.Normal(m, s.exp().expand_as(m)) for m, s in (first, second))
            return torch.distributions.kl_divergence(*normals).sum(-1).mean()

        def flat(parts):
            return torch.cat([part.reshape(-1) for part in parts])

        def assign(vector):
            with torch.no_grad():
                for part in self.policy:
                    part.copy_(vector[: part.numel()].view_as(part))
                    vector = vector[part.numel() :]

        g = flat(torch.autograd.grad(surrogate(), self.policy))
        here = self.dist(states[subset])
        slope = flat(
            torch.autograd.grad(kl(tuple(p.detach() for p in here), here), self.policy, create_graph=True)
        )

        def product(x):
            return flat(torch.autograd.grad(slope @ x, self.policy, retain_graph=True)).detach() + 0.1 * x

        x, r, p = torch.zeros_like(g), g.clone(), g.clone()
        for _ in range(10):
            image = product(p)
            alpha = (r @ r) / (p @ image)
            x, new = x + alpha * p, r - alpha * image
            p, r = new + (new @ new) / (r @ r) * p, new
        step = (2 * max_kl / (x @ product(x))) ** 0.5 * x
        start, gain = flat(self.policy).detach().clone(), surrogate().item()
        for k in range(10):
            assign(start + step / 2**k)
            with torch.no_grad():
                improve = surrogate().item() - gain
                fits = kl(old, self.dist(states)).item() <= max_kl
            if fits and improve > 0 and improve / (g @ step).item() * 2**k > 0.1:
                return k
        assign(start)
        return None


def recorded(rng, state):
    """One rollout of the policy in a world of random numbers; some episodes end, dead or cut."""
    seen = torch.from_numpy(rng.standard_normal((1, T + 1, 1, SIZE)))
    ends = rng.random((1, T, 1))
    noise = torch.from_numpy(rng.standard_normal((1, T, A)))
    action, record = state.actor.sample(state.policy, seen[:, :-1, 0], noise)
    return Rollout(
        observation=seen[:, :-1],
        successor=seen[:, 1:],
        action=action[:, :, None],
        reward=torch.from_numpy(3 * rng.standard_normal((1, T, 1)) + 1),
        terminated=torch.from_numpy(ends < 0.03),
        truncated=torch.from_numpy((ends >= 0.03) & (ends < 0.05)),
        record=record[:, :, None],
    )


@pytest.mark.parametrize(("algorithm", "preset", "environment"), SOURCES, ids=lambda part: part)
def test_three_updates_are_those_of_the_released_code(algorithm, preset, environment):
    source, rule = SOURCES[algorithm, preset, environment], load(algorithm)
    released = rule.PER_TASK[preset][environment]
    of_v = "value_" if algorithm == "trpo" else ""
    assert getattr(released, f"{of_v}epochs") == 10
    assert released.horizon == 32 * getattr(released, f"{of_v}minibatch_size") == 2048
    small = {"horizon": T, "hidden": (8, 8), f"{of_v}epochs": EPOCHS, f"{of_v}minibatch_size": T // BATCHES}
    config = released.model_copy(update=small)
    rng = np.random.default_rng(7)
    state = rule.init(config, PROBLEM, [np.random.default_rng(1)], torch.float64)
    # Far from the flat first policy, where all that matters is far from its bounds.
    state.policy.matrix.add_(0.1 * torch.from_numpy(rng.standard_normal(state.policy.matrix.shape)))
    state.policy.matrix[:, state.policy.layout.parameters :] = 0.0
    parts = [[view[0].numpy().copy() for view in theta.views] for theta in (state.policy, state.value)]
    theirs = Theirs(source, *parts)
    tried = []
    for k in range(UPDATES):
        rollout, draws = recorded(rng, state), np.random.default_rng(100 + k)
        same = np.random.default_rng(100 + k)
        rule.update(state, config, rollout, [draws], progress=k / 8)

        states, actions = rollout.observation[0, :, 0], rollout.action[0, :, 0]
        dones = (rollout.terminated | rollout.truncated)[0, :, 0]
        not_dones = (~dones).double()
        rewards = theirs.rewards(rollout.reward[0, :, 0].tolist(), dones.tolist())
        with torch.no_grad():
            old = theirs.net(theirs.value, states).squeeze(-1)
        data = states, actions, old, theirs.advantages(rewards, old, not_dones), not_dones
        shrink = 1 - k / 8 if source.anneal_lr else 1.0
        for optimiser, rate in ((theirs.policy_adam, source.ppo_lr_adam), (theirs.val_opt, source.val_lr)):
            optimiser.param_groups[0]["lr"] = rate * shrink
        if source.mode == "ppo":
            orders = [same.permutation(T) for _ in range(EPOCHS)]
            theirs.fit_value(data, orders)
            theirs.ppo_step(data, orders)
        else:
            subset = same.permutation(T)[: round(0.1 * T)]
            max_kl = source.max_kl + (source.max_kl_final - source.max_kl) * k / 8
            tried.append(theirs.trpo_step(data, subset, max_kl))
            theirs.fit_value(data, [same.permutation(T) for _ in range(EPOCHS)])
    for theta, own in ((state.policy, theirs.policy), (state.value, theirs.value)):
        ours = torch.cat([view[0].reshape(-1) for view in theta.views])
        expected = torch.cat([part.detach().reshape(-1) for part in own])
        assert (ours - expected).norm() <= 1e-5 * expected.norm()
    if source.mode == "trpo":
        assert len(set(tried)) > 1 or tried[0] != 0 or source.max_kl < 0.1


def test_all_that_the_configs_say_of_first_parameters_and_observations_is_in_the_presets():
    for (algorithm, preset, environment), source in SOURCES.items():
        tricks = load(algorithm).PER_TASK[preset][environment].tricks
        assert tricks.orthogonal_init == (source.initialization == "orthogonal")
        assert tricks.observation_clip == (source.clip_observations if source.clip_observations > 0 else None)
        assert tricks.observation_normalisation
        assert tricks.tanh_activations
        assert not tricks.action_clip
        assert tricks.reset_each_rollout
