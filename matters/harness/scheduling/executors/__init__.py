"""Where jobs are worked on: on this machine's cores, in a Ray cluster, or as jobs of SLURM."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from matters.harness.scheduling.executors.interface import Executor
from matters.suites.errors import InputError, nearest


@dataclass(frozen=True)
class Place:
    """Which executor to use, and its options. Those of the other executors have to be left unset.

    Attributes:
        name: of the executor.
        address: of a Ray cluster; by default the one that this machine is part of.
        partition: of SLURM, with `time`, the limit of a job, and `cpus` per job, as `sbatch` takes them.
        array: how many jobs of SLURM's array run at a time; by default as many as SLURM allows.
        canary: the part of the runs that is repeated on another node, such as 2%; by default none.
    """

    name: str = "local"
    address: str | None = None
    partition: str | None = None
    time: str | None = None
    cpus: int | None = None
    array: int | None = None
    canary: str | None = None


OF = {
    "local": (),
    "ray": ("address", "canary"),
    "slurm": ("partition", "time", "cpus", "array", "canary"),
}
"""The executors, each with its options."""


def check(place: Place) -> None:
    """Raise InputError, in one line, for an unknown executor, an option of another, or an unusable one."""
    if place.name not in OF:
        raise InputError(f"--executor {place.name}: unknown executor{nearest(place.name, OF)}")
    for option in dict.fromkeys(option for options in OF.values() for option in options):
        value = getattr(place, option)
        if value is not None and option not in OF[place.name]:
            owners = " and ".join(name for name, options in OF.items() if option in options)
            raise InputError(f"--{option} {value}: is an option of --executor {owners}, not of {place.name}")
    if place.canary is not None:
        share(place.canary)


def share(text: str) -> float:
    """The part of the runs that "2%" or "0.02" asks for. Raises InputError."""
    try:
        part = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        part = math.nan
    if not 0 < part <= 1:
        raise InputError(f"--canary {text}: should be a part of the runs, such as 2% or 0.02")
    return part


def load(place: Place, say: Callable[[str], object] = lambda _: None) -> Executor:
    """The executor; `say` takes a line about its nodes.

    Raises InputError, in one line, where it cannot be used, before anything is submitted.
    """
    check(place)
    if place.name == "ray":
        from matters.harness.scheduling.executors.ray import Ray

        return Ray(place.address, say)
    if place.name == "slurm":
        from matters.harness.scheduling.executors.slurm import Slurm

        return Slurm(place.partition, place.time, place.cpus, place.array)
    from matters.harness.scheduling.executors.local import Local

    return Local()
