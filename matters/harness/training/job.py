"""What a worker is given and what it says: one line of JSON each, whoever carries it, and no code."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from matters.suites.spec import Evaluation, RunSpec


@dataclass(frozen=True)
class Job:
    """Runs of one cell that are trained together into a store.

    `training_code` and `libc` are what the driver has, see `matters.harness.training.program`; empty where it
    does not care. With `repeat` nothing is written into the store: the runs are trained once more, from their
    beginning and in a folder of the worker's own, and their digests are the worker's last word.
    """

    store: Path
    specs: tuple[RunSpec, ...]
    retry_failed: bool = False
    keep_state: bool = False
    checkpoint_seconds: float = 30.0
    training_code: str = ""
    libc: str = ""
    repeat: bool = False

    def line(self) -> str:
        """As one line of JSON."""
        specs = [spec.model_dump(mode="json") for spec in self.specs]
        return json.dumps({**vars(self), "store": str(self.store), "specs": specs})

    @classmethod
    def of(cls, line: str) -> "Job":
        """The job of a line. Raises ValueError, TypeError or KeyError for any other text."""
        fields: dict[str, Any] = json.loads(line)
        specs = tuple(
            RunSpec(**{**spec, "evaluation": Evaluation(**spec["evaluation"])}) for spec in fields["specs"]
        )
        return cls(**{**fields, "store": Path(fields["store"]), "specs": specs})


@dataclass(frozen=True)
class Progress:
    """News of some runs: `steps` of `total` taken by each, on the machine `node`."""

    run_ids: tuple[str, ...]
    state: Literal["running", "done", "failed", "skipped"]
    steps: int
    total: int
    message: str = ""
    node: str = ""


@dataclass(frozen=True)
class Ended:
    """A worker's last word on a job. `again`: the machine was at fault, and another may go on. `paused`: it
    left off for want of room, and others would, too.

    `node` is the machine that it was on; `digests` are those of runs that were repeated, by their ids.
    """

    error: str | None = None
    again: bool = False
    paused: bool = False
    node: str = ""
    digests: dict[str, str] = field(default_factory=dict)


News = Progress | Ended
Emit = Callable[[Progress], None]


def spoken(news: News) -> str:
    """News as one line of JSON."""
    kind = "progress" if isinstance(news, Progress) else "ended"
    return json.dumps({kind: asdict(news)})


def heard(line: str) -> News:
    """The news of a line. Raises ValueError, TypeError or KeyError for any other text, as of a torn line."""
    fields = json.loads(line)
    if "ended" in fields:
        return Ended(**fields["ended"])
    progress = fields["progress"]
    return Progress(**{**progress, "run_ids": tuple(progress["run_ids"])})
