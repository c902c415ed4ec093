"""Break every write of `matters run` in turn, and hold the outcome against a calm run.

    python -m testing.faults

A small suite with an on-policy rule, an off-policy one and a reference is run calmly once, with a checkpoint
after each update, and every call that changes the disk is counted: files opened to be written, bytes written,
syncs, renames, links, directories made, files cut and removed. Then the same command meets a fault at the
first of them, then at the second, and so on, each time in one of these ways:

    EIO once        the disk fails that call, and works again
    ENOSPC once     so does a full one
    ENOSPC stays    from then on nothing more can be written
    EIO, then cut   the disk fails that call, and after two more checkpoints the power fails

After each the command has to end as it promises: no traceback, a line that says what was wrong unless all was
done, no run failed, no finished run lost. The same command, with a sound disk, has to end with the calm run's
digests and leave nothing half written. A write that fails has written half of its bytes.

All of it happens in this process and in copies of it made by fork, which load no libraries anew: the worker
is what `matters worker` runs, without a process of its own. What a page says is computed once; its files are
written each time.
"""

import argparse
import collections
import errno
import os
import shutil
import sys
import tempfile
import traceback
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from unittest import mock

import torch._dynamo  # noqa: F401
import typer

import matters.reports.compose  # noqa: F401  as the next ones, so that no copy of this process loads it
from matters.harness.cli import call
from matters.harness.scheduling import executors
from matters.harness.scheduling.executors.one_node import EndWithDriver, OneNode
from matters.harness.training import worker
from matters.harness.training.code import code_of
from matters.harness.training.job import Job, News
from matters.harness.training.program import serve, train_job
from matters.reports.report import code_fingerprint
from matters.results import snapshot  # noqa: F401
from matters.results.lease import Lease
from matters.results.store import Store
from matters.suites.loading import load_suite
from testing.broken_disk import Disk, on
from testing.small_suite import digests, small_suite

CUT = 77
"""The exit status of a process whose power failed."""


class Here:
    """An executor that trains in this process, with a checkpoint after each update."""

    queues = False
    nodes = OneNode()
    unattended = EndWithDriver()

    def __init__(self) -> None:
        self._news: deque[tuple[str, News]] = deque()
        self._jobs = 0

    def cores(self) -> int:
        """One."""
        return 1

    def submit(self, job: Job, _avoid: frozenset[str] = frozenset()) -> str:
        """Train it now."""
        self._jobs += 1
        name = str(self._jobs)
        line = replace(job, checkpoint_seconds=0.0).line()
        serve([line], lambda news: self._news.append((name, news)), train_job)
        return name

    def poll(self) -> list[tuple[str, News]]:
        """All that was said."""
        said = list(self._news)
        self._news.clear()
        return said

    def cancel(self) -> None:
        """Nothing is under way."""


@dataclass(frozen=True)
class Way:
    """How a call fails."""

    name: str
    error: int
    stays: bool = False
    cut: bool = False


WAYS = (
    Way("EIO once", errno.EIO),
    Way("ENOSPC once", errno.ENOSPC),
    Way("ENOSPC stays", errno.ENOSPC, stays=True),
    Way("EIO, then cut", errno.EIO, cut=True),
)


class Bench:
    """The suite, the command, and what came of it calmly.

    Args:
        folder: where stores are made.
        page: the files of a page that is written each time; those of the calm run's without any.
    """

    def __init__(self, folder: Path, page: dict[str, bytes] | None = None) -> None:
        self.folder, self.page = folder, page
        self.suite = folder / "broken.toml"
        self.suite.write_text(small_suite("broken", seeds=2, steps=120, block=40))
        self.declared = load_suite(str(self.suite))
        # Here, so that no copy of this process has to.
        code_fingerprint()
        for cell in self.declared.cells():
            code_of(cell.specs[0])
        status, said = self.command(folder / "calm", Disk(folder / "calm"))
        if status:
            raise SystemExit(f"the calm run failed: {said}")
        self.expected = digests(self.declared, folder / "calm")
        if self.page is None:
            place = folder / "calm" / "report" / "broken"
            self.page = {
                path.relative_to(place).as_posix(): path.read_bytes()
                for path in place.rglob("*")
                if path.is_file() and path.name != "manifest.json"
            }

    def command(self, store: Path, disk: Disk, *, cut: bool = False) -> tuple[int, str]:
        """Type the command in a copy of this process. Returns the exit status, and what was said."""
        said = self.folder / "said"
        pid = os.fork()
        if pid == 0:
            status = 70
            try:
                out = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
                os.dup2(out, 1)
                os.dup2(out, 2)
                with self._prepared(disk, cut=cut), on(disk):
                    status = call(["run", str(self.suite), "--store", str(store), "--workers", "1"])
            except SystemExit as ended:
                status = int(ended.code or 0)
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                (self.folder / "calls").write_text("\n".join("\t".join(one) for one in disk.calls))
                os._exit(status)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), said.read_text()

    @contextmanager
    def _prepared(self, disk: Disk, *, cut: bool) -> Iterator[None]:
        """The command with a worker in this process, a page that is known, and power that may fail."""
        real, left = Lease.progress, 2

        def progress(lease: Lease, steps: int) -> None:
            nonlocal left
            real(lease, steps)
            if cut and disk.broken:
                left -= 1
                if not left:
                    sys.stderr.flush()
                    os._exit(CUT)

        with ExitStack() as patches:
            patches.enter_context(mock.patch.object(executors, "load", return_value=Here()))
            patches.enter_context(mock.patch.object(Lease, "progress", progress))
            patches.enter_context(mock.patch.object(worker, "PATIENCE", (0.0,)))
            if self.page is not None:
                for name in ("compose.compose", "study.study.prepare"):
                    patches.enter_context(mock.patch(f"matters.reports.{name}"))
                page = mock.Mock(return_value=self.page)
                patches.enter_context(mock.patch("matters.reports.report._files", page))
            yield

    def calls(self) -> list[tuple[str, str]]:
        """Kind and place of the calls that the last command made."""
        lines = (self.folder / "calls").read_text().splitlines()
        return [(kind, place) for kind, _, place in (line.partition("\t") for line in lines)]

    def count(self, error: int) -> list[tuple[str, str]]:
        """The calls of a calm command that may fail so."""
        store = self.folder / "counted"
        self.command(store, Disk(store, error=error))
        shutil.rmtree(store)
        return self.calls()

    def break_at(self, number: int, way: Way) -> str:
        """Break one call, then type the command again. Returns what is wrong, empty if nothing is."""
        store = self.folder / "runs"
        shutil.rmtree(store, ignore_errors=True)
        disk = Disk(store, number, way.error, stays=way.stays)
        status, said = self.command(store, disk, cut=way.cut)
        kind, place = [*self.calls(), ("", "none")][number - 1 if len(self.calls()) >= number else -1]
        where = f"{way.name} at call {number}, {kind} {place}"
        if "Traceback" in said or status not in (0, 1, 2, CUT):
            return f"{where}: ended with {status}: {said}"
        if status in (1, 2) and not _tells(said, way.error):
            return f"{where}: ended with {status} and does not say why: {said}"
        if trouble := self._kept(store):
            return f"{where}: {trouble}; {said}"
        again, more = self.command(store, Disk(store))
        if again or "Traceback" in more:
            return f"{where}: {said}\nthe same command then ended with {again}: {more}"
        if "damaged" in more:
            return f"{where}: {said}\nit was paid for with what was trained: {more}"
        found = digests(self.declared, store)
        if found != self.expected:
            return f"{where}: {found} is not {self.expected}"
        left = [path.name for mark in ("*.tmp", "checkpoint*", "holder.json") for path in store.rglob(mark)]
        return f"{where}: there is left {left}" if left else ""

    def _kept(self, store: Path) -> str:
        """What was lost or is unsound now, if anything."""
        if not (store / "store.json").exists():
            return ""
        opened = Store.open(store)
        if faults := opened.verify():
            return f"unsound: {faults}"
        for run_id, digest in self.expected.items():
            status = opened.status(run_id)
            if status.state == "failed":
                return f"failed: {status.error}"
            if status.state == "done" and status.digest != digest:
                return f"another digest: {run_id}"
        return ""


def _tells(said: str, error: int) -> bool:
    """Whether a line says what was wrong, in words, and no line is longer than a person reads."""
    lines = [line for line in said.splitlines() if os.strerror(error) in line]
    return bool(lines) and max(map(len, lines)) < 400


def main() -> None:
    """Break what was asked for, and say what was done; exits with 1 if anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sample", type=int, default=0, help="so many calls of each way; all with 0")
    parser.add_argument("--no-page", action="store_true", help="write a page of two words")
    parser.add_argument("--way", action="append", choices=[way.name for way in WAYS], help="only this one")
    asked = parser.parse_args()
    wrong = 0
    with tempfile.TemporaryDirectory() as name:
        page = {"index.html": b"a page", "tables/runs.csv": b"a table"} if asked.no_page else None
        bench = Bench(Path(name).resolve(), page)
        for offset, way in enumerate(WAYS):
            if asked.way and way.name not in asked.way:
                continue
            calls = bench.count(way.error)
            step = max(len(calls) // asked.sample, 1) if asked.sample else 1
            # Other calls for each way, where not all are tried.
            numbers = range(1 + offset * step // len(WAYS), len(calls) + 1, step)
            for number in numbers:
                if trouble := bench.break_at(number, way):
                    wrong += 1
                    typer.echo(trouble)
            kinds = collections.Counter(kind for kind, _ in calls)
            said = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
            typer.echo(f"{way.name}: {len(numbers)} of {len(calls)} calls broken ({said})")
    typer.echo(f"{wrong} wrong")
    raise SystemExit(bool(wrong))


if __name__ == "__main__":
    main()
