"""The command `matters`: what users type, and how it answers bad input.

Exit status: 0 all done, 1 something failed, 2 unusable input. Bad input gets one line and writes nothing.
"""

import gc
import sys
from importlib.metadata import version
from typing import Annotated

import typer
from pydantic import ValidationError

from matters.harness.commands import (
    ablate,
    check,
    export,
    import_,
    lecture,
    listing,
    merge,
    parity,
    plan,
    prune,
    report,
    reproduce,
    run,
    show,
    speed,
    status,
    upgrade,
    verify,
    worker,
)
from matters.harness.terminal.console import warn
from matters.results.files import told
from matters.suites.errors import InputError, refusal

INTERRUPTED = 130
"""What Typer makes of Ctrl-C in a command that does not see to it itself."""

app = typer.Typer(
    help="Which implementation details matter in policy-gradient RL, with error bars.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(run.run)
app.command()(status.status)
app.command()(plan.plan)
app.command()(report.report)
app.command(name="import")(import_.import_)
app.command()(export.export)
app.command()(ablate.ablate)
app.command()(parity.parity)
app.command()(speed.speed)
app.command()(reproduce.reproduce)
app.command()(verify.verify)
app.command()(merge.merge)
app.command()(prune.prune)
app.command()(upgrade.upgrade)
app.command()(check.check)
app.command()(lecture.lecture)
app.command(name="list")(listing.list_)
app.command()(show.show)
app.command(hidden=True)(worker.worker)


@app.callback(invoke_without_command=True)
def matters(
    context: typer.Context,
    show_version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
) -> None:
    """Which implementation details matter in policy-gradient RL, with error bars."""
    if show_version:
        typer.echo(f"matters {version('matters')}")
    elif context.invoked_subcommand is None:
        typer.echo(context.get_help())


def main() -> None:
    """Run the command that was typed and exit with its status."""
    status = call(sys.argv[1:])
    # Python's last look for garbage would go through all that the libraries have loaded, which takes most of
    # a second and frees nothing that the process's end does not: who pressed Ctrl-C waits for it.
    gc.freeze()
    sys.exit(status)


def call(arguments: list[str]) -> int:
    """Run the command. Returns the exit status."""
    try:
        status = int(app(arguments, prog_name="matters", standalone_mode=False) or 0)
    except typer.TyperException as error:
        warn(_said(error))
        return 2
    except InputError as error:
        warn(str(error))
        return 2
    except OSError as error:
        warn(told(error))
        return 1
    except typer.Abort:
        status = INTERRUPTED
    if status == INTERRUPTED:
        warn("stopped")
        return 1
    return status


def _said(error: typer.TyperException) -> str:
    """What is wrong with what was typed. Typer names an option whose value it refuses, and not the value."""
    option, refused = getattr(error, "param", None), error.__cause__
    if option is None or not isinstance(refused, ValidationError):
        return error.format_message()
    first = refused.errors(include_url=False)[0]
    return f"{option.opts[0]} {first['input']}: {refusal(first)}"
