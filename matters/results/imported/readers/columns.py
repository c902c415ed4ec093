"""Curves from a table: one run, or many with columns that say which; one column per run; W&B's export."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from matters.results.imported import naming
from matters.results.imported.curve import Array, Curve, Names, ReturnsOf
from matters.results.imported.readers import delimited
from matters.results.imported.readers.asked import Said
from matters.results.imported.readers.headers import (
    ENVIRONMENT,
    SEED,
    VARIANT,
    Lacking,
    Roles,
    kind_of,
    roles,
    said_by,
)
from matters.suites.errors import InputError, nearest
from matters.suites.spec import MAX_SEED

_SPREAD = re.compile(r"(?:^|[_ /.-])(std|stdev|stddev|sd|stderr|sem|ci|ci95)(?:$|[_ /.-])", re.IGNORECASE)
_WANDB = re.compile(r"(?P<run>.+) - (?P<metric>.+?)(?P<bound>__MIN|__MAX)?")
WANDB_STEP = (
    "W&B's Step counts calls of its log function: these are environment steps only if they were logged so"
)


def curves(data: bytes, path: Path, said: Said) -> list[Curve]:
    """The runs in a text of columns. Raises Lacking for one without results, InputError for a bad one."""
    text = delimited.opened(delimited.decoded(data))
    if text.header is None:
        return _per_column(text, said)
    _refuse_aggregates(text)
    if found := _wandb_columns(text.header):
        return _wandb(text, found, said)
    if {"Name", "State"} <= set(text.header):
        raise InputError(
            "is W&B's table of runs: last values, one row per run, no curves; export the chart as a CSV"
        )
    chosen = _roles(text.header, said)
    if chosen.seems == "a table" and said.returns is None and chosen.seed is None:
        _refuse_spread(text.header)
    return _long(text, chosen, path, said)


def _roles(header: tuple[str, ...], said: Said) -> Roles:
    """The columns in use; where some are lacking, the message also says which of the run's names are."""
    try:
        return roles(header, said.step, said.returns, said.seed)
    except Lacking as error:
        names = {
            "--variant": said.variant or said_by(VARIANT, header),
            "--env": said.environment or said_by(ENVIRONMENT, header),
            "--seeds": said.seeds or said.seed or said_by(SEED, header),
        }
        lacking = [option for option, name in names.items() if not name]
        more = f"; nor, unless its path does, what run it is ({', '.join(lacking)})" if lacking else ""
        raise Lacking(f"{error}{more}") from None


def _long(text: delimited.Text, chosen: Roles, path: Path, said: Said) -> list[Curve]:
    """A table of steps and returns; columns of variant, environment and seed may say whose each row is."""
    chosen = _without_what_is_said(chosen, said)
    naming_columns = [name for name in (chosen.variant, chosen.environment, chosen.seed) if name is not None]
    returns = [name for name, _ in chosen.returns]
    rows = delimited.frame(text, list(dict.fromkeys([chosen.step, *returns, *naming_columns])))
    if not len(rows):
        raise InputError("has a header and no row")
    returned, kind = next(
        ((name, kind) for name, kind in chosen.returns if (rows[name] != "").any()), chosen.returns[0]
    )
    if chosen.sparse:
        rows = rows[rows[returned] != ""]
    _refuse_empty(rows, [chosen.step, returned])
    steps = delimited.numbers(rows[chosen.step], chosen.step)
    values = delimited.numbers(rows[returned], returned)
    lines = rows.index.to_numpy()
    kind = _stated(kind, chosen, path)
    if not naming_columns:
        return [Curve(steps, values, kind, notes=text.notes, lines=lines, seems=chosen.seems)]
    found = []
    for part in rows.groupby(naming_columns, sort=False).indices.values():
        first = rows.iloc[int(part[0])]
        names = _names(first, chosen, lines[int(part[0])])
        alone = len(part) == len(rows)
        found.append(
            Curve(
                steps[part], values[part], kind, names, text.notes, lines[part],
                ordered=alone and chosen.sparse, seems=chosen.seems,
            )
        )  # fmt: skip
    return found


def _without_what_is_said(chosen: Roles, said: Said) -> Roles:
    """A column such as `agent` or `task` gives way to an option; one called `variant` contradicts it."""
    return replace(
        chosen,
        variant=None if said.variant and chosen.variant != "variant" else chosen.variant,
        environment=None if said.environment and chosen.environment != "environment" else chosen.environment,
    )


def _names(row: "pd.Series[str]", chosen: Roles, line: int) -> Names:
    try:
        seed = None if chosen.seed is None else _seed(row[chosen.seed])
        return Names(
            None if chosen.variant is None else naming.variant(row[chosen.variant]),
            None if chosen.environment is None else naming.environment(row[chosen.environment]),
            seed,
        )
    except InputError as error:
        raise InputError(f":{line}: {error}") from None


def _seed(text: str) -> int:
    """A whole number of 0 or more, also as 3.0."""
    try:
        value = int(text) if re.fullmatch(r"[0-9]{1,19}", text) else float(text)
        if value != int(value) or not 0 <= value <= MAX_SEED:
            raise ValueError
        return int(value)
    except (ValueError, OverflowError):
        raise InputError(f"seed = {text[:60]!r}: should be a whole number of 0 or more") from None


def _refuse_empty(rows: "pd.DataFrame", names: list[str]) -> None:
    for name in names:
        empty = np.flatnonzero(rows[name] == "")
        if len(empty):
            raise InputError(f":{rows.index[empty[0]]}: {name} = '': should be a number")


def _stated(kind: ReturnsOf, chosen: Roles, path: Path) -> ReturnsOf:
    """What kind returns are where the header does not say: by a file's name such as eval.csv, or by a tag."""
    if kind != "unstated":
        return kind
    if chosen.seems == "TensorBoard's CSV" or path.name.partition(".")[0].lower() in ("eval", "train"):
        return kind_of(path.name)
    if chosen.seems == "acme's log":
        return kind_of("/".join(path.parts[-3:]))
    return kind


def _per_column(text: delimited.Text, said: Said) -> list[Curve]:
    """A file without a header: one run per column, rows at equal distances in steps."""
    if said.every is None:
        raise Lacking(
            "has no header; if its columns are runs, say --every N, the steps from one row to the next"
        )
    cells = delimited.matrix(text)
    steps = spaced(len(cells), said.every)
    return [
        Curve(steps, column, "unstated", notes=text.notes, lines=np.arange(1, len(cells) + 1) + text.skipped)
        for column in cells.T
    ]


def spaced(rows: int, every: int) -> Array:
    """Steps for rows that have none: 0, `every`, 2 `every`, ..."""
    return np.arange(rows, dtype=float) * every


def _wandb_columns(header: tuple[str, ...]) -> dict[str, re.Match[str]]:
    """The columns that are one run's metric; none unless the header is that of a W&B chart."""
    found = {name: match for name in header[1:] if (match := _WANDB.fullmatch(name))}
    return found if found and len(found) >= len(header) - 1 else {}


def _wandb(text: delimited.Text, found: dict[str, re.Match[str]], said: Said) -> list[Curve]:
    """W&B's export of a chart: one column per run, and its smallest and largest value within a bin."""
    assert text.header is not None
    if any(match["run"].lower().startswith("group:") for match in found.values()):
        raise InputError(
            "is W&B's export of groups: means over runs, no runs; switch the grouping off and export again"
        )
    runs = {name: match for name, match in found.items() if not match["bound"]}
    metrics = list(dict.fromkeys(match["metric"] for match in runs.values()))
    metric = metrics[0] if said.returns is None and len(metrics) == 1 else said.returns
    if metric is None:
        raise InputError(
            f"is W&B's export of several metrics; choose with --return from {', '.join(metrics[:20])}"
        )
    if metric not in metrics:
        raise InputError(f"--return {metric}: no such metric in W&B's export{nearest(metric, metrics)}")
    step = said.step or text.header[0]
    if step not in text.header:
        raise InputError(f"--step {step}: no such column{nearest(step, filter(None, text.header))}")
    chosen = [name for name, match in runs.items() if match["metric"] == metric]
    rows = delimited.frame(text, [step, *chosen])
    curves = []
    for name in chosen:
        own = rows[rows[name] != ""]
        steps = delimited.numbers(own[step], step)
        notes = (*text.notes, WANDB_STEP) if step == "Step" else text.notes
        curves.append(
            Curve(steps, delimited.numbers(own[name], name), kind_of(metric),
                  naming.from_path(Path(runs[name]["run"])), notes, own.index.to_numpy())
        )  # fmt: skip
    return curves


def _refuse_aggregates(text: delimited.Text) -> None:
    beginning = text.text[:20_000]
    if "±" in beginning or "+/-" in beginning:
        raise InputError(
            "holds means with their spread (±), no runs: a verdict needs each run's returns. Published means "
            "have a place of their own in reports, the question 'published'"
        )


def _refuse_spread(header: tuple[str, ...]) -> None:
    spread = next((name for name in header if _SPREAD.search(name)), None)
    if spread is not None:
        raise InputError(
            f"seems to hold means over runs (it has {spread!r} and no seed): a verdict needs each run's "
            "returns. If it is one run, with a spread over its episodes, name its column with --return"
        )
