"""A suite: the declared grid of cells, its protocol and the questions that it answers."""

from fnmatch import fnmatchcase
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    model_validator,
)

from matters import algorithms
from matters.suites import candidates, fit
from matters.suites.baselines import baselines, departures
from matters.suites.design import Design
from matters.suites.errors import InputError, dotted, from_validation, nearest, shown
from matters.suites.seeds import MOST_SEEDS, parse_seeds
from matters.suites.spec import MAX_SEED, Cell, Evaluation, RunSpec
from matters.suites.sweep import Sweep
from matters.suites.tasks import environments
from matters.suites.tasks.settings import Own
from matters.suites.tasks.yardsticks import Yardstick
from matters.suites.tuning import Tuning
from matters.suites.variant import Name, Variant, facts, shortened

QUESTIONS = (
    "actor-critic-ladder",
    "code-level-tricks",
    "comparison",
    "natural-ladder",
    "natural-square",
    "published",
    "reproduction",
    "seeds",
    "trick-factorial",
    "trust-region",
)
"""The questions that a report can answer, by name."""

SMOKE_SEEDS, SMOKE_STEPS, SMOKE_EVALUATION = 2, 4096, Evaluation(points=2, episodes=1)
"""The most that a suite's smoke version has: two updates of most algorithms, in seconds per cell."""

SMOKE_STEPS_OFF_POLICY = 512
"""The steps instead, where a variant is off-policy: one gradient step per step after the warm-up, which is
half."""

MINIMUM_OF_A_LOOK = 5
"""In seeds: with fewer there is no interval, and nothing to decide by."""

DEFAULT_LOOKS = (10, 20)


def _counted(value: Any) -> Any:
    """An int n as the seeds 0 to n - 1; anything else as it is."""
    if isinstance(value, bool) or not isinstance(value, int):
        return value
    if value <= 0:
        raise ValueError("should be greater than 0")
    if value > MOST_SEEDS:
        raise ValueError(f"should be at most {MOST_SEEDS}")
    return tuple(range(value))


def _some(values: tuple[Any, ...]) -> tuple[Any, ...]:
    if not values:
        raise ValueError("should not be empty")
    return values


def _distinct(values: tuple[Any, ...]) -> tuple[Any, ...]:
    known = set()
    for value in values:
        if value in known:
            raise ValueError(f"{shown(value)} appears twice")
        known.add(value)
    return values


def _printable(text: str) -> str:
    if not " ".join(text.split()).isprintable():
        raise ValueError("has a character that controls a terminal")
    return text


def _runnable(environment: str, info: ValidationInfo) -> str:
    own = info.data.get("own", {}).get(environment)
    if reason := environments.objection(*((own.id, own.settings) if own else (environment,))):
        raise ValueError(reason)
    return environment


def _answerable(question: str) -> str:
    if question not in QUESTIONS:
        raise ValueError(f"unknown question{nearest(question, QUESTIONS)}")
    return question


Seed = Annotated[int, Field(strict=True, ge=0, le=MAX_SEED)]
Margin = Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)]
Text = Annotated[str, Field(strict=True, min_length=1, max_length=10_000), AfterValidator(_printable)]
Runnable = Annotated[str, Field(strict=True), AfterValidator(_runnable)]
Pair = Annotated[tuple[Name, Name], Field(strict=False)]
Answerable = Annotated[str, Field(strict=True), AfterValidator(_answerable)]


class Suite(BaseModel):
    """A declared grid: variants × environments × seeds, the protocol, and the questions asked of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name
    title: Text
    own: dict[str, Own] = Field({}, description="environments that are more than an id, by name")
    environments: Annotated[tuple[Runnable, ...], AfterValidator(_some), AfterValidator(_distinct)]
    seeds: Annotated[
        tuple[Seed, ...], BeforeValidator(_counted), AfterValidator(_some), AfterValidator(_distinct)
    ]
    steps: Annotated[int, Field(strict=True, gt=0, le=MAX_SEED)]
    evaluation: Evaluation = Evaluation()
    questions: Annotated[tuple[Answerable, ...], AfterValidator(_distinct)]
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
    looks: tuple[Annotated[int, Field(strict=True, ge=MINIMUM_OF_A_LOOK)], ...] = Field(
        (), description="numbers of seeds at which the first question may be decided"
    )
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
        for index, glob in enumerate(self.only):
            if not any(_matches(glob, *cell) for cell in cells):
                near = nearest(glob, map("/".join, cells))
                raise ValueError(f"only[{index}] = {glob!r}: no such cell{near}")
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
            if not self.only or any(_matches(pattern, name, environment) for pattern in self.only)
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
            every = self._with_all_seeds()
            return Suite(**{**dict(self), "seeds": chosen[-1], "looks": chosen, "variants": every})
        except ValidationError as error:
            raise from_validation(error, Suite) from None

    def smoke(self) -> "Suite":
        """The same cells in seconds each: to see whether all of it runs, and nothing about its results.

        Two seeds, 4096 steps, two evaluations of one episode; a longer rollout is cut to those steps. Where a
        variant is off-policy, 512 steps, and a longer warm-up is cut to half of them. A tuning has one seed.
        The name differs too, so that its report does not take the place of the suite's own.
        """
        off_policy = any(facts(variant).replay for variant in self.variants.values())
        most = SMOKE_STEPS_OFF_POLICY if off_policy else SMOKE_STEPS
        steps = max(SMOKE_EVALUATION.points, min(self.steps, most))
        return Suite(
            **{
                **dict(self),
                "name": f"{self.name}-smoke",
                "title": f"{self.title} (smoke version, no finding)",
                "seeds": self.seeds[:SMOKE_SEEDS],
                "looks": (),
                "steps": steps,
                "evaluation": SMOKE_EVALUATION,
                "tuning": self.tuning and self.tuning.model_copy(update={"seeds": self.tuning.seeds[:1]}),
                "variants": {name: shortened(it, steps) for name, it in self._with_all_seeds().items()},
            }
        )

    def restricted(
        self, seeds: str | None = None, steps: int | None = None, only: str | None = None
    ) -> "Suite":
        """The same suite with other seeds, other steps or some of its cells; None leaves it as declared.

        `seeds`: "10" for 0 to 9, "3:5" for 3 and 4, of every variant. `only`: globs on "variant/environment",
        separated by commas; one without a slash is for variants. Raises InputError, also for a glob that
        matches no cell.
        """
        changes: dict[str, Any] = {}
        if seeds is not None:
            if self.looks:
                raise InputError(f"seeds = {seeds!r}: the suite's looks, {list(self.looks)}, say how many")
            changes["seeds"] = parse_seeds(seeds)
            changes["variants"] = self._with_all_seeds()
        if steps is not None:
            changes["steps"] = steps
        if only is not None:
            changes["only"] = self._globs(only)
        try:
            return Suite(**{**dict(self), **changes})
        except ValidationError as error:
            raise from_validation(error, Suite) from None

    def _with_all_seeds(self) -> dict[str, Variant]:
        return {name: chosen.model_copy(update={"seeds": None}) for name, chosen in self.variants.items()}

    def _globs(self, only: str) -> tuple[str, ...]:
        cells = [(cell.variant, cell.environment) for cell in self.cells()]
        globs = tuple(part.strip() for part in only.split(","))
        for glob in globs:
            if not any(_matches(glob, *cell) for cell in cells):
                raise InputError(f"only = {glob!r}: no such cell{nearest(glob, map('/'.join, cells))}")
        # A suite that is already restricted stays so: its cells are those that both allow.
        return (
            tuple(f"{v}/{e}" for v, e in cells if any(_matches(g, v, e) for g in globs))
            if self.only
            else globs
        )


def _matches(glob: str, name: str, environment: str) -> bool:
    return fnmatchcase(f"{name}/{environment}" if "/" in glob else name, glob)
