"""What of a machine decides the bits of a result, how a worker holds it fixed, and what held in a process.

Every numerical library picks its loops by the processor's features. On x86-64 with AVX2 and FMA a worker
holds each of them to those two, so that a newer processor computes as an older one does. What no setting
holds is the C library's version, which is recorded, and MKL, which PyTorch's products come from and which
picks by the processor's vendor; the rules' kernels leave it alone.

Libraries read these settings once, as they are loaded: they count in the environment that a process starts
with.
"""

import ctypes
import functools
import os
import platform
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1",
}

LOOPS = {
    "ATEN_CPU_CAPABILITY": "avx2",  # PyTorch's
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",  # NumPy's; X86_V3, with AVX2 and FMA, remains
}
OPENBLAS = {"OPENBLAS_CORETYPE": "Haswell"}
"""Products of NumPy. A machine that sets this itself has a reason, as a kernel that miscomputes there."""

OTHERS = ("MKL_CBWR", "GLIBC_TUNABLES")
"""Settings that are left as they are found, and recorded: references see the first, everything the second."""


def worker_environment(caller: Mapping[str, str]) -> dict[str, str]:
    """The environment to start a worker with: the caller's, one thread, and loops for AVX2 with FMA.

    A processor without these keeps the loops that its libraries pick.
    """
    if {"avx2", "fma"} <= set(processor()["flags"]):
        return {**OPENBLAS, **caller, **ONE_THREAD, **LOOPS}
    return {**caller, **ONE_THREAD}


@functools.cache
def processor() -> dict[str, Any]:
    """Model, vendor and vector features of the processor, as far as the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text().partition("\n\n")[0].splitlines()
    except OSError:
        lines = []
    facts = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    vectors = ("sse", "ssse", "avx", "fma", "f16c")
    return {
        "model": facts.get("model name") or platform.processor() or platform.machine(),
        "vendor": facts.get("vendor_id", ""),
        "flags": sorted(flag for flag in facts.get("flags", "").split() if flag.startswith(vectors)),
    }


def in_use() -> dict[str, Any]:
    """Which loops the libraries of this process took, the C library, and the settings it was started with."""
    import numpy as np
    import torch

    numpy_found: Any = np.show_config(mode="dicts")
    return {
        "libc": " ".join(platform.libc_ver()),
        "torch": torch.backends.cpu.get_cpu_capability(),
        "numpy": " ".join(numpy_found["SIMD Extensions"].get("found", ())),
        "openblas": _openblas_core(),
        "settings": {name: os.environ[name] for name in (*LOOPS, *OPENBLAS, *OTHERS) if name in os.environ},
    }


def holds(used: Mapping[str, Any]) -> bool:
    """Whether a process of which `in_use` tells this computes what all x86-64 with AVX2 and FMA compute."""
    return (
        platform.machine() == "x86_64"
        and used["libc"].startswith("glibc")
        and (used["torch"], used["numpy"], used["openblas"]) == ("AVX2", "X86_V3", "Haswell")
        and "hwcaps" not in used["settings"].get("GLIBC_TUNABLES", "")
    )


def _openblas_core() -> str | None:
    """The processor that NumPy's OpenBLAS computes for; None where NumPy has another library."""
    spec = find_spec("numpy._core._multiarray_umath")  # the module that is linked with it
    try:
        name = ctypes.CDLL(spec.origin if spec else None).scipy_openblas_get_corename64_
    except AttributeError:
        return None
    name.restype = ctypes.c_char_p
    found: bytes = name()
    return found.decode()
