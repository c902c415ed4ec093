"""The store with real processes: two at once, and kill -9."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from matters.results import store as store_module
from matters.results.conftest import make_spec
from matters.results.schema import Status
from matters.results.store import Store

ROOT = Path(store_module.__file__).parents[2]


def start(code: str, *arguments: object) -> subprocess.Popen[str]:
    """A Python process that has the rooms, `store` and the examples at hand."""
    prelude = (
        f"import json, os, signal, sys, time; sys.path.insert(0, {str(ROOT)!r})\n"
        "from matters.results.store import Store\n"
        "from matters.results.conftest import PROVENANCE, make_record, make_spec\n"
        "store = Store.open(sys.argv[1], create=True)\n"
    )
    return subprocess.Popen(
        [sys.executable, "-c", prelude + code, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_of_processes_that_lease_at_once_exactly_one_gets_each_run(tmp_path: Path) -> None:
    # A fourth process asks for every status all the while, which must not cost anybody a lease.
    runs = 60
    leasing = f"""
print("ready", flush=True)
sys.stdin.readline()
held = [(seed, lease) for seed in range({runs}) if (lease := store.lease(make_spec(seed))) is not None]
print(json.dumps([seed for seed, _ in held]), flush=True)
sys.stdin.readline()
"""
    asking = f"""
ids = [make_spec(seed).run_id for seed in range({runs})]
print("ready", flush=True)
while True:
    for run_id in ids:
        store.status(run_id)
"""
    lessees = [start(leasing, tmp_path) for _ in range(3)]
    asker = start(asking, tmp_path)
    try:
        for process in (*lessees, asker):
            assert said(process) == "ready"
        for process in lessees:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        got = [json.loads(said(process)) for process in lessees]
        assert sorted(seed for seeds in got for seed in seeds) == list(range(runs))
        store = Store.open(tmp_path)
        assert {store.status(make_spec(seed).run_id).state for seed in range(runs)} == {"running"}
    finally:
        for process in (*lessees, asker):
            process.kill()
            process.communicate()
    assert {store.status(make_spec(seed).run_id).state for seed in range(runs)} == {"missing"}


def test_processes_that_make_one_store_at_once_all_get_it(tmp_path: Path) -> None:
    code = "print(store.lease(make_spec(int(sys.argv[2]))) is not None)"
    processes = [start(code, tmp_path / "new", seed) for seed in range(4)]
    assert [process.communicate()[0].strip() for process in processes] == ["True"] * 4
    assert len(Store.open(tmp_path / "new").run_ids()) == 4


def test_a_killed_holder_leaves_a_missing_run_with_its_steps_and_checkpoint(tmp_path: Path) -> None:
    process = start(
        """
lease = store.lease(make_spec())
lease.checkpoint.write_bytes(b"half way")
lease.progress(50)
print("training", flush=True)
time.sleep(60)
""",
        tmp_path,
    )
    assert said(process) == "training"
    store, run_id = Store.open(tmp_path), make_spec().run_id
    assert store.status(run_id) == Status("running", 50)
    assert store.lease(make_spec()) is None
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert store.status(run_id) == Status("paused", 50)
    lease = store.lease(make_spec())
    assert lease is not None
    assert lease.checkpoint.read_bytes() == b"half way"


KILLED_AT_EVERY_LINE = """
# Forks a child for every line of this room's code that the work executes, and kills it there with -9.
# A second child looks at what the first left, so that this process itself never starts a thread.
import pandas  # which pyarrow would import under the tracing eye
os.fsync = lambda descriptor: None  # what a killed process wrote is safe with the kernel; a test is faster so
final, calls = {
    "finish": ("done", [("progress", 50), ("finish", make_record(), PROVENANCE)]),
    "fail": ("failed", [("progress", 50), ("fail", "no", 50, PROVENANCE)]),
    "retry": ("done", [("finish", make_record(), PROVENANCE)]),
}[sys.argv[2]]
room = os.path.dirname(sys.modules["matters.results.store"].__file__)
spec = make_spec()

def live(victim, kill_at=None):
    lines = 0
    def trace(frame, event, _):
        nonlocal lines
        if os.path.dirname(frame.f_code.co_filename) != room:
            return None
        if event == "line":
            lines += 1
            if lines == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace
    sys.settrace(trace if kill_at else None)
    lease = victim.lease(spec, retry_failed=True)
    for name, *arguments in calls:
        getattr(lease, name)(*arguments)
    sys.settrace(None)

def prepare(victim):
    if sys.argv[2] == "retry":
        victim.lease(spec).fail("earlier", 10, PROVENANCE)

def examine(victim):
    left = victim.status(spec.run_id).state
    assert left in {"missing", "paused", final} | ({"failed"} if sys.argv[2] == "retry" else set()), left
    assert victim.verify() == [], victim.verify()
    if left != final:
        live(victim)
    assert victim.status(spec.run_id).state == final
    assert victim.verify() == [], victim.verify()
    errors = [failure["error"] for failure in victim.failures(spec.run_id)]
    assert errors == {"finish": [], "fail": ["no"], "retry": ["earlier"]}[sys.argv[2]], errors
    directory = victim.path / spec.run_id
    assert not list(directory.glob(".*.tmp")), "temporary files stay"

def child(work):
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    return os.waitpid(pid, 0)[1]

step, kill_at, killed = int(sys.argv[3]), 1, 0
while True:
    victim = Store.open(store.path / str(kill_at), create=True)
    assert child(lambda: prepare(victim)) == 0
    status = child(lambda: live(victim, kill_at))
    assert child(lambda: examine(victim)) == 0, kill_at
    if status == 0:
        break
    assert status == signal.SIGKILL, status
    kill_at, killed = kill_at + step, killed + 1
print(killed)
"""


@pytest.mark.parametrize(("work", "step"), [("finish", 19), ("fail", 13), ("retry", 29)])
def test_a_run_killed_at_any_line_is_missing_or_final_and_ends_as_it_should(
    tmp_path: Path, work: str, step: int
) -> None:
    process = start(KILLED_AT_EVERY_LINE, tmp_path, work, step)
    killed = process.communicate(timeout=120)[0]
    assert process.returncode == 0
    assert int(killed) > 5
