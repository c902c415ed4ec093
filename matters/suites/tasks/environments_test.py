import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import gymnasium
import mujoco
import numpy as np
import pytest

from matters.suites.errors import InputError
from matters.suites.tasks import environments
from matters.suites.tasks.environments import bounded, check, make
from matters.suites.tasks.yardsticks import ENVIRONMENTS, MUJOCO, Environment
from testing.measure_random import main, random_return

ROOT = Path(environments.__file__).parents[3]
# A model with another deprecated attribute, to see that MuJoCo's other warnings arrive.
OTHER_WARNING = """
import mujoco
mujoco.MjModel.from_xml_string(
    '<mujoco><statistic meaninertia="1"/>'
    '<worldbody><body><freejoint/><geom size="1"/></body></worldbody></mujoco>'
)
"""


@pytest.mark.parametrize("environment_id", ENVIRONMENTS)
def test_the_table_says_what_gymnasium_says(environment_id: str) -> None:
    row, env = ENVIRONMENTS[environment_id], make(environment_id)
    assert env.spec is not None
    assert row.id == environment_id == env.spec.id
    assert env.observation_space.shape == (row.observation_size,)
    assert env.action_space.shape == (row.action_size,)
    assert env.action_space.is_bounded()
    assert bounded(environment_id)
    if environment_id in MUJOCO:
        assert env.spec.max_episode_steps == row.horizon
    env.close()


def test_the_table_holds_every_mujoco_task_of_version_5() -> None:
    registered = {
        name
        for name, spec in gymnasium.registry.items()
        if name.endswith("-v5") and "envs.mujoco" in str(spec.entry_point)
    }
    assert set(MUJOCO) == registered


def test_every_mujoco_task_has_a_random_score_with_its_source() -> None:
    for row in MUJOCO.values():
        assert row.random is not None
        assert row.random.n >= 200
        assert row.random.standard_error > 0
        assert "measure_random" in row.random.source
        for yardstick in (row.on_policy, row.off_policy):
            assert yardstick is not None
            assert yardstick.source
            ceiling = math.inf if row.ceiling is None else row.ceiling
            assert row.random.value < yardstick.value <= ceiling


def test_a_task_has_an_absolute_margin_exactly_where_it_has_a_ceiling() -> None:
    assert all((row.ceiling is None) == (row.margin is None) for row in MUJOCO.values())


def test_a_yardstick_that_is_not_above_random_is_refused() -> None:
    low, high = MUJOCO["Hopper-v5"].random, MUJOCO["Hopper-v5"].on_policy
    with pytest.raises(ValueError, match=r"yardstick = 17\.4782: should be above 2500"):
        Environment("Mine-v0", 10, 1, 1, random=high, on_policy=low)


@pytest.mark.parametrize("environment_id", ["InvertedPendulum-v5", "Reacher-v5", "Hopper-v5"])
def test_random_scores_can_be_measured_again(environment_id: str) -> None:
    frozen = MUJOCO[environment_id].random
    again = random_return(environment_id, episodes=60, seed=7)
    assert frozen is not None
    assert abs(again.value - frozen.value) < 4 * np.hypot(again.standard_error, frozen.standard_error)


def test_the_random_scores_of_one_seed_are_the_same_and_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert random_return("Reacher-v5", 3) == random_return("Reacher-v5", 3)
    main(["InvertedPendulum-v5", "--episodes", "5"])
    assert capsys.readouterr().out.startswith("InvertedPendulum-v5: Score(")


def test_listed_environments_are_not_made_to_be_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(environment_id: str) -> None:
        raise AssertionError(environment_id)

    monkeypatch.setattr(environments, "make", refuse)
    for environment_id in ENVIRONMENTS:
        check(environment_id)


def test_other_environments_with_vectors_are_allowed() -> None:
    check("Pendulum-v1")


@pytest.mark.parametrize(
    ("environment_id", "message"),
    [
        ("Hoper-v5", "environment = 'Hoper-v5': unknown environment; did you mean 'Hopper-v5'?"),
        (
            "CartPole-v1",
            "environment = 'CartPole-v1': actions are Discrete(2); supported: Box observations and",
        ),
        ("FrozenLake-v1", "observations are Discrete(16); supported: Box observations and Box actions"),
        ("Hopper-v2", "environment = 'Hopper-v2': cannot be made: "),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_what_cannot_run_is_refused_with_the_reason(environment_id: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        check(environment_id)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_a_constructor_does_instead_of_making_an_environment_is_one_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for how in (SystemExit(3), RuntimeError("no display")):

        def make(how: BaseException = how) -> None:
            raise how

        monkeypatch.setitem(
            gymnasium.registry, "test/Unmade-v0", gymnasium.envs.registration.EnvSpec("test/Unmade-v0", make)
        )
        with pytest.raises(InputError, match=f"cannot be made: {type(how).__name__}: {how}"):
            check("test/Unmade-v0")


def run(code: str, directory: Path) -> subprocess.CompletedProcess[str]:
    # A process of its own: MuJoCo writes to the descriptor, and the log to the working directory.
    prelude = f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
    return subprocess.run(
        [sys.executable, "-c", prelude + code], cwd=directory, capture_output=True, text=True, check=True
    )


def test_gymnasium_alone_prints_the_deprecation_and_leaves_a_log(tmp_path: Path) -> None:
    # When this fails the message has gone, and so can what hides it.
    done = run("import gymnasium; gymnasium.make('HalfCheetah-v5', disable_env_checker=True)", tmp_path)
    assert "'settotalmass' is deprecated" in done.stderr
    assert (tmp_path / "MUJOCO_LOG.TXT").exists()


def test_make_hides_the_deprecation_and_leaves_no_log(tmp_path: Path) -> None:
    made = "\n".join(f"make({environment_id!r})" for environment_id in MUJOCO)
    done = run(f"from matters.suites.tasks.environments import make\n{made}", tmp_path)
    assert (done.stdout, done.stderr) == ("", "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("when", ["after", "while"])
def test_other_mujoco_warnings_still_come_through(tmp_path: Path, when: str) -> None:
    if when == "after":
        code = f"from matters.suites.tasks.environments import make\nmake('HalfCheetah-v5')\n{OTHER_WARNING}"
    else:
        inside = OTHER_WARNING.replace("\nmujoco.", "\n    mujoco.").replace(
            "\nimport mujoco", "\n    import mujoco"
        )
        code = f"import gymnasium\nfrom matters.suites.tasks import environments\ndef loud(*a, **k):{inside}"
        code += "\ngymnasium.make = loud\nenvironments.make('HalfCheetah-v5')"
    done = run(code, tmp_path)
    assert "WARNING: statistic attribute 'meaninertia' is deprecated" in done.stderr
    assert "meaninertia" in (tmp_path / "MUJOCO_LOG.TXT").read_text()
    assert "settotalmass" not in done.stderr


def test_a_callback_of_the_user_is_kept_and_gets_what_is_not_hidden() -> None:
    heard: list[str] = []
    mujoco.set_mju_user_warning(heard.append)
    try:
        make("HalfCheetah-v5").close()
        assert heard == []
        exec(OTHER_WARNING, {})
        assert len(heard) == 1
    finally:
        mujoco.set_mju_user_warning(None)


class Empty(gymnasium.Env[Any, Any]):
    observation_space = gymnasium.spaces.Box(-1, 1, (0,), np.float64)
    action_space = gymnasium.spaces.Box(-1, 1, (1,), np.float32)


def test_an_environment_that_shows_nothing_is_refused() -> None:
    gymnasium.register("test/Empty-v0", Empty, max_episode_steps=5)
    try:
        with pytest.raises(InputError, match="of no numbers; supported: Box observations"):
            check("test/Empty-v0")
    finally:
        gymnasium.registry.pop("test/Empty-v0")
