"""Options that take several words: ``--images a b c`` means ``--images a --images b --images c``."""

from collections.abc import Collection, Iterable
from pathlib import Path

from tagseg.errors import RecipeError


def spread_lists(words: Iterable[str], options: Collection[str]) -> list[str]:
    """Repeat a list option before each of its words, which go up to the next option or the end.

    A run folder among them is an error: it was meant as an argument of the command, and only a person can tell where
    the list ends. ``--images=a`` takes one word, and what follows ``--`` is left as it is.

    Args:
        words: of a command line, after the command.
        options: the list options, such as ``--images``.

    Raises:
        RecipeError: when a run folder stands in a list, or a list is empty.

    >>> spread_lists(["runs/x", "--images", "a", "b", "--out", "c.png"], {"--images"})
    ['runs/x', '--images', 'a', '--images', 'b', '--out', 'c.png']
    """
    spread: list[str] = []
    option, count, ended = None, 0, False
    for word in words:
        ended = ended or word == "--"
        if ended or word.startswith("-"):
            _require_words(option, count, before=word)
            option, count = (word if word in options and not ended else None), 0
            spread += [word] if option is None else []
        elif option is None:
            spread.append(word)
        else:
            _refuse_run_folder(word, option)
            spread += [option, word]
            count += 1
    _require_words(option, count, before="the end")
    return spread


def _require_words(option: str | None, count: int, *, before: str) -> None:
    if option is not None and not count:
        raise RecipeError(
            f"{option} takes one word or more, got none before {before}", help="name some or leave it out"
        )


def _refuse_run_folder(word: str, option: str) -> None:
    from tagseg.artifacts.layout import RunLayout  # help, too, spreads lists, and needs no numpy

    if RunLayout(Path(word)).recipe_path.is_file():
        raise RecipeError(
            f"{option} takes all words up to the next option, got the run folder {word} among them",
            help=f"put run folders before {option}",
        )
