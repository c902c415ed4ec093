"""A variant: an algorithm with a complete config, under a name."""

import json
import math
from collections.abc import Callable, Iterator, Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, SerializeAsAny, ValidationError

from matters import algorithms
from matters.algorithms.interface import Facts, OffPolicy, OnPolicy, Reference
from matters.suites.errors import InputError, dotted, from_validation, nearest, shown

LONGEST_NAME = 100
"""Characters: names become parts of file names, which have 255 bytes."""
Name = Annotated[str, Field(strict=True, pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]*$", max_length=LONGEST_NAME)]


class Variant(BaseModel):
    """An algorithm with a complete, validated config, under a name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name
    algorithm: str
    config: SerializeAsAny[BaseModel]
    environments: dict[str, SerializeAsAny[BaseModel]] = Field(
        {}, description="whole configs of the environments that have settings of their own"
    )
    seeds: PositiveInt | None = Field(None, strict=True, description="the first so many of the suite's seeds")

    def on(self, environment: str) -> BaseModel:
        """The config on an environment."""
        return self.environments.get(environment, self.config)


KEYS = ("algorithm", "preset", "config", "environments", "seeds")
RELEASED = "-released"


def variant(name: str, table: object) -> Variant:
    """The variant that a TOML table declares: `algorithm`, optional `preset`, optional `config` over it.

    `seeds`, of a variant that is dearer than the others, are so many of the suite's.

    A table `environments` has, by environment, what is set over all of that on this environment alone. A
    released preset has such settings from its source. Without `preset`, the preset named like the algorithm
    is used, or the first of a user's own module. As TOML has no null, `false` switches off a field that is
    otherwise a number or a word. Raises an InputError with the field's dotted name, also for a setting that
    the others leave without effect, and for a released preset's name on something else.
    """
    field = dotted("variants", name)
    keys = _table(field, table)
    for key in keys:
        if key not in KEYS:
            raise InputError(f"{field}.{key}: unknown field{nearest(key, KEYS)}")
    if "algorithm" not in keys:
        raise InputError(f"{field}.algorithm: missing{nearest('', algorithms.ALGORITHMS)}")
    algorithm, implementation = named(f"{field}.algorithm", keys["algorithm"])
    usual = algorithm if algorithm in implementation.PRESETS else next(iter(implementation.PRESETS))
    preset = _choice(f"{field}.preset", keys.get("preset", usual), implementation.PRESETS)
    changes = _table(f"{field}.config", keys.get("config", {}))
    _refuse_unstorable(f"{field}.config", changes)
    start: BaseModel = implementation.PRESETS[preset]
    config = _overlaid(start, changes, f"{field}.config")
    _refuse_idle(f"{field}.config", changes, config, implementation)
    places = {
        environment: _overlaid(released, changes, f"{field}.config")
        for environment, released in getattr(implementation, "PER_TASK", {}).get(preset, {}).items()
    }
    for environment, table in _table(f"{field}.environments", keys.get("environments", {})).items():
        where = dotted(field, "environments", environment)
        own = _table(where, table)
        _refuse_unstorable(where, own)
        places[environment] = _overlaid(places.get(environment, config), own, where)
        _refuse_idle(where, own, places[environment], implementation)
    if name.endswith(RELEASED) and (
        name not in implementation.PRESETS or preset != name or changes or "environments" in keys
    ):
        raise InputError(
            f"{field}: a name that ends in {RELEASED!r} is for a released preset as it is; take another name"
        )
    try:
        return Variant(
            name=name, algorithm=algorithm, config=config, environments=places, seeds=keys.get("seeds")
        )
    except ValidationError as error:
        raise from_validation(error, Variant, field) from None


def named(field: str, value: object) -> tuple[str, OnPolicy | OffPolicy | Reference]:
    """An algorithm of the table, or a user's own module by its path. Raises InputError."""
    if isinstance(value, str) and ("/" in value or value.endswith(".py")):
        raise InputError(f"{field} = {value!r}: is a path; a module of your own is named 'package.module'")
    own = isinstance(value, str) and value not in algorithms.ALGORITHMS and bool(set(".:") & set(value))
    name = str(value) if own else _choice(field, value, algorithms.ALGORITHMS)
    try:
        return name, algorithms.load(name)
    except Exception as error:  # whatever importing a user's module raises
        if not own:
            raise
        package = name.partition(":")[0].partition(".")[0]
        unknown = isinstance(error, ModuleNotFoundError) and error.name == package
        raise InputError(
            f"{field} = {name!r}: cannot be used: {type(error).__name__}: {error}"
            + ("; install it, or have its folder on PYTHONPATH" if unknown else "")
        ) from None


def facts(chosen: Variant) -> Facts:
    """The facts of its algorithm."""
    return algorithms.load(chosen.algorithm).FACTS


def without_effect(algorithm: str, config: BaseModel) -> set[str]:
    """The settings, by dotted name, that the others of a config leave without effect."""
    implementation = algorithms.load(algorithm)
    conditions = {} if implementation.KIND == "reference" else implementation.NO_EFFECT
    return {name for name, when in conditions.items() if when.holds is not None and when.holds(config)}


def rollout(chosen: Variant, environment: str) -> tuple[str, int]:
    """The setting that says how long a rollout is, and the steps of one; "" and 1 without rollouts."""
    known = facts(chosen)
    return known.rollout[0] if known.rollout else "", known.rollout_steps(chosen.on(environment))


def shortened(chosen: Variant, steps: int) -> Variant:
    """The variant with rollouts of at most `steps` steps over all environments, or a warm-up of half; and
    with a lag of fewer updates than there are then.
    """
    field, known = dotted("variants", chosen.name, "config"), facts(chosen)

    def cut(config: BaseModel) -> BaseModel:
        limits = {}
        if known.rollout:
            length, *others = known.rollout
            limits[length] = max(1, steps // math.prod(getattr(config, other) for other in others))
        if known.warmup is not None:
            limits[known.warmup] = max(1, steps // 2)
        changes = {name: most for name, most in limits.items() if getattr(config, name) > most}
        config = _overlaid(config, changes, field) if changes else config
        updates = -(-steps // known.rollout_steps(config))
        if known.lag is not None and known.lag_updates(config) >= updates:
            config = _overlaid(config, {known.lag: updates - 1}, field)
        return config

    return _each(chosen, cut)


def changed(chosen: Variant, values: Mapping[str, Any], field: str) -> Variant:
    """The variant with other values of some settings, by dotted name, on every environment alike.

    Raises InputError that begins with `field` for a value that the config refuses.
    """
    changes: dict[str, Any] = {}
    for name, value in values.items():
        *tables, last = name.split(".")
        below = changes
        for table in tables:
            below = below.setdefault(table, {})
        below[last] = value

    def over(config: BaseModel) -> BaseModel:
        _refuse_unstorable(field, changes)
        return _overlaid(config, changes, field)

    return _each(chosen, over)


def _each(chosen: Variant, change: Callable[[BaseModel], BaseModel]) -> Variant:
    """The variant with each of its configs changed; its name and its share of the seeds stay."""
    environments = {name: change(config) for name, config in chosen.environments.items()}
    return chosen.model_copy(update={"config": change(chosen.config), "environments": environments})


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """`changes` over `base`: tables are merged at every depth, anything else is replaced."""
    result = dict(base)
    for key, value in changes.items():
        below = result.get(key)
        both = isinstance(below, Mapping) and isinstance(value, Mapping)
        result[key] = merged(below, value) if both else value  # type: ignore[arg-type]
    return result


def _overlaid(start: BaseModel, changes: Mapping[str, Any], field: str) -> BaseModel:
    """A new config of the same model: `start` with `changes` over it, validated from scratch."""
    model = type(start)
    values = _off_as_none(model, merged(start.model_dump(mode="json"), changes))
    try:
        # Through JSON, because strict validation of JSON knows that a list may be a tuple and 1 a float,
        # but takes neither "1" for a number nor true for 1.
        return model.model_validate_json(json.dumps(values), strict=True)
    except ValidationError as error:
        raise from_validation(error, model, field) from None


def _off_as_none(model: type[BaseModel], values: Mapping[str, Any]) -> dict[str, Any]:
    """`values` with None for `false` in the fields that may be None and may not be a bool."""
    result = dict(values)
    for name, field in model.model_fields.items():
        members = _members(field.annotation)
        if result.get(name) is False and NoneType in members and not {bool, False} & members:
            result[name] = None
        for member in members:
            nested = isinstance(member, type) and issubclass(member, BaseModel)
            if nested and isinstance(result.get(name), Mapping):
                result[name] = _off_as_none(member, result[name])
    return result


def _members(annotation: Any) -> set[Any]:
    """The members of a union: {float, NoneType} of `Annotated[float, …] | None`; literals as their values."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _members(arguments[0])
    if origin is Literal:
        return set(arguments)
    if origin in (Union, UnionType):
        return set().union(*(_members(argument) for argument in arguments))
    return {annotation}


def _table(field: str, value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise InputError(f"{field} = {shown(value)}: should be a table")
    return value


def _choice(field: str, value: object, valid: Mapping[str, Any]) -> str:
    if not isinstance(value, str):
        raise InputError(f"{field} = {shown(value)}: should be a string{nearest('', valid)}")
    if value not in valid:
        raise InputError(f"{field} = {value!r}: unknown {field.rpartition('.')[2]}{nearest(value, valid)}")
    return value


def _refuse_idle(field: str, changes: Mapping[str, Any], config: BaseModel, implementation: Any) -> None:
    """Refuse a setting that the others contradict: one that they leave without effect, unless it is off."""
    conditions = {} if implementation.KIND == "reference" else implementation.NO_EFFECT
    for name, value in _leaves(changes):
        when = conditions.get(name)
        if value and when is not None and when.holds is not None and when.holds(config):
            raise InputError(f"{field}.{name} = {shown(value)}: changes nothing, because {when.reason}")


def _leaves(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The values that a nested table sets, each by its dotted name."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def _refuse_unstorable(field: str, value: object) -> None:
    """Refuse what TOML can write and JSON cannot: dates, infinities and nan."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            _refuse_unstorable(f"{field}.{key}", item)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _refuse_unstorable(f"{field}[{index}]", item)
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise InputError(f"{field} = {value}: a number must be finite; false switches a field off")
    elif not isinstance(value, str | int):
        raise InputError(f"{field} = {value}: should be a number, a word, true, false or a table")
