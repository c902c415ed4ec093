import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from matters.algorithms.parts.optimisers import adam_step, clip_coefficient, global_norm, gradient
from matters.algorithms.parts.theta import ROW_MULTIPLE, Layout, Target, Theta

QUICK = settings(deadline=None, max_examples=25)
LAYOUT = Layout(("weight", "bias"), ((3, 5), (1, 5)))


def drawn(seeds: int = 3, layout: Layout = LAYOUT, dtype: torch.dtype = torch.float32) -> Theta:
    """One row a seed, each drawn from its own generator."""
    rows = [
        layout.row([np.random.default_rng(seed).standard_normal(shape) for shape in layout.shapes])
        for seed in range(seeds)
    ]
    return Theta.of(rows, layout, dtype)


def slopes(steps: int, theta: Theta) -> list[Tensor]:
    """A gradient [S, P] a step, 0 in the padding."""
    generator = torch.Generator().manual_seed(0)
    found = torch.randn(steps, *theta.matrix.shape, generator=generator, dtype=theta.matrix.dtype)
    found[..., theta.layout.parameters :] = 0
    return list(found)


@QUICK
@given(st.lists(st.tuples(st.integers(1, 20), st.integers(1, 20)), min_size=1, max_size=5))
def test_a_row_is_the_parameters_in_order_padded_with_zeros_to_the_multiple(
    shapes: list[tuple[int, ...]],
) -> None:
    layout = Layout(tuple(f"p{i}" for i in range(len(shapes))), tuple(shapes))
    assert layout.width % ROW_MULTIPLE == 0
    assert layout.width - layout.parameters < ROW_MULTIPLE
    parameters = [np.random.default_rng(i).standard_normal(shape) for i, shape in enumerate(shapes)]
    row = layout.row(parameters)
    assert len(row) == layout.width
    assert not row[layout.parameters :].any()
    for view, parameter in zip(layout.views(torch.from_numpy(row)[None]), parameters, strict=True):
        np.testing.assert_array_equal(view[0], parameter)


def test_frozen_views_and_leaves_see_updates_in_place() -> None:
    theta = drawn()
    weight, leaf = theta.views[0], theta.leaves[0]
    theta.matrix[:, 0] = 7.0
    assert (weight[:, 0, 0] == 7).all()
    assert (leaf[:, 0, 0] == 7).all()
    assert leaf.requires_grad
    assert not weight.requires_grad


def test_the_gradient_of_a_row_is_that_of_its_own_seeds_loss_and_0_in_the_padding() -> None:
    theta, other = drawn(), drawn(layout=Layout(("scale",), ((1, 2),)))
    weight, bias = theta.leaves
    (scale,) = other.leaves
    loss = (weight**2).sum((1, 2)) + 3 * bias.sum((1, 2)) + (scale**3).sum((1, 2))
    first, second = gradient(loss * torch.tensor([1.0, 10.0, 100.0]), theta, other)
    factor = torch.tensor([[1.0], [10.0], [100.0]])
    torch.testing.assert_close(first[:, :15], factor * 2 * theta.matrix[:, :15])
    torch.testing.assert_close(first[:, 15:20], factor * torch.full((3, 5), 3.0))
    torch.testing.assert_close(second[:, :2], factor * 3 * other.matrix[:, :2] ** 2)
    assert not first[:, 20:].any()
    assert not second[:, 2:].any()


@pytest.mark.parametrize("epsilon", [1e-8, 1e-5])
def test_adam_over_many_steps_is_pytorchs_on_each_row(epsilon: float) -> None:
    theta = drawn(dtype=torch.float64)
    rows = [torch.nn.Parameter(row.clone()) for row in theta.matrix]
    optimisers = [torch.optim.Adam([row], lr=1e-2, eps=epsilon) for row in rows]
    for slope in slopes(50, theta):
        adam_step(theta, slope, learning_rate=1e-2, epsilon=epsilon)
        for row, optimiser, own in zip(rows, optimisers, slope, strict=True):
            row.grad = own.clone()
            optimiser.step()
    torch.testing.assert_close(theta.matrix, torch.stack([row.detach() for row in rows]))
    assert theta.steps.tolist() == [50, 50, 50]


def test_the_first_step_of_adam_is_the_learning_rate_against_the_gradients_sign() -> None:
    theta = drawn()
    before, (slope,) = theta.matrix.clone(), slopes(1, theta)
    adam_step(theta, slope, learning_rate=0.1, epsilon=1e-12)
    torch.testing.assert_close(theta.matrix, before - 0.1 * slope.sign())


def test_a_resting_seed_keeps_its_parameters_moments_and_step_count() -> None:
    theta, together = drawn(), drawn()
    for slope in slopes(3, theta):
        adam_step(theta, slope, learning_rate=0.1, epsilon=1e-8)
        adam_step(together, slope, learning_rate=0.1, epsilon=1e-8)
    kept = [tensor[1].clone() for tensor in (theta.matrix, theta.first, theta.second, theta.steps)]
    for slope in slopes(2, theta):
        rests = slope.clone()
        rests[1] = torch.nan
        adam_step(theta, rests, learning_rate=0.1, epsilon=1e-8, active=torch.tensor([True, False, True]))
        adam_step(together, slope, learning_rate=0.1, epsilon=1e-8)
    for before, now in zip(kept, (theta.matrix, theta.first, theta.second, theta.steps), strict=True):
        assert torch.equal(before, now[1])
    for row in (0, 2):
        assert torch.equal(theta.matrix[row], together.matrix[row])
    assert theta.steps.tolist() == [5, 3, 5]


def test_an_adam_step_of_nobody_changes_nothing() -> None:
    theta = drawn()
    before = theta.matrix.clone()
    adam_step(
        theta, slopes(1, theta)[0], learning_rate=0.1, epsilon=1e-8, active=torch.zeros(3, dtype=torch.bool)
    )
    assert torch.equal(theta.matrix, before)


def test_the_padding_stays_exactly_0_over_many_steps() -> None:
    theta = drawn()
    for slope in slopes(50, theta):
        adam_step(theta, slope, learning_rate=1.0, epsilon=1e-8)
    for tensor in (theta.matrix, theta.first, theta.second):
        assert not tensor[:, LAYOUT.parameters :].any()


@pytest.mark.parametrize("size", [1, 5, 63, 64, 65, 200])
def test_an_adam_step_of_a_seed_alone_has_the_bits_of_the_same_seed_among_ten(size: int) -> None:
    layout = Layout(("weight",), ((size, 3),))
    among = drawn(10, layout)
    gradients = slopes(5, among)
    for seed in (0, 3, 9):
        alone = Theta.of([among.matrix[seed].numpy()], layout)
        crowd = Theta.of(list(among.matrix.numpy()), layout)
        for slope in gradients:
            adam_step(alone, slope[[seed]].clone(), learning_rate=1e-3, epsilon=1e-5)
            adam_step(crowd, slope, learning_rate=1e-3, epsilon=1e-5)
        assert torch.equal(alone.matrix[0], crowd.matrix[seed])


def test_the_global_norm_is_that_of_all_gradients_of_a_seed_as_one_vector() -> None:
    first, second = torch.tensor([[3.0, 0.0], [1.0, 1.0]]), torch.tensor([[0.0, 4.0], [1.0, 1.0]])
    assert global_norm(first, second).tolist() == [5.0, 2.0]


@QUICK
@given(st.floats(1e-3, 1e3), st.floats(1e-6, 1e6), st.integers(0, 1000))
def test_a_clipped_gradients_norm_never_exceeds_the_limit(limit: float, scale: float, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    first = torch.randn(3, 64, generator=generator) * scale
    second = torch.randn(3, 128, generator=generator) * torch.tensor([[1e-3], [1.0], [1e3]])
    norm = global_norm(first, second)
    coefficient = clip_coefficient(norm, limit=limit)
    clipped = global_norm(first * coefficient, second * coefficient)
    assert (clipped <= limit * (1 + 1e-6)).all()
    small = norm < 0.999 * limit
    assert torch.equal(clipped[small], norm[small])  # a gradient within the limit is left alone
    torch.testing.assert_close(clipped[~small], norm[~small].clamp(max=limit), rtol=2e-3, atol=0)


def test_clipping_scales_a_gradient_and_does_not_turn_it() -> None:
    slope = torch.tensor([[30.0, 40.0, 0.0]])
    clipped = slope * clip_coefficient(global_norm(slope), limit=0.5)
    torch.testing.assert_close(clipped, torch.tensor([[0.3, 0.4, 0.0]]))


def test_clipping_is_pytorchs() -> None:
    slope = slopes(1, drawn(1))[0]
    theirs = torch.nn.Parameter(torch.zeros_like(slope))
    theirs.grad = slope.clone()
    torch.nn.utils.clip_grad_norm_([theirs], 0.5)
    torch.testing.assert_close(slope * clip_coefficient(global_norm(slope), limit=0.5), theirs.grad)


def test_a_seeds_clip_does_not_see_the_other_seeds_gradients() -> None:
    slope = torch.tensor([[0.3, 0.0], [torch.inf, 0.0]])
    assert clip_coefficient(global_norm(slope), limit=0.5)[0] == 1


def twins(seeds: int = 3, layout: Layout = LAYOUT) -> Theta:
    """Two rows a seed."""
    rows = drawn(2 * seeds, layout).matrix.view(seeds, 2, -1)
    return Theta.of(list(rows.numpy()), layout)


def test_two_networks_a_seed_are_two_rows_a_seed() -> None:
    theta = twins()
    assert theta.matrix.shape == theta.first.shape == theta.second.shape == (3, 2, 64)
    assert theta.steps.shape == (3, 2)
    weight, bias = theta.views
    assert weight.shape == (6, 3, 5)
    for k in (0, 1):
        own = theta.member(k)
        assert torch.equal(own[0], weight[k::2])
        assert torch.equal(own[1], bias[k::2])
    theta.matrix[2, 1] = 7.0
    assert (weight[5] == 7).all()
    assert (theta.leaves[0][5] == 7).all()


def test_the_gradient_to_two_networks_a_seed_has_their_shape_and_is_each_ones_own() -> None:
    theta = twins()
    summed = theta.leaves[0].sum((1, 2)) + 0 * theta.leaves[1].sum((1, 2))
    loss = summed.view(3, 2) * torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    (slope,) = gradient(loss.sum(1), theta)
    assert slope.shape == theta.matrix.shape
    assert slope[:, :, 0].tolist() == [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]
    assert not slope[..., 15:].any()


def test_adam_on_two_networks_a_seed_has_the_bits_of_adam_on_each_alone() -> None:
    pair, single = twins(), drawn(6)
    for slope in slopes(5, single):
        adam_step(pair, slope.view(3, 2, -1), learning_rate=0.1, epsilon=1e-8)
        adam_step(single, slope, learning_rate=0.1, epsilon=1e-8)
    assert torch.equal(pair.matrix.view(6, -1), single.matrix)
    adam_step(
        pair,
        slopes(1, single)[0].view(3, 2, -1),
        learning_rate=0.1,
        epsilon=1e-8,
        active=torch.tensor([True, False, True]),
    )
    assert pair.steps.tolist() == [[6, 6], [5, 5], [6, 6]]
    assert torch.equal(pair.matrix[1].flatten(), single.matrix[2:4].flatten())
    assert not torch.equal(pair.matrix[0].flatten(), single.matrix[:2].flatten())


def test_weight_decay_is_pytorchs() -> None:
    theta = drawn(1)
    row = torch.nn.Parameter(theta.matrix[0].clone())
    optimiser = torch.optim.Adam([row], lr=1e-2, weight_decay=0.1)
    for slope in slopes(5, theta):
        adam_step(theta, slope, learning_rate=1e-2, epsilon=1e-8, weight_decay=0.1)
        row.grad = slope[0].clone()
        optimiser.step()
    torch.testing.assert_close(theta.matrix[0], row.detach())
    assert not theta.matrix[:, LAYOUT.parameters :].any()


@pytest.mark.parametrize("rate", [0.001, 0.005, 0.3, 1.0])
def test_a_targets_distance_to_what_it_follows_shrinks_by_1_minus_the_rate(rate: float) -> None:
    theta = drawn(dtype=torch.float64)
    target = Target.of(theta)
    start = target.matrix.clone()
    theta.matrix.add_(1.0).mul_(2.0)
    assert torch.equal(target.matrix, start)  # a copy: it does not move by itself
    for _ in range(20):
        target.follow(theta, rate=rate)
    torch.testing.assert_close(target.matrix, theta.matrix + (1 - rate) ** 20 * (start - theta.matrix))
    torch.testing.assert_close(target.views[0].flatten(1), target.matrix[:, :15])
    if rate == 1:
        assert torch.equal(target.matrix, theta.matrix)


@pytest.mark.parametrize("size", [1, 5, 63, 65, 200])
def test_a_target_alone_has_the_bits_of_the_same_target_among_ten(size: int) -> None:
    layout = Layout(("weight",), ((size, 3),))
    among = drawn(10, layout)
    crowd = Target.of(among)
    among.matrix.mul_(3.0)
    crowd.follow(among, rate=0.005)
    for seed in (0, 3, 9):
        own = Theta.of([among.matrix[seed].numpy()], layout)
        alone = Target(drawn(10, layout).matrix[[seed]].clone(), layout)
        alone.follow(own, rate=0.005)
        assert torch.equal(alone.matrix[0], crowd.matrix[seed])


def test_arrays_are_the_memory_of_the_views() -> None:
    theta = drawn(3)
    target = Target.of(theta)
    for each in (theta, target):
        for view, own in zip(each.views, each.arrays, strict=True):
            assert np.shares_memory(view.numpy(), own)
            np.testing.assert_array_equal(view, own)
    theta.matrix.mul_(2.0)
    np.testing.assert_array_equal(theta.views[0], theta.arrays[0])
    assert not np.array_equal(target.arrays[0], theta.arrays[0])


def test_a_gradient_is_filled_part_by_part_and_its_padding_is_0() -> None:
    theta = drawn(3)
    rows, parts = theta.layout.gradient_like(theta.arrays)
    for part, own in zip(parts, theta.arrays, strict=True):
        part[:] = own
    np.testing.assert_array_equal(rows, theta.matrix)
