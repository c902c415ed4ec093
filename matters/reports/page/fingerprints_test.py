"""Training code is mixed where runs of one algorithm are of several versions of it."""

from dataclasses import replace

from matters.reports.page.run_tables import FINGERPRINT, fingerprints
from matters.reports.study.study import prepare
from testing.planted import CONSTANTS, Plant, planted, planted_suite

HOPPER, WALKER = "Hopper-v5", "Walker2d-v5"
NAMES = ("ppo-sb3", "sb3-ppo")


def study(prints):
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
    assert fingerprints(study(lambda name, _: name)) == {}


def test_one_algorithm_of_two_versions_is_mixed():
    found = fingerprints(study(lambda name, k: f"{name} {k % 2}" if name == "ppo-sb3" else name))
    assert found == {"ppo-sb3 0": 6, "ppo-sb3 1": 5}


def test_a_cell_that_was_not_declared_is_not_the_smallest():
    assert study(lambda name, _: name).seeds(NAMES, (HOPPER, WALKER)) == 5
