"""A suite: the declared grid of cells, its protocol and the questions that it answers."""

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from matters import algorithms
from matters.suites import candidates, fit, narrowing
from matters.suites.baselines import baselines, departures
from matters.suites.design import Design
from matters.suites.errors import dotted, from_validation, nearest
from matters.suites.fields import Looks, Margin, Pair, Questions, Runnables, Seeds, Steps, Text
from matters.suites.narrowing import matches
from matters.suites.spec import Cell, Evaluation, RunSpec
from matters.suites.sweep import Sweep
from matters.suites.tasks.settings import Own
from matters.suites.tasks.yardsticks import Yardstick
from matters.suites.tuning import Tuning
from matters.suites.variant import Name, Variant, facts

DEFAULT_LOOKS = (10, 20)


class Suite(BaseModel):
    """A declared grid: variants × environments × seeds, the protocol, and the questions asked of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name
    title: Text
    own: dict[str, Own] = Field({}, description="environments that are more than an id, by name")
    environments: Runnables
    seeds: Seeds
    steps: Steps
    evaluation: Evaluation = Evaluation()
    questions: Questions
    margin: Margin = Field(0.10, description="δ of a verdict on one environment, in normalised score")
    aggregate_margin: Margin = Field(
        0.10, description="δ of a verdict over environments, in normalised score"
    )
    design: Design | None = Field(
        None, description="the two-level design among the variants, if there is one"
    )
    gate: Margin = Field(
        0.25, description="how large a difference may be on any environment where the aggregate is equivalent"
    )
    yardstick: Yardstick | None = Field(None, description="what scores are normalised by")
    variants: dict[str, Variant] = Field(min_length=1)
    compare: tuple[Pair, ...] = Field(
        (), description="pairs of variants that the question `comparison` compares, first minus second"
    )
    baseline: Name | None = Field(None, description="the variant that every other one is compared with")
    sweep: Sweep | None = Field(
        None, description="the variants that differ from others in the value of one setting; not declared"
    )
    tuning: Tuning | None = Field(None, description="what is tuned before it is compared, and how")
    at_best: dict[Name, Name] = Field(
        {}, description="by tuned variant, the variant at its own best; not declared, but chosen"
    )
    untuned: tuple[tuple[Name, Text], ...] = Field(
        (), description="cells of tuned variants where tuning chose nothing yet; not declared"
    )
    looks: Looks = Field((), description="numbers of seeds at which the first question may be decided")
    findings: dict[Name, Text] = Field(
        {}, description="what others found about a variant, in words, by variant"
    )
    only: tuple[Text, ...] = Field((), description="globs on variant/environment; empty for every cell")

    @model_validator(mode="after")
    def _evaluations_have_room(self) -> Self:
        if self.evaluation.points > self.steps:
            raise ValueError(f"evaluation.points = {self.evaluation.points}: more than steps = {self.steps}")
        return self

    @model_validator(mode="after")
    def _globs_are_of_cells(self) -> Self:
        cells = [(name, environment) for name in self.variants for environment in self.environments]
        if none := narrowing.stray(self.only, cells):
            raise ValueError(f"only[{none[0]}] = {self.only[none[0]]!r}: no such cell{none[1]}")
        return self

    @model_validator(mode="after")
    def _looks_end_with_the_seeds(self) -> Self:
        if not self.looks:
            return self
        if list(self.looks) != sorted(set(self.looks)):
            raise ValueError(f"looks = {list(self.looks)}: should be increasing numbers of seeds")
        if self.tuning is not None:
            raise ValueError("looks: a suite that tunes gives two answers, and has none to decide")
        if self.looks[-1] != len(self.seeds):
            raise ValueError(
                f"looks = {list(self.looks)}: the last look should be at all {len(self.seeds)} seeds"
            )
        return self

    @model_validator(mode="after")
    def _comparisons_are_of_variants(self) -> Self:
        named = [(f"compare[{k}]", name) for k, pair in enumerate(self.compare) for name in pair]
        named += [] if self.baseline is None else [("baseline", self.baseline)]
        named += [("findings", name) for name in self.findings]
        for field, name in named:
            if name not in self.variants:
                raise ValueError(f"{field} = {name!r}: no variant of that name{nearest(name, self.variants)}")
        for k, (first, second) in enumerate(self.compare):
            if first == second:
                raise ValueError(f"compare[{k}] = {first!r} twice: a variant is not compared with itself")
        return self

    @model_validator(mode="after")
    def _tuning_fits(self) -> Self:
        candidates.check(self)
        return self

    @property
    def comparisons(self) -> tuple[tuple[str, str], ...]:
        """The pairs that the question `comparison` compares: those declared, then each with the baseline."""
        base = self.baseline
        others = () if base is None else [(name, base) for name in self.variants if name != base]
        return tuple(dict.fromkeys((*self.compare, *others)))

    @model_validator(mode="after")
    def _policies_fit_their_actions(self) -> Self:
        fit.policies_fit_their_actions(self)
        return self

    @model_validator(mode="after")
    def _learning_begins(self) -> Self:
        fit.learning_begins(self)
        return self

    @property
    def scale(self) -> Yardstick:
        """The yardstick of the suite or, where it declares none, that of its algorithms.

        Where on-policy and off-policy algorithms are together, it is the higher one, that of the off-policy
        ones.
        """
        if self.yardstick is not None:
            return self.yardstick
        off_policy = any(facts(variant).replay for variant in self.variants.values())
        return "off-policy-1M" if off_policy else "on-policy-1M"

    @model_validator(mode="after")
    def _has_the_seeds_of_its_variants(self) -> Self:
        for name, chosen in self.variants.items():
            field = dotted("variants", name, "seeds")
            if chosen.seeds is not None and self.looks:
                raise ValueError(f"{field}: the suite's looks, {list(self.looks)}, say how many")
            if chosen.seeds is not None and chosen.seeds > len(self.seeds):
                raise ValueError(f"{field} = {chosen.seeds}: the suite has {len(self.seeds)}")
        return self

    @model_validator(mode="after")
    def _lags_end(self) -> Self:
        fit.lags_end(self)
        return self

    def cells(self) -> tuple[Cell, ...]:
        """The cells in the declared order, variants before environments."""
        return tuple(
            Cell(name, environment, self.specs(self.variants[name], environment))
            for name, environment in self.pairs()
        )

    def pairs(self) -> list[tuple[str, str]]:
        """Variant and environment of each cell."""
        return [
            (name, environment)
            for name in self.variants
            for environment in self.environments
            if not self.only or matches(self.only, name, environment)
        ]

    def made(self, environment: str) -> tuple[str, dict[str, Any]]:
        """The id of an environment of that name, and how it differs from what the id alone makes."""
        own = self.own.get(environment)
        return (own.id, own.settings) if own else (environment, {})

    def tuning_cells(self) -> tuple[Cell, ...]:
        """The cells of the tuning, none without one. Each is named after a variant at a point of the grid."""
        return candidates.cells(self)

    def specs(
        self, chosen: Variant, environment: str, seeds: tuple[int, ...] | None = None
    ) -> tuple[RunSpec, ...]:
        """The runs of a variant on an environment: its share of the suite's seeds, or these."""
        version = algorithms.load(chosen.algorithm).VERSION
        environment_id, settings = self.made(environment)
        own = chosen.on(environment)
        config = own.model_dump(mode="json")
        departing = departures(config, baselines(type(own)))
        return tuple(
            RunSpec(
                algorithm=chosen.algorithm,
                algorithm_version=version,
                environment=environment_id,
                environment_settings=settings,
                config=config,
                departures=departing,
                seed=seed,
                steps=self.steps,
                evaluation=self.evaluation,
            )
            for seed in (self.seeds[: chosen.seeds] if seeds is None else seeds)
        )

    def check_rollouts(self) -> None:
        """Raise InputError where a run is shorter than one rollout: it would take more steps than asked.

        Checked before training only: runs from before this check can still be reported.
        """
        fit.check_rollouts(self)

    def remarks(self) -> list[str]:
        """What follows where a variant's rollouts do not end at its last step or its evaluation points."""
        return fit.remarks(self)

    def first(self, count: int) -> "Suite":
        """The same suite with its first seeds only, and without looks."""
        return self.model_copy(update={"seeds": self.seeds[:count], "looks": ()})

    def until_decided(self, looks: tuple[int, ...] | None = None) -> "Suite":
        """The same suite with as many seeds as its last look; the looks as declared, or else at 10 and 20.

        Raises InputError.
        """
        if looks is None and self.looks:
            return self
        chosen = looks or DEFAULT_LOOKS
        try:
            every = narrowing.with_all_seeds(self)
            return Suite(**{**dict(self), "seeds": chosen[-1], "looks": chosen, "variants": every})
        except ValidationError as error:
            raise from_validation(error, Suite) from None

    def smoke(self) -> "Suite":
        """The same cells in seconds each: to see whether all of it runs, and nothing about its results."""
        return Suite(**{**dict(self), **narrowing.smoke(self)})

    def restricted(
        self, seeds: str | None = None, steps: int | None = None, only: str | None = None
    ) -> "Suite":
        """The same suite with other seeds, other steps or some of its cells; None leaves it as declared.

        `seeds`: "10" for 0 to 9, "3:5" for 3 and 4, of every variant. `only`: globs on "variant/environment",
        separated by commas; one without a slash is for variants. Raises InputError, also for a glob that
        matches no cell.
        """
        changes = narrowing.restricted(self, seeds, steps, only)
        try:
            return Suite(**{**dict(self), **changes})
        except ValidationError as error:
            raise from_validation(error, Suite) from None
