"""`vpg`, `npg`, `tnpg` and `mdpo`, which have no twin in Stable-Baselines3, do what published code does.

Each is held over three updates from recorded rollouts, in double precision, against what was written down
here from the source alone, with autograd and PyTorch's Adam:

- `vpg`: Spinning Up's spinup/algos/pytorch/vpg/vpg.py and core.py, commit 038665d. It fits V to the
  rewards-to-go, ours to Â + V, which is the same with λ = 1 only; so λ = 1 here. Its standardised advantages,
  tanh and log σ = −0.5 are switches of ours.
- `npg`: mjrl's mjrl/algos/npg_cg.py and utils/cg_solve.py, commit 3871d93: α = √(δ / gᵀx) with δ twice the
  KL, gᵀx and not xᵀFx, conjugate gradient from x₀ = g. It stops after ten steps; ours solves to a tolerance,
  and so does theirs here, run until it is solved, where the start does not matter and gᵀx is xᵀFx.
- `tnpg`: rllab's TNPG, ConjugateGradientOptimizer with max_backtracks = 1, commit ba78e4c: λ = 1e-5, ten
  steps from zero, the whole step or, where the surrogate fell or the KL is δ or more, none. Without the
  rejection it is `tnpg`, with it `tnpg-reject` (at a λ where some steps are rejected and some are not).
- `ppo-baselines`: OpenAI baselines' ppo2 (model.py, runner.py) under its VecNormalize, commit ea25b9e.
  Theirs divides advantages by the standard deviation over n, ours over n − 1: held with n in both. Its
  gradients are clipped by TensorFlow, whose norm has no 1e-6, and its Adam is TensorFlow's, which adds ε
  before the bias is corrected: not held, here both are PyTorch's.
- `mdpo`: mdpo_on/mdpo.py and run_mujoco.py of manantomar/Mirror-Descent-Policy-Optimization, commit
  c9bd3ba. Its t_k is 1 − (k − 1)/K, one update behind the paper's and ours: held at an update where t is 1.
  Its Adam of V has ε = 1e-8 where the policy's has 1e-5, and the norm of V's gradient is not bounded: so V is
  held without that bound, and the policy with it. Both of its rates are constant. Advantages are divided by
  the standard deviation over n, as in `ppo-baselines`.

`npg` and `tnpg` standardise advantages (`process_paths`, `center_adv`), which is a switch of ours. Where a
path was cut, mjrl bootstraps with V of its last state and rllab with 0; here both do as ours does, for the
step is what is held. Their values have other networks and fits, so V is left as it is.
"""

import numpy as np
import pytest
import torch

from matters.algorithms import load
from matters.algorithms.interface import Problem
from matters.algorithms.released_test import SIZE, A, T, recorded

PROBLEM = Problem(SIZE, A, (-1.0,) * A, (1.0,) * A)
UPDATES = 3
DISCOUNT = 0.99


class Theirs:
    """A policy with a free log σ and a V, of two hidden layers each, with float64 leaves."""

    def __init__(self, policy, value, tanh):
        self.policy = [torch.tensor(part, dtype=torch.float64, requires_grad=True) for part in policy]
        self.value = [torch.tensor(part, dtype=torch.float64, requires_grad=True) for part in value]
        self.bend = torch.tanh if tanh else torch.relu

    def net(self, parts, x):
        for k in range(0, len(parts) - 2, 2):
            x = self.bend(x @ parts[k] + parts[k + 1])
        return x @ parts[-2] + parts[-1]

    def normal(self, states):
        mean = self.net(self.policy[:-1], states)
        return torch.distributions.Normal(mean, self.policy[-1].exp().expand_as(mean))

    def log_p(self, states, actions):
        return self.normal(states).log_prob(actions).sum(-1)

    def values(self, states):
        return self.net(self.value, states).squeeze(-1)


def discounted(numbers, factor):
    """Σ factor^k x_{t+k}, as scipy.signal.lfilter has it."""
    found, running = np.zeros(len(numbers)), 0.0
    for t in reversed(range(len(numbers))):
        found[t] = running = numbers[t] + factor * running
    return found


def paths(rollout):
    """(first step, last step + 1, whether it died) of each piece of an episode in the rollout."""
    died = rollout.terminated[0, :, 0].numpy()
    ends = np.flatnonzero(died | rollout.truncated[0, :, 0].numpy()) + 1
    ends = [*ends.tolist(), *([] if len(ends) and ends[-1] == T else [T])]
    return [(start, end, bool(died[end - 1])) for start, end in zip([0, *ends[:-1]], ends, strict=True)]


def estimated(theirs, rollout, gae_lambda):
    """Advantages and returns path by path: 0 after a death, V(s′) where a path was cut."""
    rewards = rollout.reward[0, :, 0].numpy()
    with torch.no_grad():
        values = theirs.values(rollout.observation[0, :, 0]).numpy()
        after = theirs.values(rollout.successor[0, :, 0]).numpy()
    advantages, returns = np.zeros(T), np.zeros(T)
    for start, end, died in paths(rollout):
        last = 0.0 if died else after[end - 1]
        v = np.append(values[start:end], last)
        delta = rewards[start:end] + DISCOUNT * v[1:] - v[:-1]
        advantages[start:end] = discounted(delta, DISCOUNT * gae_lambda)
        returns[start:end] = discounted(np.append(rewards[start:end], last), DISCOUNT)[:-1]
    return torch.from_numpy(advantages), torch.from_numpy(returns)


def flat(parts):
    return torch.cat([part.reshape(-1) for part in parts])


def assign(parts, vector):
    with torch.no_grad():
        for part in parts:
            part.copy_(vector[: part.numel()].view_as(part))
            vector = vector[part.numel() :]


class SpinningUp(Theirs):
    """vpg.update."""

    def begin(self, config):
        self.pi_adam = torch.optim.Adam(self.policy, lr=config.learning_rate)
        self.v_adam = torch.optim.Adam(self.value, lr=config.value_learning_rate)
        self.steps = config.value_steps

    def update(self, rollout, _generator):
        states, actions = rollout.observation[0, :, 0], rollout.action[0, :, 0]
        advantages, returns = estimated(self, rollout, 1.0)
        # mpi_statistics_scalar: over n, not n − 1, and without an epsilon.
        advantages = (advantages - advantages.mean()) / advantages.std(unbiased=False)
        self.pi_adam.zero_grad()
        (-(self.log_p(states, actions) * advantages).mean()).backward()
        self.pi_adam.step()
        for _ in range(self.steps):
            self.v_adam.zero_grad()
            ((self.values(states) - returns) ** 2).mean().backward()
            self.v_adam.step()


class Natural(Theirs):
    """What mjrl's NPG and rllab's TNPG have in common; V is theirs alone and stays as it is."""

    def begin(self, config):
        self.config = config

    def prepared(self, rollout):
        states, actions = rollout.observation[0, :, 0], rollout.action[0, :, 0]
        advantages, _ = estimated(self, rollout, self.config.gae_lambda)
        advantages = (advantages - advantages.mean()) / (advantages.std(unbiased=False) + 1e-6)
        before = self.log_p(states, actions).detach()
        old = self.normal(states)
        old = torch.distributions.Normal(old.loc.detach(), old.scale.detach())

        def surrogate():
            return ((self.log_p(states, actions) - before).exp() * advantages).mean()

        def kl():
            return torch.distributions.kl_divergence(old, self.normal(states)).sum(-1).mean()

        g = flat(torch.autograd.grad(surrogate(), self.policy))
        slope = flat(torch.autograd.grad(kl(), self.policy, create_graph=True))

        def product(x):
            image = flat(torch.autograd.grad(slope @ x, self.policy, retain_graph=True))
            return image.detach() + self.config.damping * x

        return surrogate, kl, g, product


class Mjrl(Natural):
    """npg_cg.NPG.train_from_paths with normalized_step_size, solved by cg_solve.cg_solve."""

    def update(self, rollout, _generator):
        _, _, g, product = self.prepared(rollout)
        x, r = g.clone(), g - product(g)
        p = r.clone()
        for _ in range(2000):
            if r @ r < 1e-28 * (g @ g):
                break
            z = product(p)
            v = (r @ r) / (p @ z)
            x, new = x + v * p, r - v * z
            p, r = new + (new @ new) / (r @ r) * p, new
        n_step_size = 2 * self.config.kl
        alpha = torch.sqrt(torch.abs(n_step_size / (g @ x + 1e-20)))
        assign(self.policy, flat(self.policy).detach() + alpha * x)


class Rllab(Natural):
    """ConjugateGradientOptimizer.optimize with max_backtracks = 1."""

    reject = True

    def update(self, rollout, _generator):
        surrogate, kl, g, product = self.prepared(rollout)
        x, r, p = torch.zeros_like(g), g.clone(), g.clone()
        rdotr = r @ r
        for _ in range(self.config.cg_steps):
            z = product(p)
            v = rdotr / (p @ z)
            x, r = x + v * p, r - v * z
            mu, rdotr = (r @ r) / rdotr, r @ r
            p = r + mu * p
        step = torch.sqrt(2.0 * self.config.kl * (1.0 / (x @ product(x) + 1e-8))) * x
        start, before = flat(self.policy).detach().clone(), -surrogate().item()
        assign(self.policy, start + step)
        with torch.no_grad():
            fell, far = -surrogate().item() >= before, kl().item() >= self.config.kl
        self.rejected = self.reject and (fell or far)
        if self.rejected:
            assign(self.policy, start)


class Unchecked(Rllab):
    """The same without the check."""

    reject = False


NATURAL = {"tanh_activations": True, "advantage_normalisation": True}


class Ppo2(Theirs):
    """Model.train over Runner.run, with the rewards of VecNormalize; one optimiser for policy and V."""

    def begin(self, config):
        self.config = config
        self.adam = torch.optim.Adam([*self.policy, *self.value], lr=3e-4, eps=1e-5)
        self.ret, self.count, self.mean, self.var = 0.0, 1e-4, 0.0, 1.0

    def rewards(self, raw, dones):
        found = []
        for r, done in zip(raw, dones, strict=True):
            self.ret = self.ret * 0.99 + r
            # RunningMeanStd.update with a batch of one.
            delta, total = self.ret - self.mean, self.count + 1
            self.var = (self.var * self.count + delta**2 * self.count / total) / total
            self.mean, self.count = self.mean + delta / total, total
            found.append(np.clip(r / np.sqrt(self.var + 1e-8), -10.0, 10.0))
            self.ret = 0.0 if done else self.ret
        return np.array(found)

    def update(self, rollout, generator):
        states, actions = rollout.observation[0, :, 0], rollout.action[0, :, 0]
        dones = (rollout.terminated | rollout.truncated)[0, :, 0].numpy()
        rewards = self.rewards(rollout.reward[0, :, 0].tolist(), dones)
        with torch.no_grad():
            values = self.values(states)
            last = self.values(rollout.successor[0, -1:, 0]).item()
            neglogp = -self.log_p(states, actions)
        v, advantages, running = np.append(values.numpy(), last), np.zeros(T), 0.0
        for t in reversed(range(T)):
            alive = 1.0 - dones[t]
            delta = rewards[t] + 0.99 * v[t + 1] * alive - v[t]
            advantages[t] = running = delta + 0.99 * 0.95 * alive * running
        returns = torch.from_numpy(advantages) + values
        for _ in range(self.config.epochs):
            order = generator.permutation(T)
            for start in range(0, T, self.config.minibatch_size):
                self.train(states, actions, returns, values, neglogp, order[start : start + 8])

    def train(self, states, actions, returns, values, neglogp, chosen):
        adv = (returns - values)[chosen]
        adv = (adv - adv.mean()) / (adv.std(unbiased=False) + 1e-8)
        vpred, old = self.values(states[chosen]), values[chosen]
        clipped = old + torch.clamp(vpred - old, -0.2, 0.2)
        errors = torch.max((vpred - returns[chosen]) ** 2, (clipped - returns[chosen]) ** 2)
        ratio = torch.exp(neglogp[chosen] + self.log_p(states[chosen], actions[chosen]))
        pg_loss = torch.max(-adv * ratio, -adv * torch.clamp(ratio, 0.8, 1.2)).mean()
        self.adam.zero_grad()
        (pg_loss + 0.5 * 0.5 * errors.mean()).backward()
        torch.nn.utils.clip_grad_norm_([*self.policy, *self.value], 0.5)
        self.adam.step()


class Tomar(Theirs):
    """MDPO.learn with method "multistep-SGD" and tsallis_q = 1, which is the KL of new and old."""

    def begin(self, config):
        self.config = config
        self.train = torch.optim.Adam(self.policy, lr=3e-4, eps=1e-5)
        self.vfadam = torch.optim.Adam(self.value, lr=3e-4, eps=1e-5)

    def update(self, rollout, generator):
        states, actions = rollout.observation[0, :, 0], rollout.action[0, :, 0]
        dones = (rollout.terminated | rollout.truncated)[0, :, 0].double().numpy()
        rewards = rollout.reward[0, :, 0].numpy()
        with torch.no_grad():
            values = self.values(states)
            last = self.values(rollout.successor[0, -1:, 0]).item()
            old, before = self.normal(states), self.log_p(states, actions)
        v, adv, running = np.append(values.numpy(), last), np.zeros(T), 0.0
        for t in reversed(range(T)):
            delta = rewards[t] + 0.99 * v[t + 1] * (1 - dones[t]) - v[t]
            adv[t] = running = delta + 0.99 * 0.95 * (1 - dones[t]) * running
        returns = torch.from_numpy(adv) + values
        atarg = torch.from_numpy((adv - adv.mean()) / adv.std())
        for _ in range(self.config.policy_steps):
            meankl = torch.distributions.kl_divergence(self.normal(states), old).sum(-1).mean()
            ratio = (self.log_p(states, actions) - before).exp()
            self.train.zero_grad()
            (-((ratio * atarg).mean() - meankl / 1.0)).backward()
            if self.config.tricks.gradient_clip is not None:
                torch.nn.utils.clip_grad_norm_(self.policy, self.config.tricks.gradient_clip)
            self.train.step()
        for _ in range(self.config.value_epochs):
            order = generator.permutation(T)
            for start in range(0, T, self.config.value_minibatch_size):
                chosen = order[start : start + self.config.value_minibatch_size]
                vpred = self.values(states[chosen])
                clipped = values[chosen] + (vpred - values[chosen]).clamp(-0.2, 0.2)
                errors = torch.max((vpred - returns[chosen]) ** 2, (clipped - returns[chosen]) ** 2)
                self.vfadam.zero_grad()
                errors.mean().backward()
                self.vfadam.step()


MDPO = {
    "advantage_normalisation": True, "tanh_activations": True, "adam_epsilon": 1e-5, "value_clip": 0.2,
    "time_limit_terminal": True,
}  # fmt: skip

CASES = {
    "vpg, as Spinning Up": (
        "vpg", "vpg", SpinningUp,
        {"gae_lambda": 1.0, "value_steps": 20},
        {"advantage_normalisation": True, "tanh_activations": True, "log_std_init": -0.5},
    ),
    "npg, as mjrl": (
        "npg", "npg", Mjrl, {"damping": 1e-4, "kl": 0.025, "value_epochs": 0, "tolerance": 1e-13,
        "most_steps": 2000, "dense_up_to": 0}, NATURAL,
    ),
    "npg factored, as mjrl": (
        "npg", "npg", Mjrl, {"damping": 1e-4, "kl": 0.025, "value_epochs": 0}, NATURAL,
    ),
    "tnpg, as rllab without its check": (
        "tnpg", "tnpg", Unchecked, {"damping": 1e-5, "value_epochs": 0}, NATURAL,
    ),
    "tnpg-reject, as rllab": (
        "trpo", "tnpg-reject", Rllab, {"damping": 3e-3, "value_epochs": 0}, NATURAL,
    ),
    "ppo-baselines, as ppo2": (
        "ppo", "ppo-baselines", Ppo2, {"epochs": 2, "minibatch_size": 8}, {"tanh_activations": True},
    ),
    "mdpo, as its authors": (
        "mdpo", "mdpo-m", Tomar, {"value_minibatch_size": 8, "anneal_step_size": False}, MDPO,
    ),
    "mdpo, as its authors bound the policy's gradient": (
        "mdpo", "mdpo-m", Tomar, {"value_epochs": 0}, MDPO | {"gradient_clip": 0.5},
    ),
}  # fmt: skip


def over_n(advantage):
    """Advantages standardised with n where ours has n − 1: a factor that Adam undoes but for its ε."""
    if advantage.shape[1] < 2:
        return advantage
    mean = advantage.mean(1, keepdim=True)
    return (advantage - mean) / advantage.std(1, keepdim=True, unbiased=False)


def run(algorithm, preset, source, settings, tricks, monkeypatch):
    rule = load(algorithm)
    chosen = rule.PRESETS[preset]
    chosen = chosen.model_copy(
        update={
            "horizon": T, "hidden": (8, 8), **settings,
            "tricks": chosen.tricks.model_copy(update=tricks),
        }
    )  # fmt: skip
    if algorithm in ("vpg", "ppo", "mdpo"):  # they divide by the standard deviation over n
        monkeypatch.setattr("matters.algorithms.vpg.standardised", over_n)
        monkeypatch.setattr("matters.algorithms.mdpo.standardised", over_n)
        monkeypatch.setattr("matters.algorithms.maths.advantages.standardised", over_n)
    rng = np.random.default_rng(7)
    state = rule.init(chosen, PROBLEM, [np.random.default_rng(1)], torch.float64)
    parts = [[view[0].numpy().copy() for view in theta.views] for theta in (state.policy, state.value)]
    theirs = source(*parts, tricks["tanh_activations"])
    theirs.begin(chosen)
    rejected = []
    for k in range(UPDATES):
        rollout = recorded(rng, state)
        before = state.policy.matrix.clone()
        metrics = rule.update(state, chosen, rollout, [np.random.default_rng(k)], progress=0.0)
        theirs.update(rollout, np.random.default_rng(k))
        moved = bool((state.policy.matrix != before).any())
        rejected.append(getattr(theirs, "rejected", False))
        assert moved != rejected[-1], "one took its step and the other did not"
        if algorithm == "npg":
            assert float(metrics["cg_residual"]) < 1e-6
    errors = []
    for theta, own in ((state.policy, theirs.policy), (state.value, theirs.value)):
        ours = torch.cat([view[0].reshape(-1) for view in theta.views])
        expected = flat(own).detach()
        errors.append(float((ours - expected).norm() / expected.norm()))
    return errors, rejected


@pytest.mark.parametrize("name", CASES)
def test_three_updates_are_those_of_the_source(name, monkeypatch):
    errors, rejected = run(*CASES[name], monkeypatch)
    print(name, errors, rejected)
    assert max(errors) <= 1e-5
    if name == "tnpg-reject, as rllab":
        assert len(set(rejected)) == 2, "both outcomes are to be seen"


def test_a_wrong_factor_in_the_step_would_be_seen(monkeypatch):
    algorithm, preset, source, settings, tricks = CASES["npg, as mjrl"]
    monkeypatch.setattr(Mjrl, "begin", lambda self, config: setattr(
        self, "config", config.model_copy(update={"kl": config.kl / 2})))  # fmt: skip
    errors, _ = run(algorithm, preset, source, settings, tricks, monkeypatch)
    assert errors[0] > 1e-3
