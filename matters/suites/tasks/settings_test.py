import sys
import tomllib
from typing import Any

import gymnasium
import numpy as np
import pytest

from matters.harness.training.code import training_code
from matters.suites.errors import InputError
from matters.suites.loading import suite
from matters.suites.spec import RunSpec
from matters.suites.tasks.environments import make, objection
from matters.suites.tasks.settings import modules

SUITE = """
[suite]
name = "own"
title = "Own"
environments = [{places}]
seeds = 1
steps = 4096
questions = []
[variants.ppo]
algorithm = "ppo"
"""

MODULE = """
import gymnasium
import numpy as np
from gymnasium.spaces import Box

class Still(gymnasium.Env):
    observation_space = Box(-1.0, 1.0, (2,), np.float64)
    action_space = Box(-1.0, 1.0, (1,), np.float32)
    def __init__(self, reward=0.0):
        self.reward = reward
    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.zeros(2), {}
    def step(self, action):
        return np.zeros(2), self.reward, False, False, {}

class Doubled(gymnasium.RewardWrapper):
    def reward(self, reward):
        return 2 * reward

class Raised(gymnasium.RewardWrapper):
    def reward(self, reward):
        return reward + 1

gymnasium.register("OwnStill-v0", Still, max_episode_steps=7)
gymnasium.register("OwnEndless-v0", Still)
"""


@pytest.fixture(scope="module", autouse=True)
def _module(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A module of somebody's own, `own_still`, that registers environments when it is imported."""
    place = tmp_path_factory.mktemp("own")
    (place / "own_still.py").write_text(MODULE)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(place)
        yield
    sys.modules.pop("own_still", None)
    for name in ("OwnStill-v0", "OwnEndless-v0"):
        gymnasium.registry.pop(name, None)


def specs(places: str) -> list[RunSpec]:
    declared = suite(tomllib.loads(SUITE.replace("{places}", places)))
    return [spec for cell in declared.cells() for spec in cell.specs]


def test_a_module_before_the_colon_is_imported_and_its_environment_runs() -> None:
    assert objection("own_still:OwnStill-v0") is None
    (spec,) = specs('"own_still:OwnStill-v0"')
    assert (spec.environment, spec.environment_settings) == ("own_still:OwnStill-v0", {})


def test_arguments_wrappers_and_a_time_limit_act_and_the_first_wrapper_is_innermost() -> None:
    settings = {
        "kwargs": {"reward": 3.0},
        "wrappers": ["own_still:Doubled", "own_still:Raised"],
        "max_episode_steps": 4,
    }
    environment = make("own_still:OwnStill-v0", settings)
    environment.reset(seed=0)
    steps = [environment.step(np.zeros(1, dtype=np.float32)) for _ in range(4)]
    assert [step[1] for step in steps] == [7.0] * 4  # 2 · 3 + 1, not 2 · (3 + 1)
    assert [step[3] for step in steps] == [False] * 3 + [True]


def test_all_that_is_changed_is_in_the_identity_and_a_name_is_not() -> None:
    still = 'id = "own_still:OwnStill-v0", name = '
    changed = [
        '"own_still:OwnStill-v0"',
        f'{{ {still} "a", kwargs = {{ reward = 1.0 }} }}',
        f'{{ {still} "b", kwargs = {{ reward = 2.0 }} }}',
        f'{{ {still} "c", wrappers = ["own_still:Doubled"] }}',
        f'{{ {still} "d", max_episode_steps = 3 }}',
    ]
    ids = [spec.run_id for spec in specs(", ".join(changed))]
    assert len(set(ids)) == len(ids)
    (other_name,) = specs(f'{{ {still} "z", max_episode_steps = 3 }}')
    assert other_name.run_id == ids[-1]
    (nothing_changed,) = specs(f'{{ {still} "z" }}')
    assert nothing_changed.run_id == ids[0]


def test_a_changed_task_has_no_constants_but_those_that_the_suite_gives() -> None:
    text = SUITE.replace(
        "{places}",
        '{ id = "Hopper-v5", name = "Hopper-short", max_episode_steps = 200 }, '
        '{ id = "Hopper-v5", name = "Hopper-known", max_episode_steps = 100, random = 10.0, '
        'reference = 90.0, source = "here" }',
    )
    declared = suite(tomllib.loads(text))
    assert [cell.environment for cell in declared.cells()] == ["Hopper-short", "Hopper-known"]
    assert {name: own.constants for name, own in declared.own.items()} == {
        "Hopper-short": None,
        "Hopper-known": (10.0, 90.0),
    }


@pytest.mark.parametrize(
    ("places", "says"),
    [
        ('"own_nowhere:X-v0"', "environments[0] = 'own_nowhere:X-v0': cannot be made: ModuleNotFoundError"),
        ('"OwnNone-v0"', "one of your own is 'module:Name-v0'"),
        (
            '"own_still:OwnEndless-v0"',
            "has no time limit, so that an evaluation might never end; give it one",
        ),
        ('{ id = "Hopper-v5", max_episode_steps = 9 }', "environments[0]: name: missing; what differs"),
        (
            '{ id = "Hopper-v5", name = "Walker2d-v5", max_episode_steps = 9 }',
            "is the name of a task as it is",
        ),
        ('{ id = "Hopper-v5", name = "H", random = 1.0 }', "reference: missing; scores are normalised by"),
        ('{ id = "Hopper-v5", name = "H", random = 1.0, reference = 1.0, source = "x" }', "should differ"),
        ('{ id = "Hopper-v5", name = "H", random = 1.0, reference = 2.0 }', "source: missing"),
        ('{ id = "Hopper-v5", nam = "H" }', "environments[0].nam: unknown field; did you mean 'name'?"),
        ('{ name = "H" }', "environments[0].id: missing"),
        ('{ id = "Hopper-v5", name = "H", wrappers = ["Doubled"] }', "'Doubled': should be 'module:Class'"),
        ('{ id = "Hopper-v5", name = "H", wrappers = ["own_still:No"] }', "cannot be made: AttributeError"),
        ('{ id = "Hopper-v5", name = "H", kwargs = { frame_skp = 2 } }', "cannot be made: TypeError"),
        ('{ id = "Hopper-v5", name = "H", max_episode_steps = 0 }', "max_episode_steps = 0: should be"),
        ('{ id = "Hopper-v5", name = "H" }, { id = "Walker2d-v5", name = "H" }', "appears twice"),
    ],
)
def test_what_cannot_be_made_is_refused_in_one_line(places: str, says: str) -> None:
    with pytest.raises(InputError) as refused:
        specs(places)
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


def test_an_endless_environment_runs_with_a_time_limit_of_its_table() -> None:
    (spec,) = specs('{ id = "own_still:OwnEndless-v0", name = "Ends", max_episode_steps = 5 }')
    assert spec.environment_settings == {"max_episode_steps": 5}


def test_the_modules_that_an_environment_comes_from_are_named_for_its_provenance() -> None:
    assert modules("Hopper-v5", {"max_episode_steps": 3}) == ()
    wrappers = {"wrappers": ["own_still:Doubled", "own_other.inner:Raised"]}
    assert modules("own_still:OwnStill-v0", wrappers) == ("own_other.inner", "own_still")
    # Their code counts in the fingerprint of the training code.
    whole = training_code("vpg", ("own_still",))
    assert whole != training_code("vpg")
