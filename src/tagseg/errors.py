"""The errors of tagseg: one sentence that names the thing, the rule, what was found, and the next move."""


class TagsegError(Exception):
    """An error that a user can act on.

    Args:
        problem: ``<thing> <rule>, got <found>``, with the path where there is one and without a full stop.
        help: the next move, an imperative clause without a full stop.

    >>> str(TagsegError("tags.csv names 'dgo', which is no class", help="write one of: cat, dog"))
    "tags.csv names 'dgo', which is no class; write one of: cat, dog"
    """

    def __init__(self, problem: str, *, help: str) -> None:
        super().__init__(f"{problem}; {help}")
        self.problem = problem
        self.help = help

    def __reduce__(self) -> tuple[object, ...]:
        """Keep both parts when the error crosses a process boundary."""
        return (_rebuild, (type(self), self.problem, self.help))


def _rebuild(kind: type[TagsegError], problem: str, help: str) -> TagsegError:
    return kind(problem, help=help)


class RecipeError(TagsegError):
    """A recipe has an unknown key, a value out of range, or values that contradict each other."""


class DataError(TagsegError):
    """An image, a mask, a tag file or a data set cannot be used."""


class ImageFormatError(DataError):
    """A file is no image of a format that is read."""


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
