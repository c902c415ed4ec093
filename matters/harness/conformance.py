"""Whether a learning rule keeps the promises of the protocol: for its author, before anyone believes it.

Each check trains short runs in a store of its own and compares what they recorded.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, ValidationError

from matters.algorithms import path_of
from matters.harness.training.job import Progress
from matters.harness.training.worker import train_population
from matters.results.schema import Status
from matters.results.store import Store
from matters.suites.spec import Evaluation, RunSpec
from matters.suites.variant import named

ENVIRONMENT = "InvertedPendulum-v5"
ROLLOUT, WARM_UP, BATCH, ROLLOUTS = 64, 64, 16, 3
"""Steps of a short rollout, steps of a warm-up, transitions in a batch, and rollouts in a short run."""


@dataclass(frozen=True)
class Finding:
    """What one check found: `holds` is None where it was not tried."""

    promise: str
    holds: bool | None
    detail: str = ""


def findings(name: str, environment: str = ENVIRONMENT) -> Iterator[Finding]:
    """Check the algorithm of that name, promise by promise. Raises InputError if it cannot be loaded.

    A reference trains alone and restarts from its beginning, so only its repetition is checked.
    """
    _, rule = named("algorithm", name)
    start = next(iter(rule.PRESETS.values()))
    config = _short(start, rule)
    with TemporaryDirectory(prefix="matters-") as folder:
        tries = _Tries(Path(folder), name, rule.VERSION, environment, _steps(config, rule))
        yield Finding("the protocol's names are there", True)
        yield _presets(rule)
        (status,) = tries.train(config, 0).values()
        sound = status.state == "done" and status.diverged_at is None
        diverged = "" if status.diverged_at is None else f"diverged after {status.diverged_at} steps"
        yield Finding("a short run ends", sound, status.error or diverged)
        if not sound:
            return
        yield _repeats(tries, config)
        if rule.KIND == "reference":
            return
        yield _alone_or_together(tries, config)
        yield _no_leak(tries, config)
        yield _goes_on(tries, config)
        yield from _knobs(tries, config, rule)


@dataclass
class _Tries:
    """Short trainings, each in a store of its own."""

    folder: Path
    name: str
    version: int
    environment: str
    steps: int
    count: int = 0

    def specs(self, config: BaseModel, seeds: tuple[int, ...]) -> list[RunSpec]:
        return [
            RunSpec(
                algorithm=self.name,
                algorithm_version=self.version,
                environment=self.environment,
                config=config.model_dump(mode="json"),
                seed=seed,
                steps=self.steps,
                evaluation=Evaluation(points=1, episodes=1),
            )
            for seed in seeds
        ]

    def digests(self, config: BaseModel, *seeds: int, interrupted: bool = False) -> dict[int, str]:
        """Train seeds together; the digest of each, or what went wrong in its place."""
        found = self.train(config, *seeds, interrupted=interrupted)
        return {seed: status.digest or str(status.error) for seed, status in found.items()}

    def train(self, config: BaseModel, *seeds: int, interrupted: bool = False) -> dict[int, Status]:
        """Train seeds together; with `interrupted`, in two stretches."""
        self.count += 1
        path = self.folder / str(self.count)
        store, specs = Store.open(path, create=True), self.specs(config, seeds)
        if interrupted:
            try:
                train_population(path, specs, _interrupt_at(self.steps // 2), checkpoint_seconds=0.0)
            except KeyboardInterrupt:
                pass  # the call below goes on from what it left
        train_population(path, specs, _say_nothing)
        return {spec.seed: self._status(store, spec.run_id) for spec in specs}

    def _status(self, store: Store, run_id: str) -> Status:
        """How the run stands, an error with its place."""
        status = store.status(run_id)
        if status.error is None:
            return status
        place = _place(store.failures(run_id)[-1]["traceback"] or "", self.name)
        return replace(status, error=f"{status.error}{place}")


def _place(traceback: str, name: str) -> str:
    """Where an error arose, as " (linear.py:58)": in the rule's own file if its author can see it there."""
    module = path_of(name).partition(":")[0].replace(".", "/")
    frames = re.findall(r'^  File "(.+)", line (\d+)', traceback, flags=re.MULTILINE)
    own = [frame for frame in frames if frame[0].endswith((f"/{module}.py", f"/{module}/__init__.py"))]
    file, line = [("", ""), *frames, *own][-1]
    return f" ({Path(file).name}:{line})" if file else ""


def _say_nothing(_progress: Progress) -> None:
    pass


def _interrupt_at(step: int) -> Any:
    def emit(progress: Progress) -> None:
        if progress.state == "running" and progress.steps >= step:
            raise KeyboardInterrupt

    return emit


def _short(config: BaseModel, rule: Any) -> BaseModel:
    """The config with short rollouts, or a short warm-up and small batches."""
    sizes = dict.fromkeys(rule.FACTS.rollout, 1)
    if rule.FACTS.rollout:
        sizes[rule.FACTS.rollout[0]] = ROLLOUT
    if rule.FACTS.group is not None:
        sizes["environments"] = rule.FACTS.group_size(config)
    if rule.FACTS.warmup is not None:
        sizes |= {rule.FACTS.warmup: WARM_UP}
        sizes |= {field: BATCH for field in ("batch_size",) if field in type(config).model_fields}
    return _with(config, sizes)


def _steps(config: BaseModel, rule: Any) -> int:
    return ROLLOUTS * max(int(rule.FACTS.rollout_steps(config)), 2 * int(rule.FACTS.warmup_steps(config)), 1)


def _with(config: BaseModel, changes: dict[str, Any]) -> BaseModel:
    """The config with some fields changed, by dotted name. Raises ValidationError."""
    values = config.model_dump(mode="json")
    for dotted, value in changes.items():
        *tables, field = dotted.split(".")
        table = values
        for part in tables:
            table = table[part]
        table[field] = value
    return type(config).model_validate(values, strict=False)


def _presets(rule: Any) -> Finding:
    promise = "every preset is a valid, immutable config"
    for name, preset in rule.PRESETS.items():
        if not (isinstance(preset, rule.Config) and preset.model_config.get("frozen")):
            return Finding(promise, False, f"{name} is no frozen {rule.Config.__name__}")
    return Finding(promise, True, ", ".join(rule.PRESETS))


def _repeats(tries: _Tries, config: BaseModel) -> Finding:
    one, again = tries.digests(config, 0), tries.digests(config, 0)
    return _equal("the same seed gives the same bits", one, again)


def _alone_or_together(tries: _Tries, config: BaseModel) -> Finding:
    together, alone = tries.digests(config, 0, 1, 2), tries.digests(config, 1)
    return _equal("a seed has the same bits alone and among three", {1: together[1]}, alone)


def _no_leak(tries: _Tries, config: BaseModel) -> Finding:
    one, other = tries.digests(config, 0, 1), tries.digests(config, 0, 2)
    return _equal("what other seeds train with it does not matter", {0: one[0]}, {0: other[0]})


def _goes_on(tries: _Tries, config: BaseModel) -> Finding:
    whole, parts = tries.digests(config, 0, 1), tries.digests(config, 0, 1, interrupted=True)
    return _equal("interrupted and gone on with, it ends with the same bits", whole, parts)


def _equal(promise: str, one: dict[int, str], other: dict[int, str]) -> Finding:
    wrong = [seed for seed in one if one[seed] != other[seed]]
    shown = [f"seed {seed}: {one[seed][:60]} and {other[seed][:60]}" for seed in wrong]
    return Finding(promise, not wrong, "; ".join(shown))


def _knobs(tries: _Tries, config: BaseModel, rule: Any) -> Iterator[Finding]:
    """Whether each setting changes what is learnt, unless the rule declares when it does not."""
    base = tries.digests(config, 0)
    for field, annotation, value in _fields(config):
        promise = f"{field} acts"
        when = rule.NO_EFFECT.get(field)
        if when is not None and (when.holds is None or when.holds(config)):
            yield Finding(promise, None, f"has no effect {when.reason}, by its own word")
            continue
        changed = next(_others(field, annotation, value, rule), None)
        if changed is None:
            yield Finding(promise, None, "no other value could be made up")
            continue
        try:
            other = _with(config, {field: changed})
        except ValidationError:
            yield Finding(promise, None, f"{changed!r} is not allowed")
            continue
        found = tries.digests(other, 0)
        yield Finding(
            promise, found != base, f"{value!r} and {changed!r}" + ("" if found != base else " alike")
        )


def _fields(config: BaseModel, prefix: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Every setting by its dotted name, with its annotation and value."""
    for name, field in type(config).model_fields.items():
        value = getattr(config, name)
        if isinstance(value, BaseModel):
            yield from _fields(value, f"{prefix}{name}.")
        else:
            yield prefix + name, field.annotation, value


def _others(field: str, annotation: Any, value: Any, rule: Any) -> Iterator[Any]:
    """Other values of a setting: those of other presets first, then others that its type allows."""
    for preset in rule.PRESETS.values():
        found = preset
        for part in field.split("."):
            found = getattr(found, part)
        if found != value:
            yield found if not isinstance(found, tuple) else list(found)
    members = get_args(annotation) if get_origin(annotation) is not Literal else ()
    literals = [
        word for part in (annotation, *members) if get_origin(part) is Literal for word in get_args(part)
    ]
    yield from (word for word in literals if word != value)
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int):
        yield 2 * value or 1
    elif isinstance(value, float):
        yield value / 2 or 0.5
    elif isinstance(value, tuple) and value and all(isinstance(size, int) for size in value):
        yield [size + 1 for size in value]
    elif value is None:
        yield from (kind(1) for kind in (float, int, bool) if kind in members and NoneType in members)
