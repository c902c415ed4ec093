"""Where the time of a run goes: simulator, acting, update, the loop around them, evaluation, writing."""

import time
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

from matters.harness.training import checkpoint
from matters.harness.training.loop import train
from matters.harness.training.points import evaluator
from matters.harness.training.population import Population, Updated
from matters.harness.training.recorder import Recorder

CHECKPOINT_SECONDS = 30.0
"""Seconds between two checkpoints of a worker."""

ACTING = ("observe", "act", "to_environment")
"""What a rule is asked in each step."""


@dataclass
class Parts:
    """Processor seconds per step of each seed that the parts of a run take."""

    simulator: float = 0.0
    acting: float = 0.0
    update: float = 0.0
    loop: float = 0.0
    evaluation: float = 0.0
    writing: float = 0.0

    def shares(self) -> dict[str, float]:
        """Each part's share of the whole."""
        named = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: seconds / sum(named.values()) for name, seconds in named.items()}


def parts(training: Population, steps: int) -> Parts:
    """Train for at least `steps` more steps, then evaluate once and take every seed's checkpoint once.

    Evaluation is counted as often as the run's spec asks for it, a checkpoint every CHECKPOINT_SECONDS.
    """
    found, algorithm, environments = Parts(), training.algorithm, training.environments

    def timed(part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            start = time.process_time()
            try:
                return function(*arguments, **options)
            finally:
                setattr(found, part, getattr(found, part) + time.process_time() - start)

        return call

    names = vars(algorithm)
    acting = {name: timed("acting", names[name]) for name in ACTING if name in names}
    shadow: Any = SimpleNamespace(**(names | acting | {"update": timed("update", names["update"])}))
    inner: Any = SimpleNamespace(problem=environments.problem, step=timed("simulator", environments.step))
    training.algorithm, training.environments = shadow, inner
    first, start = training.step, time.process_time()
    try:
        for event in train(training):
            if isinstance(event, Updated) and training.step >= first + steps:
                break
    finally:
        training.algorithm, training.environments = algorithm, environments
    total, made = time.process_time() - start, training.step - first
    found.loop = total - found.simulator - found.acting - found.update
    for field in ("simulator", "acting", "update", "loop"):
        setattr(found, field, getattr(found, field) / made)
    spec = training.specs[0]
    found.evaluation = _evaluation(training) * spec.evaluation.points / spec.steps
    busy = found.simulator + found.acting + found.update + found.loop + found.evaluation
    found.writing = _checkpoints(training) / CHECKPOINT_SECONDS * busy
    return found


def _evaluation(training: Population) -> float:
    evaluate = evaluator(training.specs)
    start = time.process_time()
    evaluate(training.policy(), 1)
    return time.process_time() - start


def _checkpoints(training: Population) -> float:
    with TemporaryDirectory() as folder:
        start = time.process_time()
        for index in range(len(training.specs)):
            checkpoint.take(training, index, Recorder(), Path(folder, str(index)))
        return time.process_time() - start
