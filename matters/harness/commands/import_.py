"""`matters import`: others' results into the store, marked as of a foreign protocol."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from matters.harness.commands.options import DEFAULT_STORE, Json, StoreDirectory
from matters.harness.terminal.console import print_json

Files = Annotated[
    list[Path],
    typer.Argument(
        metavar="FILE…",
        help="A CSV (variant, environment, seed, step, return), Stable-Baselines3's evaluations.npz or "
        "monitor.csv, or a TensorBoard event file. Of all but a CSV, a file is one run.",
        show_default=False,
    ),
]
Name = Annotated[
    str, typer.Option("--name", metavar="NAME", help="What to call these results.", show_default=False)
]
Variant = Annotated[
    str | None, typer.Option(metavar="NAME", help="The variant, where the file does not say it.")
]
Environment = Annotated[
    str | None, typer.Option("--env", metavar="E", help="The environment, where the file does not say it.")
]
Seeds = Annotated[
    str | None, typer.Option(metavar="N|A:B", help="A seed a file, where the files do not say it.")
]
Tag = Annotated[
    str | None,
    typer.Option(
        metavar="TAG", help="TensorBoard's scalar.  [default: eval/mean_reward, else rollout/ep_rew_mean]"
    ),
]


class Returns(StrEnum):
    """What returns may be of."""

    evaluation = "evaluation"
    training = "training"


ReturnsOf = Annotated[
    Returns | None,
    typer.Option(
        "--returns", metavar="evaluation|training", help="What returns are of, in place of what is assumed."
    ),
]


def import_(
    files: Files,
    name: Name,
    variant: Variant = None,
    env: Environment = None,
    seeds: Seeds = None,
    tag: Tag = None,
    returns: ReturnsOf = None,
    store: StoreDirectory = DEFAULT_STORE,
    json: Json = False,
) -> None:
    """Read results of others into the store. `matters report --imported NAME` shows them, apart from ours."""
    from matters.results.imported import runs
    from matters.results.imported.readers import Said, read
    from matters.results.store import Store
    from matters.suites.suite import parse_seeds

    said = Said(
        variant=variant,
        environment=env,
        seeds=None if seeds is None else parse_seeds(seeds),
        tag=tag,
        returns_of=None if returns is None else returns.value,
    )
    found = read(files, said)
    new = runs.additions(store, name, found)
    Store.open(store, create=True)
    runs.save(store, name, new)
    facts = {
        "name": name,
        "protocol": "foreign",
        "returns_of": found[0].returns_of,
        "imported": len(new),
        "already_there": len(found) - len(new),
        "runs": [
            {"run_id": run.run_id, "variant": run.variant, "environment": run.environment, "seed": run.seed}
            for run in found
        ],
    }
    if json:
        print_json(facts)
        return
    cells = len({(run.variant, run.environment) for run in found})
    there = f", {len(found) - len(new)} were there" if len(new) < len(found) else ""
    typer.echo(
        f"{len(new)} runs imported in {cells} cells{there}: a foreign protocol, returns of "
        f"{runs.RETURNS_OF[found[0].returns_of]}\nmatters report --imported {name}"
    )
