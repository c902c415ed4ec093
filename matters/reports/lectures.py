"""The classic figures of lectures on policy gradients, drawn from exact numbers: nothing in them is sampled.

Exploration of the vanilla and the natural gradient on the regulator, the plateau of the chain of two states,
the lower bound M on the return, and two pairs of Gaussians whose means are equally far apart. The problems
are those of `suites.tasks.lectures` and `suites.tasks.tabular`, and each figure comes with its numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from matters.reports.page.style import COLOURS, SOFT, small_multiples
from matters.suites.tasks import lectures, tabular

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from matters.reports.page.section import Drawing

Vector = NDArray[np.float64]
Rows = list[dict[str, float | str]]

HEIGHT = 3.2
KL = 0.01
"""Of each step of either gradient on the regulator, to second order."""
LQR_START = (-0.2, 1.0)
LQR_STEPS = 100
CHAIN_START = np.log([4.0, 0.25])
"""Log-odds of staying: 0.8 of the time is spent in the poorer state."""
CHAIN_RATE = 0.3
SEED, STATES, ACTIONS, DISCOUNT = 4, 4, 3, 0.8
"""Of the finite problem on which the bound is drawn."""
SPREADS, SHIFT = (0.5, 2.0), 1.0


@dataclass(frozen=True)
class Figure:
    """A figure and the numbers in it, a row each."""

    drawing: Drawing
    rows: Rows


def figures() -> list[Figure]:
    """All of them, in the order of a lecture."""
    return [exploration(), plateau(), bound(), gaussians()]


def regulator_path(*, natural: bool) -> list[Vector]:
    """(gain, σ) along exact steps √(2 KL / dᵀFd) d with d = g or F⁻¹g. Peters and Schaal 2008."""
    path = [np.array(LQR_START)]
    for _ in range(LQR_STEPS):
        g, f = lectures.lqr_gradient(*path[-1]), lectures.lqr_fisher(*path[-1])
        direction = np.linalg.solve(f, g) if natural else g
        path.append(path[-1] + np.sqrt(2 * KL / (direction @ f @ direction)) * direction)
    return path


def chain_path(steps: int, *, natural: bool) -> list[float]:
    """The average reward along steps of g or F⁻¹g on the chain of two states. Kakade 2002."""
    theta, path = CHAIN_START, [lectures.chain_return(CHAIN_START)]
    for _ in range(steps):
        g = lectures.chain_gradient(theta)
        theta = theta + CHAIN_RATE * (np.linalg.solve(lectures.chain_fisher(theta), g) if natural else g)
        path.append(lectures.chain_return(theta))
    return path


WAYS = {"vanilla": False, "natural": True}


def exploration() -> Figure:
    """Where either gradient goes on the regulator in gain and spread, with steps of one KL."""
    paths = {name: np.array(regulator_path(natural=way)) for name, way in WAYS.items()}
    best = lectures.lqr_best_gain()

    def draw(ax: Axes, _: str) -> None:
        for colour, (name, path) in zip(COLOURS, paths.items(), strict=False):
            ax.plot(path[:, 0], path[:, 1], color=colour, marker="o", markersize=2, label=name)
        ax.axvline(best, color=SOFT, linestyle=":")
        ax.set(xlabel="gain k", ylabel="spread σ", title="linear-quadratic regulator")

    ends = {name: path[-1][0] for name, path in paths.items()}
    text = (
        f"From k = {LQR_START[0]:g}, σ = {LQR_START[1]:g}, {LQR_STEPS} steps of KL {KL:g} each. The vanilla "
        f"gradient spends its spread first and stops at k = {ends['vanilla']:.3f}; the natural one reaches "
        f"k = {ends['natural']:.3f}, and the best is {best:.3f} (dotted)."
    )
    rows: Rows = [
        {"gradient": name, "step": k, "gain": float(gain), "spread": float(spread)}
        for name, path in paths.items()
        for k, (gain, spread) in enumerate(path)
    ]
    title = "Exploration of the vanilla and the natural gradient"
    return Figure(_drawing("exploration", title, text, draw, WAYS), rows)


def plateau() -> Figure:
    """The average reward of either gradient on the chain of two states, by steps of one rate."""
    paths = {name: chain_path(200, natural=way) for name, way in WAYS.items()}

    def draw(ax: Axes, _: str) -> None:
        for colour, (name, path) in zip(COLOURS, paths.items(), strict=False):
            ax.plot(range(len(path)), path, color=colour, label=name)
        ax.set(xlabel="step", ylabel="average reward", title="chain of two states")

    text = (
        "Staying earns 1 in the first state and 2 in the second. After 200 steps of "
        f"{CHAIN_RATE:g} times the exact gradient the vanilla one has {paths['vanilla'][-1]:.3f}: it learns "
        f"to stay where it is; the natural one has {paths['natural'][-1]:.3f}."
    )
    rows: Rows = [
        {"gradient": name, "step": k, "average_reward": value}
        for name, path in paths.items()
        for k, value in enumerate(path)
    ]
    return Figure(_drawing("plateau", "The plateau of the poorer state", text, draw, WAYS), rows)


def bound() -> Figure:
    """J, its surrogate L and the bound M towards the greedy policy; a second M begins at its top."""
    mdp = tabular.random_mdp(np.random.default_rng(SEED), STATES, ACTIONS, DISCOUNT)
    old = np.full((STATES, ACTIONS), 1 / ACTIONS)
    direction = tabular.greedy(tabular.action_values(mdp, old)) - old
    along = np.linspace(0.0, 0.4, 81)

    def mixed(policy: Vector, amount: float) -> Vector:
        found: Vector = policy + amount * direction
        return found

    lines = {
        "return J": [tabular.returned(mdp, mixed(old, x)) for x in along],
        "surrogate L₀": [tabular.surrogate(mdp, old, mixed(old, x)) for x in along],
        "bound M₀": [tabular.lower_bound(mdp, old, mixed(old, x)) for x in along],
    }
    first = float(along[int(np.argmax(lines["bound M₀"]))])
    middle = mixed(old, first)
    lines["bound M₁"] = [tabular.lower_bound(mdp, middle, mixed(old, x)) for x in along]

    def draw(ax: Axes, _: str) -> None:
        for colour, (name, line) in zip(COLOURS, lines.items(), strict=False):
            ax.plot(along, line, color=colour, label=name)
        ax.axvline(first, color=SOFT, linestyle=":")
        low, high = min(lines["return J"]), max(lines["surrogate L₀"])
        ax.set_ylim(low - 0.5 * (high - low), high + 0.05 * (high - low))
        ax.set(xlabel="α of π = (1 − α) π₀ + α greedy(π₀)", ylabel="expected return", title="a lower bound")

    text = (
        "M₀ touches the return at the first policy and lies below it everywhere; its top is at "
        f"α = {first:.3f}, where the return has risen from {lines['return J'][0]:.4f} to "
        f"{tabular.returned(mdp, middle):.4f}. M₁ begins there. Achiam et al. 2017, corollary 1."
    )
    rows: Rows = [
        {"alpha": float(x), **{name: line[k] for name, line in lines.items()}} for k, x in enumerate(along)
    ]
    return Figure(_drawing("bound", "A lower bound on the return", text, draw, lines), rows)


def gaussians() -> Figure:
    """Two pairs of Gaussians: the same step of the mean, and sixteen times the KL where σ is a quarter."""
    x = np.linspace(-7.0, 8.0, 301)

    def density(mean: float, spread: float) -> Vector:
        found: Vector = np.exp(-0.5 * ((x - mean) / spread) ** 2) / (spread * np.sqrt(2 * np.pi))
        return found

    def draw(ax: Axes, place: str) -> None:
        spread = float(place)
        for colour, mean in zip(COLOURS, (0.0, SHIFT), strict=False):
            ax.plot(x, density(mean, spread), color=colour, label=f"μ = {mean:g}")
        ax.set(xlabel="action", ylabel="density", title=f"σ = {spread:g}: KL {divergence(spread):g}")

    def words(place: str) -> str:
        return f"Two densities of σ = {place}, their means {SHIFT:g} apart: KL {divergence(float(place)):g}"

    text = (
        f"Both pairs are {SHIFT:g} apart in the parameter μ. As distributions the narrow ones are "
        f"{divergence(SPREADS[0]) / divergence(SPREADS[1]):g} times as far apart: KL = Δμ² / (2 σ²)."
    )
    drawing = small_multiples(
        "gaussians",
        [f"{spread:g}" for spread in SPREADS],
        draw,
        words,
        height=HEIGHT,
        title="One distance in parameters, two between distributions",
        caption=text,
        left=0.6,
        variants=("μ = 0", f"μ = {SHIFT:g}"),
    )
    rows: Rows = [
        {"spread": spread, "action": float(at), "density_0": float(a), "density_1": float(b)}
        for spread in SPREADS
        for at, a, b in zip(x, density(0.0, spread), density(SHIFT, spread), strict=True)
    ]
    return Figure(drawing, rows)


def divergence(spread: float) -> float:
    """KL of two Gaussians of this σ whose means are `SHIFT` apart."""
    return SHIFT**2 / (2 * spread**2)


def _drawing(
    name: str,
    title: str,
    caption: str,
    draw: Callable[[Axes, str], None],
    lines: Mapping[str, object] | Sequence[str],
) -> Drawing:
    """A figure of one panel."""
    return small_multiples(
        name,
        [name],
        draw,
        lambda _: caption,
        height=HEIGHT,
        title=title,
        caption=caption,
        left=0.6,
        variants=tuple(lines),
    )
