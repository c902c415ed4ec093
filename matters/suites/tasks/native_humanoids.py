"""Humanoid and HumanoidStandup."""

from typing import Any

import numpy as np

from matters.suites.tasks.native_task import (
    Action,
    Flags,
    Numbers,
    Physics,
    Seen,
    Task,
    never,
    squares,
    uniform_start,
)


def reads(data: Any) -> dict[str, Numbers]:
    """The bodies' inertia, velocities and contact forces, and the forces of the actuators."""
    return {
        "cinert": data.cinert[1:],
        "cvel": data.cvel[1:],
        "qfrc_actuator": data.qfrc_actuator[6:],
        "cfrc_ext": data.cfrc_ext,
    }


def humanoid_reads(data: Any) -> dict[str, Numbers]:
    """The same, and the bodies' centres of mass, as MuJoCo last computed them in the step's last substep."""
    return reads(data) | {"xipos": data.xipos}


def observation(seen: Seen) -> Numbers:
    """All but x and y, and what is read of the bodies; the world is not one of them."""
    count = len(seen["qpos"])
    return np.concatenate(
        (
            seen["state"][:, 2:],
            seen["cinert"].reshape(count, -1),
            seen["cvel"].reshape(count, -1),
            seen["qfrc_actuator"],
            seen["cfrc_ext"][:, 1:].reshape(count, -1),
        ),
        1,
    )


def centre_of_mass(seen: Seen, physics: Physics) -> Numbers:
    """The position of the centre of mass along x [M]."""
    moments: Numbers = np.einsum("b,mbj->mj", physics.mass, seen["xipos"])
    centre: Numbers = moments[:, 0] / physics.mass.sum()
    return centre


def contact_cost(seen: Seen) -> Numbers:
    """Weighted squares of the contact forces, the world's included, capped at 10."""
    return np.minimum(5e-7 * squares(seen["cfrc_ext"].reshape(len(seen["qpos"]), -1)), 10)


def control_cost(action: Action) -> Numbers:
    """Weighted squares of the action, in MuJoCo's double precision."""
    cost: Numbers = 0.1 * squares(action.astype(np.float64))
    return cost


def humanoid_outcome(before: Seen, action: Action, after: Seen, physics: Physics) -> tuple[Numbers, Flags]:
    """5 for standing and 1.25 times the centre of mass's velocity along x, less the costs.

    It stands while its height is between 1 and 2.
    """
    velocity = (centre_of_mass(after, physics) - centre_of_mass(before, physics)) / physics.step_seconds
    height = after["qpos"][:, 2]
    healthy = (height > 1) & (height < 2)
    costs = control_cost(action) + contact_cost(after)
    return 1.25 * velocity + 5.0 * healthy - costs, ~healthy


def standup_outcome(before: Seen, action: Action, after: Seen, physics: Physics) -> tuple[Numbers, Flags]:  # noqa: ARG001
    """1 and the height over a substep's time, less the costs."""
    rise = after["qpos"][:, 2] / physics.substep_seconds
    return rise - control_cost(action) - contact_cost(after) + 1, never(after)


HUMANOIDS: dict[str, Task] = {
    "Humanoid-v5": Task(
        uniform_start(0.01), observation, humanoid_outcome, humanoid_reads, contact_forces=True
    ),
    "HumanoidStandup-v5": Task(uniform_start(0.01), observation, standup_outcome, reads, contact_forces=True),
}
