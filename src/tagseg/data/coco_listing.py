"""What one walk over a COCO file keeps: categories, images, and where the annotations of each image stand."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, cast

from tagseg.data.coco_shapes import Size, is_whole, shown
from tagseg.data.image_files import MAX_PIXELS
from tagseg.data.json_elements import Span, list_elements
from tagseg.data.names import composed, is_inside
from tagseg.data.problems import Problem, ProblemKind, report_problem
from tagseg.errors import DataError

CocoId = int | str
"""An id of the file: a whole number, or a text that all that refers to it repeats."""

_Element = Mapping[str, Any]
_MEND = "correct or remove the element"
_WITH_SLASHES = "write its path below the folder of images, with / between the parts"
_WRITE_SIZE = "write the height and width of the upright image in pixels"
_WRITE_ALIKE = "write the id alike in both places, as a number or as a text"


@dataclass(frozen=True, slots=True)
class ListedImage:
    """One entry of the file's images.

    Args:
        image_id: the file's id.
        file_name: its path below the folder of images.
        size: that the file gives.
    """

    image_id: CocoId
    file_name: str
    size: Size


@dataclass(slots=True)
class CocoListing:
    """What one walk over the file keeps.

    Attributes:
        categories: name by id, in order of the ids: numbers first, then texts.
        images: entry by id.
        categories_of: the categories that are annotated in each image, by its id.
        spans: where the annotations of each image are in the file, in bytes.
    """

    categories: dict[CocoId, str] = field(default_factory=dict)
    images: dict[CocoId, ListedImage] = field(default_factory=dict)
    categories_of: dict[CocoId, set[CocoId]] = field(default_factory=dict)
    spans: dict[CocoId, list[Span]] = field(default_factory=dict)


def list_file(path: Path, problems: list[Problem] | None) -> CocoListing:
    """Walk the file once and check that its parts refer to each other.

    Args:
        path: JSON file with ``images``, ``annotations`` and ``categories``.
        problems: where to collect what is wrong with single elements, which are then left out; None raises at the
            first.

    Raises:
        DataError: when the file is no such JSON, when none of its images or categories can be used, and for single
            elements without ``problems``.
    """
    walk = _Walk(path, problems)
    for section, element, span in list_elements(path):
        walk.add(section, element, span)
    walk.require("categories", walk.listing.categories)
    walk.require("images", walk.listing.images)
    # References are checked after the walk: nothing fixes the order of the sections in the file.
    walk.check_references()
    order = sorted(walk.listing.categories, key=lambda key: (isinstance(key, str), key))
    walk.listing.categories = {key: walk.listing.categories[key] for key in order}
    return walk.listing


def category_names(path: Path) -> tuple[str, ...]:
    """Return the names of a file's categories in order of their ids, whatever else is wrong with single elements."""
    return tuple(list_file(path, []).categories.values())


class _UnusableError(Exception):
    """An element that cannot be used; its text is what was found."""

    def __init__(self, found: str, *, help: str = _MEND, kind: ProblemKind = ProblemKind.BAD_ANNOTATION) -> None:
        super().__init__(found)
        self.help = help
        self.kind = kind


class _Walk:
    """One walk over a file, and what it has met."""

    def __init__(self, path: Path, problems: list[Problem] | None) -> None:
        self.path = path
        self.problems = problems
        self.listing = CocoListing()
        self._files: dict[PurePosixPath, CocoId] = {}
        self._first_refused: dict[str, Problem] = {}
        self._refused_images: set[CocoId] = set()

    def add(self, section: str, element: object, span: Span) -> None:
        """Add one element of the file to the listing, or report why it cannot be used."""
        add = {"categories": self._add_category, "images": self._add_image, "annotations": self._add_annotation}
        if section not in add:
            return
        try:
            if not isinstance(element, dict):
                raise _UnusableError(f"an element without the values that it needs at byte {span[0]}")
            add[section](cast(_Element, element), span)
        except _UnusableError as error:
            message = f"{self.path} must hold usable {section}, got {error}"
            problem = Problem(error.kind, self.path, message, error.help)
            self._first_refused.setdefault(section, problem)
            report_problem(problem, self.problems)

    def require(self, section: str, found: Mapping[CocoId, object]) -> None:
        """Stop when no element of a section can be used, with what was wrong with the first."""
        if not found and section in self._first_refused:
            problem = self._first_refused[section]
            raise DataError(problem.problem, help=problem.help)
        if not found:
            message = f"{self.path} must hold images and categories, got no {section}"
            raise DataError(message, help="name an instances file of COCO")

    def check_references(self) -> None:
        """Report the annotations of images and categories that the file does not list."""
        listing = self.listing
        images, categories = ({str(key) for key in listed} for listed in (listing.images, listing.categories))
        for key in [key for key in listing.spans if key not in listing.images and key not in self._refused_images]:
            message = f"annotation of {self.path} must belong to a listed image, got image id {shown(key)}"
            help = _WRITE_ALIKE if str(key) in images else "list the image or remove it"
            report_problem(Problem(ProblemKind.BAD_ANNOTATION, self.path, message, help), self.problems)
        used: set[CocoId] = set().union(*listing.categories_of.values())
        for key in sorted(used - set(listing.categories), key=str):
            message = f"annotation of {self.path} must belong to a listed category, got category id {shown(key)}"
            help = _WRITE_ALIKE if str(key) in categories else "list the category or remove it"
            report_problem(Problem(ProblemKind.UNKNOWN_TAG, self.path, message, help), self.problems)

    def _add_category(self, element: _Element, span: Span) -> None:
        key, name = _id(element, "id", span), composed(_text(element, "name", span).strip())
        if not name:
            raise _UnusableError(f"the category {shown(key)} without a name")
        if key in self.listing.categories or name in self.listing.categories.values():
            raise _UnusableError(f"a second category {key} '{name}'")
        self.listing.categories[key] = name

    def _add_image(self, element: _Element, span: Span) -> None:
        key = _id(element, "id", span)
        if key in self.listing.images:
            raise _UnusableError(f"a second image with id {key}")
        try:
            name = _text(element, "file_name", span)
            if not is_inside(name):
                raise _UnusableError(
                    f"the file_name '{name}' outside the folder of images",
                    help=_WITH_SLASHES if "\\" in name else _MEND,
                )
            size = _size(element, name)
            twin = self._files.setdefault(PurePosixPath(composed(name)), key)
            if twin != key:
                raise _UnusableError(
                    f"a second entry of '{name}', ids {shown(twin)} and {shown(key)}",
                    help="join the two entries and their annotations into one",
                    kind=ProblemKind.REPEATED_IMAGE,
                )
        except _UnusableError:
            self._refused_images.add(key)  # nobody needs to hear of its annotations, too
            raise
        self.listing.images[key] = ListedImage(key, name, size)

    def _add_annotation(self, element: _Element, span: Span) -> None:
        key, category = _id(element, "image_id", span), _id(element, "category_id", span)
        self.listing.categories_of.setdefault(key, set()).add(category)
        self.listing.spans.setdefault(key, []).append(span)


def _id(element: _Element, name: str, span: Span) -> CocoId:
    """Return an id, a whole number or a text."""
    value = _value(element, name, span)
    if is_whole(value):
        return int(value)
    if isinstance(value, str):
        return _text(element, name, span)
    raise _UnusableError(f"the {name} {shown(value)} at byte {span[0]}")


def _text(element: _Element, name: str, span: Span) -> str:
    """Return a text that can be a name of a file or of a class."""
    value = _value(element, name, span)
    # A half of a surrogate pair has no place in a file name or on a terminal.
    if not isinstance(value, str) or "\0" in value or (not value.isascii() and _has_surrogates(value)):
        raise _UnusableError(f"the {name} {shown(value)} at byte {span[0]}")
    return value


def _has_surrogates(text: str) -> bool:
    return any("\ud800" <= letter <= "\udfff" for letter in text)


def _value(element: _Element, name: str, span: Span) -> Any:  # noqa: ANN401 - anything may stand in the file
    if name not in element:
        raise _UnusableError(f"an element without the values that it needs at byte {span[0]}")
    return element[name]


def _size(element: _Element, file_name: str) -> Size:
    """Return (height, width) of an entry."""
    missing = [side for side in ("height", "width") if element.get(side) is None]
    if missing:
        raise _UnusableError(f"the image '{file_name}' without {' and '.join(missing)}", help=_WRITE_SIZE)
    height, width = element["height"], element["width"]
    usable = is_whole(height) and is_whole(width) and min(height, width) >= 1
    if not usable or height * width > MAX_PIXELS:
        found = f"the image '{file_name}' of {shown(height)} x {shown(width)} pixels"
        raise _UnusableError(found, help=_WRITE_SIZE)
    return int(height), int(width)
