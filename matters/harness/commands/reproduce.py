"""`matters reproduce`: train a run again and compare digests."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import typer

from matters.harness.commands.options import DEFAULT_STORE, Evidence, Json, RunId, StoreDirectory, meant
from matters.harness.commands.run import train_missing
from matters.harness.scheduling.executors import Place, load
from matters.harness.terminal.console import print_json, warn
from matters.suites.errors import InputError
from matters.suites.spec import flat

if TYPE_CHECKING:
    from matters.results.store import Store
    from matters.suites.spec import RunSpec

TRAINED = ("episodes", "parameters")
"""The parts of a record that training alone decides, whatever the evaluation."""


def reproduce(
    run_id: RunId, store: StoreDirectory = DEFAULT_STORE, evidence: Evidence = None, json: Json = False
) -> None:
    """Train a run again and compare the digests. It trains alone and in a store of its own."""
    with meant(store, evidence, run_id) as (runs, found):
        same = _reproduced(runs, found, json=json)
    if not same:
        raise typer.Exit(1)


def _reproduced(runs: "Store", found: str, *, json: bool) -> bool:
    """Whether the run comes out the same; prints the answer, and what differs."""
    spec, before = runs.spec(found), runs.status(found)
    if before.state != "done":
        raise InputError(f"run {found} is {before.state}: only a finished run has a digest to compare with")
    _check_version(spec)
    try:
        digest, error, again, parts = _train_again(spec)
    except KeyboardInterrupt:
        warn("stopped: nothing was compared")
        raise typer.Exit(1) from None
    differing = _differing(runs, found, parts)
    # A run of schema 1 was evaluated on other episodes: only what it learnt is compared.
    same = not differing if runs.schema_of(found) == 1 and parts else digest == before.digest
    changed = [] if same else _changed(runs.provenance(found), again)
    if json:
        print_json(
            {
                "run_id": found,
                "same": same,
                "digest": before.digest,
                "digest_again": digest,
                "error": error,
                "changed": changed,
                "differing": differing,
            }
        )
    elif same and digest != before.digest:
        typer.echo(
            f"{found}: the same {' and '.join(TRAINED)}; an older Matters evaluated it on other episodes"
        )
    elif same:
        typer.echo(f"{found}: the same digest, {digest}")
    elif error is not None:
        typer.echo(f"{found}: failed this time: {error}")
    else:
        typer.echo(f"{found}: DIFFERENT\n  recorded {before.digest}\n  again    {digest}")
        typer.echo(f"  what differs: {', '.join(differing)}")
        for line in changed or ["packages, C library, processor and training code are as they were"]:
            typer.echo(f"  {line}")
    return same


def _check_version(spec: "RunSpec") -> None:
    from matters.suites.variant import named

    then, now = spec.algorithm_version, named("algorithm", spec.algorithm)[1].VERSION
    if then != now:
        raise InputError(f"algorithm_version {then}: this Matters has version {now} of {spec.algorithm}")


def _differing(store: "Store", run_id: str, again: dict[str, str]) -> list[str]:
    """The parts of the recorded run that differ from `again`; under schema 1, only those of the training."""
    parts = [part for part in again if part in TRAINED or store.schema_of(run_id) > 1]
    recorded = store.parts(run_id)
    return [part for part in parts if recorded[part] != again[part]]


def _train_again(spec: "RunSpec") -> tuple[str | None, str | None, dict[str, Any], dict[str, str]]:
    """The digest, or what went wrong, and the provenance and hashed parts of a fresh run of the spec."""
    from matters.results.schema import part_hashes
    from matters.results.store import Store
    from matters.suites.spec import Cell

    with TemporaryDirectory(prefix="matters-") as folder:
        directory = Path(folder) / "runs"
        fresh = Store.open(directory, create=True)
        cell = Cell(spec.algorithm, spec.environment, (spec,))
        outcome = train_missing(fresh, [cell], 1, executor=load(Place()))
        if outcome.lost:
            return None, outcome.lost[0].reason, {}, {}
        status = fresh.status(spec.run_id)
        parts = {} if status.digest is None else part_hashes(fresh.record(spec.run_id))
        return status.digest, status.error, fresh.provenance(spec.run_id), parts


ALWAYS = ("bits", "python", "packages", "training_code", "numerics.libc")
"""Facts of the provenance that can explain a differing digest, whether or not its bits are portable."""
NOT_PORTABLE = ("processor", "vendor", "numerics")
"""Those that can explain it only where bits are not portable."""


def _changed(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """The facts that changed, and that can explain a differing digest.

    Portable bits depend on packages, training code and C library; others on the processor, too, and on the
    loops that the libraries picked.
    """
    portable = before.get("bits") == after.get("bits") == "portable"
    then, now = flat(before), flat(after)
    return [
        f"{name}: {then.get(name)} then, {now.get(name)} now"
        for name in sorted(then.keys() | now.keys())
        if name.startswith(ALWAYS if portable else ALWAYS + NOT_PORTABLE) and then.get(name) != now.get(name)
    ]
