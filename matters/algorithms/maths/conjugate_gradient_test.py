import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from matters.algorithms.maths.conjugate_gradient import (
    backtrack,
    conjugate_gradient,
    dense,
    dot,
    trust_region_step,
)


def system(seeds: int, size: int, *, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """A symmetric positive definite matrix [S, n, n] and a right side [S, n], in double precision."""
    generator = torch.Generator().manual_seed(seed)
    root = torch.randn(seeds, size, size, generator=generator, dtype=torch.float64)
    matrix = root @ root.transpose(1, 2) / size + 0.1 * torch.eye(size, dtype=torch.float64)
    return matrix, torch.randn(seeds, size, generator=generator, dtype=torch.float64)


def product_of(matrix: torch.Tensor):
    return lambda vector: torch.stack([m @ v for m, v in zip(matrix, vector, strict=True)])


@given(size=st.integers(1, 12), seed=st.integers(0, 100))
@settings(max_examples=25, deadline=None)
def test_conjugate_gradient_with_as_many_steps_as_unknowns_is_the_dense_solution(
    size: int, seed: int
) -> None:
    matrix, target = system(3, size, seed=seed)
    x, residual = conjugate_gradient(product_of(matrix), target, steps=2 * size, tolerance=0.0)
    assert torch.allclose(x, torch.linalg.solve(matrix, target), rtol=1e-6, atol=1e-8)
    assert (residual < 1e-7).all()


def test_a_system_that_is_solved_before_the_steps_are_over_stays_solved_in_single_precision() -> None:
    matrix = torch.diag(torch.tensor([0.3, 0.7, 1.9]))
    targets = torch.randn(200, 3, generator=torch.Generator().manual_seed(0))
    targets *= torch.logspace(-12, 6, 200)[:, None]
    x, residual = conjugate_gradient(lambda v: v @ matrix, targets, steps=30, tolerance=0.0)
    torch.testing.assert_close(x, targets / matrix.diag(), rtol=1e-4, atol=0.0)
    assert (residual < 1e-5).all()


def test_the_reported_residual_is_that_of_the_solution() -> None:
    matrix, target = system(4, 20)
    for steps in (1, 3, 7):
        x, residual = conjugate_gradient(product_of(matrix), target, steps=steps, tolerance=0.0)
        true = (target - product_of(matrix)(x)).norm(dim=1) / target.norm(dim=1)
        assert torch.allclose(residual, true)


def test_conjugate_gradient_ends_at_the_tolerance_for_each_seed_apart() -> None:
    easy, hard = torch.eye(6, dtype=torch.float64), torch.diag(torch.logspace(-3, 3, 6, dtype=torch.float64))
    target = torch.ones(2, 6, dtype=torch.float64)
    calls = 0

    def product(vector: torch.Tensor) -> torch.Tensor:
        nonlocal calls
        calls += 1
        return product_of(torch.stack([easy, hard]))(vector)

    x, residual = conjugate_gradient(product, target, steps=50, tolerance=1e-6)
    assert (residual <= 1e-6).all()
    assert torch.equal(x[0], target[0])  # solved in the first step and left alone while the other went on
    assert 6 <= calls < 50


def test_a_seed_without_a_gradient_stays_where_it_is_and_breaks_nobody() -> None:
    matrix, target = system(2, 5)
    target[0] = 0.0
    x, residual = conjugate_gradient(product_of(matrix), target, steps=10, tolerance=0.0)
    step, factor = trust_region_step(x, dot(x, product_of(matrix)(x)), kl=0.01)
    assert torch.equal(step[0], torch.zeros(5, dtype=torch.float64))
    assert (residual[0], factor[0]) == (0.0, 0.0)
    assert torch.isfinite(step).all()
    assert torch.allclose(x[1], torch.linalg.solve(matrix[1], target[1]))


def test_the_dense_matrix_is_what_its_products_say() -> None:
    matrix, target = system(2, 6)
    assert torch.allclose(dense(product_of(matrix), 6, target), matrix)
    assert torch.allclose(dense(product_of(matrix), 4, target), matrix[:, :4, :4])


def test_the_trust_region_step_has_the_quadratic_kl_it_is_given() -> None:
    matrix, target = system(3, 8)
    x = torch.linalg.solve(matrix, target)
    step, _ = trust_region_step(x, dot(x, product_of(matrix)(x)), kl=0.03)
    assert torch.allclose(
        0.5 * dot(step, product_of(matrix)(step)), torch.full((3,), 0.03, dtype=torch.float64)
    )


@given(limits=st.lists(st.floats(0.001, 2.0), min_size=1, max_size=5))
@settings(max_examples=50, deadline=None)
def test_backtracking_takes_the_first_length_that_each_seed_accepts(limits: list[float]) -> None:
    limit = torch.tensor(limits, dtype=torch.float64)
    start, step = (
        torch.zeros(len(limits), 3, dtype=torch.float64),
        torch.ones(len(limits), 3, dtype=torch.float64),
    )
    chosen, factor = backtrack(lambda theta: theta[:, 0] <= limit, start, step, tries=5, shrink=0.5)
    for row, most in enumerate(limits):
        lengths = [0.5**j for j in range(5) if 0.5**j <= most]
        expected = lengths[0] if lengths else 0.0
        assert factor[row] == expected
        assert torch.equal(chosen[row], torch.full((3,), expected, dtype=torch.float64))


def test_a_seed_that_accepts_nothing_holds_back_nobody() -> None:
    start, step = torch.randn(3, 4), torch.randn(3, 4)
    chosen, factor = backtrack(
        lambda _theta: torch.tensor([True, False, True]), start, step, tries=10, shrink=0.5
    )
    assert torch.equal(chosen, torch.stack([start[0] + step[0], start[1], start[2] + step[2]]))
    assert factor.tolist() == [1.0, 0.0, 1.0]
