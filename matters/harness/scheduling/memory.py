"""How much memory training takes, estimated before it begins, so that what is trained at one time fits."""

import json
import os
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from matters.algorithms import OffPolicy, OnPolicy, Reference, load
from matters.algorithms.interface import Problem
from matters.algorithms.parts import population
from matters.algorithms.parts.replay import bytes_when_full, row_type
from matters.harness.training.simulators import problem
from matters.suites.errors import InputError
from matters.suites.spec import RunSpec, canonical_json
from matters.suites.tasks.environments import make

if TYPE_CHECKING:
    from matters.suites.spec import Cell

MB = 10**6
SHARE = 0.8
"""The part of the available memory that is given out: other programs, and files that are read, need some."""

WORKER = 400 * MB
"""A process before its first run: PyTorch, Gymnasium and MuJoCo (280 MB seen), and some scratch."""

RUN = 40 * MB
"""A run's environments (1.2 MB each) and its tables, whatever the algorithm (35 MB seen on Humanoid)."""

STATES = 3
"""How many times a state is counted: itself, its gradient, and an update's intermediate numbers."""


def begun(spec: RunSpec) -> tuple[OnPolicy | OffPolicy | Reference, Any, Problem, Any]:
    """A run's algorithm, its config, its environment's sizes and its first state, None of a reference."""
    algorithm = load(spec.algorithm)
    config: Any = algorithm.Config.model_validate(spec.config, strict=False)
    sizes = _problem_of(spec.environment, canonical_json(spec.environment_settings))
    if algorithm.KIND == "reference":
        return algorithm, config, sizes, None
    return algorithm, config, sizes, algorithm.init(config, sizes, [np.random.default_rng(0)])


def tensor_bytes(state: Any) -> int:
    """Bytes of all the numbers of a state."""
    return sum(tensor.nbytes for _, tensor in population.tensors(state))


def run_bytes(spec: RunSpec) -> int:
    """About how many bytes one more run adds to a process by its end."""
    algorithm, config, sizes, state = begun(spec)
    facts = algorithm.FACTS
    if state is None:
        return RUN + min(facts.replay_size(config), spec.steps) * _reference_row(sizes)
    if facts.replay:
        stored = min(facts.replay_size(config), spec.steps)
        kept = bytes_when_full(stored, sizes.observation_size, sizes.action_size)
    else:
        step = 4 * (2 * sizes.observation_size + sizes.action_size + 2)
        kept = STATES * facts.rollout_steps(config) * step
    return RUN + STATES * tensor_bytes(state) + kept + facts.scratch(config, state)


def state_bytes(spec: RunSpec) -> int:
    """About how many bytes the final state of an off-policy run takes on disk: every step that it took."""
    _, _, sizes, state = begun(spec)
    row = row_type(sizes.observation_size, sizes.action_size)
    return MB + tensor_bytes(state) + spec.steps * row.itemsize


def limits(cells: "Iterable[Cell]", workers: int, available: int) -> dict[str, int]:
    """How many runs of each cell, `variant/environment`, may train together in each of `workers` workers.

    Raises InputError where not even one of them fits: one line with what it needs and what would help.
    """
    share = int(SHARE * available) // workers
    found = {}
    for cell in cells:
        one = run_bytes(cell.specs[0])
        found[f"{cell.variant}/{cell.environment}"] = most = (share - WORKER) // one
        if most < 1:
            raise InputError(_refusal(cell, WORKER + one, share, workers, available))
    return found


def available_bytes() -> int:
    """What processes may still take without swapping, or within the limit of their control group."""
    free = _fields(Path("/proc/meminfo")).get("MemAvailable:", 0) * 1024
    if not free:  # no Linux
        free = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return min([free, *_left_in_group(Path("/proc/self/cgroup"), Path("/sys/fs/cgroup"))])


def _left_in_group(membership: Path, groups: Path) -> list[int]:
    """What the limits of our control group (version 2) and those above it leave; file caches do not count."""
    left = []
    for line in membership.read_text().splitlines() if membership.exists() else ():
        if line.startswith("0::/"):
            own = groups / line.removeprefix("0::/")
            for group in (own, *own.parents):
                limit = group / "memory.max"
                if limit.exists() and limit.read_text().strip() != "max":
                    left.append(int(limit.read_text()) - _fields(group / "memory.stat").get("anon", 0))
    return left


def _fields(path: Path) -> dict[str, int]:
    """The first number of each line of a kernel file, by the word before it."""
    lines = [line.split() for line in path.read_text().splitlines()] if path.exists() else []
    return {words[0]: int(words[1]) for words in lines if len(words) > 1 and words[1].isdigit()}


def _refusal(cell: "Cell", needs: int, share: int, workers: int, available: int) -> str:
    fitting = int(SHARE * available) // needs
    field = load(cell.specs[0].algorithm).FACTS.replay
    ways = [f"--workers {fitting}"] * (fitting > 0)
    if field is not None:
        ways.append(f"{field} below {cell.specs[0].config[field]}")
    return (
        f"{cell.variant} on {cell.environment}: one run needs {shown(needs)} of memory, and of the "
        f"{shown(available)} available each of {workers} workers may take {shown(share)}; "
        f"try {' or '.join(ways or ['a smaller network'])}"
    )


def shown(size: int) -> str:
    """Bytes as a person says them."""
    return f"{size / 10**9:.1f} GB" if size >= 10**9 else f"{size / MB:.0f} MB"


def _reference_row(sizes: Problem) -> int:
    """Stable-Baselines3 keeps both observations of a step, in the environment's own double precision."""
    return 8 * 2 * sizes.observation_size + 4 * (sizes.action_size + 3)


@cache
def _problem_of(environment_id: str, settings: str) -> Problem:
    """The sizes of an environment, whose settings are canonical JSON."""
    environment = make(environment_id, json.loads(settings))
    try:
        return problem(environment)
    finally:
        environment.close()
