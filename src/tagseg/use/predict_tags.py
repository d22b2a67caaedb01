"""Tags of the photographs that are labelled: what ``tagseg predict --tags`` limits labels to."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tagseg.classes import BACKGROUND, ClassTable
from tagseg.data.folder_tags import Place, tags_by_row
from tagseg.data.input_files import InputImage
from tagseg.data.problems import Problem, ProblemKind
from tagseg.data.tags import read_tags
from tagseg.errors import DataError

_COUNTED = frozenset(
    {ProblemKind.MISSING_IMAGE, ProblemKind.UNREADABLE_IMAGE, ProblemKind.NO_TAGS_KNOWN, ProblemKind.UNKNOWN_TAG}
)
_BY_CLASSES = frozenset({ProblemKind.BAD_TAGS, ProblemKind.TWO_SPELLINGS})
"""What is wrong depends on the classes: 'traffic light' is one tag where there is such a class."""

_MOST_NAMED = 3


@dataclass(frozen=True, slots=True)
class PhotographTags:
    """Which classes the photographs show.

    Args:
        by_name: tags by the name of a photograph; one that is left out may show any class.
        said: what the user wants to know of the file, a line each.
    """

    by_name: dict[str, tuple[str, ...]] = field(default_factory=dict)
    said: tuple[str, ...] = ()

    def label_ids(self, name: str, classes: ClassTable) -> tuple[int, ...]:
        """Return the label ids that a photograph with tags may have, background first.

        >>> tags = PhotographTags({"a": ("dog",), "b": ()})
        >>> [tags.label_ids(name, ClassTable(("cat", "dog"))) for name in tags.by_name]
        [(0, 2), (0,)]
        """
        return (BACKGROUND, *sorted(classes.label_id(tag) for tag in self.by_name[name]))

    def groups(self, images: Sequence[InputImage]) -> dict[tuple[str, ...] | None, list[tuple[str, Path]]]:
        """Return name and file of the photographs of each set of tags; those of None may show any class."""
        groups: dict[tuple[str, ...] | None, list[tuple[str, Path]]] = {}
        for image in images:
            tags = self.by_name.get(image.name)
            groups.setdefault(None if tags is None else tuple(sorted(tags)), []).append((image.name, image.path))
        return groups


def require_tags(path: Path, images: Sequence[InputImage]) -> None:
    """Refuse a file of tags that cannot be used, whatever the classes are: what needs no network.

    Args:
        path: CSV or JSON file of tags.
        images: the photographs.

    Raises:
        DataError: when the file cannot be read, a row is of two photographs, or no row fits.
    """
    _tags_by_name(path, images, None, [])


def read_photograph_tags(path: Path, images: Sequence[InputImage], classes: ClassTable) -> PhotographTags:
    """Read tags as those of training data are read, and find the photograph of each row.

    A row names a photograph by its path below the folder that was named, with or without ending, or by its file name.
    Rows of photographs that are not named, photographs without a row and tags that are not a class are counted.

    Args:
        path: CSV or JSON file of tags.
        images: the photographs.
        classes: names of the labels.

    Raises:
        DataError: when the file cannot be read, a row is damaged or of two photographs, or no row fits.
    """
    problems: list[Problem] = []
    by_name = _tags_by_name(path, images, classes, problems)
    kinds = Counter(problem.kind for problem in problems)
    said = [f"tags of {path}: {len(by_name)} of {len(images)} photographs have labels of their tags only"]
    if missing := len(images) - len(by_name):
        said.append(f"{missing} photographs without a row keep all classes")
    if unused := kinds[ProblemKind.MISSING_IMAGE] + kinds[ProblemKind.UNREADABLE_IMAGE]:
        said.append(f"{unused} rows name other photographs")
    unknown = list(dict.fromkeys(each for each in problems if each.kind == ProblemKind.UNKNOWN_TAG))
    said += [
        f"warning: {problem.problem}: the network does not have it ({problem.help})"
        for problem in unknown[:_MOST_NAMED]
    ]
    if len(unknown) > _MOST_NAMED:
        said.append(f"warning: {len(unknown) - _MOST_NAMED} more tags are not a class of the network")
    return PhotographTags(by_name, tuple(said))


def _tags_by_name(
    path: Path, images: Sequence[InputImage], classes: ClassTable | None, problems: list[Problem]
) -> dict[str, tuple[str, ...]]:
    """Return the tags of photographs by name, and collect what does not stop the work."""
    rows = read_tags(path, classes.names if classes else None, problems=problems)
    here = Path()
    place = Place(here, here, path, next_move="name another file with --tags")
    inside = {here / image.file_name: image for image in images}
    found = tags_by_row(place, list(inside), rows, problems)
    passed = _COUNTED if classes else _COUNTED | _BY_CLASSES
    for problem in problems:
        if problem.kind.is_error and problem.kind not in passed:
            raise DataError(problem.problem, help=problem.help)
    return {inside[key].name: tags for key, tags in found.items()}
