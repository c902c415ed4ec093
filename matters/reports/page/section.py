"""What a question hands to the page: the answer first, then verdicts, figure, tables and method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from matters.reports.page.style import Drawing

# Answers that claim nothing, so that nobody has to be told that they do not.
MOST_VERDICTS = 9  # that a page opens with
SILENT = ("blocked", "too few seeds", "inconclusive", "no test")


@dataclass(frozen=True)
class Table:
    """A table twice: `rows` as the page shows them, `data` as the CSV file and report.json hold them.

    Texts may hold `code` in backticks. `numeric` names the columns that are set right-aligned.
    """

    name: str
    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    data: tuple[Mapping[str, Any], ...]
    numeric: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Verdict:
    """One verdict sentence with its parts; `claim` is whether the seeds carry it."""

    statement: str
    verdict: str
    claim: bool
    where: str
    x: str
    y: str


@dataclass(frozen=True)
class Section:
    """A question answered as far as the variants at hand allow."""

    question: str
    title: str
    answer: str
    word: str
    claim: bool
    verdicts: tuple[Verdict, ...]
    lacks: tuple[str, ...]
    needs: str
    estimand: str
    family: str
    margin: str
    method: str
    drawings: tuple[Drawing, ...]
    tables: tuple[Table, ...]
    # CSV files of figures, by name.
    data: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    more: tuple[Verdict, ...] = ()  # verdicts that the page folds away

    @property
    def opening(self) -> tuple[Verdict, ...]:
        """The verdicts that the page opens with: of very many those in aggregate, if there are any."""
        if len(self.verdicts) <= MOST_VERDICTS:
            return self.verdicts
        aggregate = tuple(one for one in self.verdicts if one.where == "aggregate")
        return aggregate or self.verdicts[:MOST_VERDICTS]

    @property
    def folded(self) -> tuple[Verdict, ...]:
        """The verdicts that the page folds away."""
        opening = self.opening
        return (*(one for one in self.verdicts if one not in opening), *self.more)

    @property
    def indication(self) -> bool:
        """Whether the answer says something that the seeds do not carry."""
        return not self.claim and self.word not in SILENT
