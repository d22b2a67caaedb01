"""What can be wrong with a data set: kinds, severities, and the choice between stopping and collecting."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from tagseg.errors import DataError


class ProblemKind(StrEnum):
    """Every kind of problem, as the words that a report prints."""

    MISSING_IMAGE = "missing image"
    UNREADABLE_IMAGE = "unreadable image"
    REPEATED_IMAGE = "image listed twice"
    SHARED_ID = "id of two images"
    NO_TAGS_KNOWN = "image that the tags leave out"
    BAD_TAGS = "row of tags that cannot be read"
    UNKNOWN_TAG = "unknown tag"
    TWO_SPELLINGS = "class in upper and in lower case"
    BAD_ANNOTATION = "annotation that cannot be used"
    OTHER_CLASSES = "classes under other names than in the file to learn from"
    UNREADABLE_MASK = "unreadable mask"
    REPEATED_MASK = "mask stored twice"
    MASK_SIZE = "mask of another size than its image"
    MASK_LABELS = "mask with unknown ids"
    INCOMPLETE_MASK = "image with annotations that have no shape"
    ABSENT_CLASS = "class that the file to score does not list"
    UNLEARNED_CLASS = "class that the file to learn from does not list"
    MISSING_MASK = "image without a mask where others have one"
    UNUSED_MASK = "mask without an image"
    OTHER_ENCODING = "text that is not UTF-8"
    UNTAGGED_MASK_CLASS = "class in the mask that is not tagged"
    UNTAGGED_IMAGE = "image without tags"
    EMPTY_CLASS = "class without images"
    NEVER_ABSENT = "class that nearly every image shows"
    MASKS_AS_CLASS = "folder of a class that looks like masks"
    DUPLICATE_IMAGE = "same content as another image"
    TINY_IMAGE = "tiny image"
    HUGE_IMAGE = "huge image"
    WRONG_ENDING = "name that does not fit the format"
    OTHER_FORMAT = "picture of a format that is not read"
    UNUSED_FILE = "file that is no image by its name"
    IMAGE_NAMED_FOLDER = "folder with the name of an image"

    @property
    def is_error(self) -> bool:
        """True when what it names cannot be used as asked; False when it is only worth a look."""
        return self in _ERRORS


_ERRORS = frozenset(
    {
        ProblemKind.MISSING_IMAGE,
        ProblemKind.UNREADABLE_IMAGE,
        ProblemKind.REPEATED_IMAGE,
        ProblemKind.SHARED_ID,
        ProblemKind.NO_TAGS_KNOWN,
        ProblemKind.BAD_TAGS,
        ProblemKind.UNKNOWN_TAG,
        ProblemKind.TWO_SPELLINGS,
        ProblemKind.BAD_ANNOTATION,
        ProblemKind.OTHER_CLASSES,
        ProblemKind.UNREADABLE_MASK,
        ProblemKind.REPEATED_MASK,
        ProblemKind.MASK_SIZE,
        ProblemKind.MASK_LABELS,
    }
)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in one place.

    Args:
        kind: what sort of thing.
        path: the file that it is about, or None when it is about a class.
        problem: ``<thing> <rule>, got <found>``.
        help: the next move.
        image_id: the record that it is about, or None when a reader made no record of it.
    """

    kind: ProblemKind
    path: Path | None
    problem: str
    help: str
    image_id: str | None = None


class FirstError(list[Problem]):
    """A list of problems that keeps warnings and stops at the first error, as no list at all does.

    >>> found = FirstError()
    >>> report_problem(Problem(ProblemKind.UNUSED_FILE, Path("a.txt"), "file a.txt is left out", "convert it"), found)
    >>> len(found)
    1
    """

    def append(self, problem: Problem, /) -> None:
        """Keep a warning.

        Raises:
            DataError: when the problem is an error.
        """
        report_problem(problem, None)
        super().append(problem)


def report_problem(problem: Problem, problems: list[Problem] | None) -> None:
    """Append the problem to the list, or stop at it when there is no list; a mere warning never stops.

    Args:
        problem: what was found.
        problems: where to collect, or None to stop at the first error.

    Raises:
        DataError: when ``problems`` is None and the problem is an error.

    >>> found: list[Problem] = []
    >>> report_problem(Problem(ProblemKind.BAD_TAGS, Path("tags.csv"), "line 2 is odd", "correct it"), found)
    >>> [problem.kind.value for problem in found]
    ['row of tags that cannot be read']
    """
    if problems is not None:
        problems.append(problem)
    elif problem.kind.is_error:
        raise DataError(problem.problem, help=problem.help)
