"""The errors of tagseg: one sentence that names the thing, the rule, what was found, and the next move."""

import errno
from unicodedata import category

_NO_MEMORY = (
    "can't allocate memory",
    "not enough memory",
    "out of memory",
    "std::bad_alloc",
    "could not create a primitive",  # oneDNN, whose kernels are compiled into memory
)
"""How torch says so, on a CPU and on a GPU."""


class TagsegError(Exception):
    """An error that a user can act on.

    Args:
        problem: ``<thing> <rule>, got <found>``, with the path where there is one and without a full stop.
        help: the next move, an imperative clause without a full stop.

    >>> str(TagsegError("tags.csv names 'dgo', which is not a class", help="write one of: cat, dog"))
    "tags.csv names 'dgo', which is not a class; write one of: cat, dog"
    """

    def __init__(self, problem: str, *, help: str) -> None:
        super().__init__(f"{problem}; {help}")
        self.problem = problem
        self.help = help

    def __reduce__(self) -> tuple[object, ...]:
        """Keep both parts when the error crosses a process boundary."""
        return (_rebuild, (type(self), self.problem, self.help))


def lacks_memory(error: BaseException) -> bool:
    """Return whether an error says that memory did not suffice, on a CPU or a GPU.

    >>> lacks_memory(MemoryError()), lacks_memory(RuntimeError("CUDA out of memory")), lacks_memory(ValueError("no"))
    (True, True, False)
    """
    if isinstance(error, MemoryError) or getattr(error, "errno", None) == errno.ENOMEM:
        return True
    return any(words in str(error) for words in _NO_MEMORY)


def printable(text: str, *, most: int = 1000) -> str:
    r"""Return a text as one line that a terminal shows as it is: no control characters, and not too long.

    Names of files and tags come from anywhere: an escape sequence in one could colour, clear or retitle the terminal.

    Args:
        text: any.
        most: characters; of a longer text the middle is left out.

    >>> printable("a\x1b[31mred\n"), printable("x" * 2000).count("x") < 1000
    ('a\\x1b[31mred\\n', True)
    """
    shown = "".join(letter if _is_shown(letter) else letter.encode("unicode_escape").decode() for letter in text)
    if len(shown) <= most:
        return shown
    return f"{shown[: most * 2 // 3]} [...] {shown[-(most // 4) :]}"


_SHOWN = "\xa0\u3000\u200c\u200d"
"""Spaces of other scripts, and what joins and parts their letters."""


def _is_shown(letter: str) -> bool:
    """Return whether a character shows itself, or stands for a byte of a file's name that is not text."""
    return letter.isprintable() or category(letter) == "Cs" or letter in _SHOWN


def _rebuild(kind: type[TagsegError], problem: str, help: str) -> TagsegError:
    return kind(problem, help=help)


class RecipeError(TagsegError):
    """A recipe has an unknown key, a value out of range, or values that contradict each other."""


class DataError(TagsegError):
    """An image, a mask, a tag file or a data set cannot be used."""


class ImageFormatError(DataError):
    """A file is not an image of a format that is read."""


class ImageSizeError(DataError):
    """An image has more pixels than are read."""


class ArtifactError(TagsegError):
    """A file that a stage wrote is missing, corrupt, or belongs to another run."""


class ModelError(TagsegError):
    """A network cannot be built as asked, or weights do not fit it."""


class DeviceError(TagsegError):
    """The asked device, precision or number of processes is not available."""


class TrainingError(TagsegError):
    """Training cannot go on, for example because the loss is not finite."""


class ServeError(TagsegError):
    """The browser app cannot start, or one of its requests cannot be answered."""
