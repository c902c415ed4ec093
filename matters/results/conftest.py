"""Small runs for the tests of this room."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from matters.results.schema import Columns, Record
from matters.results.store import Store
from matters.suites.spec import Evaluation, RunSpec

PROVENANCE = {"population": [0], "threads": 1}
FINISHED = {
    "spec.json",
    "provenance.json",
    "episodes.parquet",
    "evaluations.parquet",
    "updates.parquet",
    "policy.safetensors",
    "status.json",
    "lock",
}
"""What the folder of a finished run holds."""


def make_spec(seed: int = 0, **changes: Any) -> RunSpec:
    fields: dict[str, Any] = {
        "algorithm": "ppo",
        "algorithm_version": 1,
        "environment": "probe/Copy-v0",
        "config": {"learning_rate": 3e-4},
        "steps": 100,
        "evaluation": Evaluation(points=3, episodes=2),
    }
    return RunSpec(seed=seed, **{**fields, **changes})


def make_record(seed: int = 0, **changes: Any) -> Record:
    """A record as of `make_spec(seed)`: 4 training episodes, 3 points of 2 episodes, 2 updates."""
    generator = np.random.default_rng(seed)
    fields: dict[str, Any] = {
        "episodes": {
            "step": np.array([25, 50, 75, 100]),
            "environment": np.zeros(4, np.int64),
            "return": generator.normal(size=4),
            "length": np.full(4, 25),
            "terminated": np.array([True, False, True, False]),
        },
        "evaluations": {
            "point": np.array([1, 1, 2, 2, 3, 3]),
            "step": np.array([50, 50, 75, 75, 100, 100]),
            "episode": np.array([0, 1, 0, 1, 0, 1]),
            "return": generator.normal(size=6),
            "length": np.full(6, 25),
        },
        "updates": {"step": np.array([50, 100]), "mean_kl": np.array([0.01, np.nan])},
        "policy": {
            "theta": generator.normal(size=(2, 3)).astype(np.float32),
            "count": np.array(7, np.int64),
        },
        "diverged_at": None,
    }
    return Record(**{**fields, **changes})


def no_rows(types: dict[str, type]) -> Columns:
    return {name: np.array([], kind) for name, kind in types.items()}


def finished(store: Store, seed: int = 0, **changes: Any) -> str:
    """The id of a run that is done, put into the store."""
    spec = make_spec(seed)
    lease = store.lease(spec)
    assert lease is not None
    with lease:
        lease.finish(make_record(seed, **changes), PROVENANCE)
    return spec.run_id


def failed(store: Store, error: str, **options: Any) -> str:
    """The id of a run that failed, put into the store."""
    lease = store.lease(make_spec(), **options)
    assert lease is not None
    lease.checkpoint.write_bytes(b"poison")
    lease.fail(error, 40, PROVENANCE)
    return make_spec().run_id


def same(one: Record, other: Record) -> bool:
    """Whether two records agree in names, types, shapes and bits."""

    def plain(record: Record) -> Any:
        return [record.diverged_at] + [
            {name: (a.dtype.str, a.shape, a.tobytes()) for name, a in getattr(record, table).items()}
            for table in ("episodes", "evaluations", "updates", "policy")
        ]

    return bool(plain(one) == plain(other))


def flip(path: Path, place: int) -> bytes:
    """Flip a bit of a file; returns what it held."""
    data = path.read_bytes()
    path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
    return data


@pytest.fixture
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store.open(tmp_path_factory.mktemp("store"), create=True)
