"""Tasks that reward forward motion: Swimmer, HalfCheetah, Hopper, Walker2d, Ant."""

from typing import Any

import numpy as np

from matters.suites.tasks.native_task import (
    Action,
    Flags,
    Numbers,
    Outcome,
    Physics,
    Seen,
    Task,
    never,
    normal_start,
    squares,
    uniform_start,
)


def forward_velocity(before: Seen, after: Seen, physics: Physics) -> Numbers:
    """The mean velocity along x over the step [M]."""
    velocity: Numbers = (after["qpos"][:, 0] - before["qpos"][:, 0]) / physics.step_seconds
    return velocity


def forward(control_weight: float) -> Outcome:
    """Velocity along x less the weighted squares of the action, in episodes that never terminate."""

    def outcome(before: Seen, action: Action, after: Seen, physics: Physics) -> tuple[Numbers, Flags]:
        reward = forward_velocity(before, after, physics) - control_weight * squares(action)
        return reward, never(after)

    return outcome


def swimmer_observation(seen: Seen) -> Numbers:
    """All but x and y."""
    return seen["state"][:, 2:]


def half_cheetah_observation(seen: Seen) -> Numbers:
    """All but x."""
    return seen["state"][:, 1:]


def legged_observation(seen: Seen) -> Numbers:
    """All but x, velocities clipped to ±10."""
    return np.concatenate((seen["qpos"][:, 1:], np.clip(seen["qvel"], -10, 10)), 1)


def hopper_outcome(before: Seen, action: Action, after: Seen, physics: Physics) -> tuple[Numbers, Flags]:
    """1 for standing and the velocity along x, less 0.001 of the squares of the action.

    It stands above 0.7 while it leans by less than 0.2 and all but x and height stays within ±100.
    """
    height, angle = after["qpos"][:, 1], after["qpos"][:, 2]
    healthy = (
        (np.abs(after["state"][:, 2:]) < 100).all(1)
        & (height > 0.7)
        & (height < np.inf)
        & (np.abs(angle) < 0.2)
    )
    return forward_velocity(before, after, physics) + healthy - 1e-3 * squares(action), ~healthy


def walker2d_outcome(before: Seen, action: Action, after: Seen, physics: Physics) -> tuple[Numbers, Flags]:
    """1 for standing and the velocity along x, less 0.001 of the squares of the action.

    It stands between heights of 0.8 and 2 while it leans by less than 1.
    """
    height, angle = after["qpos"][:, 1], after["qpos"][:, 2]
    healthy = (height > 0.8) & (height < 2) & (np.abs(angle) < 1)
    return forward_velocity(before, after, physics) + healthy - 1e-3 * squares(action), ~healthy


def ant_reads(data: Any) -> dict[str, Numbers]:
    """The torso's position, as MuJoCo last computed it in the step's last substep, and the contact forces."""
    return {"torso": data.xpos[1], "cfrc_ext": data.cfrc_ext}


def ant_observation(seen: Seen) -> Numbers:
    """All but x and y, and the contact forces on the bodies, clipped to ±1."""
    forces = np.clip(seen["cfrc_ext"][:, 1:], -1, 1)
    return np.concatenate((seen["state"][:, 2:], forces.reshape(len(forces), -1)), 1)


def ant_outcome(before: Seen, action: Action, after: Seen, physics: Physics) -> tuple[Numbers, Flags]:
    """1 for being healthy and the torso's velocity along x, less the costs of action and clipped contact
    forces.

    It is healthy between heights of 0.2 and 1 while all positions and velocities are finite.
    """
    velocity = (after["torso"][:, 0] - before["torso"][:, 0]) / physics.step_seconds
    height = after["qpos"][:, 2]
    healthy = np.isfinite(after["state"]).all(1) & (height >= 0.2) & (height <= 1)
    forces = np.clip(after["cfrc_ext"], -1, 1).reshape(len(height), -1)
    costs = 0.5 * squares(action) + 5e-4 * squares(forces)
    return velocity + healthy - costs, ~healthy


RUNNERS: dict[str, Task] = {
    "Swimmer-v5": Task(uniform_start(0.1), swimmer_observation, forward(1e-4)),
    "HalfCheetah-v5": Task(normal_start(0.1), half_cheetah_observation, forward(0.1)),
    "Hopper-v5": Task(uniform_start(5e-3), legged_observation, hopper_outcome),
    "Walker2d-v5": Task(uniform_start(5e-3), legged_observation, walker2d_outcome),
    "Ant-v5": Task(normal_start(0.1), ant_observation, ant_outcome, ant_reads, contact_forces=True),
}
