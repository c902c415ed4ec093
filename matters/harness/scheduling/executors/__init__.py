"""Where tasks are trained: on this machine's cores. Clusters come later, under the names they will have."""

from matters.suites.errors import InputError, nearest

EXECUTORS = ("local",)
NOT_BUILT = ("ray", "slurm")


def check(name: str) -> None:
    """Refuse an executor that does not exist, or not yet.

    Raises:
        InputError: in one line, naming the executors that can be used.
    """
    if name in NOT_BUILT:
        raise InputError(f"--executor {name}: not built yet; valid: {', '.join(EXECUTORS)}")
    if name not in EXECUTORS:
        raise InputError(f"--executor {name}: unknown executor{nearest(name, EXECUTORS)}")
