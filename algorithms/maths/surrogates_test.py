import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from algorithms.maths.surrogates import clipped_squared_error, clipped_surrogate, squared_error

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
    rho = torch.tensor([[ratio]], dtype=torch.float64, requires_grad=True)
    found = clipped_surrogate(rho, torch.tensor([[advantage]], dtype=torch.float64), clip=0.2)
    (gradient,) = torch.autograd.grad(found.sum(), rho)
    assert float(found.detach()) == pytest.approx(value)
    assert float(gradient) == slope


@pytest.mark.parametrize("advantage", [2.0, -2.0])
def test_at_ratio_1_the_clipped_objective_has_the_whole_gradient(advantage: float) -> None:
    rho = torch.ones(1, 1, requires_grad=True)
    (gradient,) = torch.autograd.grad(
        clipped_surrogate(rho, torch.tensor([[advantage]]), clip=0.2).sum(), rho
    )
    assert float(gradient) == advantage


@QUICK
@given(RATIO, NUMBER, st.floats(0.01, 0.9))
def test_the_clipped_objective_never_exceeds_the_unclipped_one(
    ratio: float, advantage: float, clip: float
) -> None:
    rho, a = torch.tensor([[ratio]]), torch.tensor([[advantage]])
    found = clipped_surrogate(rho, a, clip=clip)
    assert found <= rho * a
    if abs(ratio - 1) < 0.99 * clip:
        assert found == rho * a


def test_the_squared_error_has_no_factor_one_half() -> None:
    assert squared_error(torch.tensor([[1.0, 5.0]]), torch.tensor([[3.0, 2.0]])).tolist() == [[4.0, 9.0]]


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
    assert float(clipped_squared_error(v, v_old, v_target, clip=0.2)) == pytest.approx(expected)


@QUICK
@given(NUMBER, NUMBER, NUMBER, st.floats(0.01, 2))
def test_the_clipped_value_error_is_the_maximum_of_engstroms_equation(
    value: float, old: float, target: float, clip: float
) -> None:
    v, v_old, v_target = (torch.tensor([[x]], dtype=torch.float64) for x in (value, old, target))
    clipped = min(max(value, old - clip), old + clip)
    expected = max((value - target) ** 2, (clipped - target) ** 2)
    assert float(clipped_squared_error(v, v_old, v_target, clip=clip)) == pytest.approx(expected, abs=1e-9)


def test_a_clipped_value_gets_no_gradient_towards_the_target() -> None:
    value = torch.tensor([[2.0]], requires_grad=True)
    error = clipped_squared_error(value, torch.tensor([[1.0]]), torch.tensor([[3.0]]), clip=0.2)
    (gradient,) = torch.autograd.grad(error.sum(), value)
    assert float(gradient) == 0
