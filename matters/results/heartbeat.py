"""Who trains a run, for other machines: a file beside the lock that the holder touches while it lives.

The lock holds among the processes of one kernel. On a file system that several machines share it may hold on
each of them alone (NFS without its lock daemon, Lustre with local locks). There `holder.json` names the
kernel that holds the lock, and its modification time shows that the holder lives. It contains a token, which
whoever takes over the run replaces, and which is checked before anything final is written: so at most one
holder finishes. Where machines' clocks differ by more than two minutes, or jump, a run may be trained twice;
even then one training finishes, and the other compares its digest.
"""

import json
import os
import platform
import secrets
import threading
import time
from contextlib import suppress
from pathlib import Path

from matters.results import files

BEAT_SECONDS = 20.0
"""Seconds from one sign of life to the next."""
STALE_SECONDS = 120.0
"""Seconds without a sign of life after which a holder is presumed dead."""


class LeaseLost(OSError):
    """The run now belongs to another holder, or was finished by one."""


def kernel() -> str:
    """The name of the kernel that runs here, the same for all processes that see each other's locks."""
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return platform.node()


def held_elsewhere(directory: Path | str) -> str:
    """The name of another machine whose process holds the run and lives; empty if there is none."""
    path = f"{directory}/holder.json"
    try:
        if time.time() - os.stat(path).st_mtime > STALE_SECONDS:
            return ""
        with open(path, "rb") as file:
            holder = json.loads(file.read())
        return "" if holder["kernel"] == kernel() else str(holder["host"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return ""


class Holder:
    """The sign of life of a lease, from its creation until `release`, given by a thread of its own."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "holder.json"
        self._token = secrets.token_hex(8)
        self._released = threading.Event()
        fields = {"token": self._token, "host": platform.node(), "kernel": kernel(), "pid": os.getpid()}
        files.write(self._path, files.json_bytes(fields))
        threading.Thread(target=self._beat, daemon=True).start()

    def check(self) -> None:
        """Raise LeaseLost if somebody else has taken the run over."""
        try:
            holder = json.loads(self._path.read_bytes())
        except (OSError, ValueError, RecursionError):
            holder = {}
        if holder.get("token") != self._token:
            host = holder.get("host", "nobody, its holder.json is gone")
            raise LeaseLost(f"run {self._path.parent.name}: is held by {host} now")

    def release(self) -> None:
        """End the signs of life, and take the file away if it is still ours."""
        self._released.set()
        with suppress(OSError):
            self.check()
            self._path.unlink()

    def _beat(self) -> None:
        while not self._released.wait(BEAT_SECONDS):
            with suppress(OSError):  # a missed beat is no reason to end a training
                os.utime(self._path)
