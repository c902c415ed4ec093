"""What a question hands to the page: the answer first, then verdicts, figure, tables and method."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

MOST_VERDICTS = 9  # that a page opens with
# Words of answers that claim nothing anyway, so that the page need not say so.
SILENT = ("undecided", "blocked", "too few seeds", "no test", "control")


@dataclass(frozen=True)
class Panel:
    """One small figure of the page: inline SVG and what it says to those who do not see it."""

    svg: str
    alt: str


@dataclass(frozen=True)
class Drawing:
    """A figure: its panels for the page, and the whole of it as files."""

    kind: ClassVar = "figure"

    name: str
    title: str
    caption: str
    panels: tuple[Panel, ...]
    svg: bytes
    pdf: bytes
    variants: tuple[str, ...] = ()  # those that need a legend
    data: str = ""  # the CSV file with its numbers, where it is not the table below
    folded: bool = False  # behind its title on the page, as one of many


@dataclass(frozen=True)
class Table:
    """A table twice: `rows` as the page shows them, `data` as the CSV file and report.json hold them.

    Texts may hold `code` in backticks. `numeric` names the columns that are set right-aligned. The page says
    `empty` in place of a table without rows, and hides the rows behind `fold`, if it is given.
    """

    kind: ClassVar = "table"

    name: str
    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    data: tuple[Mapping[str, Any], ...]
    numeric: frozenset[str] = frozenset()
    key: str = ""  # what report.json calls it, if not by its name
    empty: str = ""
    fold: str = ""


@dataclass(frozen=True)
class Text:
    """A paragraph among figures and tables; a small one says something about what is above it."""

    kind: ClassVar = "text"

    text: str
    small: bool = False


@dataclass(frozen=True)
class Facts:
    """Pairs of a name and a text."""

    kind: ClassVar = "facts"

    pairs: tuple[tuple[str, str], ...]


Block = Drawing | Table | Text | Facts


@dataclass(frozen=True)
class Part:
    """A part of the page below the answers: its blocks from top to bottom.

    `menu` is its entry in the page's menu, if it has one; with `headings` each figure has its title above it;
    with a `fold`, all of it is behind that line on the page.
    A part without blocks is left out.
    """

    anchor: str
    title: str
    blocks: tuple[Block, ...]
    menu: str = ""
    headings: bool = False
    fold: str = ""


@dataclass(frozen=True)
class Verdict:
    """One verdict sentence with its parts; `claim` is whether the seeds support it.

    `reason` is why an undecided one is undecided.
    """

    statement: str
    verdict: str
    claim: bool
    where: str
    x: str
    y: str
    reason: str = ""

    @property
    def badge(self) -> str:
        """What the page writes in the badge."""
        return self.reason or self.verdict

    @property
    def indication(self) -> bool:
        """Whether it says something that the seeds do not support."""
        return not self.claim and self.verdict not in SILENT


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
    reason: str = ""  # why an undecided answer is undecided
    power: str = ""  # how many seeds the question needs
    variants: tuple[str, ...] | None = None  # those that it is about; None for all of the suite
    at: str = ""  # at which settings it is answered, where there are two answers
    ending: str = ""  # added to all its names, where it is the second answer to its question

    @property
    def anchor(self) -> str:
        """Its place on the page."""
        return self.question + self.ending

    @property
    def badge(self) -> str:
        """What the page writes in the badge of the answer."""
        return self.reason or self.word

    @property
    def opening(self) -> tuple[Verdict, ...]:
        """The verdicts that the page opens with: if very many, those in aggregate, where any can be given."""
        if len(self.verdicts) <= MOST_VERDICTS:
            return self.verdicts
        aggregate = tuple(
            one for one in self.verdicts if one.where == "aggregate" and one.reason != "blocked"
        )
        return aggregate or self.verdicts[:MOST_VERDICTS]

    @property
    def folded(self) -> tuple[Verdict, ...]:
        """The verdicts that the page folds away."""
        opening = self.opening
        return (*(one for one in self.verdicts if one not in opening), *self.more)

    @property
    def indication(self) -> bool:
        """Whether the answer says something that the seeds do not support."""
        return not self.claim and self.word not in SILENT
