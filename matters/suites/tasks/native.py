"""Native tasks: the Gymnasium MuJoCo tasks that are stepped here as a population, without Gymnasium's Python.

They give Gymnasium's numbers bit for bit, which `matters/harness/training/native_test.py` shows. Every other
environment, and these under other versions or other arguments, go through Gymnasium.
"""

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import gymnasium

from matters.suites.tasks.native_arms import ARMS
from matters.suites.tasks.native_humanoids import HUMANOIDS
from matters.suites.tasks.native_pendulums import PENDULUMS
from matters.suites.tasks.native_runners import RUNNERS
from matters.suites.tasks.native_task import Task

TASKS: dict[str, Task] = ARMS | HUMANOIDS | PENDULUMS | RUNNERS

SHOWN: set[tuple[str, str]] = {("1.4.0", "4.0.0")}
"""Versions of Gymnasium and MuJoCo with which all tasks were found to be equal: `nox -s native`."""


def native(environment_id: str, settings: Mapping[str, Any] | None = None) -> Task | None:
    """The task that may be stepped natively under this id; None if it goes through Gymnasium.

    With settings of any kind, which make it differ from what its id alone makes, it goes through Gymnasium.
    """
    task, registered = TASKS.get(environment_id), gymnasium.registry.get(environment_id)
    if task is None or registered is None or settings:
        return None
    as_it_is = (
        str(registered.entry_point).startswith("gymnasium.envs.mujoco.")
        and not registered.kwargs
        and not registered.additional_wrappers
    )
    shown = (version("gymnasium"), version("mujoco")) in SHOWN
    return task if as_it_is and shown else None
