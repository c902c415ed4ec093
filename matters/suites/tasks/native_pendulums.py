"""InvertedPendulum and InvertedDoublePendulum."""

from typing import Any

import numpy as np

from matters.suites.tasks.native_task import (
    Action,
    Flags,
    Numbers,
    Physics,
    Seen,
    Task,
    normal_start,
    uniform_start,
)


def pendulum_observation(seen: Seen) -> Numbers:
    """Positions and velocities."""
    return seen["state"]


def pendulum_outcome(before: Seen, action: Action, after: Seen, physics: Physics) -> tuple[Numbers, Flags]:  # noqa: ARG001
    """1 while the pole leans by at most 0.2 and all is finite."""
    healthy = np.isfinite(after["state"]).all(1) & (np.abs(after["qpos"][:, 1]) <= 0.2)
    return healthy.astype(np.float64), ~healthy


def double_pendulum_reads(data: Any) -> dict[str, Numbers]:
    """The tip's position, as MuJoCo last computed it in the step's last substep, and constraint forces."""
    return {"tip": data.site_xpos[0], "qfrc_constraint": data.qfrc_constraint}


def double_pendulum_observation(seen: Seen) -> Numbers:
    """The cart's position, the angles' sines and cosines, velocities and the cart's constraint within ±10."""
    angles = seen["qpos"][:, 1:]
    return np.concatenate(
        (
            seen["qpos"][:, :1],
            np.sin(angles),
            np.cos(angles),
            np.clip(seen["qvel"], -10, 10),
            np.clip(seen["qfrc_constraint"][:, :1], -10, 10),
        ),
        1,
    )


def double_pendulum_outcome(
    before: Seen,  # noqa: ARG001
    action: Action,  # noqa: ARG001
    after: Seen,
    physics: Physics,  # noqa: ARG001
) -> tuple[Numbers, Flags]:
    """10 while the tip is above 1, less its distance from (0, 2) and the poles' velocities, both weighted."""
    x, y = _squared(after["tip"][:, 0]), _squared(after["tip"][:, 2] - 2)
    v1, v2 = _squared(after["qvel"][:, 1]), _squared(after["qvel"][:, 2])
    terminated = after["tip"][:, 2] <= 1
    return 10.0 * ~terminated - (0.01 * x + y) - (1e-3 * v1 + 5e-3 * v2), terminated


def _squared(x: Numbers) -> Numbers:
    """x² as the C library's pow computes it: in one case in a thousand its last bit is not that of x · x."""
    return np.array([number**2 for number in x.tolist()])


PENDULUMS: dict[str, Task] = {
    "InvertedPendulum-v5": Task(uniform_start(0.01), pendulum_observation, pendulum_outcome),
    "InvertedDoublePendulum-v5": Task(
        normal_start(0.1), double_pendulum_observation, double_pendulum_outcome, double_pendulum_reads
    ),
}
