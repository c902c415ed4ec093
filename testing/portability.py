"""Golden digests under disguises and on emulated processors: `python -m testing.portability`.

A disguise is what a caller may have set before it starts a worker; an emulated processor is QEMU's, in user
mode, of Debian's package qemu-user. Each computes the runs and components of testing.golden in a process of
its own and is compared with this one. Prints a table, and the differences; ends with 1 if there are any.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from typing import Any

from matters.results.numerics import holds, worker_environment
from testing.golden import differences

DISGUISES: dict[str, dict[str, str]] = {
    "ATEN_CPU_CAPABILITY=default": {"ATEN_CPU_CAPABILITY": "default"},
    "ATEN_CPU_CAPABILITY=avx512": {"ATEN_CPU_CAPABILITY": "avx512"},
    "NPY_DISABLE_CPU_FEATURES=X86_V3": {"NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4"},
    "NPY_DISABLE_CPU_FEATURES=X86_V4": {"NPY_DISABLE_CPU_FEATURES": "X86_V4"},
    "MKL_CBWR=COMPATIBLE": {"MKL_CBWR": "COMPATIBLE"},
    "MKL_CBWR=AVX2": {"MKL_CBWR": "AVX2"},
    "MKL_CBWR=AVX2,STRICT": {"MKL_CBWR": "AVX2,STRICT"},
    "ONEDNN_MAX_CPU_ISA=SSE41": {"ONEDNN_MAX_CPU_ISA": "SSE41"},
    "OPENBLAS_L2_SIZE=256": {"OPENBLAS_L2_SIZE": "256"},
    "two threads": dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "2"),
}
"""Environment variables, by what a caller set."""

PROCESSORS = ("Haswell", "Skylake-Client", "EPYC-Milan")
"""QEMU's names. It has no AVX-512."""

EMULATOR = "qemu-x86_64"


def computed(caller: dict[str, str], prefix: list[str], runs: list[str]) -> dict[str, Any]:
    """What `testing.golden` finds in a worker of a caller with such settings."""
    settings = {name: value for name, value in os.environ.items() if name != "OPENBLAS_CORETYPE"}
    done = subprocess.run(
        [*prefix, sys.executable, "-m", "testing.golden", *runs],
        env=worker_environment(settings | caller), capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"{' '.join(prefix)}: {done.stderr.strip()[-1000:]}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def main() -> None:
    """Compare all, or what is asked for."""
    parser = argparse.ArgumentParser(prog="python -m testing.portability")
    parser.add_argument("runs", nargs="*", metavar="RUN", help="'ppo on Hopper-v5', say (default: all)")
    parser.add_argument("--disguises-only", action="store_true", help="emulate none: that takes long")
    parser.add_argument(
        "--processors", nargs="*", default=PROCESSORS, metavar="NAME", help="those to emulate"
    )
    asked = parser.parse_args()
    here = computed({}, [], asked.runs)
    say = sys.stdout.write
    if not holds(here["in_use"]):
        raise SystemExit(f"not promised here: {here['in_use']}")
    tries: dict[str, tuple[dict[str, str], list[str]]] = {name: (own, []) for name, own in DISGUISES.items()}
    if not asked.disguises_only:
        if shutil.which(EMULATOR) is None:
            raise SystemExit(f"{EMULATOR} is not installed (Debian: qemu-user); or --disguises-only")
        tries |= {f"emulated {name}": ({}, [EMULATOR, "-cpu", name]) for name in asked.processors}
    differing = False
    for name, (caller, prefix) in tries.items():
        start = time.monotonic()
        lines = differences(computed(caller, prefix, asked.runs), here)
        differing |= bool(lines)
        say(f"{name:34}{'equal' if not lines else 'DIFFERENT'}  {time.monotonic() - start:.0f} s\n")
        say("".join(f"  {line}\n" for line in lines))
        sys.stdout.flush()
    say(f"{len(here['runs'])} runs, {len(here['components'])} components, {here['in_use']['libc']}\n")
    if differing:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
