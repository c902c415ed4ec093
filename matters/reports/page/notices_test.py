"""What is noticed of the runs: twins, code of several versions, a simulator that warned."""

from dataclasses import replace
from types import SimpleNamespace

import pandas as pd

from matters.reports.page.notices import (
    FINGERPRINT,
    doubles,
    fingerprints,
    notices,
    simulator_warnings,
)
from matters.reports.study.study import prepare
from testing.planted import CONSTANTS, Plant, planted, planted_suite

HOPPER, WALKER = "Hopper-v5", "Walker2d-v5"
NAMES = ("ppo-sb3", "sb3-ppo")
CELLS = {("ppo", HOPPER): Plant(0.9, 0.1), ("ppo-m", HOPPER): Plant(0.4, 0.1)}


def of_digests(digests):
    """A study of two variants with ten runs each, whose digests are these; None for their own."""
    snapshot = planted(CELLS)
    runs = snapshot.runs if digests is None else snapshot.runs.assign(digest=digests)
    return prepare(
        planted_suite(("ppo", "ppo-m"), (HOPPER,)), replace(snapshot, runs=runs), constants=CONSTANTS
    )


def test_variants_that_are_the_same_runs_are_said_in_one_notice():
    digests = planted(CELLS).runs["digest"]
    twins = of_digests([*digests[:10], *digests[:10]])
    assert doubles(twins) == ["`ppo` and `ppo-m` on Hopper-v5 (10)"]
    (notice,) = [line for line in notices(twins) if "two names" in line]
    assert "`ppo` and `ppo-m` on Hopper-v5 (10)" in notice
    assert "\n" not in notice


def test_one_run_under_two_seeds_is_said_and_runs_of_their_own_are_not():
    digests = list(planted(CELLS).runs["digest"])
    assert doubles(of_digests(None)) == []
    digests[7] = digests[2]
    assert doubles(of_digests(digests)) == ["seeds 2 and 7 of `ppo` on Hopper-v5 (1)"]


def test_runs_without_a_digest_are_not_taken_for_each_other():
    assert doubles(of_digests([None] * 20)) == []


def of_code(prints):
    """Two variants on Hopper, with these fingerprints by variant, and one of them on Walker2d."""
    cells = {(name, HOPPER): Plant(0.5, 0.1, 5) for name in NAMES} | {(NAMES[0], WALKER): Plant(0.5, 0.1, 6)}
    snapshot = planted(cells)
    names = snapshot.provenance["run_id"].map(snapshot.runs.set_index("run_id")["variant"])
    provenance = snapshot.provenance.assign(
        **{FINGERPRINT: [prints(name, k) for k, name in enumerate(names)]}
    )
    suite = planted_suite(NAMES, (HOPPER, WALKER))
    return prepare(suite, replace(snapshot, provenance=provenance), constants=CONSTANTS)


def test_two_algorithms_have_code_of_their_own_and_are_not_mixed():
    assert fingerprints(of_code(lambda name, _: name)) == {}


def test_one_algorithm_of_two_versions_is_mixed():
    found = fingerprints(of_code(lambda name, k: f"{name} {k % 2}" if name == "ppo-sb3" else name))
    assert found == {"ppo": {"ppo-sb3 0": 6, "ppo-sb3 1": 5}}


def test_the_notice_of_mixed_code_says_of_which_algorithm_it_is():
    found = notices(of_code(lambda name, k: f"{name} {k % 2}" if name == "ppo-sb3" else name))
    assert (
        "Runs of different training code are mixed: of ppo `ppo-sb3 0` (6 runs), `ppo-sb3 1` (5 runs). "
        "Differences may come from the code."
    ) in found


def test_where_a_simulator_warned_is_said_by_cell_and_nothing_where_nobody_counted():
    runs = pd.DataFrame(
        [(f"r{k}", variant, "Ant-v5") for k, variant in enumerate(("ppo", "ppo", "sac", "sac"))],
        columns=["run_id", "variant", "environment"],
    )
    counted = pd.DataFrame({"run_id": ["r0", "r1", "r2", "r3"], "simulator_warnings": [3, 1, 0, None]})
    study = SimpleNamespace(runs=runs, provenance=counted)
    assert simulator_warnings(study) == ["`ppo` on Ant-v5 (4 steps of 2 runs)"]
    study.provenance = counted[["run_id"]]
    assert simulator_warnings(study) == []
