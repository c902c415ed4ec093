"""A module of somebody's own stands where an algorithm of the table stands."""

import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from matters import algorithms
from matters.harness.training.code import training_code
from matters.harness.training.worker import train_population
from matters.results.store import Store
from matters.suites.errors import InputError
from matters.suites.loading import suite

SUITE = """
[suite]
name = "own"
title = "Own"
environments = ["lecture/Chain-v0"]
seeds = 1
steps = 128
questions = []
[suite.evaluation]
points = 1
episodes = 1
[variants.x]
algorithm = "{algorithm}"
config = {{ horizon = 64 }}
"""

LIKE_VPG = """
from matters.algorithms import vpg
globals().update({name: value for name, value in vars(vpg).items() if not name.startswith("__")})
VERSION = 7
"""


@pytest.fixture(autouse=True)
def _modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    (tmp_path / "own_rules").mkdir()
    (tmp_path / "own_rules" / "__init__.py").write_text("")
    (tmp_path / "own_rules" / "like_vpg.py").write_text(LIKE_VPG)
    (tmp_path / "own_rules" / "half.py").write_text("KIND = 'on-policy'\nVERSION = 1\nPRESETS = {}\n")
    (tmp_path / "own_rules" / "broken.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield
    for name in [name for name in sys.modules if name.startswith("own_rules")]:
        del sys.modules[name]


def declared(algorithm: str) -> Any:
    return suite(tomllib.loads(SUITE.format(algorithm=algorithm)))


def test_it_trains_with_the_bits_of_its_rule_under_an_identity_of_its_own(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "runs", create=True)
    found = {}
    for algorithm in ("own_rules.like_vpg", "vpg"):
        (spec,) = [spec for cell in declared(algorithm).cells() for spec in cell.specs]
        train_population(store.path, [spec], lambda progress: None)
        found[algorithm] = spec, store.status(spec.run_id)
    (own, status), (shipped, expected) = found.values()
    assert (own.algorithm, own.algorithm_version) == ("own_rules.like_vpg", 7)
    assert own.run_id != shipped.run_id
    assert status.state == "done"
    assert status.digest == expected.digest


def test_its_code_is_in_the_fingerprint(tmp_path: Path) -> None:
    before = training_code.__wrapped__("own_rules.like_vpg")
    assert before != training_code.__wrapped__("vpg")
    (tmp_path / "own_rules" / "other.py").write_text(LIKE_VPG + "added = 1\n")
    assert training_code.__wrapped__("own_rules.other") != before


@pytest.mark.parametrize(
    ("algorithm", "says"),
    [
        ("own_rules.nowhere", "cannot be used: ModuleNotFoundError: No module named 'own_rules.nowhere'"),
        ("own_rules.broken", "cannot be used: ZeroDivisionError"),
        ("own_rules.half", "cannot be used: TypeError: lacks Config, FACTS, NO_EFFECT, act, init, observe"),
        ("own_rules", "unknown algorithm"),
        ("nowhere.rules", "No module named 'nowhere'; install it, or have its folder on PYTHONPATH"),
        ("own_rules/like_vpg.py", "is a path; a module of your own is named 'package.module'"),
        ("own_rules.like_vpg:nothing", "cannot be used: AttributeError"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_line(algorithm: str, says: str) -> None:
    with pytest.raises(InputError) as refused:
        declared(algorithm)
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", algorithms.ALGORITHMS)
def test_every_algorithm_of_the_table_lacks_nothing_of_the_protocol(name: str) -> None:
    assert algorithms.lacking(algorithms.load(name)) == []
