"""Which code decides a run's bits: what the worker and the algorithm import, except what is listed here."""

import functools

from matters.algorithms import ALGORITHMS, path_of
from matters.results.fingerprint import fingerprint
from matters.suites.spec import RunSpec
from matters.suites.tasks.settings import modules

ROOT = "matters.harness.training.worker"
NOT_BITS: dict[str, str] = {
    "matters": "the public interface: it calls the worker, and is not called by it",
    "matters.algorithms": "the table of algorithms: a new line in it changes no run",
    "matters.harness.training.code": "this list",
    "matters.harness.training.job": "how jobs and news are written down",
    "matters.harness.training.room": "when a training pauses for want of room on a disk",
    "matters.harness.training.simulator_warnings": "what is noted of a simulator's warnings",
    "matters.harness.training.stopping": "when a training stops to go on later",
    "matters.results.files": "how bytes get to the disk",
    "matters.results.fingerprint": "how code is named",
    "matters.results.numerics": "what is noted of the libraries, and what a worker is started with",
    "matters.results.heartbeat": "who is at work on a run",
    "matters.results.index": "where a run is found",
    "matters.results.lease": "who trains a run",
    "matters.results.marker": "what makes a folder a store",
    "matters.results.parquet": "how a table gets to the disk",
    "matters.results.provenance": "what is noted beside a result",
    "matters.results.status": "how a run stands",
    "matters.results.spec_file": "how a run's spec is written down",
    "matters.results.store": "where a result lies",
    "matters.results.thinning": "how many rows of the updates a bundle or a page shows",
    "matters.results.verification": "what a disk has changed",
    "matters.results.upgrade": "the names of old runs",
    "matters.suites.baselines": "what a run is called",
    "matters.suites.errors": "the words of a refusal",
    "matters.suites.tasks.yardsticks": "what a page divides a return by",
}
"""Modules that a worker loads and that decide no bit of a run, each with the reason."""

PACKAGES = ("gymnasium", "mujoco", "numpy", "torch")
"""Others' packages whose versions decide bits, too."""
REFERENCE_PACKAGES = ("sb3-contrib", "stable-baselines3")


def own_modules(spec: RunSpec) -> tuple[str, ...]:
    """The user's own modules that a run needs: its algorithm, its environment and wrappers."""
    rule = () if spec.algorithm in ALGORITHMS else (path_of(spec.algorithm).partition(":")[0],)
    return (*rule, *modules(spec.environment, spec.environment_settings))


def code_of(spec: RunSpec) -> str:
    """The fingerprint of all that decides the run's bits."""
    return training_code(spec.algorithm, own_modules(spec))


@functools.cache
def training_code(algorithm: str, own: tuple[str, ...] = ()) -> str:
    """The fingerprint of all that decides the bits of a run of that algorithm.

    `own` are modules from elsewhere, such as an environment's; what they import from their own packages
    counts, too.

    Taken once per process, near its start, so that it describes the code that runs and not a later edit.
    """
    module = path_of(algorithm).partition(":")[0]
    packages = PACKAGES + (REFERENCE_PACKAGES if ".reference." in module else ())
    return fingerprint([ROOT, module, *own], without=NOT_BITS, packages=packages)
