"""The command line without a process of its own: words in, exit code and printed lines out."""

from typing import Any

import typer

from tagseg.cli.main import app, app_main


def exit_code(*words: str, commands: typer.Typer = app) -> int:
    """Run the words after `tagseg`, and return the exit code."""
    try:
        app_main(words, commands=commands)
    except SystemExit as ended:
        assert isinstance(ended.code, int)
        return ended.code
    raise AssertionError("app_main always ends the process")


def failing_commands(error: BaseException) -> typer.Typer:
    """Return a command line of `run RECIPE`, which raises an error, and `other`."""
    commands = typer.Typer()

    @commands.command()
    def run(recipe: str) -> None:
        raise error

    @commands.command()
    def other() -> None:
        pass

    return commands


class Calls(list[tuple[tuple[Any, ...], dict[str, Any]]]):
    """Takes the place of a function: notes how it was called and returns `result`."""

    def __init__(self, result: Any) -> None:
        self.result = result

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.append((args, kwargs))
        return self.result
