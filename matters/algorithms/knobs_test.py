"""No dead knob: every field of every config changes what is learnt, or is inert under a named condition."""

from dataclasses import dataclass, field
from functools import cache, reduce
from operator import or_
from typing import Any

import pytest
import torch

from matters.algorithms import ALGORITHMS, load
from matters.algorithms.conftest import PROBLEM, acted, bits, changed, collect, fields_of, generators, trained
from matters.algorithms.interface import Problem


@dataclass
class Knob:
    """Another value of a field, and the other values that it needs to act."""

    value: Any
    given: dict[str, Any] = field(default_factory=dict)


@dataclass
class Inert:
    """A condition under which the field changes nothing: values of the config, or no time limits."""

    given: dict[str, Any] = field(default_factory=dict)
    time_limits: bool = True
    value: Any = None
    """Where the condition is on the value itself: this one, in place of the knob's."""
    within: float = 0.0
    """How much rounding is allowed."""


TRICKS = {
    "tricks.reward_scale": Knob(3.0),
    "tricks.action_squash": Knob(True),
    "tricks.softplus_std": Knob(True),
    "tricks.state_dependent_std": Knob(True),
    "tricks.reward_scaling": Knob(True),
    "tricks.reward_clip": Knob(0.5),
    "tricks.observation_normalisation": Knob(True),
    "tricks.observation_clip": Knob(1.0),
    "tricks.orthogonal_init": Knob(True),
    "tricks.tanh_activations": Knob(True),
    "tricks.anneal_lr": Knob(True),
    "tricks.gradient_clip": Knob(0.1),
    "tricks.time_limit_terminal": Knob(True),
    "tricks.log_std_init": Knob(-0.5),
    "tricks.action_clip": Knob(True),
    "tricks.sample_moments": Knob(True, {"tricks.observation_normalisation": True}),
    "tricks.last_policy_gain": Knob(0.01),
    "tricks.last_step_bootstraps_itself": Knob(True),
    "tricks.value_loss_excludes_ends": Knob(True),
    # The rollouts of these tests all begin anew; what is left to act is that a running return does, too.
    "tricks.reset_each_rollout": Knob(True, {"tricks.reward_scaling": True}),
}
ADAM = {"tricks.adam_epsilon": Knob(1e-2)}
SHARED = {
    "horizon": Knob(20),
    "environments": Knob(3),
    "discount": Knob(0.9),
    "gae_lambda": Knob(0.5),
    "hidden": Knob((8, 8)),
    "value_hidden": Knob((16,)),
    "policy": Knob("beta"),
    "atoms": Knob(5, {"policy": "discretised"}),
    "held_out": Knob(0.25),
    "lag": Knob(1),
}
BETA = {"policy": "beta"}
ATOMS = {"policy": "discretised"}
PENALTY = {"objective": "kl-fixed"}
ADAPTIVE = {"objective": "kl-adaptive"}

LARGE = {"kl": 20.0}
UNFITTED = {"value_epochs": 0}
ITERATED = {"dense_up_to": 0}
STEPPED = {"step_size": 1e-2}
ASCENT = {"direction": "gradient"}

OF_A_CRITIC = {
    "held_out",
    "lag",
    "tricks.reward_scale",
    "gae_lambda",
    "value_hidden",
    "tricks.reward_scaling",
    "tricks.reward_clip",
    "tricks.time_limit_terminal",
    "tricks.last_step_bootstraps_itself",
    "tricks.value_loss_excludes_ends",
    "tricks.reset_each_rollout",
}
EPISODIC: dict[str, Knob] = {
    field: knob for field, knob in (SHARED | TRICKS | ADAM).items() if field not in OF_A_CRITIC
} | {"environments": Knob(4), "learning_rate": Knob(1e-3)}
TO_GO = {"baseline": None, "weighed_with": "reward-to-go"}

NATURAL: dict[str, Knob] = (
    SHARED
    | TRICKS
    | ADAM
    | {
        "kl": Knob(0.1),
        "damping": Knob(1.0),
        "fisher_fraction": Knob(0.3),
        "value_epochs": Knob(1),
        "value_minibatch_size": Knob(48),
        "value_learning_rate": Knob(1e-1),
        "tricks.advantage_normalisation": Knob(True),
        "tricks.value_clip": Knob(0.01),
        "tricks.kl_final": Knob(0.1),
        "tricks.kl_per_action": Knob(True),
    }
)

ONE_STEP: dict[str, Knob] = (
    SHARED
    | TRICKS
    | {
        "learning_rate": Knob(1e-3),
        "rms_decay": Knob(0.5),
        "rms_epsilon": Knob(1e-1),
        "value_coefficient": Knob(0.1, {"tricks.gradient_clip": 0.1}),
        "entropy_coefficient": Knob(0.1),
        "tricks.advantage_normalisation": Knob(True),
        "tricks.rms_epsilon_inside": Knob(True),
        "tricks.rms_start": Knob(1.0),
    }
)

KNOBS: dict[str, dict[str, Knob]] = {
    "a2c": ONE_STEP,
    "a3c": {field: knob for field, knob in ONE_STEP.items() if field not in ("lag", "held_out")}
    | {"tricks.synchronous": Knob(True)},
    "impala": ONE_STEP | {"lag": Knob(2), "ratio_clip": Knob(0.5), "trace_clip": Knob(0.5)},
    "npg": NATURAL
    | {
        "direction": Knob("gradient"),
        "step_size": Knob(1e-2),
        "dense_up_to": Knob(0, {"tolerance": 0.9}),
        "tolerance": Knob(0.9, ITERATED),
        "most_steps": Knob(1, ITERATED),
    },
    "tnpg": NATURAL | {"cg_steps": Knob(1)},
    "trpo": NATURAL
    | {
        "cg_steps": Knob(1),
        "line_search_steps": Knob(0, LARGE),
        "line_search_shrink": Knob(0.9, LARGE),
        "accept_ratio": Knob(0.99, LARGE),
    },
    "vpg": SHARED
    | TRICKS
    | ADAM
    | {
        "learning_rate": Knob(1e-3),
        "baseline": Knob(False),
        "value_learning_rate": Knob(1e-1),
        "value_steps": Knob(1),
        "tricks.advantage_normalisation": Knob(True),
    },
    "ppo": SHARED
    | TRICKS
    | ADAM
    | {
        "learning_rate": Knob(1e-3),
        "epochs": Knob(2),
        "minibatch_size": Knob(16),
        "objective": Knob("none"),
        "clip": Knob(0.01),
        "kl_target": Knob(1e3, ADAPTIVE),
        "kl_coefficient": Knob(10.0, PENALTY),
        "value_coefficient": Knob(0.5, {"tricks.gradient_clip": 0.1}),
        "entropy_coefficient": Knob(-0.1),
        "value_learning_rate": Knob(1e-3),
        "tricks.gradient_clip_of": Knob("each", {"tricks.gradient_clip": 0.1}),
        "tricks.value_clip": Knob(True),
        "tricks.advantage_normalisation": Knob("minibatch"),
        "tricks.kl_stop": Knob(1e-4),
        "tricks.value_clip_in_spreads": Knob(True, {"tricks.value_clip": True, "clip": 0.05}),
        "tricks.value_huber": Knob(0.1),
        "tricks.value_normalisation": Knob(True),
        "tricks.recompute_advantages": Knob(True),
        "tricks.decoupled": Knob(100.0, {"lag": 1}),
        "tricks.reverse_kl": Knob(True, PENALTY | {"kl_coefficient": 30.0}),
    },
    "mdpo": SHARED
    | TRICKS
    | ADAM
    | {
        "policy_steps": Knob(2),
        "learning_rate": Knob(1e-3),
        "step_size": Knob(0.1),
        "anneal_step_size": Knob(True),
        "value_epochs": Knob(1),
        "value_minibatch_size": Knob(48),
        "value_learning_rate": Knob(1e-1),
        "tricks.advantage_normalisation": Knob(True),
        "tricks.value_clip": Knob(0.01),
        "tricks.forward_kl": Knob(True, {"step_size": 0.03}),
        "tricks.ratio_clip": Knob(0.01),
    },
    "rloo": EPISODIC
    | {
        "group_size": Knob(4, {"environments": 4}),
        "weighed_with": Knob("reward-to-go", {"baseline": None}),
        "baseline": Knob("batch-mean"),
        "discounted_gradient": Knob(True, TO_GO),
    },
    "grpo": EPISODIC
    | {
        "group_size": Knob(4, {"environments": 4}),
        "baseline": Knob("batch"),
        "epochs": Knob(2),
        "minibatch_size": Knob(16),
        "clip": Knob(0.01),
        "kl_coefficient": Knob(1.0),
        "reference_every": Knob(2, {"kl_coefficient": 1.0}),
        "tricks.no_spread": Knob(True),
        "tricks.steps_alike": Knob(True),
    },
}

SHARED_INERT: dict[str, list[Inert]] = {
    "tricks.time_limit_terminal": [Inert(time_limits=False)],
    "atoms": [Inert(), Inert(BETA)],
    "tricks.log_std_init": [Inert(BETA), Inert(ATOMS)],
    "tricks.action_clip": [Inert(BETA), Inert(ATOMS), Inert({"tricks.action_squash": True})],
    "tricks.softplus_std": [Inert(BETA), Inert(ATOMS)],
    "tricks.state_dependent_std": [Inert(BETA), Inert(ATOMS)],
    "tricks.sample_moments": [Inert()],
}

NATURALLY_INERT: dict[str, list[Inert]] = SHARED_INERT | {
    "value_learning_rate": [Inert(UNFITTED)],
    "value_minibatch_size": [Inert(UNFITTED)],
    "tricks.adam_epsilon": [Inert(UNFITTED)],
    "tricks.gradient_clip": [Inert(UNFITTED)],
    "tricks.value_clip": [Inert(UNFITTED)],
    "tricks.anneal_lr": [Inert(UNFITTED)],
}

EPISODIC_INERT = {
    field: cases for field, cases in SHARED_INERT.items() if field != "tricks.time_limit_terminal"
}

INERT: dict[str, dict[str, list[Inert]]] = {
    "a2c": SHARED_INERT,
    "a3c": SHARED_INERT | {"tricks.synchronous": [Inert({"environments": 1})]},
    "impala": SHARED_INERT | {"trace_clip": [Inert({"gae_lambda": 0.0}), Inert({"horizon": 1})]},
    "npg": NATURALLY_INERT
    | {
        "kl": [Inert(STEPPED)],
        "tricks.kl_final": [Inert(STEPPED)],
        "damping": [Inert(STEPPED | ASCENT)],
        "fisher_fraction": [Inert(STEPPED | ASCENT)],
        "tricks.kl_per_action": [Inert(STEPPED | ASCENT)],
        "dense_up_to": [Inert(value=0, within=1e-2)],
        "tolerance": [Inert()],
        "most_steps": [Inert()],
    },
    "tnpg": NATURALLY_INERT,
    "trpo": NATURALLY_INERT
    | {
        "line_search_steps": [Inert(value=9)],
        "accept_ratio": [Inert({"line_search_steps": 0})],
        "line_search_shrink": [Inert({"line_search_steps": 0}), Inert({"line_search_steps": 1})],
    },
    "vpg": SHARED_INERT
    | {
        "value_learning_rate": [Inert({"baseline": False}), Inert({"value_steps": 0})],
        "value_steps": [Inert({"baseline": False})],
        "tricks.time_limit_terminal": [Inert({"baseline": False}), Inert(time_limits=False)],
    },
    "ppo": SHARED_INERT
    | {
        "clip": [Inert({"objective": "none"}), Inert(PENALTY), Inert(ADAPTIVE)],
        "kl_target": [Inert(), Inert(PENALTY), Inert({"objective": "none"})],
        "kl_coefficient": [Inert({"objective": "clip"}), Inert({"objective": "none"})],
        "value_coefficient": [Inert(within=1e-5)],
        "tricks.gradient_clip_of": [Inert()],
        "tricks.kl_stop": [Inert(value=1e6)],
        "tricks.value_clip_in_spreads": [Inert()],
        "tricks.recompute_advantages": [Inert({"epochs": 1})],
        "tricks.decoupled": [Inert(within=1e-3)],
        "tricks.reverse_kl": [Inert()],
    },
    "mdpo": SHARED_INERT
    | {
        "value_learning_rate": [Inert(UNFITTED)],
        "value_minibatch_size": [Inert(UNFITTED)],
        "tricks.value_clip": [Inert(UNFITTED)],
        "step_size": [Inert({"policy_steps": 1}, within=1e-5)],
        "anneal_step_size": [Inert({"policy_steps": 1}, within=1e-5)],
        "tricks.forward_kl": [Inert({"policy_steps": 1}, within=1e-5)],
    },
    "rloo": EPISODIC_INERT | {"discounted_gradient": [Inert(), Inert(TO_GO | {"discount": 1.0})]},
    "grpo": EPISODIC_INERT
    | {
        "reference_every": [Inert()],
        "tricks.no_spread": [Inert({"baseline": "leave-one-out"})],
    },
}

ALSO: list[tuple[str, str, dict[str, Any]]] = [
    ("ppo", "clip", {"objective": "none", "tricks.value_clip": True}),
    ("ppo", "kl_coefficient", ADAPTIVE),
    ("ppo", "value_coefficient", {"tricks.gradient_clip": 0.1, "objective": "none"}),
    ("npg", "kl", ASCENT),
    ("npg", "damping", ASCENT),
    ("npg", "damping", STEPPED),
    ("npg", "fisher_fraction", ASCENT),
    ("ppo", "tricks.sample_moments", {"tricks.reward_scaling": True}),
    ("mdpo", "step_size", {"policy_steps": 1, "lag": 1}),
]
"""Other conditions under which a field acts that is inert under some."""

SMALL: dict[str, Any] = {"horizon": 24, "environments": 2, "hidden": (8,)}

QUICK: dict[str, Any] = {
    "learning_rate": 1e-2, "epochs": 3, "minibatch_size": 12, "value_steps": 3, "value_minibatch_size": 16,
    "group_size": 2,
}  # fmt: skip
"""Of these, what a config has."""

NARROW = Problem(PROBLEM.observation_size, PROBLEM.action_size, (-0.3,) * 3, (0.3,) * 3)

RULES: dict[str, Any] = {name: load(name) for name in ALGORITHMS if load(name).KIND == "on-policy"}
BASES: dict[str, Any] = {
    name: rule.Config(**SMALL, **{k: v for k, v in QUICK.items() if k in rule.Config.model_fields})
    for name, rule in RULES.items()
}


def with_values(config: Any, values: dict[str, Any]) -> Any:
    return changed(config, **{name.replace(".", "__"): value for name, value in values.items()})


@cache
def outcome(name: str, config: Any, time_limits: bool = True) -> dict[str, torch.Tensor]:
    """What is learnt in three updates, and what is then done."""
    rule = RULES[name]
    state = trained(rule, config, [0, 1], updates=3, problem=NARROW, time_limits=time_limits)
    seen = rule.observe(state, config, torch.full((2, 1, 5), 3.0), learn=False)
    action = rule.to_environment(config, NARROW, acted(rule, config, state, seen, torch.ones(2, 1, 3)))
    return rule.parameters(state) | {"action": action}


def difference(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> float:
    """The largest in any number; infinite where the shapes differ."""
    if {k: v.shape for k, v in first.items()} != {k: v.shape for k, v in second.items()}:
        return float("inf")
    return max(float((first[name] - second[name]).abs().max()) for name in first)


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
        acting = [KNOBS[name][knob].given, *(given for *field, given in ALSO if field == [name, knob])]
        assert inert
        assert all(when.holds(with_values(BASES[name], given)) for given in inert)
        assert not any(when.holds(with_values(BASES[name], given)) for given in acting)


@pytest.mark.parametrize(
    ("name", "knob", "given"),
    [(name, knob, KNOBS[name][knob].given) for name in KNOBS for knob in KNOBS[name]] + ALSO,
)
def test_every_field_changes_what_is_learnt_by_more_than_rounding(
    name: str, knob: str, given: dict[str, Any]
) -> None:
    base = with_values(BASES[name], given)
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


@pytest.mark.parametrize("name", RULES)
def test_only_with_a_schedule_that_the_facts_name_does_an_update_depend_on_how_far_the_run_has_come(
    name: str,
) -> None:
    rule = RULES[name]

    def depends(config: Any) -> bool:
        finals = []
        for progress in (0.25, 0.75):
            state = rule.init(config, NARROW, generators([0]))
            seen = collect(rule, state, config, [0], problem=NARROW)
            rule.update(state, config, seen, generators([0], 1), progress=progress)
            finals.append(bits(state, 0))
        return finals[0] != finals[1]

    for schedule in rule.FACTS.schedules:
        assert depends(with_values(BASES[name], {schedule: KNOBS[name][schedule].value})), schedule
    # All other fields at once, the tricks apart from the rest.
    others = {field: knob for field, knob in KNOBS[name].items() if field not in rule.FACTS.schedules}
    for tricks in (True, False):
        chosen = {field: knob for field, knob in others.items() if field.startswith("tricks.") == tricks}
        given = reduce(or_, (knob.given for knob in chosen.values()), {})
        values = given | {field: knob.value for field, knob in chosen.items()}
        assert not depends(with_values(BASES[name], values)), values
