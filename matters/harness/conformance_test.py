"""The checks that are offered to authors find what they are for: planted faults, beside a sound rule."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from matters.harness.cli import call
from matters.harness.conformance import Finding, findings

SOUND = """
from matters.algorithms import vpg
globals().update({name: value for name, value in vars(vpg).items() if not name.startswith("__")})
PRESETS = {"quick": vpg.Config(hidden=(4,), value_steps=2)}
"""

LEAKING = (
    SOUND
    + """
def update(state, config, rollout, generators, /, *, progress):
    rollout.reward = rollout.reward + rollout.reward.mean()
    return vpg.update(state, config, rollout, generators, progress=progress)
"""
)

DEAD = (
    SOUND
    + """
class Config(vpg.Config):
    idle: float = 1.0
PRESETS = {"dead": Config(**PRESETS["quick"].model_dump())}
"""
)

FORGETFUL = (
    SOUND
    + """
steps = 0
def update(state, config, rollout, generators, /, *, progress):
    global steps
    steps += 1
    rollout.reward = rollout.reward * steps
    return vpg.update(state, config, rollout, generators, progress=progress)
"""
)


@pytest.fixture
def checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """What is found of a module of that text, one promise after another."""
    monkeypatch.syspath_prepend(tmp_path)

    def checked(name: str, text: str) -> Iterator[Finding]:
        (tmp_path / f"{name}.py").write_text(f"{text}\nimport sys\nrule = sys.modules[__name__]\n")
        yield from findings(f"{name}:rule", "lecture/LQR-v0")

    return checked


def test_a_setting_that_nothing_reads_is_found_and_nothing_else_is_wrong_with_its_rule(checked: Any) -> None:
    found = {one.promise: one.holds for one in checked("dead", DEAD)}
    assert [promise for promise, holds in found.items() if holds is False] == ["idle acts"]
    assert sum(holds is True for holds in found.values()) > 10
    assert found["interrupted and gone on with, it ends with the same bits"] is True


def test_a_rule_whose_seeds_see_one_another_is_found(checked: Any) -> None:
    found = {one.promise: one.holds for one in islice(checked("leaking", LEAKING), 6)}
    assert found["the same seed gives the same bits"] is True
    assert found["a seed has the same bits alone and among three"] is False
    assert found["what other seeds train with it does not matter"] is False


def test_a_rule_that_cannot_train_is_said_and_no_promise_of_it_is_believed(checked: Any) -> None:
    broken = SOUND + "\ndef update(*arguments, **options):\n    raise RuntimeError('not written yet')\n"
    last = list(checked("unwritten", broken))[-1]
    line = broken.splitlines().index("    raise RuntimeError('not written yet')") + 1
    said = f"RuntimeError: not written yet (unwritten.py:{line})"
    assert last == Finding("a short run ends", False, said)


def test_a_memory_outside_the_state_is_found(checked: Any) -> None:
    found = {one.promise: one.holds for one in islice(checked("forgetful", FORGETFUL), 4)}
    assert found["the same seed gives the same bits"] is False


def test_the_command_says_what_does_not_hold_and_ends_with_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = [Finding("idle acts", False, "1.0 and 0.5 alike")]
    monkeypatch.setattr("matters.harness.conformance.findings", lambda *_: wrong)
    assert call(["check", "ppo", "--env", "probe/Copy-v0", "--json"]) == 1
    assert '"promise": "idle acts"' in capsys.readouterr().out
    monkeypatch.undo()
    assert call(["check", "nothing.here"]) == 2
