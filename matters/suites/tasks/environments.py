"""The environments: how one is made, and what is checked before anything runs."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import gymnasium
from gymnasium.spaces import Box

from matters.suites.errors import InputError, nearest
from matters.suites.tasks import lectures, probes
from matters.suites.tasks.settings import wrapped
from matters.suites.tasks.yardsticks import ENVIRONMENTS

SUPPORTED = "supported: Box observations and Box actions, each a vector"
lectures.register()
probes.register()


def make(environment_id: str, settings: Mapping[str, Any] | None = None) -> gymnasium.Env[Any, Any]:
    """Make an environment, without the message that MuJoCo addresses to the authors of Gymnasium's models.

    `settings` says how it differs from what its id alone makes (`settings.Own.settings`).
    """
    chosen = settings or {}
    with _without_known_deprecation():
        environment = gymnasium.make(
            environment_id,
            max_episode_steps=chosen.get("max_episode_steps"),
            disable_env_checker=True,
            **chosen.get("kwargs", {}),
        )
        return wrapped(environment, tuple(chosen.get("wrappers", ())))


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


def check(environment_id: str, settings: Mapping[str, Any] | None = None) -> None:
    """Raise InputError for an environment that cannot be run."""
    if reason := objection(environment_id, settings):
        raise InputError(f"environment = {environment_id!r}: {reason}")


def objection(environment_id: str, settings: Mapping[str, Any] | None = None) -> str | None:
    """Why an environment cannot be run; None if it can.

    An environment in ENVIRONMENTS is not made. Any other in Gymnasium's registry, any `module:Name-v0` of a
    module that registers its own, and any with settings is made once, to see its spaces and its time limit.
    """
    if environment_id in ENVIRONMENTS and not settings:
        return None
    if ":" not in environment_id and environment_id not in gymnasium.registry:
        near = nearest(environment_id, ENVIRONMENTS)
        return f"unknown environment{near}; one of your own is 'module:Name-v0', whose import registers it"
    try:
        env = make(environment_id, settings)
    except (Exception, SystemExit) as error:  # whatever a third party's module or constructor raises
        return f"cannot be made: {type(error).__name__}: {error}"
    try:
        for kind, space in (("observations", env.observation_space), ("actions", env.action_space)):
            if not isinstance(space, Box) or len(space.shape) != 1:
                return f"{kind} are {space}; {SUPPORTED}"
            if not space.shape[0]:
                return f"{kind} are {space}, of no numbers; {SUPPORTED}"
        if env.spec is None or env.spec.max_episode_steps is None:
            return (
                "has no time limit, so that an evaluation might never end; give it one: "
                f"{{ id = {environment_id!r}, name = …, max_episode_steps = … }}"
            )
    finally:
        env.close()
    return None


def bounded(environment_id: str, settings: Mapping[str, Any] | None = None) -> bool:
    """Whether every action has a lower and an upper bound. All in ENVIRONMENTS do; others are made once."""
    if environment_id in ENVIRONMENTS and not settings:
        return True
    env = make(environment_id, settings)
    try:
        return isinstance(env.action_space, Box) and env.action_space.is_bounded()
    finally:
        env.close()
