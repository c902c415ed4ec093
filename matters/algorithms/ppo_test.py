from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from matters.algorithms import ppo, trpo, vpg
from matters.algorithms.conftest import PROBLEM, bits, changed, collect, generators, trained
from matters.algorithms.interface import Rollout
from matters.algorithms.parts.actor_critic import Batch, prepare
from matters.algorithms.parts.optimisers import global_norm, gradient
from matters.algorithms.ppo import Config, State, Tricks, clipped, differentiate, minibatch_steps

SMALL = Config(horizon=24, environments=2, epochs=3, minibatch_size=16, hidden=(8,), learning_rate=3e-3)


def begun(
    config: Config = SMALL, seeds: tuple[int, ...] = (0, 1, 2), dtype: torch.dtype = torch.float32
) -> tuple[State, Rollout]:
    """A first state and a rollout of it."""
    state = ppo.init(config, PROBLEM, generators(seeds), dtype)
    single = ppo.init(config, PROBLEM, generators(seeds))
    rollout = collect(ppo, single, config, seeds)
    if dtype == torch.float64:
        rollout = Rollout(**{k: v.double() if v.is_floating_point() else v for k, v in vars(rollout).items()})
        # What is remembered of acting is of the policy in this precision, too.
        seen = rollout.observation.flatten(1, 2)
        noise = torch.zeros(*seen.shape[:2], state.actor.noise_size)
        _, record = state.actor.sample(state.policy, seen, noise)
        rollout.record = record.double().unflatten(1, rollout.reward.shape[1:])
    return state, rollout


def learnt(config: Config, *, progress: float = 0.0, seeds: tuple[int, ...] = (0, 1, 2)) -> State:
    """The state after one update."""
    state, rollout = begun(config, seeds)
    ppo.update(state, config, rollout, generators(seeds, 1), progress=progress)
    return state


def paper(
    state: State, config: Config, rollout: Rollout, generator: np.random.Generator
) -> tuple[list[Tensor], list[Tensor]]:
    """One seed's update as Schulman et al. 2017 write it: the parameters afterwards."""
    pi, v = ([x[0].clone().requires_grad_() for x in theta.views] for theta in (state.policy, state.value))

    def network(p: list[Tensor], s: Tensor) -> Tensor:
        for w, b in zip(p[:-2:2], p[1:-2:2], strict=True):
            s = (s @ w + b).clamp(min=0)
        return s @ p[-2] + p[-1]

    def policy(s: Tensor) -> torch.distributions.Normal:
        return torch.distributions.Normal(network(pi[:-1], s), pi[-1].exp().expand(len(s), -1))

    gamma, lam, eps, beta = config.discount, config.gae_lambda, config.clip, config.kl_coefficient
    s, a, r = rollout.observation[0], rollout.action[0], rollout.reward[0]
    with torch.no_grad():
        value, value_next = network(v, s)[..., 0], network(v, rollout.successor[0])[..., 0]
        advantage, trace = torch.zeros_like(r), torch.zeros_like(r[0])
        for t in reversed(range(len(r))):
            terminated, truncated = rollout.terminated[0, t], rollout.truncated[0, t]
            delta = r[t] + gamma * value_next[t] * (~terminated) - value[t]
            trace = delta + gamma * lam * trace * ~(terminated | truncated)
            advantage[t] = trace
        target = (advantage + value).flatten()
        s, a, advantage = s.flatten(0, 1), a.flatten(0, 1), advantage.flatten()
        mean_old, std_old = policy(s).mean, policy(s).stddev
        log_old = policy(s).log_prob(a).sum(-1)
    adam = torch.optim.Adam([*pi, *v], lr=config.learning_rate)
    for _ in range(config.epochs):
        order = torch.from_numpy(generator.permutation(len(s)))
        for i in order.split(config.minibatch_size):
            now = policy(s[i])
            ratio = (now.log_prob(a[i]).sum(-1) - log_old[i]).exp()
            old = torch.distributions.Normal(mean_old[i], std_old[i])
            kl = torch.distributions.kl_divergence(old, now).sum(-1)
            objective = {
                "clip": torch.min(ratio * advantage[i], ratio.clamp(1 - eps, 1 + eps) * advantage[i]),
                "none": ratio * advantage[i],
            }.get(config.objective, ratio * advantage[i] - beta * kl)
            value_loss = (network(v, s[i])[:, 0] - target[i]) ** 2
            loss = -objective + config.value_coefficient * value_loss
            loss = loss.mean() - config.entropy_coefficient * now.entropy().sum(-1).mean()
            adam.zero_grad()
            loss.backward()
            adam.step()
    return [x.detach() for x in pi], [x.detach() for x in v]


@pytest.mark.parametrize("objective", ["clip", "none", "kl-fixed", "kl-adaptive"])
@pytest.mark.parametrize("entropy_coefficient", [0.0, 0.1])
def test_with_all_tricks_off_an_update_is_the_papers(objective: str, entropy_coefficient: float) -> None:
    config = changed(SMALL, objective=objective, entropy_coefficient=entropy_coefficient, clip=0.05)
    state, rollout = begun(config, (3,), torch.float64)
    start = state.policy.matrix.clone()
    expected = paper(state, config, rollout, *generators([3], 1))
    ppo.update(state, config, rollout, generators([3], 1), progress=0.7)
    for theta, parameters in zip((state.policy, state.value), expected, strict=True):
        for ours, theirs in zip(theta.views, parameters, strict=True):
            torch.testing.assert_close(ours[0], theirs, rtol=1e-7, atol=1e-9)
    assert (state.policy.matrix - start).abs().max() > 1e-3


def test_control_another_clip_is_not_the_papers_update() -> None:
    state, rollout = begun(SMALL, (3,), torch.float64)
    expected, _ = paper(state, changed(SMALL, clip=0.05), rollout, *generators([3], 1))
    ppo.update(state, SMALL, rollout, generators([3], 1), progress=0.0)
    assert (state.policy.views[0][0] - expected[0]).abs().max() > 1e-5


@pytest.mark.parametrize("objective", ["clip", "none", "kl-fixed", "kl-adaptive"])
def test_the_gradient_at_ratio_1_is_the_vanilla_policy_gradient(objective: str) -> None:
    config = changed(SMALL, objective=objective)
    state, rollout = begun(config, dtype=torch.float64)
    batch = prepare(state, config, rollout)
    _, (ours, _) = differentiate(state, config, batch)
    _, vanilla = vpg.policy_gradient(state, batch)
    torch.testing.assert_close(ours, -vanilla)
    assert ours.abs().max() > 1e-3


def test_at_another_policy_the_gradient_is_not_the_vanilla_one() -> None:
    state, rollout = begun(dtype=torch.float64)
    batch = prepare(state, SMALL, rollout)
    state.policy.matrix[:, : state.policy.layout.parameters] += 0.1
    _, (ours, _) = differentiate(state, SMALL, batch)
    _, vanilla = vpg.policy_gradient(state, batch)
    assert (ours + vanilla).abs().max() > 1e-3


LOSSES = [
    {},
    {"objective": "none", "tricks__value_clip": True},
    {"objective": "kl-fixed", "kl_coefficient": 0.4, "entropy_coefficient": 0.3},
    {"objective": "kl-adaptive", "tricks__value_clip": True, "value_coefficient": 0.7},
    {"policy": "beta", "entropy_coefficient": 0.3, "tricks__value_clip": True},
    {"policy": "beta", "objective": "kl-fixed"},
]


@pytest.mark.parametrize("changes", LOSSES, ids=str)
def test_the_gradient_is_the_one_that_autograd_finds_of_the_papers_loss(changes: dict[str, Any]) -> None:
    config = changed(SMALL, **changes)
    state, rollout = begun(config, dtype=torch.float64)
    batch = prepare(state, config, rollout)
    for theta in (state.policy, state.value):  # away from the old policy, so that some ratios are clipped
        theta.matrix[:, : theta.layout.parameters] += 0.1
    policy = state.actor(state.policy.leaves, batch.observation)
    ratio = (state.actor.log_prob(policy, batch.action) - batch.log_prob).exp()
    inside = ratio.clamp(1 - config.clip, 1 + config.clip)
    surrogate = ratio * batch.advantage
    if config.objective == "clip":
        assert (ratio != inside).any()
        surrogate = torch.minimum(surrogate, inside * batch.advantage)
    penalty = state.actor.kl(batch.old, policy).mean(1) if config.objective.startswith("kl") else 0.0
    value = state.critic(state.value.leaves, batch.observation).flatten(1)
    error = (value - batch.target) ** 2
    if config.tricks.value_clip:
        clipped = batch.value + (value - batch.value).clamp(-config.clip, config.clip)
        error = torch.maximum(error, (clipped - batch.target) ** 2)
    loss = (
        -surrogate.mean(1)
        + state.kl_coefficient * penalty
        + config.value_coefficient * error.mean(1)
        - config.entropy_coefficient * state.actor.entropy(policy).mean(1)
    )
    expected = gradient(loss, state.policy, state.value)
    _, found = differentiate(state, config, batch)
    for mine, other in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, other)
        assert other.abs().max() > 1e-3


def test_a_step_says_how_long_its_gradient_is_and_how_far_the_policy_is() -> None:
    config = changed(SMALL, value_coefficient=0.7, entropy_coefficient=0.3, tricks__kl_stop=1.0)
    state, rollout = begun(config)
    batch = prepare(state, config, rollout)
    step, gradients = differentiate(state, config, batch)
    assert step.approximate_kl is not None
    torch.testing.assert_close(step.approximate_kl, torch.zeros(3), atol=1e-6, rtol=0)
    torch.testing.assert_close(step.gradient_norm, torch.cat(gradients, 1).norm(dim=1))


def test_every_sample_is_used_once_an_epoch_and_each_seed_has_its_own_order() -> None:
    state, rollout = begun()
    batch = prepare(state, SMALL, rollout)
    drawn = []
    take = Batch.take

    def spy(self: Batch, index: Tensor) -> Batch:
        drawn.append(index)
        return take(self, index)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Batch, "take", spy)
        steps = list(minibatch_steps(state, SMALL, batch, generators((0, 1, 2), 1), 1e-3, 1e-3))
    assert len(steps) == 3 * 48 // 16
    assert len(drawn) == 3
    for order in drawn:
        assert torch.equal(order.sort(1).values, torch.arange(48).expand(3, -1))
        assert not torch.equal(order[0], order[1])
    assert not torch.equal(drawn[0], drawn[1])


def with_kl_stop(kl_stop: float | None, **values: Any) -> Config:
    return changed(SMALL, learning_rate=1e-2, tricks__kl_stop=kl_stop, **values)


def test_kl_stop_rests_each_seed_from_the_first_step_whose_estimate_exceeds_it() -> None:
    limit, seeds = 0.02, (0, 1, 2, 3)
    never = with_kl_stop(1e9)
    free, rollout = begun(never, seeds)
    batch = prepare(free, never, rollout)
    expected: list[Tensor | None] = [None] * len(seeds)
    taken = [0] * len(seeds)
    before = free.policy.matrix.clone()
    for step in minibatch_steps(free, never, batch, generators(seeds, 1), 1e-2, 1e-2):
        assert step.approximate_kl is not None
        for row, kl in enumerate(step.approximate_kl.tolist()):
            if expected[row] is None:
                if kl > 1.5 * limit:
                    expected[row] = before[row]
                else:
                    taken[row] += 1
        before = free.policy.matrix.clone()
    stopped, rollout = begun(with_kl_stop(limit), seeds)
    ppo.update(stopped, with_kl_stop(limit), rollout, generators(seeds, 1), progress=0.0)
    assert stopped.policy.steps.tolist() == taken
    assert stopped.value.steps.tolist() == taken
    assert len(set(taken)) > 1, "the seeds should stop at different steps, or this test shows nothing"
    for row, matrix in enumerate(expected):
        assert torch.equal(stopped.policy.matrix[row], before[row] if matrix is None else matrix)


def test_kl_stop_of_a_seed_alone_is_that_of_the_seed_in_a_population() -> None:
    # Over several updates: where a seed rested must not show in its generator either.
    config, seeds = with_kl_stop(0.02), (0, 1, 2, 3)
    crowd = trained(ppo, config, seeds, updates=3)
    assert len(set(crowd.policy.steps.tolist())) > 1
    for row in range(4):
        assert bits(trained(ppo, config, [row], updates=3), 0) == bits(crowd, row)


@pytest.mark.parametrize("seeds", [(0,), (0, 1, 2)])
def test_a_kl_stop_below_rounding_stops_and_does_not_crash(seeds: tuple[int, ...]) -> None:
    config = with_kl_stop(1e-30, minibatch_size=7)
    state, rollout = begun(config, seeds)
    metrics = ppo.update(state, config, rollout, generators(seeds, 1), progress=0.0)
    assert (state.policy.steps <= 2).all()
    assert metrics["mean_kl"].shape == (len(seeds),)


def test_kl_stop_does_not_hide_a_seed_that_is_not_a_number() -> None:
    config = with_kl_stop(0.02)
    state, rollout = begun(config, (0,))
    rollout.observation[0, 0] = torch.nan
    ppo.update(state, config, rollout, generators((0,), 1), progress=0.0)
    assert state.policy.matrix.isnan().any()


def test_the_adaptive_coefficient_doubles_or_halves_after_each_update_and_for_each_seed() -> None:
    for kl_target, factor in ((1e-9, 2.0), (1e9, 0.5)):
        config = changed(SMALL, objective="kl-adaptive", kl_coefficient=3.0, kl_target=kl_target)
        assert learnt(config).kl_coefficient.tolist() == [3 * factor] * 3
    # The same penalty, held fixed: the same KL, between whose values the target is put.
    fixed = changed(SMALL, objective="kl-fixed", kl_coefficient=1e-9)
    state, rollout = begun(fixed)
    kl = ppo.update(state, fixed, rollout, generators((0, 1, 2), 1), progress=0.0)["mean_kl"]
    between = changed(
        SMALL, objective="kl-adaptive", kl_coefficient=1e-9, kl_target=float(kl.median()) * 1.45
    )
    expected = [
        2.0 if k > 1.5 * between.kl_target else 0.5 if k < between.kl_target / 1.5 else 1.0 for k in kl
    ]
    found = (learnt(between).kl_coefficient / 1e-9).tolist()
    assert found == pytest.approx(expected)


def test_the_fixed_coefficient_stays() -> None:
    config = changed(SMALL, objective="kl-fixed", kl_coefficient=3.0, kl_target=1e-9)
    assert learnt(config).kl_coefficient.tolist() == [3.0] * 3


def test_a_heavy_penalty_keeps_the_policy_near_the_old_one() -> None:
    moved = {}
    for beta in (1e-3, 1e3):
        config = changed(SMALL, objective="kl-fixed", kl_coefficient=beta, epochs=10)
        state, rollout = begun(config)
        moved[beta] = ppo.update(state, config, rollout, generators((0, 1, 2), 1), progress=0.0)["mean_kl"]
    assert (moved[1e3] < moved[1e-3] / 2).all()


ONE_STEP = changed(SMALL, epochs=1, minibatch_size=48)


def test_annealing_makes_the_last_of_ten_updates_a_tenth_of_the_first() -> None:
    annealed = changed(ONE_STEP, tricks__anneal_lr=True)
    state, rollout = begun(annealed)
    start = state.policy.matrix.clone()
    metrics = ppo.update(state, annealed, rollout, generators((0, 1, 2), 1), progress=0.9)
    assert metrics["learning_rate"].tolist() == pytest.approx([3e-4] * 3)
    # Adam's first step is its learning rate in every parameter that has a gradient.
    assert (state.policy.matrix - start).abs().max() == pytest.approx(3e-4, rel=1e-3)
    assert bits(learnt(annealed, progress=0.0), 0) == bits(learnt(ONE_STEP, progress=0.9), 0)


@pytest.mark.parametrize("limit", [1e-3, 1e3])
def test_gradient_clip_bounds_the_norm_of_policys_and_values_gradient_together(limit: float) -> None:
    clipped, free = learnt(changed(ONE_STEP, tricks__gradient_clip=limit)), learnt(ONE_STEP)
    # After one step Adam's first moment is a tenth of the gradient that it was given.
    applied, whole = (10 * global_norm(state.policy.first, state.value.first) for state in (clipped, free))
    assert (applied <= limit * 1.0001).all()
    torch.testing.assert_close(applied, whole.clamp(max=limit), rtol=1e-4, atol=0)


def test_the_recorded_gradient_norm_is_the_one_before_clipping() -> None:
    config = changed(ONE_STEP, tricks__gradient_clip=1e-3)
    state, rollout = begun(config)
    metrics = ppo.update(state, config, rollout, generators((0, 1, 2), 1), progress=0.0)
    free = learnt(ONE_STEP)
    torch.testing.assert_close(
        metrics["gradient_norm"], 10 * global_norm(free.policy.first, free.value.first)
    )


def test_advantages_are_standardised_in_each_minibatch_or_once_a_batch() -> None:
    config = changed(SMALL, tricks__advantage_normalisation="minibatch")
    state, rollout = begun(config)
    batch = prepare(state, config, rollout)
    size = batch.advantage.shape[1]
    order = torch.stack([torch.from_numpy(g.permutation(size)) for g in generators((0, 1, 2), 1)])
    own = next(batch.take(order).split(config.minibatch_size))
    own.advantage = ppo.standardised(own.advantage)
    expected, _ = differentiate(state, SMALL, own)
    steps = minibatch_steps(state, config, batch, generators((0, 1, 2), 1), 1e-2, 1e-2)
    torch.testing.assert_close(next(steps).policy_loss, expected.policy_loss, rtol=1e-6, atol=1e-7)
    whole = {
        mode: learnt(changed(ONE_STEP, tricks__advantage_normalisation=mode))
        for mode in ("minibatch", "batch")
    }
    torch.testing.assert_close(whole["minibatch"].policy.matrix, whole["batch"].policy.matrix)
    several = {
        mode: learnt(changed(SMALL, tricks__advantage_normalisation=mode)) for mode in ("minibatch", "batch")
    }
    assert (several["minibatch"].policy.matrix - several["batch"].policy.matrix).abs().max() > 1e-5


def test_the_published_code_level_tricks_are_those_that_engstrom_lists_and_the_hidden_ones() -> None:
    assert tricks_of("ppo-m") == set()
    nine = {
        "value_clip",
        "reward_scaling",
        "orthogonal_init",
        "anneal_lr",
        "reward_clip",
        "observation_normalisation",
        "observation_clip",
        "tanh_activations",
        "gradient_clip",
    }
    hidden = {"advantage_normalisation", "adam_epsilon", "action_clip"}
    assert tricks_of("ppo") == nine | hidden
    assert all(tricks_of(preset) == tricks_of("ppo") for preset in ("ppo-noclip", "ppo-kl", "ppo-beta"))
    assert tricks_of("ppo-sb3") == {"orthogonal_init", "tanh_activations", "gradient_clip"} | hidden


def test_the_gradients_of_both_networks_are_clipped_together_each_by_itself_or_the_policys_alone() -> None:
    gradients, norm = [torch.tensor([[3.0, 0.0]]), torch.tensor([[0.0, 4.0]])], torch.tensor([5.0])

    def norms(of: Any) -> list[float]:
        tricks = Tricks(gradient_clip=1.0, gradient_clip_of=of)
        return [float(one.norm()) for one in clipped(gradients, norm, tricks)]

    assert norms(None) == pytest.approx([0.6, 0.8], rel=1e-5)
    assert norms("each") == pytest.approx([1.0, 1.0], rel=1e-5)
    assert norms("policy") == pytest.approx([1.0, 4.0], rel=1e-5)


def test_the_released_ppo_m_has_the_hidden_tricks_that_the_released_trpo_has() -> None:
    assert tricks_of("ppo-m") == set()
    assert tricks_of("ppo-m-released") == tricks_of("trpo-released", trpo)
    assert "observation_clip" not in tricks_of("ppo-m-released")


def tricks_of(name: str, rule: Any = ppo) -> set[str]:
    tricks = rule.PRESETS[name].tricks.model_dump()
    return {trick for trick, value in tricks.items() if value not in (False, None)}
