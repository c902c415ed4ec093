"""MuJoCo's warnings, such as of a simulation that is unstable: heard here, and nowhere else.

Left to itself MuJoCo prints them between the lines of a terminal, and appends them to MUJOCO_LOG.TXT in the
user's folder. Its handler is one for the whole process and is told no more than a text, so what is kept here
is a count: whoever steps a simulation looks whether it has risen.
"""

from collections.abc import Callable
from typing import Any

import mujoco

_heard = 0
_listener: Callable[[str], None] | None = None


def listen() -> None:
    """From now on hear every warning of this process, and pass it on to whoever was told before."""
    global _listener
    told_before = mujoco.get_mju_user_warning()
    if told_before is not None and told_before is _listener:
        return

    def hear(message: str) -> None:
        global _heard  # one handler, one count: the library has no place for another
        _heard += 1
        if told_before is not None:
            told_before(message)

    _listener = hear
    mujoco.set_mju_user_warning(hear)


def heard() -> int:
    """How many warnings were heard so far."""
    return _heard


def clear(data: Any) -> bool:
    """Whether a simulation has warned since it was cleared, or reset; have it warn anew of the same trouble.

    MuJoCo warns of each kind of trouble once until the simulation is reset. Its marks take no part in the
    physics.

    Args:
        data: an MjData.
    """
    marks = data.warning.number
    if not marks.any():
        return False
    marks[:] = 0
    return True
