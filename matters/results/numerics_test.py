import json
import os
import subprocess
import sys

import pytest

from matters.results import numerics
from matters.results.numerics import LOOPS, ONE_THREAD, holds, in_use, processor, worker_environment

PORTABLE = {
    "libc": "glibc 2.36",
    "torch": "AVX2",
    "numpy": "X86_V3",
    "openblas": "Haswell",
    "settings": {**LOOPS, "OPENBLAS_CORETYPE": "Haswell"},
}


@pytest.fixture(params=[["avx", "avx2", "fma"], ["avx"]], ids=["with AVX2 and FMA", "without"])
def flags(request, monkeypatch):
    monkeypatch.setattr(numerics, "processor", lambda: {"flags": request.param})
    return request.param


def test_a_worker_gets_one_thread_and_on_a_processor_with_avx2_and_fma_their_loops(flags):
    environment = worker_environment({"HOME": "/here", "ATEN_CPU_CAPABILITY": "default"})
    assert environment["HOME"] == "/here"
    assert ONE_THREAD.items() <= environment.items()
    if "fma" in flags:
        assert LOOPS.items() <= environment.items()
        assert environment["OPENBLAS_CORETYPE"] == "Haswell"
    else:
        assert environment["ATEN_CPU_CAPABILITY"] == "default"
        assert "OPENBLAS_CORETYPE" not in environment


def test_a_core_that_the_machine_sets_for_openblas_is_never_overridden(flags):
    assert worker_environment({"OPENBLAS_CORETYPE": "Nehalem"})["OPENBLAS_CORETYPE"] == "Nehalem"


@pytest.mark.parametrize(
    "other",
    [
        {"libc": "musl 1.2"},
        {"torch": "DEFAULT"},
        {"torch": "AVX512"},
        {"numpy": "X86_V3 X86_V4"},
        {"openblas": "SkylakeX"},
        {"openblas": None},
        {"settings": {"GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2"}},
    ],
)
def test_bits_are_portable_only_where_every_library_computes_as_promised(other):
    assert holds(PORTABLE)
    assert not holds(PORTABLE | other)


@pytest.mark.skipif(
    not {"avx2", "fma"} <= set(processor()["flags"]), reason="not promised here: no AVX2 with FMA"
)
@pytest.mark.parametrize("caller", ["", "NPY_DISABLE_CPU_FEATURES=X86_V3", "ATEN_CPU_CAPABILITY=default"])
def test_a_process_started_as_a_worker_computes_as_promised_whatever_its_caller_set(caller):
    name, _, value = caller.partition("=")
    environment = {name: value} if caller else {}
    started = worker_environment(
        {k: v for k, v in os.environ.items() if k != "OPENBLAS_CORETYPE"} | environment
    )
    program = "import json; from matters.results.numerics import in_use; print(json.dumps(in_use()))"
    told = subprocess.run(
        [sys.executable, "-c", program], env=started, capture_output=True, text=True, check=True
    )
    used = json.loads(told.stdout)
    assert holds(used), used
    assert used.keys() == in_use().keys()
