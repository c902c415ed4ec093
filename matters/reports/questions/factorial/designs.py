"""Two-level designs among a suite's variants: found from their configs, and the contrasts that they allow."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import Any, Literal

Pattern = tuple[bool, ...]
Term = tuple[str, ...]
Kind = Literal["full", "one-in", "one-out"]

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True)
class Design:
    """Variants of one algorithm that differ only in the levels, low and high, of some tricks.

    `cells` names the variant of each pattern of levels. A full design has all 2^k of them; "one-in" has all
    low and each trick alone high, "one-out" all high and each alone low.
    """

    kind: Kind
    algorithm: str
    factors: tuple[str, ...]
    levels: tuple[tuple[Any, Any], ...]
    cells: Mapping[Pattern, str]

    @property
    def variants(self) -> tuple[str, ...]:
        """The variants of the design, in the order of its cells."""
        return tuple(self.cells.values())

    @property
    def terms(self) -> tuple[Term, ...]:
        """What can be estimated: main effects, then interactions of two, three, … tricks."""
        orders = range(1, len(self.factors) + 1) if self.kind == "full" else (1,)
        return tuple(term for order in orders for term in combinations(self.factors, order))

    def letters(self, term: Term) -> str:
        """The term in letters: `AC` is the interaction of the first and the third trick."""
        return "".join(LETTERS[self.factors.index(factor)] for factor in term)

    def contrast(self, term: Term) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The variants at the high and at the low level of a term: its effect is mean(high) - mean(low).

        A cell's level of an interaction is the product of the signs of its tricks (Montgomery, *Design and
        Analysis of Experiments*, chapter 6), so an interaction of two is half of what the effect of one
        changes by when the other is switched on. The k-th cells of the two differ in the term's first trick.
        """
        index = [self.factors.index(factor) for factor in term]
        if self.kind != "full":
            (k,) = index
            base = next(pattern for pattern in self.cells if len(set(pattern)) == 1)
            other = tuple(level ^ (j == k) for j, level in enumerate(base))
            high, low = (other, base) if other[k] else (base, other)
            return (self.cells[high],), (self.cells[low],)
        high_cells = [p for p in self.cells if sum(not p[k] for k in index) % 2 == 0]
        flipped = [tuple(level ^ (j == index[0]) for j, level in enumerate(p)) for p in high_cells]
        return tuple(self.cells[p] for p in high_cells), tuple(self.cells[p] for p in flipped)

    def effect(self, term: Term, means: Mapping[str, float]) -> float:
        """Mean at the high minus mean at the low level, from the means of the variants."""
        high, low = self.contrast(term)
        return sum(means[a] - means[b] for a, b in zip(high, low, strict=True)) / len(high)

    def split(self, factor: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The variants with a trick on, and those with it off, that its main effect compares."""
        return self.contrast((factor,))


def is_off(value: Any) -> bool:
    """Whether a trick with this value is off; zero is a value like any other."""
    return value is None or value is False


def find(variants: Mapping[str, Any]) -> Design | None:
    """The largest two-level design among variants; a full one goes before one trick at a time.

    Needs at least two cells. Of designs of the same size the first declared is taken.
    """
    groups: dict[str, dict[Corner, str]] = {}
    for name, chosen in variants.items():
        split = _split(chosen)
        if split is not None:
            rest, corner = split
            groups.setdefault(rest, {}).setdefault(corner, name)
    found = [
        design for rest, group in groups.items() for design in (*_cubes(rest, group), *_stars(rest, group))
    ]
    return max(found, key=_size, default=None)


Corner = tuple[tuple[str, Any], ...]
"""The tricks of a variant, (name, value) in the order of the model."""


def _size(design: Design) -> tuple[bool, int]:
    return design.kind == "full" and len(design.factors) > 1, len(design.factors)


def _split(chosen: Any) -> tuple[str, Corner] | None:
    """What a variant is apart from its tricks, as JSON with the algorithm's name, and its tricks."""
    config = getattr(chosen, "config", None)
    if config is None:
        return None
    values = config.model_dump(mode="json")
    tricks = values.pop("tricks", None)
    if tricks is None:
        return None
    return json.dumps([chosen.algorithm, values], sort_keys=True), tuple(tricks.items())


def _cubes(rest: str, group: Mapping[Corner, str]) -> Iterator[Design]:
    seen = set()
    for one, other in combinations(group, 2):
        levels = _levels(one, other)
        if 2 ** len(levels) > len(group) or not levels:
            continue
        fixed = tuple((trick, value) for trick, value in one if trick not in levels)
        key = (fixed, tuple(levels.items()))
        if key in seen:
            continue
        seen.add(key)
        corners = {
            pattern: _corner(one, levels, pattern) for pattern in product((False, True), repeat=len(levels))
        }
        if all(corner in group for corner in corners.values()):
            cells = {pattern: group[corner] for pattern, corner in corners.items()}
            yield _ordered("full", rest, levels, cells, list(group.values()))


def _stars(rest: str, group: Mapping[Corner, str]) -> Iterator[Design]:
    for base in group:
        arms: dict[str, tuple[tuple[Any, Any], Corner]] = {}
        for other in group:
            levels = _levels(base, other)
            if len(levels) == 1:
                ((trick, pair),) = levels.items()
                arms.setdefault(trick, (pair, other))
        for kind, end in (("one-in", 0), ("one-out", 1)):
            # All tricks of the base at the same end: low to put each in, high to take each out.
            fitting = {t: (pair, o) for t, (pair, o) in arms.items() if pair[end] == dict(base)[t]}
            if len(fitting) < 2:
                continue
            levels = {trick: pair for trick, (pair, _) in fitting.items()}
            cells = {(bool(end),) * len(levels): group[base]}
            for k, (_, other) in enumerate(fitting.values()):
                cells[tuple(bool(end) ^ (j == k) for j in range(len(levels)))] = group[other]
            yield _ordered(kind, rest, levels, cells, list(group.values()))  # type: ignore[arg-type]


def _levels(one: Corner, other: Corner) -> dict[str, tuple[Any, Any]]:
    """The tricks in which two variants differ, with their levels: off before on, small before large."""
    return {
        trick: _low_and_high(value, dict(other)[trick]) for trick, value in one if value != dict(other)[trick]
    }


def _low_and_high(one: Any, other: Any) -> tuple[Any, Any]:
    def rank(value: Any) -> tuple[bool, float, str]:
        number = float(value) if isinstance(value, int | float) else 0.0
        return not is_off(value), number, str(value)

    low, high = sorted((one, other), key=rank)
    return low, high


def _corner(start: Corner, levels: Mapping[str, tuple[Any, Any]], pattern: Pattern) -> Corner:
    chosen = {trick: pair[on] for (trick, pair), on in zip(levels.items(), pattern, strict=True)}
    return tuple((trick, chosen.get(trick, value)) for trick, value in start)


def _ordered(
    kind: Kind,
    rest: str,
    levels: Mapping[str, tuple[Any, Any]],
    cells: Mapping[Pattern, str],
    declared: Sequence[str],
) -> Design:
    """The design with its tricks in the order in which the suite first has each alone (on, or off)."""
    tricks = list(levels)
    base = kind == "one-out"

    def place(k: int) -> int:
        return declared.index(cells[tuple(base ^ (j == k) for j in range(len(tricks)))])

    order = sorted(range(len(tricks)), key=place)
    # Yates' order, the first trick changing fastest: none, a, b, ab, c, …
    turned = {tuple(pattern[k] for k in order): name for pattern, name in cells.items()}
    return Design(
        kind=kind,
        algorithm=json.loads(rest)[0],
        factors=tuple(tricks[k] for k in order),
        levels=tuple(levels[tricks[k]] for k in order),
        cells={pattern: turned[pattern] for pattern in sorted(turned, key=lambda pattern: pattern[::-1])},
    )
