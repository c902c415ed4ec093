"""The variants that a suite's tuning tries."""

from itertools import product

from matters.suites.errors import dotted, nearest
from matters.suites.grid import Grid
from matters.suites.spec import Cell, flat
from matters.suites.tasks.yardsticks import ENVIRONMENTS
from matters.suites.tuning import AT_BEST, Candidate
from matters.suites.variant import changed, without_effect


def candidates(suite: Grid) -> tuple[Candidate, ...]:
    """Every variant that is tuned, at every point of the grid of the settings that it has.

    A setting that the variant lacks, or that its other settings leave without effect, is not tuned there.
    """
    if suite.tuning is None:
        return ()
    found = []
    for name, variant in suite.variants.items():
        grid = {field: suite.tuning.grid[field] for field in tuned_settings(suite, name)}
        for values in product(*grid.values()) if grid else ():
            point = dict(zip(grid, values, strict=True))
            found.append(Candidate(name, point, changed(variant, point, "tuning")))
    return tuple(found)


def tuned_settings(suite: Grid, name: str) -> tuple[str, ...]:
    """The settings that are tuned in the variant of that name; none in a variant that tuning made."""
    if suite.tuning is None or not suite.tuning.tunes(name) or name in made_by_tuning(suite):
        return ()
    variant = suite.variants[name]
    has = flat(variant.config.model_dump(mode="json")).keys() - without_effect(
        variant.algorithm, variant.config
    )
    return tuple(field for field in suite.tuning.grid if field in has)


def made_by_tuning(suite: Grid) -> set[str]:
    """The names of the variants that were not declared, but chosen."""
    return set(suite.at_best.values()) - set(suite.at_best)


def check(suite: Grid) -> None:
    """Raise ValueError for a tuning that does not fit the suite that declares it."""
    tuning = suite.tuning
    if tuning is None:
        return
    for name in tuning.variants:
        if name not in suite.variants:
            raise ValueError(
                f"tuning.variants = {name!r}: no variant of that name{nearest(name, suite.variants)}"
            )
    of = {name: tuned_settings(suite, name) for name in suite.variants}
    for name in tuning.variants:
        if not of[name]:
            raise ValueError(f"tuning.variants = {name!r}: has none of the settings {', '.join(tuning.grid)}")
    known = {
        field
        for name, variant in suite.variants.items()
        if tuning.tunes(name)
        for field in flat(variant.config.model_dump(mode="json"))
    }
    for field in tuning.grid:
        if not any(field in fields for fields in of.values()):
            raise ValueError(f"tuning.{field}: no variant has such a setting{nearest(field, sorted(known))}")
    if shared := sorted(set(tuning.seeds) & set(suite.seeds)):
        raise ValueError(f"tuning.seeds: {shared[0]} is a seed of the comparison, which tuning must not see")
    for name, fields in of.items():
        if fields and name + AT_BEST in suite.variants:
            raise ValueError(f"{dotted('variants', name + AT_BEST)}: the name is for `{name}` as tuned")
    without = [name for name in suite.environments if not _has_constants(suite, name)]
    if tuning.rule == "mean" and len(suite.environments) > 1 and without:
        raise ValueError(
            f"tuning.rule = 'mean': {without[0]} has no normalising constants, so there is no mean over"
            " environments; valid: per-environment"
        )
    candidates(suite)


def _has_constants(suite: Grid, environment: str) -> bool:
    own, known = suite.own.get(environment), ENVIRONMENTS.get(environment)
    if own is not None and own.constants is not None:
        return True
    return known is not None and known.random is not None and known.yardstick(suite.scale) is not None


def cells(suite: Grid) -> tuple[Cell, ...]:
    """The cells of the tuning: each candidate on each environment of its variant, on the tuning's seeds."""
    if suite.tuning is None:
        return ()
    return tuple(
        Cell(one.label, environment, suite.specs(one.variant, environment, suite.tuning.seeds))
        for one in candidates(suite)
        for name, environment in suite.pairs()
        if name == one.of
    )
