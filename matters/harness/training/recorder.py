"""What one run has recorded so far, column by column; part of its checkpoint."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from matters.harness.training.kept_policies import KeptPolicies
from matters.results.schema import EPISODES, EVALUATIONS, Record


@dataclass
class Recorder:
    """Rows of the three tables of a run, as lists by column, and the policies kept."""

    episodes: dict[str, list[Any]] = field(default_factory=lambda: {name: [] for name in EPISODES})
    evaluations: dict[str, list[Any]] = field(default_factory=lambda: {name: [] for name in EVALUATIONS})
    updates: dict[str, list[Any]] = field(default_factory=dict)
    policies: KeptPolicies = field(default_factory=KeptPolicies)
    diverged_at: int | None = None
    simulator_warnings: int = 0
    """Steps in which MuJoCo warned, in training and evaluation: noted beside the record, no part of it."""

    def episode(self, *row: Any) -> None:
        """Add a training episode: step, environment, return, length, terminated."""
        _add(self.episodes, dict(zip(EPISODES, row, strict=True)))

    def evaluation(self, *row: Any) -> None:
        """Add an evaluation episode: point, step, episode, return, length."""
        _add(self.evaluations, dict(zip(EVALUATIONS, row, strict=True)))

    def update(self, step: int, metrics: Mapping[str, float]) -> None:
        """Add the diagnostics of an update, or their means over several; nan for what was not measured.

        A row stands for a block of 100 steps, or for a rollout that is longer.
        """
        rows = len(self.updates.setdefault("step", []))
        for name in metrics:
            self.updates.setdefault(name, [math.nan] * rows)
        _add(self.updates, {**dict.fromkeys(self.updates, math.nan), "step": step, **metrics})

    @property
    def next_point(self) -> int:
        """The first evaluation point that has not been recorded."""
        return int(self.evaluations["point"][-1]) + 1 if self.evaluations["point"] else 0

    def record(self, policy: dict[str, np.ndarray]) -> Record:
        """The tables, with the final parameters."""
        tables = self._tables()
        return Record(policy=policy, diverged_at=self.diverged_at, **tables)

    def arrays(self) -> dict[str, np.ndarray]:
        """The tables, as arrays by name, for a checkpoint."""
        return {
            f"{table}/{name}": column
            for table, columns in self._tables().items()
            for name, column in columns.items()
        }

    @classmethod
    def of(cls, record: Record) -> "Recorder":
        """A recorder of what a training recorded, without its evaluations."""
        recorder = cls(diverged_at=record.diverged_at)
        recorder.episodes = {name: record.episodes[name].tolist() for name in EPISODES}
        recorder.updates = {name: column.tolist() for name, column in record.updates.items()}
        return recorder

    @classmethod
    def restored(cls, arrays: Mapping[str, np.ndarray]) -> "Recorder":
        """The recorder whose `arrays` these are. A run that has diverged is finished, not restored."""
        recorder = cls()
        for key, column in arrays.items():
            table, _, name = key.partition("/")
            getattr(recorder, table)[name] = column.tolist()
        return recorder

    def _tables(self) -> dict[str, dict[str, np.ndarray]]:
        types: dict[str, Mapping[str, type]] = {
            "episodes": EPISODES,
            "evaluations": EVALUATIONS,
            "updates": {"step": np.int64},
        }
        return {
            table: {
                name: np.array(column, dtype=known.get(name, np.float64))
                for name, column in getattr(self, table).items()
            }
            for table, known in types.items()
        }


def _add(table: dict[str, list[Any]], row: Mapping[str, Any]) -> None:
    for name, column in table.items():
        column.append(row[name])
