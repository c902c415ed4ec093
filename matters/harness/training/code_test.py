import json
import os
import subprocess
import sys

import pytest

from matters.algorithms import ALGORITHMS
from matters.harness.training.code import NOT_BITS, ROOT, training_code
from matters.results import fingerprint
from matters.results.fingerprint import closure
from matters.results.fingerprint_test import append

LOADED = """
import json, sys
from pathlib import Path
from matters.harness.training.worker import train_population
from matters.results.store import Store
from matters.suites.loading import suite
for name in {names!r}:
    on = {{"algorithm": name}}
    declared = suite(dict(
        suite=dict(name="one", title="One", environments=["InvertedPendulum-v5"], seeds=1, steps=2048,
                   questions=[], evaluation=dict(points=1, episodes=1)),
        variants={{name: on}},
    ))
    Store.open(Path(sys.argv[1]), create=True)
    specs = [spec for cell in declared.cells() for spec in cell.specs]
    train_population(Path(sys.argv[1]), specs, lambda progress: None)
print(json.dumps(sorted(name for name in sys.modules if name.split(".")[0] == "matters")))
"""


def needed(algorithm: str) -> tuple[str, ...]:
    return closure([ROOT, ALGORITHMS[algorithm].partition(":")[0]], without=NOT_BITS)


def test_all_that_a_worker_loads_is_in_the_fingerprint_or_left_out_with_a_reason(tmp_path) -> None:
    # One rule of each kind in one process; each kind's loop and record are in the worker's own closure.
    names = ["ppo", "sb3-ppo"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run(
        [sys.executable, "-c", LOADED.format(names=names), str(tmp_path / "runs")],
        env=environment, cwd=tmp_path, check=True, capture_output=True, text=True,
    )  # fmt: skip
    loaded = set(json.loads(done.stdout))
    own = [
        "candidates",
        "design",
        "fields",
        "fit",
        "grid",
        "loading",
        "narrowing",
        "seeds",
        "settings",
        "suite",
        "sweep",
        "tuning",
        "variant",
    ]
    declared = {f"matters.suites.{name}" for name in own}  # the test's own words, not the worker's
    assert loaded - set().union(*(needed(name) for name in names)) - set(NOT_BITS) <= declared


def test_what_is_left_out_is_there_and_would_else_be_in() -> None:
    whole = closure([ROOT, *(ALGORITHMS[name].partition(":")[0] for name in ALGORITHMS)])
    assert set(NOT_BITS) <= set(whole)


def test_a_changed_line_of_every_module_that_decides_bits_changes_the_fingerprint(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = training_code.__wrapped__("td3")
    for name in needed("td3"):
        with monkeypatch.context() as changed:
            append(changed, name, "\nadded = 1\n")
            assert training_code.__wrapped__("td3") != before, name
        with monkeypatch.context() as changed:
            append(changed, name, "\n# only said\n")
            assert training_code.__wrapped__("td3") == before, name


def test_a_line_of_another_rule_the_table_or_a_yardstick_changes_no_fingerprint(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = training_code.__wrapped__("td3")
    others = [*NOT_BITS, "matters.algorithms.ppo", "matters.reports.report", "matters.harness.cli"]
    for name in others:
        append(monkeypatch, name, "\nadded = 1\n")
    assert training_code.__wrapped__("td3") == before


def test_references_count_the_version_of_the_library_that_they_call(monkeypatch: pytest.MonkeyPatch) -> None:
    before = {name: training_code.__wrapped__(name) for name in ("ppo", "sb3-ppo")}
    real = fingerprint._version
    monkeypatch.setattr(
        fingerprint, "_version", lambda name: "9.9" if name == "stable-baselines3" else real(name)
    )
    assert training_code.__wrapped__("ppo") == before["ppo"]
    assert training_code.__wrapped__("sb3-ppo") != before["sb3-ppo"]
