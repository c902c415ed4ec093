"""JSON: RLlib's result.json, Dreamer's lists of runs, TensorBoard's export; and lists of means, refused."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from matters.results.imported import naming
from matters.results.imported.curve import Curve, Names
from matters.results.imported.readers.asked import Said
from matters.results.imported.readers.delimited import MAX_ROWS
from matters.results.imported.readers.headers import Lacking, kind_of, roles
from matters.suites.errors import InputError
from matters.suites.spec import MAX_SEED

DEPTH = 6
"""How deeply RLlib nests what it measures."""


def curves(text: str, path: Path, said: Said) -> list[Curve]:
    """The runs of a JSON file. Raises Lacking for one without results, InputError for a bad one."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return [_lines(text, said)]
    if isinstance(found, dict):
        found = [found]
    if not isinstance(found, list) or not any(found):
        raise Lacking("is JSON, but no list of results")
    if all(isinstance(one, list) and len(one) == 3 for one in found):
        steps, values = ([_number(one[k]) for one in found] for k in (1, 2))
        return [Curve(np.array(steps), np.array(values), kind_of(path.name))]
    if not all(isinstance(one, dict) for one in found):
        raise Lacking("is JSON, but no list of results")
    if {"xs", "ys"} <= found[0].keys():
        return [_dreamer(one, number) for number, one in enumerate(found)]
    if {"rew", "rew_std"} <= found[0].keys():
        raise InputError(
            "holds means and their spread over seeds (rew, rew_std), no runs, as Tianshou publishes them: a "
            "verdict needs each run's returns"
        )
    if {"Iteration", "Value"} <= found[0].keys():
        raise InputError(
            "is Dopamine's: several rows per iteration, and nothing says which run each is of; write a CSV "
            "with a column seed, and steps in place of iterations"
        )
    return [_records(found, said)]


def _dreamer(one: dict[str, Any], number: int) -> Curve:
    """A run as Dreamer's authors publish it: task, method, seed, steps xs and scores ys."""
    steps, values = one.get("xs"), one.get("ys")
    if not isinstance(steps, list) or not isinstance(values, list) or len(steps) != len(values):
        raise InputError(f"run {number}: xs and ys should be lists of one length")
    seed = one.get("seed")
    try:
        names = Names(
            naming.variant(str(one["method"])) if "method" in one else None,
            naming.environment(str(one["task"])) if "task" in one else None,
            int(str(seed)) if seed is not None else None,
        )
        if names.seed is not None and not 0 <= names.seed <= MAX_SEED:
            raise ValueError
    except InputError as error:
        raise InputError(f"run {number}: {error}") from None
    except ValueError:
        raise InputError(f"run {number}: seed = {seed!r}: should be a whole number of 0 or more") from None
    return Curve(
        np.array([_number(step) for step in steps]), np.array([_number(value) for value in values]),
        "unstated", names,
    )  # fmt: skip


def _lines(text: str, said: Said) -> Curve:
    """One JSON object per line; an incomplete last line is left out."""
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) > MAX_ROWS:
        raise InputError(f"has more than {MAX_ROWS} lines")
    records: list[dict[str, Any]] = []
    notes: tuple[str, ...] = ()
    for number, line in enumerate(lines, start=1):
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            if number == len(lines) and records:
                notes = ("a last line that was cut off left out",)
                break
            raise Lacking(f":{number}: is no JSON") from None
        if not isinstance(record, dict):
            raise Lacking(f":{number}: should be an object of JSON")
        records.append(record)
    return _records(records, said, notes)


def _records(records: list[dict[str, Any]], said: Said, notes: tuple[str, ...] = ()) -> Curve:
    flat = [_flat(record) for record in records]
    header = list(dict.fromkeys(name for record in flat for name in record))
    chosen = roles(header, said.step, said.returns, said.seed)
    name, kind = next(
        (one for one in chosen.returns if any(record.get(one[0]) is not None for record in flat)),
        chosen.returns[0],
    )
    rows = [(k, record) for k, record in enumerate(flat, start=1) if record.get(name) is not None]
    environment = next((r["config/env"] for r in flat if isinstance(r.get("config/env"), str)), None)
    seed = next((r["config/seed"] for r in flat if type(r.get("config/seed")) is int), None)
    if environment is not None and not naming.ENVIRONMENT.fullmatch(environment):
        environment = None
    if seed is not None and not 0 <= seed <= MAX_SEED:
        seed = None
    return Curve(
        np.array([_number(record.get(chosen.step)) for _, record in rows], dtype=float),
        np.array([_number(record[name]) for _, record in rows], dtype=float),
        kind,
        Names(environment=environment, seed=seed),
        notes,
        np.array([line for line, _ in rows]),
    )


def _flat(record: dict[str, Any], prefix: str = "", depth: int = DEPTH) -> dict[str, Any]:
    """Nested objects as RLlib's own CSV names them: `env_runners/episode_return_mean`."""
    flat: dict[str, Any] = {}
    for key, value in record.items():
        if isinstance(value, dict):
            if depth:
                flat |= _flat(value, f"{prefix}{key}/", depth - 1)
        elif not isinstance(value, list):
            flat[prefix + key] = value
    return flat


def _number(value: object) -> float:
    """A JSON number as a float; RLlib writes nan as a word. Raises InputError for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | None):
        raise InputError(f"{str(value)[:60]!r} should be a number")
    if value is None:
        return math.nan
    try:
        return float(value)
    except (ValueError, OverflowError):
        raise InputError(f"{str(value)[:60]!r} should be a number") from None
