"""How much of a suite's declared two-level design is at hand, and the contrasts that it allows."""

from collections.abc import Collection, Iterator, Mapping
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
        Analysis of Experiments*, chapter 6), so an interaction of two is half the change in the effect
        of one when the other is switched on. The k-th cells of the two differ in the term's first trick.
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


def is_off(value: Any) -> bool:
    """Whether a trick with this value is off; zero is a value like any other."""
    return value is None or value is False


def at_hand(declared: Any, present: Collection[str]) -> Design | None:
    """The largest part of the declared design that the variants at hand make up; a full one goes first.

    Where cells are missing, tricks are held at one level: of a full design over four, what is left may
    be three at one level of the fourth, or one at a time. None without two cells.
    """
    if declared is None:
        return None
    from matters.suites.design import patterns

    order = patterns(len(declared.factors), declared.kind)
    cells = {pattern: name for pattern, name in zip(order, declared.cells, strict=True) if name in present}
    found = [*(_cubes(cells) if declared.kind == "full" else ()), *_stars(cells, declared.kind)]
    if not found:
        return None
    kind, free, chosen = max(found, key=lambda one: (one[0] == "full" and len(one[1]) > 1, len(one[1])))
    factors = [declared.factors[k] for k in free]
    return Design(
        kind=kind,
        algorithm=declared.algorithm,
        factors=tuple(factor.trick for factor in factors),
        levels=tuple((factor.off, factor.on) for factor in factors),
        cells={tuple(pattern[k] for k in free): cells[pattern] for pattern in chosen},
    )


Part = tuple[Kind, tuple[int, ...], list[Pattern]]
"""The kind of a smaller design, the places of its tricks among those declared, and its cells."""


def _cubes(cells: Mapping[Pattern, str]) -> Iterator[Part]:
    """All levels of some tricks, the others held where one cell has them; larger designs first."""
    count = len(next(iter(cells), ()))
    for size in range(count, 0, -1):
        for free in combinations(range(count), size):
            for held in cells:
                # In Yates' order, so the first trick changes fastest.
                chosen = [_with(held, free, levels[::-1]) for levels in product((False, True), repeat=size)]
                if chosen[0] == held and all(pattern in cells for pattern in chosen):
                    yield "full", free, chosen


def _stars(cells: Mapping[Pattern, str], declared: Kind) -> Iterator[Part]:
    """One trick at a time, from all off or from all on; for a design declared so, only from its own base."""
    count = len(next(iter(cells), ()))
    ends: dict[Kind, bool] = {"one-in": False, "one-out": True}
    for kind, end in ends.items():
        base = (end,) * count
        arms = {k: arm for k in range(count) if (arm := _with(base, (k,), (not end,))) in cells}
        if base in cells and arms and declared in (kind, "full"):
            yield kind, tuple(arms), [base, *arms.values()]


def _with(pattern: Pattern, places: tuple[int, ...], levels: Pattern) -> Pattern:
    changed = dict(zip(places, levels, strict=True))
    return tuple(changed.get(k, level) for k, level in enumerate(pattern))
