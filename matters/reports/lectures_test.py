"""The lecture figures: their numbers are the exact ones, and they say what the theory says."""

import re

import numpy as np
import pytest

from matters.reports import lectures
from matters.reports.lectures import Figure
from matters.suites.tasks.lectures import lqr_best_gain


@pytest.fixture(scope="module")
def drawn() -> dict[str, Figure]:
    return {figure.drawing.name: figure for figure in lectures.figures()}


def column(figure: Figure, name: str, **where: object) -> np.ndarray:
    rows = [row for row in figure.rows if all(row[key] == value for key, value in where.items())]
    return np.array([row[name] for row in rows], dtype=float)


def test_all_of_them_are_drawn_and_have_their_numbers(drawn: dict[str, Figure]) -> None:
    assert list(drawn) == ["exploration", "plateau", "bound", "gaussians"]
    for figure in drawn.values():
        assert figure.drawing.svg.startswith(b"<?xml")
        assert figure.drawing.pdf.startswith(b"%PDF")
        assert all(
            np.isfinite(value) for row in figure.rows for value in row.values() if not isinstance(value, str)
        )


def test_the_vanilla_gradient_stops_exploring_before_its_gain_is_right(drawn: dict[str, Figure]) -> None:
    ends = {way: column(drawn["exploration"], "gain", gradient=way)[-1] for way in lectures.WAYS}
    spreads = {way: column(drawn["exploration"], "spread", gradient=way)[-1] for way in lectures.WAYS}
    best = lqr_best_gain()
    assert abs(ends["natural"] - best) < 0.01
    assert abs(ends["vanilla"] - best) > 0.1
    assert spreads["vanilla"] < 0.1


def test_the_natural_gradient_leaves_the_plateau_and_the_vanilla_one_is_on_it(
    drawn: dict[str, Figure],
) -> None:
    ends = {way: column(drawn["plateau"], "average_reward", gradient=way)[-1] for way in lectures.WAYS}
    assert ends["vanilla"] < 1.1
    assert ends["natural"] > 1.9


def test_the_bounds_touch_the_return_where_they_begin_and_are_below_it_elsewhere(
    drawn: dict[str, Figure],
) -> None:
    figure = drawn["bound"]
    found, first, second = (column(figure, name) for name in ("return J", "bound M₀", "bound M₁"))
    assert first[0] == pytest.approx(found[0])
    assert (first <= found + 1e-12).all()
    assert (second <= found + 1e-12).all()
    top = int(first.argmax())
    assert top > 0
    assert second[top] == pytest.approx(found[top])
    assert second.max() > first.max(), "the second step goes on"
    surrogate = column(figure, "surrogate L₀")
    assert surrogate[0] == pytest.approx(found[0])
    assert (surrogate[1:] > found[1:] + 1e-6).all()


def test_the_same_step_of_the_mean_is_sixteen_times_the_kl_where_sigma_is_a_quarter(
    drawn: dict[str, Figure],
) -> None:
    assert lectures.divergence(0.5) == 2.0
    assert lectures.divergence(0.5) / lectures.divergence(2.0) == 16.0
    figure = drawn["gaussians"]
    for spread in lectures.SPREADS:
        x, p, q = (column(figure, name, spread=spread) for name in ("action", "density_0", "density_1"))
        assert np.trapezoid(p * np.log(p / q), x) == pytest.approx(lectures.divergence(spread), rel=0.02)


def test_what_a_caption_says_is_in_the_numbers(drawn: dict[str, Figure]) -> None:
    ends = [column(drawn["exploration"], "gain", gradient=way)[-1] for way in lectures.WAYS]
    said = re.findall(r"k = (-0\.\d{3})", drawn["exploration"].drawing.caption)
    assert [f"{end:.3f}" for end in ends] == said
