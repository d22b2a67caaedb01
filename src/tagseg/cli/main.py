"""The ``tagseg`` command, and the only place where errors become messages and exit codes.

Help and the message about a mistyped option come at once: each command imports what it works with when it is called.
"""

import sys
from collections.abc import Sequence
from typing import Annotated, cast

import typer
import typer.main

from tagseg.cli import (
    evaluate_command,
    export_command,
    figure_command,
    predict_command,
    report_commands,
    run_commands,
    serve_command,
    start_commands,
    tags_command,
)
from tagseg.cli.console import open_console, print_error
from tagseg.cli.machine import limit_of_machine
from tagseg.errors import TagsegError
from tagseg.system.home import with_home

EXIT_ERROR = 2
EXIT_STOPPED = 130  # by convention 128 + SIGINT

# Typer brings its own copy of click in newer releases and uses the package in older ones; both derive this name.
UsageError = cast("type[typer.BadParameter]", typer.BadParameter.__mro__[1])

app = typer.Typer(
    name="tagseg",
    help="Photographs with image-level tags in, pixel masks and a trained segmentation network out.",
    epilog="Every command takes --debug, which shows the traceback of an error.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)
app.add_typer(start_commands.app)
app.add_typer(run_commands.app)
app.add_typer(evaluate_command.app)
app.add_typer(predict_command.app)
app.add_typer(export_command.app)
app.add_typer(tags_command.app)
app.add_typer(report_commands.app)
app.add_typer(figure_command.app)
app.add_typer(serve_command.app)


@app.callback(invoke_without_command=True)
def start(
    show_version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Photographs with image-level tags in, pixel masks and a trained segmentation network out."""
    if show_version:
        from tagseg.system.own_version import own_version

        open_console().print(f"tagseg {own_version()}")
        raise typer.Exit


def app_main(arguments: Sequence[str] | None = None, *, commands: typer.Typer = app) -> None:
    """Run the command line and end the process: exit code 0, 1 (`check` found errors), 2 (error) or 130 (stopped).

    Args:
        arguments: the words after ``tagseg``; those of the process by default.
        commands: what the words can name.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words  # taken out here, so that it may stand anywhere
    words = [_with_home(word) for word in words if word != "--debug"]
    try:
        code = typer.main.get_command(commands).main(words, prog_name="tagseg", standalone_mode=False)
    except TagsegError as error:
        if debug:
            raise
        print_error(error.problem, help=error.help)
        code = EXIT_ERROR
    except UsageError as error:
        help = "'tagseg --help' and 'tagseg COMMAND --help' list what there is"
        print_error(error.format_message().rstrip("."), help=help)
        code = EXIT_ERROR
    except (typer.Abort, KeyboardInterrupt):
        code = EXIT_STOPPED
    except (OSError, MemoryError, RuntimeError) as error:
        told = None if debug else limit_of_machine(error)
        if told is None:
            raise
        print_error(told[0], help=told[1])
        code = EXIT_ERROR
    if code == EXIT_STOPPED:  # newer releases of Typer turn the interrupt into this code themselves
        open_console(errors=True).print("stopped; run the same command again to continue")
    raise SystemExit(code or 0)


def _with_home(word: str) -> str:
    """Return a word with the home folder in the place of ``~``, also behind ``--out=`` where no shell puts it.

    >>> _with_home("--set=name=~/a")
    '--set=name=~/a'
    """
    option, equals, value = word.partition("=") if word.startswith("--") else ("", "", word)
    return f"{option}{equals}{with_home(value)}" if value.startswith("~/") else word
