"""Reacher and Pusher."""

from typing import Any

import numpy as np

from matters.suites.tasks.native_task import (
    Action,
    Flags,
    Numbers,
    Physics,
    Seen,
    Task,
    length,
    never,
    squares,
)


def reacher_start(generator: np.random.Generator, qpos: Numbers, qvel: Numbers) -> tuple[Numbers, Numbers]:
    """The arm within 0.1 of rest and 0.005 of standing still, the target at rest in a disc of radius 0.2."""
    qpos = qpos + generator.uniform(-0.1, 0.1, qpos.size)
    target = generator.uniform(-0.2, 0.2, 2)
    while not length(target[None])[0] < 0.2:
        target = generator.uniform(-0.2, 0.2, 2)
    qpos[-2:] = target
    qvel = qvel + generator.uniform(-0.005, 0.005, qvel.size)
    qvel[-2:] = 0
    return qpos, qvel


def reacher_reads(data: Any) -> dict[str, Numbers]:
    """The positions of fingertip and target, as MuJoCo last computed them in the step's last substep."""
    return {"fingertip": data.body("fingertip").xpos, "target": data.body("target").xpos}


def reacher_observation(seen: Seen) -> Numbers:
    """Cosines and sines of the arm's angles, the target, the arm's velocities, fingertip less target."""
    angles = seen["qpos"][:, :2]
    return np.concatenate(
        (
            np.cos(angles),
            np.sin(angles),
            seen["qpos"][:, 2:],
            seen["qvel"][:, :2],
            (seen["fingertip"] - seen["target"])[:, :2],
        ),
        1,
    )


def reacher_outcome(before: Seen, action: Action, after: Seen, physics: Physics) -> tuple[Numbers, Flags]:  # noqa: ARG001
    """Minus the distance from fingertip to target, minus the squares of the action."""
    return -length(after["fingertip"] - after["target"]) - squares(action), never(after)


def pusher_start(generator: np.random.Generator, qpos: Numbers, qvel: Numbers) -> tuple[Numbers, Numbers]:
    """The arm at rest but for velocities within 0.005, the object farther than 0.17 from the goal."""
    while True:
        place = np.concatenate((generator.uniform(-0.3, 0, 1), generator.uniform(-0.2, 0.2, 1)))
        if length(place[None])[0] > 0.17:
            break
    qpos = np.concatenate((qpos[:-4], place, (0, 0)))
    qvel = qvel + generator.uniform(-0.005, 0.005, qvel.size)
    qvel[-4:] = 0
    return qpos, qvel


def pusher_reads(data: Any) -> dict[str, Numbers]:
    """The positions of arm, object and goal, as MuJoCo last computed them in the step's last substep."""
    return {name: data.body(name).xpos for name in ("tips_arm", "object", "goal")}


def pusher_observation(seen: Seen) -> Numbers:
    """The arm's joint positions and velocities, and the three positions."""
    return np.concatenate(
        (seen["qpos"][:, :7], seen["qvel"][:, :7], seen["tips_arm"], seen["object"], seen["goal"]), 1
    )


def pusher_outcome(before: Seen, action: Action, after: Seen, physics: Physics) -> tuple[Numbers, Flags]:  # noqa: ARG001
    """Minus the object's distance to the goal, half of that to the arm, and 0.1 of the action's squares."""
    far = -length(after["object"] - after["goal"])
    return far - 0.1 * squares(action) - 0.5 * length(after["object"] - after["tips_arm"]), never(after)


ARMS: dict[str, Task] = {
    "Reacher-v5": Task(reacher_start, reacher_observation, reacher_outcome, reacher_reads),
    "Pusher-v5": Task(pusher_start, pusher_observation, pusher_outcome, pusher_reads),
}
