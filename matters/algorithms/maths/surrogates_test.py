from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from matters.algorithms.maths.surrogates import (
    clipped_squared_error,
    clipped_surrogate,
    huber_error,
    squared_error,
)

QUICK = settings(deadline=None, max_examples=50)
RATIO = st.floats(0, 5)
NUMBER = st.floats(-10, 10)


@pytest.mark.parametrize(
    ("ratio", "advantage", "value", "slope"),
    [
        # The six cases of figure 1 of Schulman et al. 2017: the gradient dies only where the ratio has moved
        # past the clip in the direction that the advantage rewards.
        (1.1, 2.0, 2.2, 2.0),
        (1.5, 2.0, 2.4, 0.0),
        (0.5, 2.0, 1.0, 2.0),
        (0.9, -2.0, -1.8, -2.0),
        (0.5, -2.0, -1.6, 0.0),
        (1.5, -2.0, -3.0, -2.0),
    ],
)
def test_clipping_kills_the_gradient_exactly_where_the_paper_says(
    ratio: float, advantage: float, value: float, slope: float
) -> None:
    rho, a = (torch.tensor([[x]], dtype=torch.float64) for x in (ratio, advantage))
    objective, found = clipped_surrogate(rho, a, clip=0.2)
    assert float(objective) == pytest.approx(value)
    assert float(found) == slope


@pytest.mark.parametrize("advantage", [2.0, -2.0])
def test_at_ratio_1_the_clipped_objective_has_the_whole_gradient(advantage: float) -> None:
    _, slope = clipped_surrogate(torch.ones(1, 1), torch.tensor([[advantage]]), clip=0.2)
    assert float(slope) == advantage


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("clip", [0.05, 0.2, 1.0])
def test_each_slope_is_that_which_autograd_finds(clip: float, dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    x, old, target = torch.randn(3, 2, 500, generator=generator, dtype=dtype)
    x[0, :250] = old[0, :250] + 0.5 * clip * x[0, :250]  # most of them within the clip
    for function in (
        lambda x: clipped_surrogate(1 + x, target, clip=clip),
        lambda x: squared_error(x, target),
        lambda x: clipped_squared_error(x, old, target, clip=clip),
        lambda x: huber_error(x, target, delta=clip),
        lambda x: clipped_squared_error(x, old, target, clip=clip, error=partial(huber_error, delta=0.7)),
        lambda x: clipped_squared_error(x, old, target, clip=torch.full((2, 1), clip, dtype=dtype)),
    ):
        leaf = x.clone().requires_grad_()
        value, slope = function(leaf)
        (theirs,) = torch.autograd.grad(value.sum(), leaf)
        torch.testing.assert_close(slope.detach(), theirs)


@QUICK
@given(RATIO, NUMBER, st.floats(0.01, 0.9))
def test_the_clipped_objective_never_exceeds_the_unclipped_one(
    ratio: float, advantage: float, clip: float
) -> None:
    rho, a = torch.tensor([[ratio]]), torch.tensor([[advantage]])
    found, _ = clipped_surrogate(rho, a, clip=clip)
    assert found <= rho * a
    if abs(ratio - 1) < 0.99 * clip:
        assert found == rho * a


def test_the_squared_error_has_no_factor_one_half() -> None:
    errors, slopes = squared_error(torch.tensor([[1.0, 5.0]]), torch.tensor([[3.0, 2.0]]))
    assert errors.tolist() == [[4.0, 9.0]]
    assert slopes.tolist() == [[-4.0, 6.0]]


@pytest.mark.parametrize(
    ("value", "old", "target", "expected"),
    [
        (1.1, 1.0, 3.0, 1.9**2),  # within the clip: the plain error
        (2.0, 1.0, 3.0, 1.8**2),  # moved towards the target past the clip: the error at 1.2
        (0.0, 1.0, 3.0, 3.0**2),  # moved away: the plain error is the larger
        (5.0, 1.0, 1.0, 4.0**2),  # overshot: the plain error again
    ],
)
def test_the_clipped_value_error_is_the_larger_of_the_two(
    value: float, old: float, target: float, expected: float
) -> None:
    v, v_old, v_target = (torch.tensor([[x]], dtype=torch.float64) for x in (value, old, target))
    assert float(clipped_squared_error(v, v_old, v_target, clip=0.2)[0]) == pytest.approx(expected)


@QUICK
@given(NUMBER, NUMBER, NUMBER, st.floats(0.01, 2))
def test_the_clipped_value_error_is_the_maximum_of_engstroms_equation(
    value: float, old: float, target: float, clip: float
) -> None:
    v, v_old, v_target = (torch.tensor([[x]], dtype=torch.float64) for x in (value, old, target))
    clipped = min(max(value, old - clip), old + clip)
    expected = max((value - target) ** 2, (clipped - target) ** 2)
    assert float(clipped_squared_error(v, v_old, v_target, clip=clip)[0]) == pytest.approx(expected, abs=1e-9)


def test_a_clipped_value_gets_no_gradient_towards_the_target() -> None:
    value, old, target = (torch.tensor([[x]]) for x in (2.0, 1.0, 3.0))
    _, slope = clipped_squared_error(value, old, target, clip=0.2)
    assert float(slope) == 0


@pytest.mark.parametrize(("error", "loss", "slope"), [(0.5, 0.25, 1.0), (1.0, 1.0, 2.0), (-3.0, 5.0, -2.0)])
def test_hubers_error_is_the_square_up_to_delta_and_a_line_beyond(
    error: float, loss: float, slope: float
) -> None:
    found, of = huber_error(torch.tensor([[2.0 + error]]), torch.tensor([[2.0]]), delta=1.0)
    assert (float(found), float(of)) == (loss, slope)
