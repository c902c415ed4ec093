import ast
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from matters.algorithms.maths import kernels
from matters.algorithms.maths.kernels import array, softplus, tensor

X = torch.from_numpy(3 * np.random.default_rng(0).standard_normal((3, 7, 5)))


@pytest.mark.parametrize("name", ["exp", "log", "sqrt", "tanh", "sigmoid"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_function_is_pytorchs_of_the_same_name_to_rounding(name: str, dtype: torch.dtype) -> None:
    x = (X.abs() if name in ("log", "sqrt") else X).to(dtype)
    found = getattr(kernels, name)(x)
    assert found.dtype == dtype
    torch.testing.assert_close(found, getattr(torch, name)(x))


@pytest.mark.parametrize("name", ["exp", "log", "sqrt", "tanh", "sigmoid", "softplus"])
def test_a_number_has_the_same_bits_wherever_in_memory_it_stands(name: str) -> None:
    x = torch.from_numpy(np.random.default_rng(1).standard_normal(1003, dtype=np.float32)).abs()
    function = getattr(kernels, name)
    whole = function(x)
    for first, last in ((1, 1003), (7, 8), (13, 60), (500, 1001)):
        assert torch.equal(function(x[first:last]), whole[first:last])
    assert torch.equal(function(x[:1000].view(10, 100).T), whole[:1000].view(10, 100).T)


def test_control_pytorchs_sigmoid_rounds_by_place() -> None:
    x = torch.from_numpy(np.random.default_rng(1).standard_normal(1003, dtype=np.float32))
    assert not torch.equal(torch.cat([piece.sigmoid() for piece in x.split(5)]), x.sigmoid())


def test_the_square_root_is_the_nearest_number() -> None:
    x = torch.from_numpy(np.random.default_rng(2).random(10_000, dtype=np.float32))
    assert torch.equal(kernels.sqrt(x), torch.from_numpy(np.sqrt(x.double().numpy())).float())


def test_where_autograd_watches_the_function_is_pytorchs_and_has_its_slope() -> None:
    x = X.clone().requires_grad_()
    (slope,) = torch.autograd.grad(kernels.tanh(x).sum(), x)
    torch.testing.assert_close(slope, 1 - X.tanh() ** 2)


def test_softplus_is_pytorchs_and_so_are_its_slopes_also_at_0_and_far_out() -> None:
    x = torch.tensor([-1e4, -90.0, -5.0, -0.1, 0.0, 0.1, 5.0, 19.9, 20.1, 90.0, 1e4], dtype=torch.float64)
    for function in (softplus, torch.nn.functional.softplus):
        own = x.clone().requires_grad_()
        (slope,) = torch.autograd.grad(function(own).sum(), own, create_graph=True)
        (bend,) = torch.autograd.grad(slope.sum(), own)
        if function is softplus:
            expected = function(own).detach(), slope.detach(), bend
        else:
            for ours, theirs in zip(expected, (function(own).detach(), slope.detach(), bend), strict=True):
                torch.testing.assert_close(ours, theirs, atol=1e-8, rtol=1e-8)
    assert float(softplus(torch.zeros(1))) == pytest.approx(math.log(2))


def test_an_array_is_the_memory_of_its_tensor() -> None:
    x = torch.zeros(2, 3)
    array(x)[0, 0] = 7.0
    assert x[0, 0] == 7
    tensor(array(x))[1, 1] = 8.0
    assert x[1, 1] == 8


@pytest.mark.parametrize("kind", [np.asarray, torch.as_tensor], ids=["array", "tensor"])
def test_what_networks_compute_with_is_the_same_for_arrays_and_tensors(kind) -> None:
    # Tensors stand for those of another device.
    gradient, hidden = X.numpy().copy(), X.numpy().copy()

    def like(x: Tensor | np.ndarray) -> Tensor:
        return torch.as_tensor(x)

    torch.testing.assert_close(like(kernels.tanh_(kind(hidden.copy()))), X.tanh())
    torch.testing.assert_close(like(kernels.relu_(kind(hidden.copy()))), X.relu())
    put_out = X.relu().numpy()
    torch.testing.assert_close(
        like(kernels.times_relu_slope(kind(gradient), kind(put_out))), X * (X > 0), rtol=0, atol=0
    )
    torch.testing.assert_close(
        like(kernels.times_tanh_slope(kind(gradient), kind(np.tanh(hidden)))), X * (1 - X.tanh() ** 2)
    )
    total, square = kind(np.empty((3, 1, 5))), kind(np.empty((3, 5, 5)))
    kernels.sum_rows(kind(hidden), out=total)
    kernels.product(kind(hidden).swapaxes(1, 2), kind(hidden), out=square)
    torch.testing.assert_close(like(total), X.sum(1, keepdim=True))
    torch.testing.assert_close(like(square), X.transpose(1, 2) @ X)


OURS = Path(__file__).resolve().parents[1]
BY_PROCESSOR = {
    *(
        "exp",
        "log",
        "tanh",
        "tanh_",
        "sqrt",
        "sqrt_",
        "rsqrt",
        "sigmoid",
        "softplus",
        "sin",
        "cos",
        "erf",
        "expm1",
    ),
    *(
        "matmul",
        "mm",
        "bmm",
        "baddbmm",
        "addmm",
        "einsum",
        "norm",
        "vector_norm",
        "solve",
        "cholesky",
        "qr",
        "grad",
    ),
}
"""What of PyTorch is MKL's, or rounds by a number's place."""

FOR_AUTOGRAD = {("mlp.py", "linear"), ("mlp.py", "__call__"), ("optimisers.py", "gradient")}


def by_processor(source: str) -> list[tuple[str, str]]:
    """Functions that call something by one of those names but of NumPy's, Python's or this module's: what."""
    found = []
    for function in ast.walk(ast.parse(source)):
        if not isinstance(function, ast.FunctionDef):
            continue
        for node in ast.walk(function):
            if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult):
                found.append((function.name, "@"))
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in BY_PROCESSOR
            ):
                whose = ast.unparse(node.func.value)
                if whose not in ("np", "np.linalg", "math"):
                    found.append((function.name, f"{whose}.{node.func.attr}"))
    return found


def test_no_rule_of_ours_takes_from_pytorch_what_the_processor_would_decide() -> None:
    found = {
        (path.name, function, call)
        for path in OURS.rglob("*.py")
        if not path.name.endswith("_test.py") and path.name not in ("conftest.py", "kernels.py")
        if path.parent.name != "reference"
        for function, call in by_processor(path.read_text())
    }
    assert {each for each in found if each[:2] not in FOR_AUTOGRAD} == set()
    assert {each[:2] for each in found} == FOR_AUTOGRAD  # control: it is noticed


def test_control_what_the_processor_decides_is_noticed() -> None:
    source = "def f(x):\n    return (x @ x).exp() + np.exp(x) + exp(x) + torch.sqrt(x)\n"
    assert set(by_processor(source)) == {("f", "@"), ("f", "x @ x.exp"), ("f", "torch.sqrt")}
