"""What holds for every off-policy rule that is in the table, preset by preset."""

from typing import Any

import pytest
import torch

from matters.algorithms import ALGORITHMS, load
from matters.algorithms.conftest import acted, batch_of, bits, changed, generators, practised
from matters.algorithms.interface import Problem, ReplayBatch

RULES: list[Any] = [rule for rule in map(load, ALGORITHMS) if rule.KIND == "off-policy"]
OWN = pytest.mark.parametrize("rule", RULES, ids=lambda rule: next(iter(rule.PRESETS)))
PRESETS = pytest.mark.parametrize(
    ("rule", "preset"), [pytest.param(rule, preset, id=preset) for rule in RULES for preset in rule.PRESETS]
)
# Sizes of Hopper, HalfCheetah, InvertedPendulum and Humanoid: each meets other vector tails.
PROBLEMS = [Problem(o, a, (-1.0,) * a, (1.0,) * a) for o, a in ((11, 3), (17, 6), (4, 1), (348, 17))]


def small(rule: Any, preset: str, **values: Any) -> Any:
    """The preset with a small network, whose widths are no multiples of 16, and batches of odd size."""
    sizes = {"hidden": (20, 50), "batch_size": 25, "buffer_size": 25, "warmup": 10}
    return changed(rule.PRESETS[preset], **(sizes | values))


@PRESETS
@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda problem: f"{problem.action_size} actions")
def test_a_seed_alone_has_the_bits_of_the_same_seed_in_any_population(
    rule: Any, preset: str, problem: Problem
) -> None:
    config = small(rule, preset)
    alone = bits(practised(rule, config, [3], problem=problem), 0)
    for seeds in ([8, 1, 3], [*range(10)]):
        assert bits(practised(rule, config, seeds, problem=problem), seeds.index(3)) == alone


@OWN
def test_so_it_has_with_networks_and_batches_of_full_size(rule: Any) -> None:
    config = changed(next(iter(rule.PRESETS.values())), warmup=2)
    alone = bits(practised(rule, config, [3], steps=4), 0)
    for seeds in ([8, 3, 1], [*range(10)]):
        assert bits(practised(rule, config, seeds, steps=4), seeds.index(3)) == alone


@PRESETS
def test_the_same_seed_twice_has_the_same_bits_and_another_seed_has_others(rule: Any, preset: str) -> None:
    state = practised(rule, small(rule, preset), [3, 4, 3])
    assert bits(state, 0) == bits(state, 2)
    for name in ("policy.matrix", "critics.theta.matrix", "critics.target.matrix"):
        assert bits(state, 0)[name] != bits(state, 1)[name]


@OWN
@pytest.mark.parametrize("what", ["rewards of nan", "observations of nan", "rewards of noise", "other ends"])
def test_no_seed_leaks_into_another(rule: Any, what: str) -> None:
    def disturb(batch: ReplayBatch) -> None:
        if what == "rewards of nan":
            batch.reward[1] = torch.nan
        elif what == "observations of nan":
            batch.observation[1] = torch.nan
        elif what == "rewards of noise":
            batch.reward[1] += 1000 * torch.randn(25, generator=torch.Generator().manual_seed(0))
        else:
            batch.terminated[1] = ~batch.terminated[1]

    config, seeds = small(rule, next(iter(rule.PRESETS))), [0, 1, 2]
    calm, disturbed = practised(rule, config, seeds), practised(rule, config, seeds, disturb=disturb)
    for other in (0, 2):
        assert bits(calm, other) == bits(disturbed, other)
    assert bits(calm, 1) != bits(disturbed, 1)


@PRESETS
def test_diagnostics_are_one_number_a_seed_and_a_seeds_own(rule: Any, preset: str) -> None:
    config = small(rule, preset)

    def measured(seeds: list[int]) -> dict[str, torch.Tensor]:
        state = rule.init(config, PROBLEMS[0], generators(seeds))
        found: dict[str, torch.Tensor] = {}
        for step in range(2):  # a delayed policy moves in the second
            batch = batch_of(seeds, config.batch_size, step, problem=PROBLEMS[0])
            found |= rule.update(state, config, batch, generators(seeds, 1))
        return found

    alone, among = measured([3]), measured([8, 3, 1])
    assert set(alone) >= {"q_mean", "target_mean", "critic_loss", "actor_loss"}
    for name, value in alone.items():
        assert value.shape == (1,), name
        assert torch.isfinite(value).all(), name
        assert torch.equal(value[0], among[name][1]), name


@PRESETS
def test_an_update_leaves_the_batch_and_the_padding_alone(rule: Any, preset: str) -> None:
    config = small(rule, preset)
    state = rule.init(config, PROBLEMS[0], generators([0, 1]))
    batch = batch_of([0, 1], config.batch_size, problem=PROBLEMS[0])
    before = {name: tensor.clone() for name, tensor in vars(batch).items() if tensor is not None}
    for _ in range(2):
        rule.update(state, config, batch, generators([0, 1], 1))
    for name, tensor in before.items():
        assert torch.equal(getattr(batch, name), tensor), name
    for theta in (state.policy, state.critics.theta, state.critics.target):
        assert not theta.matrix[..., theta.layout.parameters :].any()


@PRESETS
def test_acting_without_noise_changes_nothing_and_is_the_same_each_time(rule: Any, preset: str) -> None:
    config = small(rule, preset)
    state = practised(rule, config, [0, 1], problem=PROBLEMS[0])
    before = [bits(state, row) for row in (0, 1)]
    seen = rule.observe(state, config, torch.ones(2, 4, 11), learn=False)
    first, second = (acted(rule, config, state, seen, None) for _ in range(2))
    assert torch.equal(first, second)
    assert [bits(state, row) for row in (0, 1)] == before


@PRESETS
def test_actions_are_in_one_and_executed_ones_within_the_bounds_however_loud_the_noise(
    rule: Any, preset: str
) -> None:
    config = small(rule, preset)
    problem = Problem(11, 3, (-0.4, -1.0, 0.1), (0.4, 3.0, 0.7))
    state = rule.init(config, problem, generators([0, 1]))
    low, high = torch.tensor(problem.action_low), torch.tensor(problem.action_high)
    for noise in (None, torch.full((2, 1, 3), 1e6), torch.full((2, 1, 3), -1e6)):
        memory = rule.sizes(config, problem).memory
        action = acted(rule, config, state, torch.ones(2, 1, 11), noise, memory)
        assert (action.abs() <= 1).all()
        executed = rule.to_environment(config, problem, action)
        assert executed.dtype == torch.float32
        assert ((executed >= low) & (executed <= high)).all()


@OWN
def test_unbounded_actions_are_refused_in_a_line_that_names_the_axis(rule: Any) -> None:
    problem = Problem(4, 2, (-1.0, -float("inf")), (1.0, 1.0))
    with pytest.raises(ValueError, match=r"bounded actions; axis 1 is from -inf to 1\.0"):
        rule.init(next(iter(rule.PRESETS.values())), problem, generators([0]))
