"""`matters ablate`: a two-level design over named tricks, run and reported."""

import shlex
from typing import TYPE_CHECKING, Annotated

import typer

from matters.harness.commands.options import (
    DEFAULT_STORE,
    AllowMissing,
    Json,
    Out,
    Smoke,
    StoreDirectory,
    Workers,
    crew_of,
)
from matters.harness.commands.run import (
    Address,
    Array,
    Canary,
    Cpus,
    DryRun,
    ExecutorName,
    Partition,
    RetryFailed,
    Time,
    run_suite,
)
from matters.harness.scheduling.executors import Place
from matters.suites.errors import InputError

if TYPE_CHECKING:
    from matters.suites.design import Kind

Algorithm = Annotated[str, typer.Argument(metavar="ALGORITHM", help="One that has tricks.")]
Tricks = Annotated[
    str | None,
    typer.Option(
        metavar="A,B,…",
        help="Tricks that `matters list tricks` shows; `trick=value` for one that no preset has on.",
        show_default=False,
    ),
]
Environments = Annotated[
    str, typer.Option("--env", metavar="E[,E2]", help="Environments.", show_default=False)
]
HowManySeeds = Annotated[
    str,
    typer.Option(metavar="N|A:B|A,B", help="The first N seeds, those from A to before B, or A and B."),
]
HowManySteps = Annotated[int, typer.Option(metavar="N", help="Steps of each run.", show_default=False)]
Preset = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="What all else is as in.  [default: the algorithm's own]"),
]
Tune = Annotated[
    list[str] | None,
    typer.Option(
        metavar="SETTING=A,B,…",
        help="Compare every cell at its own best of these values, too; several settings, every combination.",
    ),
]
Swept = Annotated[
    str | None,
    typer.Option("--sweep", metavar="SETTING=A,B,…", help="Draw how each cell depends on a setting."),
]
OneIn = Annotated[bool, typer.Option("--one-in", help="All named tricks off, and each alone on.")]
OneOut = Annotated[bool, typer.Option("--one-out", help="All named tricks on, and each alone off.")]


def ablate(
    algorithm: Algorithm,
    env: Environments,
    steps: HowManySteps,
    tricks: Tricks = None,
    seeds: HowManySeeds = "10",
    preset: Preset = None,
    one_in: OneIn = False,
    one_out: OneOut = False,
    tune: Tune = None,
    sweep: Swept = None,
    store: StoreDirectory = DEFAULT_STORE,
    smoke: Smoke = False,
    workers: Workers = None,
    executor: ExecutorName = "local",
    address: Address = None,
    partition: Partition = None,
    time: Time = None,
    cpus: Cpus = None,
    array: Array = None,
    canary: Canary = None,
    out: Out = None,
    allow_missing: AllowMissing = False,
    retry_failed: RetryFailed = False,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Run and report the factorial of some tricks. Main effects and interactions come with intervals."""
    from matters.suites.ablation import ablation

    if one_in and one_out:
        raise InputError("--one-in and --one-out are two designs: choose one")
    kind: Kind = "one-in" if one_in else "one-out" if one_out else "full"
    declared = ablation(
        algorithm,
        tricks,
        environments=env,
        seeds=seeds,
        steps=steps,
        preset=preset,
        kind=kind,
        tune=tune or (),
        swept=sweep,
    )
    declared = declared.smoke() if smoke else declared
    if dry_run:
        from matters.harness.commands.plan import show_plan

        show_plan(declared, store, crew_of(workers), retry_failed=retry_failed, json=json)
        return
    run_suite(
        declared,
        store=store,
        workers=workers,
        where=Place(executor, address, partition, time, cpus, array, canary),
        out=out,
        allow_missing=allow_missing,
        retry_failed=retry_failed,
        json=json,
        command=_command(algorithm, tricks, env, steps, seeds, preset, kind, tune or [], sweep, smoke=smoke),
    )


def _command(
    algorithm: str,
    tricks: str | None,
    env: str,
    steps: int,
    seeds: str,
    preset: str | None,
    kind: str,
    tune: list[str],
    sweep: str | None,
    *,
    smoke: bool,
) -> str:
    """What to type for the same runs and the same report, wherever the store is."""
    words = ["matters", "ablate", algorithm, *([] if tricks is None else ["--tricks", tricks]), "--env", env]
    words += ["--seeds", seeds, "--steps", str(steps)]
    words += [] if preset is None else ["--preset", preset]
    words += [] if kind == "full" else [f"--{kind}"]
    words += [word for text in tune for word in ("--tune", text)]
    words += [] if sweep is None else ["--sweep", sweep]
    words += ["--smoke"] if smoke else []
    return shlex.join(words)
