"""Tags from CVAT's export "CVAT for images 1.1": the tags of each image, else the labels of its shapes.

Source: docs.cvat.ai, "CVAT for image": ``annotations`` with an ``image`` each, which has a ``name`` and elements
``tag``, ``box``, ``polygon``, ``mask`` and others with a ``label``.
"""

from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import Element

from tagseg.data.problems import Problem, ProblemKind, report_problem
from tagseg.data.tag_cells import Row
from tagseg.data.xml_files import XmlError, parse_xml
from tagseg.errors import DataError

_AGAIN = "export the task from CVAT again as 'CVAT for images 1.1'"


def cvat_rows(path: Path, problems: list[Problem] | None) -> Iterator[Row]:
    """Yield the images of a file; one without any element shows none of the classes.

    Args:
        path: of the file.
        problems: where to collect images that cannot be used, which are then left out; None raises.

    Raises:
        DataError: when it is no such file, and for bad images without ``problems``.
    """
    try:
        root = parse_xml(path)
    except XmlError as error:
        raise DataError(f"file of tags {path} must be XML, got {error}", help=error.help) from error
    images = root.findall("image")
    if root.tag != "annotations" or not images:
        found = "tracks of a video" if root.find("track") is not None else f"'{root.tag[:40]}' without images"
        raise DataError(f"{path} must hold the images of CVAT's annotations, got {found}", help=_AGAIN)
    has_tags = any(image.find("tag") is not None for image in images)
    for number, image in enumerate(images, start=1):
        name = (image.get("name") or "").strip()
        labels = [element.get("label") for element in (image.findall("tag") if has_tags else image)]
        known = [label.strip() for label in labels if label and label.strip()]
        if name and len(known) == len(labels):
            yield f"image {number}", name, tuple(dict.fromkeys(known))
        else:
            message = f"{path} at image {number} must have a name and labels, got {_found(image)}"
            report_problem(Problem(ProblemKind.BAD_TAGS, path, message, _AGAIN), problems)


def _found(image: Element) -> str:
    name = image.get("name")
    return f"'{name}' with an element without a label" if name else "no name"
