"""Looks at a study that grows until it is decided: how small a p-value has to be at each look.

Whoever looks twice at 5 % errs in more than 5 %. A spending function says how much of it may have been spent
after which share of the runs; the bounds follow from how a mean of normal runs wanders between looks. Source:
Lan and DeMets, "Discrete sequential boundaries for clinical trials" (Biometrika 1983), with the function
that resembles O'Brien and Fleming's bounds.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import optimize, stats

from matters.reports.statistics.comparisons import ALPHA
from matters.reports.statistics.intervals import Array

FAR = 9.0  # standard deviations beyond which nothing wanders
NODES = 400  # of the quadrature


@dataclass(frozen=True)
class Levels:
    """What a p-value may be at most at a look: of no difference, and of the two one-sided tests."""

    different: float
    equivalent: float


def spent(alpha: float, share: float) -> float:
    """How much of a one-sided `alpha` is spent at this share of the runs: 2 - 2 Φ(z_{α/2} / √share)."""
    if share == 0:
        return 0.0
    return float(2 * stats.norm.sf(stats.norm.isf(alpha / 2) / math.sqrt(share)))


def bounds(shares: Sequence[float], alpha: float, *, two_sided: bool) -> list[float]:
    """The bound on z at each look, where the looks come at these shares of the runs, the last at 1.

    A sum S of independent increments has variance `share`; z = S / √share. At each look the bound is
    such that the probability of crossing it there for the first time is what may newly be spent. With
    `two_sided`, |z| is bounded, and `alpha` is that of both sides.
    """
    one_side = alpha / 2 if two_sided else alpha
    found: list[float] = []
    nodes, density = np.zeros(1), np.ones(1)  # where S is, with weights: at 0 before the first look
    before = 0.0
    for share, step in zip(shares, np.diff([0.0, *shares]), strict=True):
        allowed = (spent(one_side, share) - spent(one_side, before)) * (2 if two_sided else 1)
        deviation = math.sqrt(step)
        root = math.sqrt(share)

        def excess(bound: float, at: tuple[Array, Array, float, float, float]) -> float:
            nodes, density, root, deviation, allowed = at
            over = stats.norm.sf((bound * root - nodes) / deviation)
            under = stats.norm.cdf((-bound * root - nodes) / deviation) if two_sided else 0.0
            return float(density @ (over + under)) - allowed

        at = (nodes, density, root, deviation, allowed)
        bound = float(optimize.brentq(excess, 0.0, FAR, args=(at,)))
        found.append(bound)
        reach = bound * root
        low = -reach if two_sided else -FAR * root
        points, weights = np.polynomial.legendre.leggauss(NODES)
        place = low + (points + 1) * (reach - low) / 2
        arriving = stats.norm.pdf((place[:, None] - nodes) / deviation) / deviation
        nodes, density = place, (arriving @ density) * weights * (reach - low) / 2
        before = share
    return found


def levels(seeds: Sequence[int]) -> list[Levels]:
    """What p-values may be at looks after these numbers of seeds. Each of both questions spends its own 5 %.

    The bounds are on p, and not on t: few runs have heavier tails than the bounds on z allow for. Looks at 5,
    10 and 20 seeds have bounds of 4.333, 2.963 and 1.969 on |z|; used on Welch's t they would err in 6.2 %.
    """
    shares = [count / seeds[-1] for count in seeds]
    apart = bounds(shares, ALPHA, two_sided=True)
    alike = bounds(shares, ALPHA, two_sided=False)
    return [
        Levels(float(2 * stats.norm.sf(a)), float(stats.norm.sf(b)))
        for a, b in zip(apart, alike, strict=True)
    ]
