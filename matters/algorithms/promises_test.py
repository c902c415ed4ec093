"""What holds for every rule that is in the table, preset by preset."""

from typing import Any

import pytest
import torch

from matters.algorithms import ALGORITHMS, load
from matters.algorithms.conftest import acted, bits, changed, collect, generators, trained
from matters.algorithms.interface import Problem, Rollout

RULES: list[Any] = [rule for rule in map(load, ALGORITHMS) if rule.KIND == "on-policy"]
PRESETS = pytest.mark.parametrize(
    ("rule", "preset"), [pytest.param(rule, preset, id=preset) for rule in RULES for preset in rule.PRESETS]
)
# Sizes of Hopper, HalfCheetah and InvertedPendulum: an action of 1, 3 and 6 meets other vector tails.
PROBLEMS = [Problem(o, a, (-1.0,) * a, (1.0,) * a) for o, a in ((11, 3), (17, 6), (4, 1))]


def small(rule: Any, preset: str, **values: Any) -> Any:
    """The preset on 25 steps of 2 environments; where there are minibatches, the last one is smaller."""
    sizes: dict[str, Any] = {"horizon": 25, "environments": 2}
    fewer = {"epochs": 2, "minibatch_size": 16, "value_steps": 3, "group_size": 2}
    sizes |= {name: value for name, value in fewer.items() if getattr(rule.PRESETS[preset], name, 0)}
    return changed(rule.PRESETS[preset], **sizes, **values)


@PRESETS
@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda problem: f"{problem.action_size} actions")
def test_a_seed_alone_has_the_bits_of_the_same_seed_in_any_population(
    rule: Any, preset: str, problem: Problem
) -> None:
    config = small(rule, preset)
    alone = bits(trained(rule, config, [3], problem=problem), 0)
    for seeds in ([8, 1, 3], [*range(10)]):
        assert bits(trained(rule, config, seeds, problem=problem), seeds.index(3)) == alone


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda problem: f"{problem.action_size} actions")
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: next(iter(rule.PRESETS)))
def test_so_it_has_with_a_beta_policy(rule: Any, problem: Problem) -> None:
    config = small(rule, next(iter(rule.PRESETS)), policy="beta")
    alone = bits(trained(rule, config, [3], problem=problem), 0)
    for seeds in ([8, 1, 3], [*range(10)]):
        assert bits(trained(rule, config, seeds, problem=problem), seeds.index(3)) == alone


@PRESETS
def test_the_same_seed_twice_has_the_same_bits_and_another_seed_has_others(rule: Any, preset: str) -> None:
    state = trained(rule, small(rule, preset), [3, 4, 3])
    assert bits(state, 0) == bits(state, 2)
    assert bits(state, 0)["policy.matrix"] != bits(state, 1)["policy.matrix"]


@PRESETS
@pytest.mark.parametrize("what", ["rewards of nan", "observations of nan", "rewards of noise", "other ends"])
def test_no_seed_leaks_into_another(rule: Any, preset: str, what: str) -> None:
    def disturb(rollout: Rollout) -> None:
        if what == "rewards of nan":
            rollout.reward[1] = torch.nan
        elif what == "observations of nan":
            rollout.observation[1] = torch.nan
        elif what == "rewards of noise":
            rollout.reward[1] += 1000 * torch.randn(25, 2, generator=torch.Generator().manual_seed(0))
        else:
            rollout.terminated[1] = ~rollout.terminated[1]

    config, seeds = small(rule, preset), [0, 1, 2]
    calm, disturbed = trained(rule, config, seeds), trained(rule, config, seeds, disturb=disturb)
    for other in (0, 2):
        assert bits(calm, other) == bits(disturbed, other)
    assert bits(calm, 1) != bits(disturbed, 1)


@PRESETS
def test_diagnostics_are_one_number_a_seed_and_a_seeds_own(rule: Any, preset: str) -> None:
    config = small(rule, preset)

    def measured(seeds: list[int]) -> dict[str, torch.Tensor]:
        state = rule.init(config, PROBLEMS[0], generators(seeds))
        rollout = collect(rule, state, config, seeds, problem=PROBLEMS[0])
        found: dict[str, torch.Tensor] = rule.update(
            state, config, rollout, generators(seeds, 1), progress=0.0
        )
        return found

    alone, among = measured([3]), measured([8, 3, 1])
    assert set(alone) >= {"mean_kl", "max_ratio", "clip_fraction", "entropy", "explained_variance"}
    assert "gradient_norm" in alone
    assert ("value_loss" in alone) == hasattr(rule.init(config, PROBLEMS[0], generators([0])), "value")
    for name, value in alone.items():
        assert value.shape == (1,), name
        assert torch.isfinite(value).all(), name
        assert torch.equal(value[0], among[name][1]), name


@PRESETS
def test_an_update_leaves_the_rollout_and_the_padding_alone(rule: Any, preset: str) -> None:
    config = small(rule, preset)
    state = rule.init(config, PROBLEMS[0], generators([0, 1]))
    rollout = collect(rule, state, config, [0, 1], problem=PROBLEMS[0])
    before = {name: tensor.clone() for name, tensor in vars(rollout).items()}
    rule.update(state, config, rollout, generators([0, 1], 1), progress=0.0)
    for name, tensor in before.items():
        assert torch.equal(getattr(rollout, name), tensor), name
    for theta in (state.policy, *([state.value] if hasattr(state, "value") else [])):
        assert not theta.matrix[:, theta.layout.parameters :].any()


@PRESETS
def test_acting_and_frozen_observing_change_nothing(rule: Any, preset: str) -> None:
    config = small(rule, preset)
    state = trained(rule, config, [0, 1], problem=PROBLEMS[0])
    before = [bits(state, row) for row in (0, 1)]
    seen = rule.observe(state, config, torch.ones(2, 4, 11), learn=False)
    acted(rule, config, state, seen, torch.ones(2, 4, 3))
    assert [bits(state, row) for row in (0, 1)] == before
