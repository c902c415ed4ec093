"""Where tasks are trained: on this machine's cores. Clusters come later, under the names they will have."""

from importlib import import_module

from matters.harness.scheduling.executors.interface import Execute
from matters.suites.errors import InputError, nearest

EXECUTORS: dict[str, str] = {"local": "matters.harness.scheduling.executors.local"}
NOT_BUILT = ("ray", "slurm")


def load(name: str) -> Execute:
    """The executor of that name. Raises InputError, in one line, for one that does not exist, or not yet."""
    if name in NOT_BUILT:
        raise InputError(f"--executor {name}: not built yet; valid: {', '.join(EXECUTORS)}")
    if name not in EXECUTORS:
        raise InputError(f"--executor {name}: unknown executor{nearest(name, EXECUTORS)}")
    execute: Execute = import_module(EXECUTORS[name]).execute
    return execute
