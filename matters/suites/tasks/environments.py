"""The environments: how one is made, and what is checked of it before anything runs."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gymnasium
from gymnasium.spaces import Box

from matters.suites.errors import InputError, nearest
from matters.suites.tasks import lectures, probes
from matters.suites.tasks.yardsticks import ENVIRONMENTS

SUPPORTED = "supported: Box observations and Box actions, each a vector"
lectures.register()
probes.register()


def make(environment_id: str) -> gymnasium.Env[Any, Any]:
    """Make an environment, without the message that MuJoCo has for the authors of Gymnasium's models."""
    with _without_known_deprecation():
        return gymnasium.make(environment_id, disable_env_checker=True)


@contextmanager
def _without_known_deprecation() -> Iterator[None]:
    """Swallow MuJoCo's "'settotalmass' is deprecated" (HalfCheetah's model); pass on every other warning.

    MuJoCo prints warnings to stderr and appends them to MUJOCO_LOG.TXT in the working directory, unless a
    callback is set. So one is set while a model loads, and does both for every message but this one.
    """
    import mujoco  # here, so that listing and checking suites does not wait for it

    previous = mujoco.get_mju_user_warning()

    def handle(message: str) -> None:
        if "'settotalmass' is deprecated" in message:
            return
        if previous is not None:
            previous(message)
            return
        sys.stderr.write(f"WARNING: {message}\n\n")
        mujoco.mju_writeLog("WARNING", message)

    mujoco.set_mju_user_warning(handle)
    try:
        yield
    finally:
        mujoco.set_mju_user_warning(previous)


def check(environment_id: str) -> None:
    """Raise InputError for an environment that cannot be run."""
    if reason := objection(environment_id):
        raise InputError(f"environment = {environment_id!r}: {reason}")


def objection(environment_id: str) -> str | None:
    """Why an environment cannot be run; None if it can.

    What is in ENVIRONMENTS is not made. Other ids of Gymnasium's registry are made once, to see their
    spaces; they have no normalising constants.
    """
    if environment_id in ENVIRONMENTS:
        return None
    if environment_id not in gymnasium.registry:
        return f"unknown environment{nearest(environment_id, ENVIRONMENTS)}"
    try:
        env = make(environment_id)
    except Exception as error:  # whatever a third party's constructor raises
        return f"cannot be made: {error}"
    try:
        for kind, space in (("observations", env.observation_space), ("actions", env.action_space)):
            if not isinstance(space, Box) or len(space.shape) != 1:
                return f"{kind} are {space}; {SUPPORTED}"
    finally:
        env.close()
    return None


def bounded(environment_id: str) -> bool:
    """Whether every action has a lower and an upper bound. All in ENVIRONMENTS have; others are made once."""
    if environment_id in ENVIRONMENTS:
        return True
    env = make(environment_id)
    try:
        return isinstance(env.action_space, Box) and env.action_space.is_bounded()
    finally:
        env.close()
