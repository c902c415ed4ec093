"""Where a result comes from: the code, the packages, the machine and the circumstances of its training."""

import functools
import math
import platform
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from importlib import metadata
from pathlib import Path
from typing import Any

from matters.results.numerics import holds, in_use, processor

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "matters"
PACKAGES = (
    "matters", "torch", "numpy", "gymnasium", "mujoco", "stable-baselines3", "sb3-contrib",
    "scipy", "pandas", "pyarrow", "pydantic", "safetensors",
)  # fmt: skip


def provenance(
    *,
    population: list[int],
    wall_seconds: float,
    core_seconds: float,
    steps_per_second: float,
    threads: int,
    training_code: str,
    portable: bool,
    own: tuple[str, ...] = (),
) -> dict[str, Any]:
    """What is worth knowing about a run that has just ended, as JSON values.

    `population`: the seeds trained together, this run's own included. `wall_seconds`, `core_seconds`, which
    is the processor's time, and `steps_per_second` are the whole population's since it began or last went on,
    `threads` the process's. `training_code`: the fingerprint of the code that
    trained it. `own`: modules from elsewhere that it needed, whose packages are recorded with the others.

    `portable`: whether the algorithm computes with portable operations alone; its `bits` are portable if the
    process also held the libraries to them. Portable bits are compared wherever packages and C library are
    the same, others only on the same kind of processor.
    """
    used, chip = in_use(), processor()
    finished = datetime.now(UTC)
    return {
        "finished": finished.isoformat(timespec="seconds"),
        "started": (finished - timedelta(seconds=wall_seconds)).isoformat(timespec="seconds"),
        "wall_seconds": round(wall_seconds, 3),
        "core_seconds": round(core_seconds, 3),
        "steps_per_second": round(steps_per_second, 1),
        "population": population,
        "threads": threads,
        "processor": chip["model"],
        "vendor": chip["vendor"],
        "bits": "portable" if portable and holds(used) else "processor",
        "numerics": {**used, "features": " ".join(chip["flags"])},
        "machine": platform.machine(),
        "platform": platform.platform(),
        "python": platform.python_version(),
        "packages": package_versions() | versions_of(own),
        "git": git_state(),
        "training_code": training_code,
    }


def core_seconds_per_step(facts: Mapping[str, Any]) -> float:
    """Processor time that a step of this run took, from its provenance; nan where nothing was trained.

    A processor that others use, too, makes a run last longer, and costs it no more. Records from before the
    processor's time was taken have the wall's alone.
    """
    wall, speed = facts.get("wall_seconds"), facts.get("steps_per_second")
    if not speed:
        return math.nan
    return float(facts.get("core_seconds", wall) / wall / speed if wall else 1 / speed)


@functools.cache
def package_versions() -> dict[str, str]:
    """The installed versions of the packages that a run may depend on."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


@functools.cache
def versions_of(modules: tuple[str, ...]) -> dict[str, str]:
    """The installed packages that modules come from, with their versions; one outside any is left out."""
    homes = metadata.packages_distributions() if modules else {}
    names = {name for module in modules for name in homes.get(module.partition(".")[0], ())}
    return {name: metadata.version(name) for name in sorted(names)}


@functools.cache
def git_state() -> dict[str, Any] | None:
    """The commit, and whether the package differs from it; None outside a checkout of Matters."""
    top = _git("rev-parse", "--show-toplevel")
    # Installed into an environment inside another repository, whose commit says nothing.
    if top is None or Path(top).resolve() != ROOT:
        return None
    commit = _git("rev-parse", "HEAD")
    changes = _git("status", "--porcelain", "--", PACKAGE)
    return None if commit is None else {"commit": commit, "dirty": bool(changes)}


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
