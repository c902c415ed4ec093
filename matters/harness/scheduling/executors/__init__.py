"""Where jobs are worked on: on this machine's cores, in a Ray cluster, or as jobs of SLURM."""

from dataclasses import dataclass

from matters.harness.scheduling.executors.interface import Executor
from matters.suites.errors import InputError, nearest

EXECUTORS = ("local", "ray", "slurm")


@dataclass(frozen=True)
class Place:
    """Which executor to use, and its options. Those of the other executors have to be left unset.

    Attributes:
        name: of the executor.
        address: of a Ray cluster; by default the one that this machine is part of.
        partition: of SLURM, with `time`, the limit of a job, and `cpus` per job, as `sbatch` takes them.
        array: how many jobs of SLURM's array run at a time; by default as many as SLURM allows.
    """

    name: str = "local"
    address: str | None = None
    partition: str | None = None
    time: str | None = None
    cpus: int | None = None
    array: int | None = None


OF = {
    "local": (),
    "ray": ("address",),
    "slurm": ("partition", "time", "cpus", "array"),
}


def check(place: Place) -> None:
    """Raise InputError, in one line, for an unknown executor, or an option that belongs to another."""
    if place.name not in EXECUTORS:
        raise InputError(f"--executor {place.name}: unknown executor{nearest(place.name, EXECUTORS)}")
    for option in ("address", "partition", "time", "cpus", "array"):
        value = getattr(place, option)
        if value is not None and option not in OF[place.name]:
            owner = next(name for name, options in OF.items() if option in options)
            raise InputError(f"--{option} {value}: is an option of --executor {owner}, not of {place.name}")


def load(place: Place) -> Executor:
    """The executor. Raises InputError, in one line, where it cannot be used, before anything is submitted."""
    check(place)
    if place.name == "ray":
        from matters.harness.scheduling.executors.ray import Ray

        return Ray(place.address)
    if place.name == "slurm":
        from matters.harness.scheduling.executors.slurm import Slurm

        return Slurm(place.partition, place.time, place.cpus, place.array)
    from matters.harness.scheduling.executors.local import Local

    return Local()
