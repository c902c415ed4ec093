import numpy as np
import pytest
import torch
from torch import Tensor

from matters.algorithms.maths.kernels import tensor
from matters.algorithms.parts.mlp import Initialiser, Mlp, glorot, linear, orthogonal, orthogonal_matrix
from matters.algorithms.parts.optimisers import gradient
from matters.algorithms.parts.theta import Theta

INPUTS = (3, 4, 11, 17, 105, 348)
OUTPUTS = (1, 2, 3, 6, 7, 8, 17)
BATCHES = (1, 2, 5, 50, 63, 64, 100, 2048)
POPULATIONS = (2, 3, 10)


def population(seeds: int, *shape: int) -> Tensor:
    """float32 [S, *shape], each row drawn from its own generator."""
    rows = [np.random.default_rng(seed).standard_normal(shape, dtype=np.float32) for seed in range(seeds)]
    return torch.from_numpy(np.stack(rows))


def places(seeds: int) -> list[int]:
    """Where a seed may stand in a population: first, in the middle, last."""
    return sorted({0, seeds // 2, seeds - 1})


def pass_and_slopes(network: Mlp, parameters: Tensor, x: Tensor, weights: Tensor) -> tuple[Tensor, ...]:
    """Output [S, B, O] and gradient [S, P] of its weighted sum: by autograd, written out, and one by one."""
    theta = Theta.of(list(parameters.numpy()), network.layout, parameters.dtype)
    output = network(theta.leaves, x)
    (slopes,) = gradient((output * weights).sum((1, 2)), theta)
    forward = network.forward(theta.arrays, x)
    applied = tensor(network.one_by_one(theta.arrays, x))
    return output.detach(), slopes, forward.output, network.gradient(forward, weights), applied


def holds_its_bits(network: Mlp, batch: int) -> bool:
    """Whether a seed alone gets the outputs and gradients, bit for bit, that it gets in any population."""
    inputs, outputs = network.sizes[0], network.sizes[-1]
    parameters = population(10, network.layout.width) / 8
    x, weights = population(10, batch, inputs), population(10, batch, outputs)
    for seeds in POPULATIONS:
        some = slice(0, seeds)
        together = pass_and_slopes(network, parameters[some], x[some], weights[some])
        for seed in places(seeds):
            own = slice(seed, seed + 1)
            alone = pass_and_slopes(network, parameters[own], x[own], weights[own])
            if not all(torch.equal(a[0], t[seed]) for a, t in zip(alone, together, strict=True)):
                return False
    return True


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("tanh", [True, False])
def test_a_network_alone_has_the_bits_of_the_same_network_in_a_population(batch: int, tanh: bool) -> None:
    # All else rests on this. 64 hidden units is what every preset has; wide inputs meet wide outputs.
    shapes = [(i, OUTPUTS[k % len(OUTPUTS)]) for k, i in enumerate(INPUTS)] + [(17, o) for o in OUTPUTS]
    for inputs, outputs in shapes:
        assert holds_its_bits(Mlp((inputs, 64, 64, outputs), tanh), batch), (inputs, outputs)


@pytest.mark.parametrize(
    "sizes", [(1, 64, 64, 1), (17, 1, 6), (1, 1, 1), (17, 2, 6), (11, 50, 25, 3), (3, 7), (3, 1)]
)
@pytest.mark.parametrize("batch", [1, 5, 50, 64])
def test_networks_of_odd_widths_keep_their_bits_too(sizes: tuple[int, ...], batch: int) -> None:
    assert holds_its_bits(Mlp(sizes, True), batch)


@pytest.mark.parametrize("inputs", [*INPUTS, 64, 256])
def test_a_layer_alone_has_the_bits_of_the_same_layer_in_a_population(inputs: int) -> None:
    for outputs in (*OUTPUTS, 5, 16, 64, 100):
        weight, bias = population(10, inputs, outputs), population(10, 1, outputs)
        for batch in (1, 2, 5, 50, 64):
            x = population(10, batch, inputs)
            for seeds in POPULATIONS:
                together = linear(x[:seeds], weight[:seeds], bias[:seeds])
                for seed in places(seeds):
                    own = slice(seed, seed + 1)
                    alone = linear(x[own], weight[own], bias[own])
                    assert torch.equal(alone[0], together[seed]), (outputs, batch, seeds, seed)


def test_control_with_plain_matrix_products_a_network_does_not_keep_its_bits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def plain(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return torch.baddbmm(bias, x, weight)

    monkeypatch.setattr("matters.algorithms.parts.mlp.linear", plain)
    if all(holds_its_bits(Mlp((17, 64, 64, o), True), batch) for o in (6, 17, 7, 1) for batch in BATCHES):
        pytest.skip("on this processor a plain batched product rounds the same for one seed as for ten")


@pytest.mark.parametrize("outputs", OUTPUTS)
@pytest.mark.parametrize("batch", [1, 7])
def test_a_layer_is_x_w_plus_b_and_so_are_its_gradients(outputs: int, batch: int) -> None:
    generator = torch.Generator().manual_seed(0)

    def leaf(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64).requires_grad_()

    x, weight, bias = leaf(3, batch, 5), leaf(3, 5, outputs), leaf(3, 1, outputs)
    plain = torch.einsum("sbi,sio->sbo", x, weight) + bias
    torch.testing.assert_close(linear(x, weight, bias), plain)
    factor = torch.randn(plain.shape, generator=generator, dtype=torch.float64)
    ours = torch.autograd.grad((linear(x, weight, bias) * factor).sum(), (x, weight, bias))
    theirs = torch.autograd.grad((plain * factor).sum(), (x, weight, bias))
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, other)


@pytest.mark.parametrize(
    "sizes", [(17, 64, 64, 6), (11, 400, 300, 3), (376, 256, 256, 17), (4, 3), (1, 1, 1)]
)
def test_what_is_done_upon_an_observation_does_not_depend_on_how_many_there_are(
    sizes: tuple[int, ...],
) -> None:
    network = Mlp(sizes, True)
    theta = Theta.of(list((population(2, network.layout.width) / 8).numpy()), network.layout)
    x = population(2, 23, sizes[0])
    each = tensor(network.one_by_one(theta.arrays, x))
    for number in (1, 2, 5, 8, 23):
        for first in (0, 23 - number):
            some = slice(first, first + number)
            assert torch.equal(tensor(network.one_by_one(theta.arrays, x[:, some])), each[:, some])


def test_control_a_row_of_a_product_depends_on_how_many_there_are() -> None:
    network = Mlp((17, 64, 64, 6), True)
    theta = Theta.of(list((population(1, network.layout.width) / 8).numpy()), network.layout)
    x = population(1, 23, 17)
    whole = network.forward(theta.arrays, x).output
    parts = [network.forward(theta.arrays, x[:, :number]).output for number in range(1, 23)]
    if all(torch.equal(part, whole[:, : part.shape[1]]) for part in parts):
        pytest.skip("this processor's products round each row alike")


@pytest.mark.parametrize("tanh", [True, False])
def test_a_network_is_the_torch_nn_network_of_the_same_weights(tanh: bool) -> None:
    network = Mlp((4, 8, 6, 3), tanh)
    theta = Theta.of(
        [network.layout.row(network.initial(np.random.default_rng(0), glorot))],
        network.layout,
    )
    theta.matrix[:, : network.layout.parameters].add_(0.1)  # so that no bias is 0
    layers: list[torch.nn.Module] = []
    for layer, (i, o) in enumerate(zip(network.sizes, network.sizes[1:], strict=False)):
        module = torch.nn.Linear(i, o)
        with torch.no_grad():
            module.weight.copy_(theta.views[2 * layer][0].T)
            module.bias.copy_(theta.views[2 * layer + 1][0, 0])
        layers += [module, torch.nn.Tanh() if tanh else torch.nn.ReLU()]
    x = torch.randn(1, 10, 4, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(network(theta.views, x)[0], torch.nn.Sequential(*layers[:-1])(x[0]).detach())


@pytest.mark.parametrize("tanh", [True, False])
@pytest.mark.parametrize("sizes", [(4, 8, 6, 3), (17, 64, 64, 1), (1, 5, 1), (3, 2), (3, 1)], ids=str)
def test_slopes_written_out_are_those_that_autograd_finds(sizes: tuple[int, ...], tanh: bool) -> None:
    network = Mlp(sizes, tanh)
    parameters = population(3, network.layout.width).double()
    x, weights = population(4, 9, sizes[0])[1:].double(), population(5, 9, sizes[-1])[2:].double()
    output, slopes, mine, gradient, applied = pass_and_slopes(network, parameters, x, weights)
    torch.testing.assert_close(mine, output)
    torch.testing.assert_close(applied, output)
    torch.testing.assert_close(gradient, slopes)
    assert not gradient[:, network.layout.parameters :].any()


@pytest.mark.parametrize("tanh", [True, False])
@pytest.mark.parametrize("sizes", [(4, 8, 6, 3), (3, 1)], ids=str)
def test_a_tangent_is_the_jacobian_times_the_direction(sizes: tuple[int, ...], tanh: bool) -> None:
    network = Mlp(sizes, tanh)
    own, direction = population(3, 2, network.layout.width).double().unbind(1)
    x = population(4, 9, sizes[0])[1:].double()
    _, expected = torch.autograd.functional.jvp(
        lambda theta: network(network.layout.views(theta), x), own, direction
    )
    forward = network.forward(network.layout.arrays(own), x)
    torch.testing.assert_close(network.tangent(forward, network.layout.arrays(direction)), expected)


def test_a_networks_names_and_shapes_go_together() -> None:
    network = Mlp((4, 8, 2), True)
    assert network.names == ("weight_0", "bias_0", "weight_1", "bias_1")
    assert network.shapes == ((4, 8), (1, 8), (8, 2), (1, 2))
    assert Mlp((4, 2), True).shapes == ((4, 2), (1, 2))  # no hidden layer: a linear map


@pytest.mark.parametrize("shape", [(17, 64), (64, 17), (64, 64), (64, 1), (1, 8)])
def test_an_orthogonal_matrix_has_orthonormal_rows_or_columns(shape: tuple[int, int]) -> None:
    matrix = orthogonal_matrix(np.random.default_rng(0), *shape)
    assert matrix.shape == shape
    product = matrix.T @ matrix if shape[0] >= shape[1] else matrix @ matrix.T
    np.testing.assert_allclose(product, np.eye(min(shape)), atol=1e-12)


def test_an_orthogonal_matrix_prefers_no_sign() -> None:
    # Without taking out R's signs, LAPACK's QR gives a first diagonal of one sign only.
    signs = [np.sign(orthogonal_matrix(np.random.default_rng(seed), 4, 4)[0, 0]) for seed in range(200)]
    assert 60 < signs.count(1) < 140


def test_orthogonal_layers_have_gain_root_2_and_the_last_its_own() -> None:
    weights = Mlp((11, 64, 64, 3), True).initial(np.random.default_rng(0), orthogonal(0.01))[::2]
    for weight, gain in zip(weights, (2**0.5, 2**0.5, 0.01), strict=True):
        np.testing.assert_allclose(np.linalg.svd(weight, compute_uv=False), gain)


def test_glorot_weights_fill_their_bounds_in_every_layer() -> None:
    bound = (6 / (200 + 300)) ** 0.5
    weight, _ = glorot(np.random.default_rng(0), 200, 300)
    assert abs(weight).max() <= bound
    assert weight.max() > 0.999 * bound
    assert weight.min() < -0.999 * bound
    assert weight.var() == pytest.approx(2 / (200 + 300), rel=0.02)  # what the paper asks for
    for layer in Mlp((11, 64, 64, 3), True).initial(np.random.default_rng(0), glorot)[::2]:
        assert 0.9 < abs(layer).max() / (6 / sum(layer.shape)) ** 0.5 <= 1


@pytest.mark.parametrize("initialiser", [orthogonal(1.0), glorot], ids=["orthogonal", "glorot"])
def test_first_biases_are_0(initialiser: Initialiser) -> None:
    for bias in Mlp((4, 8, 2), True).initial(np.random.default_rng(0), initialiser)[1::2]:
        assert not bias.any()
