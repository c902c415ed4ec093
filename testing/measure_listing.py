"""How long ten thousand runs take to list: `python -m testing.measure_listing [N]`.

Makes N tiny finished runs in a temporary store, then reads every spec and every status as `matters list runs`
and `matters status` do. The aim is about two seconds for ten thousand.
"""

import json
import sys
import tempfile
import time
from pathlib import Path

from matters.results import files, spec_file
from matters.results.schema import SCHEMA_VERSION
from matters.results.store import Store
from matters.suites.spec import Evaluation, RunSpec

CONFIG = {f"field_{index}": index / 7 for index in range(20)} | {
    "tricks": {f"trick_{i}": True for i in range(15)}
}


def fill(store: Store, runs: int) -> list[RunSpec]:
    """Put finished runs into the store, with the files that a listing reads, and return their specs."""
    specs = []
    for seed in range(runs):
        spec = RunSpec(
            algorithm="ppo",
            algorithm_version=1,
            environment="Hopper-v5",
            config=CONFIG,
            seed=seed,
            steps=1000,
            evaluation=Evaluation(),
        )
        directory = store.path / spec.run_id
        directory.mkdir()
        (directory / "spec.json").write_bytes(spec_file.content(spec))
        status = {
            "schema_version": SCHEMA_VERSION,
            "state": "done",
            "steps": 1000,
            "digest": "0" * 64,
            "score": 1.0,
            "diverged_at": None,
            "files": dict.fromkeys(("spec.json", "provenance.json", "episodes.parquet"), "0" * 64),
        }
        (directory / "status.json").write_bytes(files.sealed(status))
        specs.append(spec)
    return specs


def main(runs: int) -> None:
    """Fill a store, list it, say how long that took."""
    with tempfile.TemporaryDirectory() as directory:
        store = Store.open(Path(directory) / "store", create=True)
        specs = fill(store, runs)
        times = {}
        start = time.perf_counter()
        run_ids = store.run_ids()
        times["run_ids"] = time.perf_counter() - start
        start = time.perf_counter()
        statuses = [store.status(run_id) for run_id in run_ids]
        times["status"] = time.perf_counter() - start
        start = time.perf_counter()
        read = [store.spec(run_id) for run_id in run_ids]
        times["spec"] = time.perf_counter() - start
        start = time.perf_counter()
        identities = {spec.run_id for spec in specs}
        times["run_id of a declared spec"] = time.perf_counter() - start
        assert identities == set(run_ids) == {spec.run_id for spec in read}
        assert {status.state for status in statuses} == {"done"}
    seconds = {name: round(value, 2) for name, value in times.items()}
    sys.stdout.write(json.dumps({"runs": runs, "seconds": seconds}) + "\n")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
