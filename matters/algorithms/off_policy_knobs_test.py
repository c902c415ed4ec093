"""No dead knob, off-policy: every field changes what is learnt, or is inert under a named condition."""

from functools import cache
from typing import Any

import pytest
import torch

from matters.algorithms import ALGORITHMS, ddpg, load, sac, td3
from matters.algorithms.conftest import PROBLEM, fields_of, generators, normal, practised
from matters.algorithms.knobs_test import Inert, Knob, difference, with_values

OU = {"exploration": "ornstein-uhlenbeck"}
FIXED = {"learn_temperature": False}

SHARED = {
    "batch_size": Knob(5),
    "buffer_size": Knob(9),
    "warmup": Knob(9),
    "train_every": Knob(2),
    "gradient_steps": Knob(2),
    "discount": Knob(0.5),
    "n_step": Knob(3),
    "target_rate": Knob(0.5),
    "hidden": Knob((8, 8)),
    "learning_rate": Knob(1e-3),
    "critic_learning_rate": Knob(1e-3),
    "critic_weight_decay": Knob(0.1),
    "tricks.time_limit_terminal": Knob(True),
    "tricks.critic_huber": Knob(0.01),
    "tricks.reward_scale": Knob(5.0),
    "tricks.episode_end_updates": Knob(True),
}
DETERMINISTIC = SHARED | {
    "exploration": Knob(None),
    "exploration_scale": Knob(0.7),
    "ou_reversion": Knob(0.8, OU),
    "ou_step": Knob(0.1, OU),
    "last_layer": Knob(0.5),
    "tricks.batch_norm": Knob(True),
    "tricks.late_actions": Knob(True),
}

KNOBS: dict[str, dict[str, Knob]] = {
    # Its first critics are near 0 everywhere, unless their last layers are drawn like the others.
    "ddpg": DETERMINISTIC | {"tricks.time_limit_terminal": Knob(True, {"last_layer": None})},
    "td3": DETERMINISTIC
    | {
        "tricks.clipped_double_q": Knob(False),
        "tricks.policy_delay": Knob(None),
        "tricks.target_noise": Knob(None),
        "target_noise_clip": Knob(0.01),
        "tricks.shared_target_noise": Knob(True, {"tricks.target_noise": 2.0, "target_noise_clip": 2.0}),
    },
    "sac": SHARED
    | {
        "temperature": Knob(0.1),
        "learn_temperature": Knob(False),
        "target_entropy": Knob(20.0),
        "temperature_learning_rate": Knob(0.2),
        "tricks.log_std_range": Knob((-3.0, -1.0)),
        "tricks.squash_epsilon": Knob(0.1),
        # Adam undoes a factor that stays as it is: α must move.
        "tricks.log_temperature_loss": Knob(True, {"temperature_learning_rate": 0.5}),
        "tricks.value_network": Knob(True),
    },
}

SHARED_INERT: dict[str, list[Inert]] = {
    "buffer_size": [Inert(value=14)],
    "tricks.time_limit_terminal": [Inert(time_limits=False)],
    "train_every": [Inert({"tricks.episode_end_updates": True})],
    "gradient_steps": [Inert({"tricks.episode_end_updates": True})],
}
DETERMINISTICALLY_INERT = SHARED_INERT | {
    "exploration_scale": [Inert({"exploration": None})],
    "ou_reversion": [Inert({"exploration": None}), Inert({"exploration": "gaussian"})],
    "ou_step": [Inert({"exploration": None}), Inert({"exploration": "gaussian"})],
}

INERT: dict[str, dict[str, list[Inert]]] = {
    "ddpg": DETERMINISTICALLY_INERT,
    "td3": DETERMINISTICALLY_INERT
    | {
        name: [Inert({"tricks.target_noise": None})]
        for name in ("target_noise_clip", "tricks.shared_target_noise")
    },
    "sac": SHARED_INERT
    | {
        "target_entropy": [Inert(FIXED)],
        "temperature_learning_rate": [Inert(FIXED)],
        "tricks.log_temperature_loss": [Inert(FIXED)],
        "tricks.log_std_range": [Inert(value=(-20.0, 2.0))],
    },
}

SMALL: dict[str, Any] = {
    "batch_size": 8, "buffer_size": 100, "warmup": 8, "hidden": (8,),
    "learning_rate": 1e-2, "critic_learning_rate": 1e-2,
}  # fmt: skip

BASES: dict[str, Any] = {
    "ddpg": ddpg.Config(**SMALL, exploration="gaussian"),
    "td3": td3.Config(**SMALL, tricks=td3.PARTS),
    "sac": sac.Config(**SMALL, temperature_learning_rate=1e-2, temperature=0.7),
}

RULES: dict[str, Any] = {name: load(name) for name in ALGORITHMS if load(name).KIND == "off-policy"}


@cache
def outcome(name: str, config: Any, time_limits: bool = True) -> dict[str, torch.Tensor]:
    """What is learnt in some updates, and what is then done, exploring for the second time."""
    rule = RULES[name]
    state = practised(rule, config, [0, 1], steps=14, time_limits=time_limits)
    seen = rule.observe(state, config, torch.full((2, 1, PROBLEM.observation_size), 0.5), learn=False)
    noise = normal(generators([0, 1]), 2, 1, PROBLEM.action_size)
    memory = torch.zeros(2, 1, rule.sizes(config, PROBLEM).memory)
    for k in range(2):
        action, memory, _ = rule.act(state, config, seen, noise[:, k], memory)
    return rule.parameters(state) | {"action": rule.to_environment(config, PROBLEM, action)}


@pytest.mark.parametrize("name", RULES)
def test_every_field_has_another_value_here(name: str) -> None:
    assert set(KNOBS[name]) == set(fields_of(RULES[name].Config))


@pytest.mark.parametrize("name", RULES)
def test_every_condition_has_a_case_here(name: str) -> None:
    assert set(INERT[name]) == set(RULES[name].NO_EFFECT)


@pytest.mark.parametrize("name", RULES)
def test_a_field_is_idle_where_a_condition_on_the_config_makes_it_inert_and_where_it_acts_it_is_not(
    name: str,
) -> None:
    for knob, when in RULES[name].NO_EFFECT.items():
        if when.holds is None:
            continue
        inert = [case.given for case in INERT[name][knob] if case.time_limits and case.value is None]
        assert inert
        assert all(when.holds(with_values(BASES[name], given)) for given in inert)
        assert not when.holds(with_values(BASES[name], KNOBS[name][knob].given))


@pytest.mark.parametrize(("name", "knob"), [(name, knob) for name in KNOBS for knob in KNOBS[name]])
def test_every_field_changes_what_is_learnt_by_more_than_rounding(name: str, knob: str) -> None:
    base = with_values(BASES[name], KNOBS[name][knob].given)
    other = with_values(base, {knob: KNOBS[name][knob].value})
    assert other != base
    assert difference(outcome(name, base), outcome(name, other)) > 1e-4


@pytest.mark.parametrize(
    ("name", "knob", "case"),
    [(name, knob, case) for name in INERT for knob, cases in INERT[name].items() for case in cases],
)
def test_an_inert_field_changes_nothing_under_its_condition(name: str, knob: str, case: Inert) -> None:
    base = with_values(BASES[name], case.given)
    other = with_values(base, {knob: KNOBS[name][knob].value if case.value is None else case.value})
    assert other != base
    ours, theirs = (outcome(name, config, case.time_limits) for config in (base, other))
    assert difference(ours, theirs) <= case.within
