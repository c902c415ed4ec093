"""What in a machine decides the bits of a result, how a worker fixes it, and what was fixed in a process.

Every numerical library picks its loops by the processor's features. On x86-64 with AVX2 and FMA a worker
holds each of them to those two, so that a newer processor computes as an older one does. No setting fixes the
C library's version, which is recorded, or MKL, which computes PyTorch's products and picks its loops by the
processor's vendor; the rules' kernels do not use it.

Libraries read these settings once, when they are loaded, so they must be in the environment that a process
starts with.
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
"""The setting for NumPy's products. A machine that sets it itself has a reason, such as a kernel that
miscomputes there."""

OTHERS = ("MKL_CBWR", "GLIBC_TUNABLES")
"""Settings that are left as found, and recorded: the first affects references, the second everything."""


def worker_environment(caller: Mapping[str, str]) -> dict[str, str]:
    """The environment to start a worker with: the caller's, with one thread and the loops for AVX2 with FMA.

    A processor without these keeps the loops that its libraries pick.
    """
    if {"avx2", "fma"} <= set(processor()["flags"]):
        return {**OPENBLAS, **caller, **ONE_THREAD, **LOOPS}
    return {**caller, **ONE_THREAD}


@functools.cache
def processor() -> dict[str, Any]:
    """Model, vendor and vector features of the processor, as far as the system reveals them."""
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
    """Whether a process with these `in_use` settings computes what every x86-64 with AVX2 and FMA does."""
    return (
        platform.machine() == "x86_64"
        and used["libc"].startswith("glibc")
        and (used["torch"], used["numpy"], used["openblas"]) == ("AVX2", "X86_V3", "Haswell")
        and "hwcaps" not in used["settings"].get("GLIBC_TUNABLES", "")
    )


def _openblas_core() -> str | None:
    """The processor that NumPy's OpenBLAS computes for; None where NumPy uses another library."""
    spec = find_spec("numpy._core._multiarray_umath")  # the module that is linked to it
    try:
        name = ctypes.CDLL(spec.origin if spec else None).scipy_openblas_get_corename64_
    except AttributeError:
        return None
    name.restype = ctypes.c_char_p
    found: bytes = name()
    return found.decode()
