"""Monitor files of Stable-Baselines3, OpenAI Baselines and, earlier, Gym: one row per training episode.

A run with several environments writes one monitor for each: its steps are then the lengths of all their
episodes, added up in the order in which they ended, as Stable-Baselines3's `load_results` has it.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from matters.results.imported.curve import Array, Curve, Names
from matters.results.imported.naming import ENVIRONMENT, printable
from matters.results.imported.readers import delimited
from matters.suites.errors import InputError


@dataclass(frozen=True)
class Episodes:
    """The episodes of one monitor: `began` and `ended` in seconds since 1970, nan where not known."""

    environment: str | None
    began: float
    ended: Array
    returns: Array
    lengths: Array
    lines: Array
    notes: tuple[str, ...]


def is_monitor(text: str) -> bool:
    """Whether it begins as a monitor does: with a comment, or with a line of JSON in older ones."""
    first = text.partition("\n")[0]
    return text.startswith("#") or (first.startswith("{") and '"t_start"' in first)


def curve(monitors: Sequence[tuple[Path, bytes]], unit: str | None) -> Curve:
    """The run of one monitor, or of the several of its environments.

    Raises InputError for several that may each be a run, unless `unit` is "folder".
    """
    found = []
    for path, data in monitors:
        try:
            found.append(episodes(delimited.decoded(data)))
        except InputError as error:
            colon = "" if str(error).startswith(":") else ": "
            raise InputError(
                f"{printable(path.name)}{colon}{error}" if len(monitors) > 1 else str(error)
            ) from None
    environments = sorted({one.environment for one in found if one.environment is not None})
    if len(environments) > 1:
        raise InputError(
            f"its monitors are of different environments, {', '.join(environments)}: name the files instead"
        )
    names = Names(environment=environments[0] if environments else None)
    notes = tuple(dict.fromkeys(note for one in found for note in one.notes))
    if len(found) == 1:
        (one,) = found
        steps = np.cumsum(one.lengths)
        return Curve(steps, one.returns, "training", names, notes, one.lines, seems="a monitor")
    if unit != "folder":
        _refuse_runs_one_after_another([path for path, _ in monitors], found)
    ended = np.concatenate([one.ended for one in found])
    if np.isnan(ended).any():
        raise InputError("its monitors have no times, so that their episodes cannot be put in order")
    order = np.argsort(ended, kind="stable")
    steps = np.cumsum(np.concatenate([one.lengths for one in found])[order])
    returns = np.concatenate([one.returns for one in found])[order]
    together = f"{len(found)} monitors of one folder are one run with as many environments"
    return Curve(steps, returns, "training", names, (together, *notes), seems="monitors")


def episodes(text: str) -> Episodes:
    """One monitor's episodes. A further header within it marks a training that was resumed."""
    if text.startswith("{"):
        return _json_lines(text)
    lines = text.splitlines()
    starts = [number for number, line in enumerate(lines) if line.startswith("#")]
    parts = [
        _part(lines[start:end], start) for start, end in zip(starts, [*starts[1:], len(lines)], strict=True)
    ]
    if not sum(len(part.returns) for part in parts):
        raise InputError("has no finished episode")
    if len(parts) == 1:
        return parts[0]
    again = f"started again {len(parts) - 1} times, its steps counted on"
    return Episodes(
        parts[0].environment,
        parts[0].began,
        np.concatenate([part.ended for part in parts]),
        np.concatenate([part.returns for part in parts]),
        np.concatenate([part.lengths for part in parts]),
        np.concatenate([part.lines for part in parts]),
        tuple(dict.fromkeys([again, *(note for part in parts for note in part.notes)])),
    )


def _part(lines: list[str], start: int) -> Episodes:
    """From a comment of JSON to before the next: a header, then r, l and t of each episode."""
    try:
        facts = json.loads(lines[0].lstrip("#"))
        environment, began = facts.get("env_id"), facts.get("t_start")
    except (ValueError, AttributeError, RecursionError):
        raise InputError(
            f":{start + 1}: should be the JSON that Stable-Baselines3's Monitor writes"
        ) from None
    text = delimited.opened("\n".join(lines[1:])) if "".join(lines[1:]).strip() else None
    header = () if text is None or text.header is None else text.header
    for name in ("r", "l"):
        if name not in header:
            raise InputError(f":{start + 2}: no column {name!r}; a monitor.csv has r, l and t")
    assert text is not None
    timed = "t" in header
    shifted = delimited.Text(text.text, text.separator, text.header, text.cut, text.skipped + start + 1)
    if "\n" not in text.text:
        rows = pd.DataFrame({name: pd.Series([], dtype=str) for name in ("r", "l", "t")})
    else:
        rows = delimited.frame(shifted, ["r", "l", "t"] if timed else ["r", "l"])
    return _episodes(rows, environment, began if timed else None, text.notes)


def _json_lines(text: str) -> Episodes:
    """The monitor.json of early Baselines: a line of JSON with the environment, then one per episode."""
    first, _, rest = text.partition("\n")
    body = rest.rstrip("\n")
    cut: tuple[str, ...] = ()
    if body and not body.endswith("}"):
        body, cut = body.rpartition("\n")[0], ("a last line that was cut off left out",)
    try:
        facts = json.loads(first)
        found = [json.loads(line) for line in body.splitlines() if line.strip()]
        rows = pd.DataFrame({name: [repr(one[name]) for one in found] for name in ("r", "l", "t")})
        environment, began = facts.get("env_id"), facts.get("t_start")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise InputError("is damaged: not the lines of JSON that a monitor writes") from None
    if not len(rows):
        raise InputError("has no finished episode")
    rows.index = rows.index + 2
    return _episodes(rows, environment, began, cut)


def _episodes(rows: "pd.DataFrame", environment: object, began: object, notes: tuple[str, ...]) -> Episodes:
    lengths = delimited.numbers(rows["l"], "l")
    bad = np.flatnonzero(~((lengths >= 0) & (lengths == np.floor(lengths))))
    if len(bad):
        raise InputError(
            f":{rows.index[bad[0]]}: l = {rows['l'].iloc[bad[0]]!r}: should be a whole number of 0 or more"
        )
    known = isinstance(environment, str) and environment != "None" and ENVIRONMENT.fullmatch(environment)
    start = float(began) if isinstance(began, int | float) else np.nan
    ended = start + delimited.numbers(rows["t"], "t") if "t" in rows else np.full(len(rows), np.nan)
    return Episodes(
        str(environment) if known else None,
        start,
        ended,
        delimited.numbers(rows["r"], "r"),
        lengths,
        rows.index.to_numpy(),
        notes,
    )


def _refuse_runs_one_after_another(paths: Sequence[Path], found: Sequence[Episodes]) -> None:
    """Environments of one run work at the same time; monitors that do not may each be a run."""
    numbered = all(path.name.partition(".")[0].isdigit() for path in paths)
    if numbered and not max(one.began for one in found) > min(one.ended[-1] for one in found):
        return
    reason = "their times do not overlap" if numbered else "their names are no numbers of environments"
    raise InputError(
        f"{len(found)} monitors ({printable(paths[0].name)}, {printable(paths[1].name)}, ...), and {reason}: "
        "say --unit folder if they are one run's environments, --unit file if each is a run"
    )
