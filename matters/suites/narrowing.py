"""The same suite, smaller: with other seeds, other steps or some of its cells, or in seconds per cell.

Each function gives the fields that change; `Suite` makes itself anew with them, so that all is checked again.
"""

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Any

from matters.suites.errors import InputError, nearest
from matters.suites.grid import Grid
from matters.suites.seeds import parse_seeds
from matters.suites.spec import Evaluation
from matters.suites.variant import Variant, facts, shortened

SMOKE_SEEDS, SMOKE_STEPS, SMOKE_EVALUATION = 2, 4096, Evaluation(points=2, episodes=1)
"""The most that a suite's smoke version has: two updates of most algorithms, in seconds per cell."""

SMOKE_STEPS_OFF_POLICY = 512
"""The steps instead, where a variant is off-policy: one gradient step per step after the warm-up, which is
half."""


def smoke(suite: Grid) -> dict[str, Any]:
    """Two seeds, 4096 steps, two evaluations of one episode; a longer rollout is cut to those steps.

    Where a variant is off-policy, 512 steps, and a longer warm-up is cut to half of them. A tuning has one
    seed. The name differs too, so that its report does not take the place of the suite's own.
    """
    off_policy = any(facts(variant).replay for variant in suite.variants.values())
    most = SMOKE_STEPS_OFF_POLICY if off_policy else SMOKE_STEPS
    steps = max(SMOKE_EVALUATION.points, min(suite.steps, most))
    return {
        "name": f"{suite.name}-smoke",
        "title": f"{suite.title} (smoke version, no finding)",
        "seeds": suite.seeds[:SMOKE_SEEDS],
        "looks": (),
        "steps": steps,
        "evaluation": SMOKE_EVALUATION,
        "tuning": suite.tuning and suite.tuning.model_copy(update={"seeds": suite.tuning.seeds[:1]}),
        "variants": {name: shortened(it, steps) for name, it in with_all_seeds(suite).items()},
    }


def restricted(suite: Grid, seeds: str | None, steps: int | None, only: str | None) -> dict[str, Any]:
    """What `Suite.restricted` changes; None leaves it as declared. Raises InputError."""
    changes: dict[str, Any] = {}
    if seeds is not None:
        if suite.looks:
            raise InputError(
                f"seeds = {seeds!r}: the suite's looks, {list(suite.looks)}, say how many; others are asked "
                "for with --until-decided --looks"
            )
        changes["seeds"] = parse_seeds(seeds)
        changes["variants"] = with_all_seeds(suite)
    if steps is not None:
        changes["steps"] = steps
    if only is not None:
        changes["only"] = _globs(suite, only)
    return changes


def with_all_seeds(suite: Grid) -> dict[str, Variant]:
    """The variants without a share of the seeds: who names seeds means them for all."""
    return {name: chosen.model_copy(update={"seeds": None}) for name, chosen in suite.variants.items()}


def matches(globs: Iterable[str], name: str, environment: str) -> bool:
    """Whether one of the globs is of this cell: on "variant/environment", or without a slash on "variant"."""
    return any(fnmatchcase(f"{name}/{environment}" if "/" in glob else name, glob) for glob in globs)


def stray(globs: Sequence[str], cells: Iterable[tuple[str, str]]) -> tuple[int, str] | None:
    """The place of the first glob that is of none of these cells, and how a message on it ends.

    None if each is of some. A glob without a slash is on variants: one that is of an environment lacks the
    variant before it.
    """
    listed = list(cells)
    for place, glob in enumerate(globs):
        if any(matches([glob], *cell) for cell in listed):
            continue
        if "/" in glob:
            return place, nearest(glob, dict.fromkeys(map("/".join, listed)))
        if any(fnmatchcase(environment, glob) for _, environment in listed):
            return place, f"; did you mean {f'*/{glob}'!r}?"
        return place, nearest(glob, dict.fromkeys(name for name, _ in listed))
    return None


def with_fewer_seeds(suite: Grid, count: int, globs: Iterable[str]) -> dict[int, list[str]]:
    """The variants, of cells that a glob is of, that declare fewer seeds than `count`: by their number."""
    meant = dict.fromkeys(name for name, place in suite.pairs() if matches(globs, name, place))
    found: dict[int, list[str]] = {}
    for name in meant:
        own = suite.variants[name].seeds
        if own is not None and own < count:
            found.setdefault(own, []).append(name)
    return found


def parts(only: str) -> tuple[str, ...]:
    """The globs of an `only` as it is typed, separated by commas."""
    return tuple(part.strip() for part in only.split(","))


def globs_of(cells: Iterable[tuple[str, str]], only: str) -> tuple[str, ...]:
    """The globs of an `only` as it is typed, separated by commas. Raises InputError if one is of no cell."""
    globs = parts(only)
    if none := stray(globs, cells):
        raise InputError(f"only = {globs[none[0]]!r}: no such cell{none[1]}")
    return globs


def _globs(suite: Grid, only: str) -> tuple[str, ...]:
    cells = suite.pairs()
    globs = globs_of(cells, only)
    # A suite that is already restricted stays so: its cells are those that both allow.
    return tuple(f"{v}/{e}" for v, e in cells if matches(globs, v, e)) if suite.only else globs
