"""The step sizes of the suite `natural-square`: `python -m testing.measure_square [ENVIRONMENT…]`.

A fixed step α and a length that follows from δ are compared at equal mean KL, so α is found by a pilot on
seeds of its own. Both directions run with KL = δ. With α the KL is α² gᵀFg / 2 to second order (F⁻¹g for g
where the direction is natural), and a step whose length follows from δ was √(2δ / gᵀFg) times g; so the α of
equal mean KL is √(KL / mean(δ / size²)) over the pilot's updates. It then runs by itself, and is corrected
once by what its own mean KL came to, which grows as α².
"""

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from testing.pilot import recorded, specs

ENVIRONMENTS = ("Swimmer-v5", "Hopper-v5", "HalfCheetah-v5", "Walker2d-v5")
SEEDS = (3000, 3001)
DAMPING, KL = 1e-2, 0.01


def pilot(environment: str, **config: Any) -> dict[str, np.ndarray]:
    """Diagnostics of every update of every seed of `npg` with that config."""
    if not {"direction", "step_size"} <= config.keys():  # else F is not used
        config["damping"] = DAMPING
    if "step_size" not in config:
        config["kl"] = KL
    return recorded(specs("npg", environment, SEEDS, **config))


def measure(environment: str, direction: str) -> str:
    """α of one direction on one environment, in a line."""
    own: dict[str, Any] = {"direction": "gradient"} if direction == "gradient" else {}
    free = pilot(environment, **own)
    aim = float(free["mean_kl"].mean())
    first = float(np.sqrt(aim / np.mean(KL / free["step_size"] ** 2)))
    came_to = float(pilot(environment, **own, step_size=first)["mean_kl"].mean())
    corrected = first * float(np.sqrt(aim / came_to))
    unsolved = float((free["cg_residual"] > 1e-4).mean())
    return (
        f"{environment} {direction}: KL = δ has mean KL {aim:.4g} and sizes {free['step_size'].min():.3g} to "
        f"{free['step_size'].max():.3g}; α {first:.3g} has mean KL {came_to:.4g}; "
        f"corrected α {corrected:.2g}; residual above 1e-4 in {unsolved:.0%} of updates"
    )


def main(arguments: Sequence[str]) -> None:
    """Print one line per environment and direction."""
    for environment in arguments or ENVIRONMENTS:
        for direction in ("gradient", "natural"):
            sys.stdout.write(f"{measure(environment, direction)}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
