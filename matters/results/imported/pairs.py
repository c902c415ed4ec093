"""Which imported variants are compared, and which sets may be."""

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

from matters.results.imported import declared
from matters.results.imported.declared import Declared
from matters.results.imported.runs import ForeignSet, load, pooled
from matters.suites.errors import InputError, nearest

MOST_VARIANTS = 6
"""With more variants, all pairs would be a family of tests in which little survives: each is compared with
the first."""

Pair = tuple[str, str]


def pairs(found: ForeignSet, compare: Sequence[str], reference: str | None) -> tuple[Pair, ...]:
    """The pairs in "x,y" and "x,y;x,z"; else each variant against the reference; else all pairs.

    Raises InputError for a variant that the set does not have.
    """
    variants = list(dict.fromkeys(run.variant for run in found.runs))
    asked = [part.strip() for text in compare for part in text.split(";")]
    chosen = [_pair(part, variants) for part in asked]
    if reference is not None:
        if reference not in variants:
            raise InputError(f"--reference {reference}: no such variant{nearest(reference, variants)}")
        chosen += [(name, reference) for name in variants if name != reference]
    elif not asked and len(variants) <= MOST_VARIANTS:
        chosen = list(combinations(variants, 2))
    elif not asked:
        chosen = [(name, variants[0]) for name in variants[1:]]
    return tuple(dict.fromkeys(chosen))


def several(
    store: Path, names: Sequence[str], consent: str | None
) -> tuple[ForeignSet, list[tuple[str, Declared]]]:
    """One or several sets as the subject of one report, with what is declared about each one's protocol.

    Several sets have several protocols: that takes a reason, and declarations of each. Raises InputError.
    """
    sets = [load(store, name) for name in names]
    protocols = [(name, declared.load(store, name)) for name in names]
    if len(sets) == 1:
        if consent is not None:
            raise InputError("--pool-protocols: is of several imported sets; one is named")
        return sets[0], protocols
    if not consent or not consent.strip() or not consent.isprintable():
        raise InputError(
            "--imported: several sets have several protocols; to compare them all the same, say why with "
            "--pool-protocols REASON, which the page then shows"
        )
    for name, it in protocols:
        if it.lacking:
            raise InputError(
                f"imported = {name!r}: its protocol is not declared ({', '.join(it.lacking)}); import it "
                "again with --declare NAME=VALUE for each"
            )
    first, one = protocols[0]
    for name, it in protocols[1:]:
        if (one.policy, one.normalised) != (it.policy, it.normalised):
            raise InputError(
                f"--imported: {first} has policy {one.policy} and normalised {one.normalised}, {name} "
                f"{it.policy} and {it.normalised}: these are not compared"
            )
    return pooled(sets), protocols


def _pair(text: str, variants: Sequence[str]) -> Pair:
    names = [name.strip() for name in text.split(",")]
    if len(names) != 2:
        raise InputError(f"--compare {text}: should be two variants, as x,y; several pairs as x,y;x,z")
    for name in names:
        if name not in variants:
            raise InputError(f"--compare {text}: no variant {name!r}{nearest(name, variants)}")
    if names[0] == names[1]:
        raise InputError(f"--compare {text}: should be two different variants")
    return names[0], names[1]
