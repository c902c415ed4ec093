"""A suite's grid, as far as its checks and its tuning know it."""

from collections.abc import Mapping
from typing import Any, Protocol

from matters.suites.spec import Evaluation, RunSpec
from matters.suites.tasks.settings import Own
from matters.suites.tasks.yardsticks import Yardstick
from matters.suites.tuning import Tuning
from matters.suites.variant import Variant


class Grid(Protocol):
    """What `Suite` is for the modules that it calls: so they need not import it."""

    @property
    def name(self) -> str:
        """Of the suite."""

    @property
    def title(self) -> str:
        """Of the suite."""

    @property
    def variants(self) -> Mapping[str, Variant]:
        """By name."""

    @property
    def environments(self) -> tuple[str, ...]:
        """Their names."""

    @property
    def own(self) -> Mapping[str, Own]:
        """Environments that are more than an id, by name."""

    @property
    def seeds(self) -> tuple[int, ...]:
        """Of every run that compares."""

    @property
    def steps(self) -> int:
        """Environment steps of a run."""

    @property
    def evaluation(self) -> Evaluation:
        """Points and episodes."""

    @property
    def tuning(self) -> Tuning | None:
        """What is tuned, if anything is."""

    @property
    def at_best(self) -> Mapping[str, str]:
        """By tuned variant, the variant at its own best."""

    @property
    def looks(self) -> tuple[int, ...]:
        """Numbers of seeds at which its first question may be decided."""

    @property
    def only(self) -> tuple[str, ...]:
        """Globs on its cells; empty for all."""

    @property
    def scale(self) -> Yardstick:
        """What scores are normalised by."""

    def pairs(self) -> list[tuple[str, str]]:
        """Variant and environment of each cell."""

    def made(self, environment: str) -> tuple[str, dict[str, Any]]:
        """The id of an environment of that name, and how it differs from what the id alone makes."""

    def specs(
        self, chosen: Variant, environment: str, seeds: tuple[int, ...] | None = None
    ) -> tuple[RunSpec, ...]:
        """The runs of a variant on an environment."""
