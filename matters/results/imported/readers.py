"""Reading others' results: a CSV, Stable-Baselines3's evaluations.npz and monitor.csv, TensorBoard's scalars.

Nothing is guessed and nothing is run: a cell that is no number, a missing column or a second row for one step
is one line that names the file and the place. Arrays are loaded without pickle.
"""

import csv
import hashlib
import io
import json
import math
import re
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from matters.results.imported.event_files import scalars
from matters.results.imported.runs import RETURNS_OF, ForeignRun, ReturnsOf
from matters.suites.errors import InputError, nearest, shown
from matters.suites.spec import MAX_SEED

COLUMNS = ("variant", "environment", "seed", "step", "return")
VARIANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
ENVIRONMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+/:-]*")
TAGS = ("eval/mean_reward", "rollout/ep_rew_mean")
"""What Stable-Baselines3 calls its returns in TensorBoard: the first that a file has is taken."""

Row = tuple[str, str, int, int, float]
"""Variant, environment, seed, step, return."""


@dataclass(frozen=True)
class Said:
    """What the user says of files that do not say it themselves; `seeds` has one a file."""

    variant: str | None = None
    environment: str | None = None
    seeds: tuple[int, ...] | None = None
    tag: str | None = None
    returns_of: ReturnsOf | None = None


def read(paths: Sequence[Path], said: Said) -> list[ForeignRun]:
    """The runs of some files, each checked whole. Raises InputError: the file, the place, what is expected.

    A CSV may hold many runs; a file of any other format is one run.
    """
    if said.seeds is not None and len(said.seeds) != len(paths):
        raise InputError(f"--seeds: {len(said.seeds)} seeds for {len(paths)} files; one a file is expected")
    runs: list[ForeignRun] = []
    for position, path in enumerate(paths):
        seed = None if said.seeds is None else said.seeds[position]
        data = _bytes(path)
        try:
            rows, returns_of = _rows(path, data, said, seed)
        except InputError as error:
            raise InputError(f"{path}{'' if str(error).startswith(':') else ': '}{error}") from None
        sha256 = hashlib.sha256(data).hexdigest()
        runs += _runs(rows, said.returns_of or returns_of, path.name, sha256)
    return runs


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None


def _rows(path: Path, data: bytes, said: Said, seed: int | None) -> tuple[list[Row], ReturnsOf]:
    if said.tag is not None and "tfevents" not in path.name:
        raise InputError("--tag is of TensorBoard's files, this is none")
    if path.suffix == ".npz":
        return _evaluations(data, _one(said, seed)), "evaluation"
    if "tfevents" in path.name:
        return _events(data, said, seed)
    if path.suffix == ".csv":
        text = _text(data)
        if text.startswith("#"):
            return _monitor(text, said, seed), "training"
        return list(_table(text, said, seed)), "unstated"
    raise InputError(
        "unknown format; known are a CSV (.csv), Stable-Baselines3's evaluations.npz and monitor.csv, and "
        "TensorBoard's events.out.tfevents…"
    )


def _one(said: Said, seed: int | None, environment: str | None = None) -> tuple[str, str, int]:
    """Variant, environment and seed of a file that is one run."""
    if environment and said.environment and environment != said.environment:
        raise InputError(f"is of environment {environment}, --env says {said.environment}")
    given = {"--variant": said.variant, "--env": said.environment or environment, "--seeds": seed}
    lacking = [option for option, value in given.items() if value is None]
    if lacking:
        raise InputError(f"does not say what run it is: {', '.join(lacking)} needed")
    return _variant(said.variant), _environment(said.environment or environment), int(seed or 0)


def _table(text: str, said: Said, seed: int | None) -> Iterator[Row]:
    """A CSV with a header; --variant, --env and --seeds stand for columns that it lacks."""
    reader = csv.reader(io.StringIO(text), strict=True)
    try:
        lines = [(reader.line_num, row) for row in reader if row]
    except csv.Error as error:
        raise InputError(f":{reader.line_num}: not a CSV: {error}") from None
    if not lines:
        raise InputError(f"is empty; expected is a header with {', '.join(COLUMNS)}")
    line, header = lines[0]
    header = [name.strip() for name in header]
    stated = {"variant": said.variant, "environment": said.environment, "seed": seed}
    for name in COLUMNS:
        if header.count(name) > 1:
            raise InputError(f":{line}: column {name!r} appears twice")
        if name not in header and stated.get(name) is None:
            raise InputError(
                f":{line}: no column {name!r}{_near(name, header)}; needed: {', '.join(COLUMNS)}"
            )
        if name in header and stated.get(name) is not None:
            raise InputError(f":{line}: {name} is given twice, as a column and as an option")
    if len(lines) == 1:
        raise InputError(f":{line}: has a header and no row")
    seen: dict[tuple[str, str, int, int], int] = {}
    for line, cells in lines[1:]:
        if len(cells) != len(header):
            raise InputError(f":{line}: {len(cells)} cells, the header has {len(header)}")
        row = dict(zip(header, cells, strict=True))
        try:
            key = (
                _variant(row.get("variant", said.variant)),
                _environment(row.get("environment", said.environment)),
                _whole("seed", row["seed"]) if "seed" in row else int(seed or 0),
                _whole("step", row["step"]),
            )
            value = _return(row["return"])
        except InputError as error:
            raise InputError(f":{line}: {error}") from None
        if key in seen:
            run = "variant {}, environment {}, seed {}, step {}".format(*key)
            raise InputError(
                f":{line}: a second return of {run}, the first is in line {seen[key]}; should be one: "
                "average episodes beforehand, and give each run its seed"
            )
        seen[key] = line
        yield (*key, value)


def _monitor(text: str, said: Said, seed: int | None) -> list[Row]:
    """Stable-Baselines3's Monitor: a line of JSON, then return, length and time of each training episode."""
    lines = text.splitlines()
    try:
        environment = json.loads(lines[0].lstrip("#")).get("env_id")
    except (ValueError, AttributeError):
        raise InputError(":1: should be the JSON that Stable-Baselines3's Monitor writes") from None
    run = _one(said, seed, environment if isinstance(environment, str) and environment != "None" else None)
    header = [name.strip() for name in lines[1].split(",")] if len(lines) > 1 else []
    for name in ("r", "l"):
        if name not in header:
            raise InputError(f":2: no column {name!r}; a monitor.csv has r, l and t")
    if len(lines) < 3:
        raise InputError("has no finished episode")
    step, rows = 0, []
    for line, cells in enumerate(csv.reader(lines[2:]), start=3):
        if len(cells) != len(header):
            raise InputError(f":{line}: {len(cells)} cells, the header has {len(header)}")
        row = dict(zip(header, cells, strict=True))
        try:
            step += _whole("l", row["l"])
            rows.append((*run, step, _return(row["r"], "r")))
        except InputError as error:
            raise InputError(f":{line}: {error}") from None
    return rows


def _evaluations(data: bytes, run: tuple[str, str, int]) -> list[Row]:
    """Stable-Baselines3's EvalCallback: `timesteps` [K] and `results` [K, episodes]; a point is their "
    "mean."""
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            for name in ("timesteps", "results"):
                if name not in file.files:
                    raise InputError(f"no array {name!r}{_near(name, file.files)}")
            steps, results = file["timesteps"], file["results"]
    except InputError:
        raise
    except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile, TypeError) as error:
        objects = "Object arrays" in str(error)
        reason = (
            "holds Python objects, which are not loaded: they could run code" if objects else "is damaged"
        )
        raise InputError(f"{reason}; expected is the evaluations.npz of Stable-Baselines3") from None
    if steps.ndim != 1 or results.ndim != 2 or len(steps) != len(results) or not results.size:
        raise InputError(
            f"timesteps {steps.shape} and results {results.shape}: should be [K] and [K, episodes], K above 0"
        )
    if steps.dtype.kind not in "iu" or results.dtype.kind not in "iuf":
        raise InputError(
            f"timesteps are {steps.dtype}, results {results.dtype}: should be whole numbers and floats"
        )
    bad = np.argwhere(~np.isfinite(results.astype(float)))
    if len(bad):
        place = ", ".join(str(index) for index in bad[0])
        raise InputError(f"results[{place}] = {results[tuple(bad[0])]}: a return should be finite")
    if steps.min() < 0:
        raise InputError(f"timesteps = {steps.min()}: should be 0 or more")
    means = results.astype(float).mean(axis=1)
    return [(*run, int(step), float(mean)) for step, mean in zip(steps, means, strict=True)]


def _events(data: bytes, said: Said, seed: int | None) -> tuple[list[Row], ReturnsOf]:
    """One tag of a TensorBoard file: --tag, or the first of TAGS that it has."""
    run = _one(said, seed)
    found = scalars(data)
    known = list(dict.fromkeys(scalar.tag for scalar in found))
    if not known:
        raise InputError("has no scalars")
    tag = said.tag if said.tag is not None else next((one for one in TAGS if one in known), None)
    if tag is None:
        raise InputError(f"has no {' or '.join(TAGS)}: choose with --tag from {', '.join(known)}")
    if tag not in known:
        raise InputError(f"--tag {tag}: no such scalar{nearest(tag, known)}")
    rows = []
    for scalar in found:
        if scalar.tag == tag:
            if not math.isfinite(scalar.value) or scalar.step < 0:
                raise InputError(
                    f"{tag} = {scalar.value} at step {scalar.step}: should be finite, at a step of 0 or more"
                )
            rows.append((*run, scalar.step, scalar.value))
    kinds: dict[str, ReturnsOf] = {"eval": "evaluation", "rollout": "training"}
    return rows, kinds.get(tag.partition("/")[0], "unstated")


def _runs(rows: Sequence[Row], returns_of: ReturnsOf, file: str, sha256: str) -> list[ForeignRun]:
    """Rows by run, their steps in order."""
    grouped: dict[tuple[str, str, int], list[tuple[int, float]]] = {}
    for variant, environment, seed, step, value in rows:
        grouped.setdefault((variant, environment, seed), []).append((step, value))
    runs = []
    for key, points in grouped.items():
        points.sort(key=lambda point: point[0])
        twice = next((step for (step, _), (after, _) in pairwise(points) if step == after), None)
        if twice is not None:
            raise InputError(f"{file}: has two returns at step {twice}; should be one a step")
        steps, returns = zip(*points, strict=True)
        runs.append(ForeignRun(*key, returns_of, steps, returns, file, sha256))
    return runs


def _near(name: str, found: Sequence[str]) -> str:
    """A hint at what is near; what is found in a file is not what would be valid."""
    hint = nearest(name, found)
    return hint if hint.startswith("; did") else ""


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"is not UTF-8: {error.reason} at byte {error.start}") from None


def _variant(value: str | None) -> str:
    name = (value or "").strip()
    if not VARIANT.fullmatch(name):
        raise InputError(f"variant = {shown(name)}: should be letters, digits and . _ + -")
    return name


def _environment(value: str | None) -> str:
    name = (value or "").strip()
    if not ENVIRONMENT.fullmatch(name):
        raise InputError(f"environment = {shown(name)}: should be an id such as HalfCheetah-v5")
    return name


def _whole(name: str, text: str) -> int:
    """A whole number of 0 or more, also as 1000.0 or 1e6."""
    try:
        value = float(text)
        if not value.is_integer() or not 0 <= value <= MAX_SEED:
            raise ValueError
        return int(text) if re.fullmatch(r"\s*\d+\s*", text, re.ASCII) else int(value)
    except (ValueError, OverflowError):
        raise InputError(f"{name} = {shown(text)}: should be a whole number of 0 or more") from None


def _return(text: str, name: str = "return") -> float:
    try:
        value = float(text)
    except ValueError:
        raise InputError(f"{name} = {shown(text)}: should be a number") from None
    if not math.isfinite(value):
        raise InputError(
            f"{name} = {shown(text)}: should be finite; a diverged run ends with its last finite return"
        )
    return value


__all__ = ["COLUMNS", "RETURNS_OF", "TAGS", "Said", "read"]
