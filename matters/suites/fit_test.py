"""Whether variants fit the environments and the steps of their suite."""

import tomllib
from typing import Any

import gymnasium
import numpy as np
import pytest

from matters.suites.conftest import LONG, SMALL, refusal, small
from matters.suites.errors import InputError
from matters.suites.loading import suite


class Unbounded(gymnasium.Env[Any, Any]):
    """Nothing but its spaces, whose actions have no bounds."""

    observation_space = gymnasium.spaces.Box(-1.0, 1.0, (1,))
    action_space = gymnasium.spaces.Box(-np.inf, np.inf, (1,))


@pytest.fixture
def unbounded(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(gymnasium.envs.registration, "registry", dict(gymnasium.registry))
    monkeypatch.setattr(gymnasium, "registry", gymnasium.envs.registration.registry)
    gymnasium.register("test/Unbounded-v0", entry_point=Unbounded, max_episode_steps=10)
    return "test/Unbounded-v0"


def test_a_beta_policy_of_unbounded_actions_is_one_line_that_names_variant_and_environment(
    unbounded: str,
) -> None:
    beta = SMALL.replace('"ppo-sb3"', '"ppo-beta"')
    assert "ppo-slow" in suite(tomllib.loads(beta)).variants
    beta = beta.replace("Hopper-v5", unbounded)
    assert refusal(beta) == (
        "suite: variants.ppo-slow.config.policy = 'beta': needs bounded actions,"
        " which test/Unbounded-v0 has not; valid: gaussian"
    )


def test_squashed_actions_without_bounds_are_one_line_that_names_variant_and_environment(
    unbounded: str,
) -> None:
    squashed = SMALL.replace("gradient_clip = false", "action_squash = true, action_clip = false")
    assert "ppo-slow" in suite(tomllib.loads(squashed)).variants
    assert refusal(squashed.replace("Hopper-v5", unbounded)) == (
        "suite: variants.ppo-slow.config.tricks.action_squash = true: needs bounded actions,"
        " which test/Unbounded-v0 has not; valid: false"
    )


def test_an_off_policy_algorithm_of_unbounded_actions_is_one_line_that_names_variant_and_environment(
    unbounded: str,
) -> None:
    found = tomllib.loads(SMALL)
    found["suite"]["environments"] = [unbounded]
    found["variants"] = {"mine": {"algorithm": "td3"}}
    with pytest.raises(InputError) as refused:
        suite(found)
    assert str(refused.value) == (
        "suite: variants.mine.algorithm = 'td3': needs bounded actions, which test/Unbounded-v0 has not;"
        " valid: an on-policy algorithm"
    )


def test_a_gaussian_policy_has_no_need_of_bounds(unbounded: str) -> None:
    chosen = suite(tomllib.loads(SMALL.replace("Hopper-v5", unbounded)))
    assert len(chosen.cells()) == 4


def test_steps_below_one_rollout_are_refused_before_training_and_can_be_reported() -> None:
    words = (
        r"^steps = 1000: less than one rollout; should be at least 2048, or variants\.ppo\.config\.horizon"
    )
    with pytest.raises(InputError, match=words):
        small().check_rollouts()
    assert small().cells()
    small(steps="2_048").check_rollouts()
    small().smoke().check_rollouts()
    off_policy = suite(tomllib.loads(LONG.partition("[variants.ppo-slow]")[0].replace('"ppo"', '"td3"')))
    off_policy.check_rollouts()
    assert off_policy.remarks() == []


def test_what_rollouts_make_of_steps_and_points_is_said() -> None:
    one = small(steps="10_000").restricted(only="ppo/*")
    assert one.remarks() == [
        "ppo: rollouts have 2048 steps, so that 10240 steps are taken where 10000 are asked and "
        "10 evaluation points fall on 5 policies"
    ]
    assert small(steps="20_480").restricted(only="ppo/*").remarks() == []
