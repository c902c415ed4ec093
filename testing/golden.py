"""Golden digests: what short runs of every rule of ours, and the components they rest on, give everywhere.

`python -m testing.golden` prints them as JSON; with `--write` they become those of this C library in
testing/golden.json. They are computed as a worker computes, and promised for the versions of
constraints.txt.
"""

import argparse
import hashlib
import json
import math
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from matters.algorithms import ALGORITHMS, load
from matters.results.numerics import holds, in_use, worker_environment
from matters.suites.spec import Evaluation, RunSpec
from matters.suites.tasks.native import TASKS

FILE = Path(__file__).with_name("golden.json")

ENVIRONMENT = "Hopper-v5"
"""Where every variant of ours runs."""

EVERYWHERE = (("ppo", "ppo"), ("sac", "sac"))
"""Algorithm and preset of the two that run on all native tasks."""

ON_POLICY_STEPS, OFF_POLICY_STEPS = 144, 72
SHORT: dict[str, Any] = {
    "horizon": 72, "epochs": 2, "minibatch_size": 32, "value_minibatch_size": 32, "value_epochs": 1,
    "value_steps": 2, "most_steps": 20, "cg_steps": 5, "warmup": 40, "batch_size": 32, "buffer_size": 100,
}  # fmt: skip
"""Settings that make a run short, where a rule has them. The last minibatch is smaller than the others."""

SMALL_POLICY = {"npg": [4]}
"""Hidden layers so small that its system is factored."""


def specs() -> dict[str, RunSpec]:
    """The runs by name: each variant of ours on one task, two on all."""
    ours = [name for name in ALGORITHMS if load(name).KIND != "reference"]
    each = [(name, preset, ENVIRONMENT) for name in ours for preset in load(name).PRESETS]
    both = [(*variant, task) for task in TASKS for variant in EVERYWHERE if task != ENVIRONMENT]
    return {f"{preset} on {task}": _spec(name, preset, task) for name, preset, task in each + both}


def _spec(algorithm: str, preset: str, environment: str) -> RunSpec:
    rule = load(algorithm)
    config = rule.PRESETS[preset].model_dump(mode="json")
    config |= {name: value for name, value in SHORT.items() if name in config}
    if preset in SMALL_POLICY:
        config["hidden"] = SMALL_POLICY[preset]
    return RunSpec(
        algorithm=algorithm,
        algorithm_version=rule.VERSION,
        environment=environment,
        config=rule.Config.model_validate(config, strict=False).model_dump(mode="json"),
        seed=0,
        steps=OFF_POLICY_STEPS if rule.KIND == "off-policy" else ON_POLICY_STEPS,
        evaluation=Evaluation(points=1, episodes=1),
    )


def digests(names: Iterable[str] | None = None) -> dict[str, str]:
    """Train these runs, or all, and return the digest of each, or how it failed."""
    from matters.harness.training.worker import train_population
    from matters.results.store import Store

    every, found = specs(), {}
    with TemporaryDirectory(prefix="matters-") as folder:
        store = Store.open(Path(folder), create=True)
        for name in every if names is None else names:
            train_population(Path(folder), [every[name]], lambda _: None)
            status = store.status(every[name].run_id)
            found[name] = status.digest or status.error or status.state
    return found


def probes() -> dict[str, str]:
    """A hash of what each component gives for fixed numbers."""
    return {
        name: hashlib.sha256(b"".join(map(_bytes, probe()))).hexdigest() for name, probe in PROBES.items()
    }


def _bytes(x: Any) -> bytes:
    return np.ascontiguousarray(np.asarray(x)).tobytes()


def _numbers(*shape: int, dtype: Any = np.float32) -> np.ndarray:
    """Numbers in about ±6, without a generator: they must be the same whatever a component does."""
    size = math.prod(shape)
    drawn = (np.arange(size, dtype=np.uint64) * np.uint64(2654435761) + np.uint64(12345)) % np.uint64(2**24)
    return ((drawn.astype(np.float64) / 2**24 - 0.5) * 12).astype(dtype).reshape(shape)


SHAPES = (
    (1, 17, 64), (1, 64, 64), (1, 376, 256), (32, 11, 64), (64, 17, 64), (64, 64, 64), (64, 64, 6),
    (64, 64, 1), (100, 400, 300), (256, 23, 256), (256, 256, 256), (256, 256, 1), (2048, 17, 64),
)  # fmt: skip
"""Sizes of products in acting and updates: rows, inner, columns."""


def _products(dtype: Any) -> Iterable[np.ndarray]:
    for rows, inner, columns in SHAPES:
        x, w = _numbers(2, rows, inner, dtype=dtype), _numbers(2, inner, columns, dtype=dtype)
        y = np.matmul(x, w)
        yield from (y, np.matmul(x.swapaxes(1, 2), y), np.matmul(y, w.swapaxes(1, 2)))


def _functions(names: Iterable[str], dtype: Any) -> Iterable[np.ndarray]:
    x = _numbers(3, 257, 17, dtype=dtype)
    for name in names:
        yield getattr(np, name)(np.abs(x) + dtype(0.01) if name in ("log", "sqrt") else x)


def _lapack() -> Iterable[np.ndarray]:
    square = _numbers(40, 40, dtype=np.float64) + 20 * np.eye(40)
    return np.linalg.solve(square, square[0] + 1), *np.linalg.qr(_numbers(64, 17, dtype=np.float64))


def _generators() -> Iterable[np.ndarray]:
    generator = np.random.default_rng(0)
    yield generator.standard_normal(10_000)
    yield generator.standard_normal(10_000, dtype=np.float32)
    yield from (generator.random(1000), generator.permutation(1000), generator.uniform(-1, 1, 1000))


def _c_library() -> Iterable[list[float]]:
    x = _numbers(2000, dtype=np.float64).tolist()
    for function in (math.exp, math.sin, math.cos, math.tanh, math.atan, math.expm1):
        yield [function(number) for number in x]
    for function in (math.log, math.log1p):
        yield [function(abs(number) + 0.01) for number in x]


def _scipy() -> Iterable[np.ndarray]:
    from scipy.special import betaincinv, ndtr

    x = _numbers(3, 57, dtype=np.float64)
    return ndtr(x), betaincinv(np.abs(x) + 1, np.abs(x[::-1]) + 1, ndtr(x / 3))


def _pytorchs(*names: str, dtype: Any = np.float32) -> Iterable[Any]:
    import torch

    x = torch.from_numpy(_numbers(3, 257, 17, dtype=dtype))
    for name in names:
        yield getattr(x.abs() + 0.01, name)()


def _reductions() -> Iterable[Any]:
    import torch

    x = torch.from_numpy(_numbers(3, 257, 17))
    rows = x.flatten(1)
    return (
        x.sum(1),
        x.sum(-1),
        rows.sum(1),
        rows.mean(1),
        rows.std(1),
        rows.var(1, unbiased=False),
        x.double().mean(1),
    )


def _adam() -> Iterable[Any]:
    import torch

    rows = [torch.from_numpy(_numbers(64 * 9) / (k + 1)) for k in range(3)]
    rows.append(rows[2].abs())
    parameter, gradient, first, second = rows
    torch._fused_adam_(
        [parameter], [gradient], [first], [second], [], [torch.tensor(3.0)],
        amsgrad=False, beta1=0.9, beta2=0.999, lr=3e-4, weight_decay=1e-2, eps=1e-8, maximize=False,
    )  # fmt: skip
    return parameter, first, second, parameter.lerp(gradient, 0.005)


def _gamma() -> Iterable[Any]:
    import torch

    yield from _pytorchs("lgamma", "digamma", dtype=np.float64)
    yield torch.polygamma(1, torch.from_numpy(np.abs(_numbers(500, dtype=np.float64)) + 1))


def _mujoco() -> Iterable[np.ndarray]:
    import torch

    from matters.harness.training.environments import Environments

    for task in TASKS:
        environments = Environments(task, [np.random.SeedSequence(0)], 1)
        yield environments.reset().numpy()
        actions = _numbers(60, 1, 1, environments.problem.action_size) / 12
        for action in actions:
            stepped = environments.step(torch.from_numpy(action))
            yield from (stepped.observation.numpy(), stepped.reward.numpy())


TRANSCENDENTAL = ("exp", "log", "tanh", "sqrt")
PROBES: dict[str, Callable[[], Iterable[Any]]] = {
    "C library's functions": _c_library,
    "NumPy's functions, float32": lambda: _functions(TRANSCENDENTAL, np.float32),
    "NumPy's functions, float64": lambda: _functions(TRANSCENDENTAL, np.float64),
    "NumPy's generators": _generators,
    "OpenBLAS's products, float32": lambda: _products(np.float32),
    "OpenBLAS's products, float64": lambda: _products(np.float64),
    "OpenBLAS's solve and QR": _lapack,
    "PyTorch's log1p": lambda: _pytorchs("log1p"),
    "PyTorch's sums": _reductions,
    "PyTorch's Adam and lerp": _adam,
    "PyTorch's gamma functions": _gamma,
    "SciPy's Beta quantile": _scipy,
    "MuJoCo on the native tasks": _mujoco,
}
"""What digests rest on, piece by piece; the C library first, since others call it."""


def golden() -> dict[str, dict[str, dict[str, str]]]:
    """What is promised, by C library: `components` and `runs`."""
    known: dict[str, dict[str, dict[str, str]]] = json.loads(FILE.read_text()) if FILE.exists() else {}
    return known


def differences(found: dict[str, dict[str, str]], promised: dict[str, dict[str, str]]) -> list[str]:
    """One line for each component that differs, then the runs that do; none where all is as promised."""
    lines = [
        f"component {name}: differs"
        for name, value in promised["components"].items()
        if found["components"].get(name) != value
    ]
    runs = [name for name, value in promised["runs"].items() if found["runs"].get(name, value) != value]
    if runs and not lines:
        lines = ["no component differs: the code of the rules, of the loop or of the tasks does"]
    return [*lines, *(f"run {name}: differs" for name in runs)]


def main() -> None:
    """Print or write what this process computes."""
    parser = argparse.ArgumentParser(
        prog="python -m testing.golden", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument(
        "names", nargs="*", metavar="RUN", help="runs such as 'ppo on Hopper-v5' (default: all)"
    )
    parser.add_argument("--write", action="store_true", help=f"keep them in {FILE.name}")
    asked = parser.parse_args()
    held = worker_environment(os.environ)
    if held != dict(os.environ):  # libraries read it when they are loaded: start anew
        os.execve(sys.executable, [sys.executable, "-m", "testing.golden", *sys.argv[1:]], held)
    used = in_use()
    if asked.write and not holds(used):
        raise SystemExit(f"not promised here: {used}")
    found = {"components": probes(), "runs": digests(asked.names or None)}
    if asked.write:
        known = golden() | {used["libc"]: found}
        FILE.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")
    json.dump({"in_use": used, **found}, sys.stdout)


if __name__ == "__main__":
    main()
