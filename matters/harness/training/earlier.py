"""What the store has of a run's training: to evaluate it again, or to go on from where it ended.

A run whose training is there with as many steps is only evaluated, with the policies that were kept along
the way. A longer one goes on from the final state, bit for bit, if that was kept and no schedule depends on
how long the run is. References keep neither: they train from their beginning.
"""

import math
import shutil
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open
from safetensors.numpy import load_file

from matters.algorithms import ALGORITHMS, load
from matters.harness.training import checkpoint
from matters.harness.training.evaluate import nominal_step
from matters.harness.training.kept_policies import KeptPolicies, unpacked
from matters.results import files
from matters.results.lease import POLICIES, STATE
from matters.results.schema import Record
from matters.results.store import Store
from matters.suites.errors import InputError
from matters.suites.spec import RunSpec, flat


@dataclass(frozen=True)
class Source:
    """A finished run of the same training."""

    run_id: str
    spec: RunSpec
    steps: int
    """Environment steps taken."""
    diverged: bool


@dataclass(frozen=True)
class Choice:
    """What a run is taken over from; or, where a run of the training is there, why it is not."""

    source: Source | None = None
    reason: str = ""


def trainings(store: Store, specs: Iterable[RunSpec]) -> dict[str, list[Source]]:
    """The finished runs that share a training with these, by training id."""
    wanted = {spec.training_id for spec in specs}
    found: dict[str, list[Source]] = {}
    for training_id, run_id in store.runs_of(wanted):
        status = store.status(run_id)
        if status.state == "done":
            with suppress(InputError):  # a damaged spec is nothing to go on from
                spec = store.spec(run_id)
                source = Source(run_id, spec, status.steps, status.diverged_at is not None)
                found.setdefault(training_id, []).append(source)
    return found


def choose(store: Store, spec: RunSpec, found: Mapping[str, Sequence[Source]]) -> Choice:
    """The best of the runs that `trainings` found: one as long, else the longest that is shorter."""
    sources = sorted(found.get(spec.training_id, ()), key=lambda source: -source.spec.steps)
    reason = ""
    for source in sources:
        if source.run_id == spec.run_id or source.spec.steps > spec.steps:
            continue
        problem = _objection(store, source, spec)
        if not problem:
            return Choice(source)
        reason = reason or f"run {source.run_id} of {source.spec.steps} steps {problem}"
    return Choice(reason=reason)


def schedule(spec: RunSpec) -> str | None:
    """The dotted name of a setting that makes a training depend on how long it is, if there is one."""
    settings = flat(spec.config)
    schedules = load(spec.algorithm).FACTS.schedules
    return next((name for name in schedules if settings.get(name) not in (None, False)), None)


def steps_taken(spec: RunSpec, step: int) -> int:
    """Where a run first stops at or after `step`: at the end of a rollout, or right there if it has none."""
    rollout: int = math.prod(spec.config[field] for field in load(spec.algorithm).FACTS.rollout)
    return -(-step // rollout) * rollout


def read(store: Store, source: Source) -> tuple[Record, dict[str, np.ndarray], dict[str, Any]]:
    """The record, the kept policies and the provenance of a run."""
    policies = load_file(store.directory(source.run_id) / POLICIES)
    return store.record(source.run_id), policies, store.provenance(source.run_id)


def take_over(store: Store, source: Source, path: Path) -> None:
    """Put the final state of another run at `path`, as a checkpoint."""
    directory = store.directory(source.run_id)
    checkpoint.forget(path)
    for name in STATE[1:]:
        if (directory / name).exists():
            # Copied, because it is appended to and the other run's is immutable.
            shutil.copyfile(directory / name, path.with_suffix(Path(name).suffix))
    KeptPolicies(waiting=unpacked(load_file(directory / POLICIES))).save(path)
    files.write(path, (directory / STATE[0]).read_bytes())


def _objection(store: Store, source: Source, spec: RunSpec) -> str:
    """Why the run cannot be taken over, as the end of a sentence; empty if it can."""
    if load(spec.algorithm).KIND == "reference":
        return "is of a reference, which always trains from its beginning"
    longer = source.spec.steps < spec.steps
    directory = store.directory(source.run_id)
    if longer and (name := schedule(spec)):
        return f"cannot go on, since {name} depends on how long a run is"
    if longer and load(spec.algorithm).KIND == "on-policy" and spec.algorithm not in ALGORITHMS:
        return "cannot go on, since a rule of one's own may depend on how long a run is"
    if longer and source.diverged:
        return "diverged"
    if longer and not (directory / STATE[0]).exists():
        return "did not keep its final state (--keep-state keeps that of off-policy runs)"
    if longer and (refusal := checkpoint.refusal(directory / STATE[0], spec)):
        return f"cannot go on: {refusal.partition(':')[0]}"
    if not (directory / POLICIES).exists():
        return "kept no policies"
    if store.verify([source.run_id]):
        return "is damaged"
    with safe_open(directory / POLICIES, framework="numpy") as file:
        kept = set(file.get_tensor("step").tolist())
    for point in range(spec.evaluation.points + 1):
        step = steps_taken(spec, nominal_step(spec, point))
        if step <= source.steps and step not in kept and not source.diverged:
            return f"kept no policy at step {step}"
    return ""
