"""Several suites reported as one: the union of their cells, where their protocols are the same."""

from collections.abc import Sequence
from functools import cached_property

from pydantic import BaseModel, ConfigDict, SerializeAsAny

from matters.suites.design import Design
from matters.suites.errors import InputError, shown
from matters.suites.narrowing import globs_of, matches
from matters.suites.spec import Cell, Evaluation, RunSpec
from matters.suites.suite import Suite
from matters.suites.tasks.yardsticks import Yardstick
from matters.suites.tuning import Tuning
from matters.suites.variant import Variant

PROTOCOL = ("steps", "evaluation", "margin", "aggregate_margin", "gate", "yardstick")
"""What has to be the same for numbers to stand in one table, and verdicts in one family."""


class Joint(BaseModel):
    """The union of some suites. It has all that a report asks of a suite; made by `join`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    suites: tuple[SerializeAsAny[Suite], ...]

    @property
    def name(self) -> str:
        """The suites' names, joined."""
        return "+".join(suite.name for suite in self.suites)

    @property
    def title(self) -> str:
        """The title of the report on all of them."""
        *first, last = (suite.name for suite in self.suites)
        return f"The suites {', '.join(first)} and {last} together"

    @property
    def steps(self) -> int:
        """Environment steps of a run, the same in all."""
        return self.suites[0].steps

    @property
    def evaluation(self) -> Evaluation:
        """How runs are evaluated, the same in all."""
        return self.suites[0].evaluation

    @property
    def margin(self) -> float:
        """δ of a verdict on one environment, the same in all."""
        return self.suites[0].margin

    @property
    def aggregate_margin(self) -> float:
        """δ of a verdict over environments, the same in all."""
        return self.suites[0].aggregate_margin

    @property
    def gate(self) -> float:
        """The largest difference on an environment that lets the aggregate be equivalent, the same in all."""
        return self.suites[0].gate

    @property
    def scale(self) -> Yardstick:
        """The higher of the suites' yardsticks."""
        return max((suite.scale for suite in self.suites), key=("on-policy-1M", "off-policy-1M").index)

    @property
    def looks(self) -> tuple[int, ...]:
        """None: several suites together have no one question to decide."""
        return ()

    @property
    def questions(self) -> tuple[str, ...]:
        """Every question that one of them asks."""
        return tuple(dict.fromkeys(name for suite in self.suites for name in suite.questions))

    @property
    def comparisons(self) -> tuple[tuple[str, str], ...]:
        """Every pair that one of them compares."""
        return tuple(dict.fromkeys(pair for suite in self.suites for pair in suite.comparisons))

    @property
    def findings(self) -> dict[str, str]:
        """What others found about variants of any of them."""
        return {name: text for suite in self.suites for name, text in suite.findings.items()}

    @property
    def sweep(self) -> None:
        """None: a sweep is reported as a suite of its own."""
        return

    @property
    def tuning(self) -> Tuning | None:
        """The tuning of those suites that tune, the same in all of these."""
        return next((suite.tuning for suite in self.suites if suite.tuning), None)

    @property
    def at_best(self) -> dict[str, str]:
        """By variant that one of them tuned, the variant at its own best."""
        return {name: best for suite in self.suites for name, best in suite.at_best.items()}

    @property
    def design(self) -> Design | None:
        """The first design that one of them declares."""
        return next((suite.design for suite in self.suites if suite.design), None)

    @cached_property
    def variants(self) -> dict[str, Variant]:
        """Every variant by name; a name means the same in all."""
        return {name: variant for suite in self.suites for name, variant in suite.variants.items()}

    def tuning_cells(self) -> tuple[Cell, ...]:
        """The cells of all their tunings."""
        return tuple(cell for suite in self.suites for cell in suite.tuning_cells())

    def cells(self) -> tuple[Cell, ...]:
        """The cells of all, those of the first suite first; a cell that several suites declare has the seeds
        of all.
        """
        found: dict[tuple[str, str], dict[int, RunSpec]] = {}
        for suite in self.suites:
            for cell in suite.cells():
                specs = found.setdefault((cell.variant, cell.environment), {})
                specs |= {spec.seed: spec for spec in cell.specs}
        return tuple(Cell(*key, tuple(specs.values())) for key, specs in found.items())


def join(suites: Sequence[Suite]) -> Suite | Joint:
    """One suite unchanged, several as one.

    Raises InputError for a suite that is named twice, for protocols that are not the same, and for a variant
    that means different things in different suites: they would be compared as if they were one.
    """
    if len(suites) == 1:
        return suites[0]
    first = suites[0]
    for number, suite in enumerate(suites[1:], start=1):
        if suite.name in [other.name for other in suites[:number]]:
            raise InputError(f"suite = {suite.name!r}: named twice")
        for field in PROTOCOL:
            ours, theirs = getattr(first, field), getattr(suite, field)
            if ours != theirs:
                raise InputError(
                    f"suites {first.name} and {suite.name}: {field} = {shown(ours)} and {shown(theirs)}; "
                    "one report has one protocol, so report them one by one"
                )
        for other in suites[:number]:
            _same_variants(other, suite)
            if other.tuning and suite.tuning and other.tuning != suite.tuning:
                raise InputError(
                    f"suites {other.name} and {suite.name}: tune in two ways; report them one by one"
                )
    return Joint(suites=tuple(suites))


def narrowed(suites: Sequence[Suite], seeds: str | None, steps: int | None, only: str | None) -> list[Suite]:
    """Each suite `restricted` in the same way; those of which `only` leaves nothing are left out.

    Raises InputError, also for a glob of `only` that matches no cell of any.
    """
    if only is None or len(suites) == 1:
        return [suite.restricted(seeds, steps, only) for suite in suites]
    cells = [suite.pairs() for suite in suites]
    globs = globs_of([cell for own in cells for cell in own], only)
    matched = [[glob for glob in globs if any(matches([glob], *cell) for cell in own)] for own in cells]
    return [
        suite.restricted(seeds, steps, ",".join(mine))
        for suite, mine in zip(suites, matched, strict=True)
        if mine
    ]


def _same_variants(first: Suite, second: Suite) -> None:
    for name in first.variants.keys() & second.variants.keys():
        ours, theirs = first.variants[name], second.variants[name]
        if ours != theirs:
            a, b = ({"algorithm": one.algorithm, **one.config.model_dump()} for one in (ours, theirs))
            field = next((key for key in a | b if a.get(key) != b.get(key)), "config")
            raise InputError(
                f"suites {first.name} and {second.name}: variants.{name} differs in {field}, "
                f"{shown(a.get(field))} and {shown(b.get(field))}; report them one by one, or rename one"
            )
