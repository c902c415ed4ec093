"""The policies that a run keeps along the way, so that it can be evaluated again without training again.

What acts (the policy's parameters and the frozen normalisers, no critics) is kept at step 0, on a grid of
steps that no run's length changes, and at the run's evaluation points. While a run trains they lie in
`checkpoint.policies`, records of one size that are appended; a checkpoint says how many it counts on. In a
finished run they are `policies.safetensors`: each parameter [n, …], and `step` [n].
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from matters.harness.training import record_file
from matters.harness.training.evaluate import nominal_step
from matters.harness.training.population import Population
from matters.suites.spec import RunSpec

FINEST = 5_000
"""Steps from one policy on the grid to the next, up to twenty of them; then ten times as many, and so on."""

ACTING = ("policy/", "observation/")
"""How the names of an acting policy's parameters begin."""


def next_on_grid(step: int) -> int:
    """The first step of the grid after this one: 5000, 10 000 … 100 000, 150 000 … 1 000 000, 1 500 000 …"""
    spacing = FINEST
    while step >= 20 * spacing:
        spacing *= 10
    return (step // spacing + 1) * spacing


def next_kept(spec: RunSpec, step: int) -> int:
    """The first step after this one at which a policy is kept: on the grid, or of an evaluation point."""
    if step < 0:
        return 0
    points = spec.evaluation.points
    point = step * points // spec.steps + 1
    return min(next_on_grid(step), nominal_step(spec, point)) if point <= points else next_on_grid(step)


def acting(training: Population, index: int) -> dict[str, np.ndarray]:
    """The parameters by which one seed's policy acts, by name."""
    named = training.algorithm.parameters(training.state)
    return {
        name: tensor[index].detach().numpy().copy()
        for name, tensor in named.items()
        if name.startswith(ACTING)
    }


@torch.no_grad()
def put(training: Population, index: int, arrays: dict[str, np.ndarray]) -> None:
    """Have one seed act by the parameters that `acting` gave, instead of its own."""
    # The parameters are views of the state.
    named = training.algorithm.parameters(training.state)
    for name, array in arrays.items():
        named[name][index] = torch.from_numpy(array)


@dataclass
class KeptPolicies:
    """The policies of one run so far. Those that no file holds yet are in memory."""

    saved: int = 0
    """How many the file beside the checkpoint holds."""
    waiting: list[tuple[int, dict[str, np.ndarray]]] = field(default_factory=list)

    def add(self, step: int, arrays: dict[str, np.ndarray]) -> None:
        """Keep the policy of this step."""
        self.waiting.append((step, arrays))

    def save(self, checkpoint: Path) -> int:
        """Write those that are not in the file beside the checkpoint, durably; returns how many it has."""
        if self.waiting:
            records = _records(self.waiting)
            with record_file.appending(path_beside(checkpoint), records.dtype, self.saved) as file:
                file.write(records)
            self.saved += len(self.waiting)
            self.waiting = []
        return self.saved

    def all(self, checkpoint: Path, like: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """All of them by name, [n, …], and their steps as `step`; `like` is any one of them.

        Raises record_file.Damaged if the file has fewer, or one has changed.
        """
        kind = _kind(like)
        held = record_file.read(path_beside(checkpoint), kind, 0, self.saved)
        records = np.concatenate([held, _records(self.waiting)]) if self.waiting else held
        return {name: records[name].copy() for name in kind.names or ()}


def restored(checkpoint: Path, saved: int, like: dict[str, np.ndarray]) -> KeptPolicies:
    """Those that the checkpoint counts on. Raises record_file.Damaged if the file has fewer."""
    record_file.cut(path_beside(checkpoint), _kind(like), saved)
    return KeptPolicies(saved)


def record_bytes(like: dict[str, np.ndarray]) -> int:
    """Bytes of one of them in the file, without its checksum."""
    return _kind(like).itemsize


def discard(checkpoint: Path) -> None:
    """Remove the file: the run has no checkpoint that it could belong to."""
    path_beside(checkpoint).unlink(missing_ok=True)


def unpacked(policies: dict[str, np.ndarray]) -> list[tuple[int, dict[str, np.ndarray]]]:
    """Step and arrays of each policy of a finished run's `policies.safetensors`."""
    steps = policies["step"].tolist()
    names = policies.keys() - {"step"}
    return [(step, {name: policies[name][row] for name in names}) for row, step in enumerate(steps)]


def path_beside(checkpoint: Path) -> Path:
    """Where the policies of this checkpoint lie."""
    return checkpoint.with_suffix(".policies")


def _kind(like: dict[str, np.ndarray]) -> np.dtype[Any]:
    """A record: the step, then each array in the order of the names."""
    fields = [(name, like[name].dtype.newbyteorder("<"), like[name].shape) for name in sorted(like)]
    return np.dtype([("step", "<i8"), *fields])


def _records(policies: list[tuple[int, dict[str, np.ndarray]]]) -> np.ndarray:
    found = np.empty(len(policies), dtype=_kind(policies[0][1]))
    for row, (step, arrays) in enumerate(policies):
        found["step"][row] = step
        for name, array in arrays.items():
            found[name][row] = array
    return found
