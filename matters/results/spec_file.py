"""spec.json: what a run is, with an identity that can be checked from the file alone."""

import json
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from matters.results import files
from matters.results.schema import SCHEMA_VERSION
from matters.results.status import Damage, refuse_newer
from matters.suites.baselines import Baselines, departures, flattened
from matters.suites.spec import Evaluation, RunSpec, canonical_json, identity

SCHEMA_1_BASELINES = Path(__file__).with_name("schema_1_baselines.json")
"""The baselines of all fields that schema 1 knew: they give its runs new ids without loading algorithms."""


def write(directory: Path, spec: RunSpec) -> None:
    """Write the run's spec.json, unless it is already there and complete."""
    path = directory / "spec.json"
    with suppress(FileNotFoundError, Damage):
        if read(str(path))[1] == spec.run_id:
            return
    files.write(path, content(spec))


def content(spec: RunSpec, former_id: str | None = None) -> bytes:
    """The bytes of a spec.json: readable by people, sealed; `former_id` is the run's name in schema 1."""
    fields = {
        "schema_version": SCHEMA_VERSION,
        "run_id": spec.run_id,
        "training_id": spec.training_id,
        **({} if former_id is None else {"former_id": former_id}),
        "algorithm": spec.algorithm,
        "algorithm_version": spec.algorithm_version,
        "environment": spec.environment,
        **({"environment_settings": spec.environment_settings} if spec.environment_settings else {}),
        "seed": spec.seed,
        "departures": spec.departures,
        "steps": spec.steps,
        "evaluation": spec.evaluation.model_dump(mode="json"),
        "config": spec.config,
    }
    return files.sealed(fields)


def read(path: str) -> tuple[RunSpec, str, str | None]:
    """The spec, the id of its directory, and the id that schema 1 gave it, if it did.

    Raises FileNotFoundError, Damage, and InputError for a newer schema.
    """
    with open(path, "rb") as file:
        data = file.read()
    try:
        fields = json.loads(data)
        version = fields.get("schema_version", 1)
    except (ValueError, AttributeError, RecursionError):
        raise Damage("is damaged: not the JSON of a spec") from None
    refuse_newer(f"run = {path.split('/')[-2]!r}", version)
    try:
        if version == 1:
            spec = _of_schema_1(fields)
            former = identity(canonical_json(fields))
            return spec, former, former
        if not files.intact(data):
            raise Damage("is damaged: it does not match its checksum")
        # The checksum says that this was validated once; validating ten thousand again would take seconds.
        names = [name for name in RunSpec.model_fields if name not in ("evaluation", "environment_settings")]
        evaluation = Evaluation.model_construct(**fields["evaluation"])
        spec = RunSpec.model_construct(
            **{name: fields[name] for name in names},
            environment_settings=fields.get("environment_settings", {}),
            evaluation=evaluation,
        )
        if spec.run_id != fields["run_id"]:
            raise Damage(f"does not match: it says run {fields['run_id']!r} and is of run {spec.run_id!r}")
        return spec, spec.run_id, fields.get("former_id")
    except (KeyError, TypeError, AttributeError):
        raise Damage("is damaged: not the fields of a spec") from None


def _of_schema_1(fields: dict[str, Any]) -> RunSpec:
    """The spec, with the departures that it would have been given."""
    rest = dict(fields)
    evaluation = Evaluation.model_construct(**rest.pop("evaluation"))
    departing = departures(rest["config"], _schema_1().get(rest["algorithm"], {}))
    return RunSpec.model_construct(**rest, departures=departing, evaluation=evaluation)


@cache
def _schema_1() -> dict[str, Baselines]:
    tables = json.loads(SCHEMA_1_BASELINES.read_bytes())
    return {algorithm: flattened(table) for algorithm, table in tables.items()}
