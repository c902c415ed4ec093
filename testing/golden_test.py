"""Portable bits (P1): short runs have the digests that they have on every processor with AVX2 and FMA."""

import json
import os
import subprocess
import sys

import pytest

from matters.algorithms import ALGORITHMS, load
from matters.results.numerics import holds
from matters.suites.tasks.native import TASKS
from testing import golden

CALLER = {"ATEN_CPU_CAPABILITY": "default", "MKL_CBWR": "COMPATIBLE", "NPY_DISABLE_CPU_FEATURES": "X86_V3"}
"""What a caller may have set: none of it may change a digest."""


@pytest.fixture(scope="module")
def found():
    caller = {name: value for name, value in os.environ.items() if name != "OPENBLAS_CORETYPE"} | CALLER
    told = subprocess.run(
        [sys.executable, "-m", "testing.golden"], env=caller, capture_output=True, text=True, check=True
    )
    return json.loads(told.stdout)


def test_digests_are_the_golden_ones(found):
    used = found["in_use"]
    if not holds(used):
        pytest.skip(f"not promised here: the libraries compute by other loops: {used}")
    promised = golden.golden().get(used["libc"])
    if promised is None:
        known = {libc: golden.differences(found, own) for libc, own in golden.golden().items()}
        pytest.skip(f"not promised here: {used['libc']}; differences from others: {json.dumps(known)}")
    assert not (lines := golden.differences(found, promised)), "\n".join(lines)


def test_every_variant_of_ours_has_a_golden_digest_and_two_have_one_on_every_task():
    ours = {preset for name in ALGORITHMS for preset in load(name).PRESETS if load(name).KIND != "reference"}
    for promised in golden.golden().values():
        assert promised["runs"].keys() == golden.specs().keys()
        assert promised["components"].keys() == golden.PROBES.keys()
    assert {f"{preset} on {golden.ENVIRONMENT}" for preset in ours} <= golden.specs().keys()
    assert {f"{preset} on {task}" for preset in ("ppo", "sac") for task in TASKS} <= golden.specs().keys()


def test_all_our_rules_have_portable_bits_and_no_reference_has():
    for name in ALGORITHMS:
        rule = load(name)
        assert rule.FACTS.portable_bits == (rule.KIND != "reference")


def test_a_mismatch_names_the_component():
    promised = {"components": {"a": "1", "b": "2"}, "runs": {"x": "3", "y": "4"}}
    assert golden.differences(promised, promised) == []
    other = {"components": {"a": "1", "b": "9"}, "runs": {"x": "3", "y": "9"}}
    assert golden.differences(other, promised) == ["component b: differs", "run y: differs"]
    other = {"components": {"a": "1", "b": "2"}, "runs": {"x": "9", "y": "4"}}
    first, second = golden.differences(other, promised)
    assert first.startswith("no component differs")
    assert second == "run x: differs"
