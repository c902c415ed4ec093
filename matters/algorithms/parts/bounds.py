"""Bounds that PPO and its reference have in common; what is recorded of an update is compared with them."""

from matters.algorithms.interface import Bound


def clip_bound(epsilon: float) -> Bound:
    """The bound of the clipped objective."""
    return Bound("max_ratio", "1 + ε", 1 + epsilon, "beyond it the objective gains nothing")


def stop_bound(target: float) -> Bound:
    """The bound at which an update ends early."""
    return Bound("mean_kl", "target", target, "the update ends at an estimate of 1.5 times it")
