import numpy as np
import pytest
import torch
from torch import Tensor

from matters.algorithms.conftest import generators, module, normal
from matters.algorithms.maths.kernels import tensor
from matters.algorithms.parts.mlp import Mlp, uniform
from matters.algorithms.parts.theta import Theta

# Widths of the papers, of tests, of critics and policies; none is a multiple of 16 but 256.
SIZES = [
    (23, 256, 256, 1),
    (17, 400, 300, 6),
    (23, 400, 300, 1),
    (14, 20, 50, 12),
    (5, 8, 1),
    (4, 3),
    (1, 1, 1),
]


def first(network: Mlp, generator: np.random.Generator) -> np.ndarray:
    return network.layout.row(network.initial(generator, uniform(None)))


def drawn(sizes: tuple[int, ...], rows: int, dtype: torch.dtype = torch.float64) -> tuple[Mlp, Theta]:
    network = Mlp(sizes)
    return network, Theta.of([first(network, own) for own in generators(range(rows))], network.layout, dtype)


@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("batch", [1, 7])
def test_output_and_slopes_are_those_of_the_torch_nn_network_of_the_same_parameters(
    sizes: tuple[int, ...], batch: int
) -> None:
    network, theta = drawn(sizes, 3)
    x, slope = (
        normal(generators(range(3), k), batch, size).double() for k, size in ((1, sizes[0]), (2, sizes[-1]))
    )
    forward = network.forward(theta.arrays, x)
    gradient = network.gradient(forward, slope)
    number = (sizes[0] + 1) // 2
    to_inputs = network.backward_to_last_inputs(forward, slope, number=number)
    applied = tensor(network.one_by_one(theta.arrays, x))
    assert gradient.shape == theta.matrix.shape
    for row in range(3):
        plain = module([view[row] for view in theta.views])
        own = x[row].clone().requires_grad_()
        output = plain(own)
        torch.testing.assert_close(forward.output[row], output.detach())
        torch.testing.assert_close(applied[row], output.detach())
        (output * slope[row]).sum().backward()
        torch.testing.assert_close(to_inputs[row], torch.as_tensor(own.grad)[:, -number:])
        views = network.layout.views(gradient)
        for mine, parameter in zip((view[row] for view in views), plain.parameters(), strict=True):
            theirs = torch.as_tensor(parameter.grad)
            torch.testing.assert_close(mine, theirs.T if theirs.ndim == 2 else theirs[None])


def bits(sizes: tuple[int, ...], batch: int, seeds: list[int], each: int) -> list[Tensor]:
    """Outputs and slopes in single precision, first axis the seed; `each` networks a seed."""
    network = Mlp(sizes)
    rows = [np.stack([first(network, own) for _ in range(each)]) for own in generators(seeds)]
    theta = Theta.of(rows, network.layout)

    def inputs(stream: int, size: int) -> Tensor:
        return normal(generators(seeds, stream), each, batch, size).flatten(0, 1)

    forward = network.forward(theta.arrays, inputs(1, sizes[0]))
    slope = inputs(2, sizes[-1])
    found = (
        forward.output,
        network.gradient(forward, slope),
        network.backward_to_last_inputs(forward, slope, number=(sizes[0] + 1) // 2),
        tensor(network.one_by_one(theta.arrays, inputs(1, sizes[0]))),
    )
    return [tensor.view(len(seeds), each, *tensor.shape[1:]) for tensor in found]


@pytest.mark.parametrize(
    "sizes", [*SIZES, (5, 256, 256, 1), (365, 256, 256, 1), (348, 400, 300, 17)], ids=str
)
@pytest.mark.parametrize("batch", [1, 25, 100, 256])
def test_a_network_alone_has_the_bits_of_the_same_network_in_a_population(
    sizes: tuple[int, ...], batch: int
) -> None:
    for each in (1, 2):
        alone = bits(sizes, batch, [3], each)
        together = bits(sizes, batch, [8, 3, 1], each)
        for mine, among in zip(alone, together, strict=True):
            assert torch.equal(mine[0], among[1])


def test_one_of_two_networks_has_the_bits_of_the_same_network_alone() -> None:
    network, theta = drawn((14, 20, 50, 1), 2, torch.float32)
    x = normal(generators([0, 1], 1), 25, 14)
    both = network.forward(theta.arrays, x)
    for row in (0, 1):
        own = network.forward([view[[row]] for view in theta.arrays], x[[row]])
        assert torch.equal(own.output[0], both.output[row])


@pytest.mark.parametrize("last", [None, 3e-3])
def test_first_parameters_fill_their_bounds_in_every_layer(last: float | None) -> None:
    network = Mlp((11, 400, 300, 30))
    row = torch.from_numpy(network.layout.row(network.initial(np.random.default_rng(0), uniform(last))))[None]
    parameters = [view[0] for view in network.layout.views(row)]
    assert [tuple(parameter.shape) for parameter in parameters] == list(network.layout.shapes)
    for layer, inputs in enumerate((11, 400, 300)):
        bound = last if layer == 2 and last is not None else inputs**-0.5
        for parameter in parameters[2 * layer : 2 * layer + 2]:
            assert abs(parameter).max() <= bound
            assert parameter.max() > 0.8 * bound
            assert parameter.min() < -0.8 * bound


def test_first_parameters_are_distributed_as_those_of_torch_nn_linear() -> None:
    theirs = torch.nn.Linear(50, 2000)
    _, theta = drawn((50, 2000), 1)
    for mine, other in zip(theta.views, (theirs.weight, theirs.bias), strict=True):
        assert float(mine.abs().max()) == pytest.approx(float(other.detach().abs().max()), rel=1e-2)
        assert float(mine.std()) == pytest.approx(float(other.detach().std()), rel=5e-2)
