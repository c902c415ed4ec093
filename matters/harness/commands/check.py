"""`matters check`: whether a learning rule keeps the promises of the protocol."""

from dataclasses import asdict
from typing import Annotated

import typer

from matters.harness.commands.options import Json
from matters.harness.terminal.console import notes, print_json, print_table

Name = Annotated[
    str, typer.Argument(metavar="ALGORITHM", show_default=False, help="A name or package.module.")
]
Environment = Annotated[str, typer.Option("--env", metavar="ID", help="Where it is tried.")]

WORDS = {True: "holds", False: "DOES NOT HOLD", None: "not tried"}


def check(algorithm: Name, env: Environment = "InvertedPendulum-v5", json: Json = False) -> None:
    """Check that a learning rule keeps the protocol's promises. For those who write one."""
    from matters.harness.conformance import findings
    from matters.suites.tasks.environments import check as check_environment

    check_environment(env)
    found = []
    for one in findings(algorithm, env):
        found.append(one)
        if not json:
            notes().print(f"{WORDS[one.holds]}: {one.promise}", highlight=False)
    if json:
        print_json([asdict(one) for one in found])
    else:
        print_table(("promise", "", "detail"), [(one.promise, WORDS[one.holds], one.detail) for one in found])
    if any(one.holds is False for one in found):
        raise typer.Exit(1)
