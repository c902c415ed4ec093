"""`matters verify`: rehash the store."""

import random
from contextlib import ExitStack
from functools import partial
from typing import Annotated

import typer

from matters.harness.commands.options import DEFAULT_STORE, Evidence, Json, StoreDirectory, opened, place_of
from matters.harness.terminal.console import notes, print_json
from matters.suites.errors import InputError, counted


def verify(
    runs: Annotated[
        list[str] | None, typer.Argument(metavar="[RUN_ID...]", help="Only these runs.", show_default=False)
    ] = None,
    store: StoreDirectory = DEFAULT_STORE,
    evidence: Evidence = None,
    sample: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Only N runs of them, drawn anew each time.")
    ] = None,
    json: Json = False,
) -> None:
    """Rehash every file of every finished or imported run. What is not as it was written is named."""
    from matters.harness.terminal.progress_bar import stages
    from matters.results.evidence import find
    from matters.results.imported import runs as imported_runs
    from matters.results.verification import Fault

    with ExitStack() as stack:
        try:
            opened_runs = stack.enter_context(opened(store, evidence))
        except InputError as damage:
            if evidence is None:
                raise
            find(evidence)  # refuses a bundle that is not there; this one is, and is damaged
            problems, checked = [Fault("bundle", evidence, str(damage))], 0
        else:
            tell = stack.enter_context(stages(notes(), work="verify"))
            resolve = partial(opened_runs.resolve, where=place_of(evidence))
            chosen = [resolve(run) for run in runs] if runs else opened_runs.run_ids()
            if sample is not None and sample < len(chosen):
                # Not reproducible on purpose: night after night other runs are looked at.
                chosen = sorted(random.SystemRandom().sample(chosen, sample))
            every = None if not runs and sample is None else chosen
            problems, checked = opened_runs.verify(every, partial(tell, "rehashing runs")), len(chosen)
    if not runs and sample is None and evidence is None:
        problems += [Fault("imported", name, message) for name, message in imported_runs.problems(store)]
    if json:
        print_json({"runs": checked, "problems": [vars(problem) for problem in problems]})
    else:
        for problem in problems:
            typer.echo(f"{problem.run_id} {problem.file}: {problem.message}")
        typer.echo(f"{counted(checked, 'run')} checked, {counted(len(problems), 'problem')}")
    if problems:
        raise typer.Exit(1)
