"""One run's returns as a file has them, and the one rule by which every format is cleaned.

A return that is not a finite number means one of three things. Before the first finite one nothing had been
measured yet: it is left out and counted. After the last one the run has diverged: it ends there, and the step
is kept. Between finite returns it is a gap that only the owner can explain: the run is refused.

Where steps fall back, the run was started again from a checkpoint: what it had recorded from that step on is
void, as in TensorBoard. Where they fall back to the beginning, there are two trainings in one file.
"""

from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from matters.suites.errors import InputError, counted
from matters.suites.spec import MAX_SEED

Array = npt.NDArray[Any]
ReturnsOf = Literal["evaluation", "training", "unstated"]

LARGEST_RETURN = 1e100
"""No task's returns come near it; beyond about 1e150 their squares overflow."""


@dataclass(frozen=True)
class Names:
    """Which run it is, as far as that is known."""

    variant: str | None = None
    environment: str | None = None
    seed: int | None = None


UNNAMED = Names()


@dataclass(frozen=True)
class Curve:
    """`returns[k]` at `steps[k]`, in the order of the file, nothing left out yet.

    `lines` are the lines of the file that the points come from, if it has lines. `ordered` says that the
    order is chronological, so that steps which fall back mean something. `names` are those found in the file
    itself, `notes` what its owner should know about how it was read, `seems` what kind of file it is.
    """

    steps: Array
    returns: Array
    returns_of: ReturnsOf
    names: Names = UNNAMED
    notes: tuple[str, ...] = ()
    lines: Array | None = field(default=None, compare=False)
    ordered: bool = True
    seems: str = "a run"


@dataclass(frozen=True)
class Points:
    """A clean curve: steps that rise (training episodes may share one), returns that are finite."""

    steps: tuple[int, ...]
    returns: tuple[float, ...]
    diverged_at: int | None
    notes: tuple[str, ...]


def clean(curve: Curve) -> Points:
    """The curve cleaned by the module's rule. Raises InputError that names the place."""
    _check_numbers(curve)
    curve, notes = _without_void_steps(curve) if curve.ordered else (_sorted(curve), [])
    finite = np.flatnonzero(np.isfinite(curve.returns))
    if not len(finite):
        raise InputError(f"none of its {len(curve.returns)} returns is a finite number")
    first, last = int(finite[0]), int(finite[-1])
    if last - first + 1 > len(finite):
        hole = first + int(np.argmin(np.isfinite(curve.returns[first : last + 1])))
        raise InputError(
            f"{place(curve, hole)}return = {curve.returns[hole]} at step {curve.steps[hole]:.0f}, between "
            "finite ones: should be finite; take the row out if nothing was measured there"
        )
    if first:
        notes.append(f"{counted(first, 'return')} before the first finite one left out")
    diverged_at = None
    if last + 1 < len(curve.returns):
        diverged_at = int(curve.steps[last + 1])
        notes.append(f"diverged at step {diverged_at}: no finite return from there on")
    kept = slice(first, last + 1)
    steps = tuple(int(step) for step in curve.steps[kept])
    if curve.returns_of != "training":
        _check_single(curve, kept)
    return Points(steps, tuple(curve.returns[kept].tolist()), diverged_at, (*curve.notes, *notes))


def place(curve: Curve, row: int) -> str:
    """Where the point is, as a message begins: ":3: " for line 3, nothing where there are no lines."""
    return "" if curve.lines is None else f":{int(curve.lines[row])}: "


def _check_numbers(curve: Curve) -> None:
    if not len(curve.steps):
        raise InputError("has no return")
    steps, returns = curve.steps, curve.returns
    with np.errstate(invalid="ignore"):
        # 2**63 itself is the float nearest to the largest int64.
        bad = np.flatnonzero(~((steps >= 0) & (steps < MAX_SEED) & (steps == np.floor(steps))))
    if len(bad):
        raise InputError(
            f"{place(curve, bad[0])}step = {steps[bad[0]]:.17g}: should be a whole number of 0 or more"
        )
    large = np.flatnonzero(np.isfinite(returns) & (np.abs(returns) > LARGEST_RETURN))
    if len(large):
        raise InputError(
            f"{place(curve, large[0])}return = {returns[large[0]]:g}: should be at most {LARGEST_RETURN:g}"
        )


def _without_void_steps(curve: Curve) -> tuple[Curve, list[str]]:
    """Without what a later start from a checkpoint made void, and a note for each such start."""
    steps, notes = curve.steps, []
    valid = np.ones(len(steps), dtype=bool)
    for row in np.flatnonzero(steps[1:] < steps[:-1]) + 1:
        if steps[row] <= steps[0]:
            raise InputError(
                f"{place(curve, int(row))}steps fall back to {steps[row]:.0f}, the first, in row {row + 1}: "
                "two trainings in one file; give each a file of its own"
            )
        void = valid[:row] & (steps[:row] >= steps[row])
        valid[:row] &= ~void
        notes.append(
            f"started again at step {steps[row]:.0f}: {counted(int(void.sum()), 'earlier return')} "
            "from there on left out"
        )
    return (_rows(curve, np.flatnonzero(valid)), notes) if notes else (curve, notes)


def _sorted(curve: Curve) -> Curve:
    return _rows(curve, np.argsort(curve.steps, kind="stable"))


def _rows(curve: Curve, rows: Array) -> Curve:
    lines = None if curve.lines is None else curve.lines[rows]
    return replace(curve, steps=curve.steps[rows], returns=curve.returns[rows], lines=lines)


def _check_single(curve: Curve, kept: slice) -> None:
    """Only training episodes may share a step: two evaluations at one are two runs, or episodes of one."""
    steps = curve.steps[kept]
    twice = np.flatnonzero(steps[1:] == steps[:-1]) + 1
    if len(twice):
        row = int(twice[0]) + (kept.start or 0)
        before = "" if curve.lines is None else f", the first is in line {int(curve.lines[row - 1])}"
        raise InputError(
            f"{place(curve, row)}a second return at step {curve.steps[row]:.0f}{before}; should be one: "
            "average episodes beforehand, give each run its seed, or say --returns training"
        )
