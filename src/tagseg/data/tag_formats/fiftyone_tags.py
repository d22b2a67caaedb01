"""Tags from FiftyOne's exports: ``labels.json`` of image classification, ``samples.json`` of a whole data set.

Source: docs.voxel51.com, "Exporting FiftyOne Datasets": ``FiftyOneImageClassificationDataset`` (``classes``, and
``labels`` with an index, a name, a list of these or null for each image) and ``FiftyOneDataset`` (``samples``, whose
fields say with ``_cls`` what they hold).
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tagseg.classes import is_text
from tagseg.data.problems import Problem, ProblemKind, report_problem
from tagseg.data.tag_cells import Row
from tagseg.errors import DataError

_PREFERRED = "ground_truth"
_LISTS = {"Classifications": "classifications", "Detections": "detections", "Polylines": "polylines"}
_KINDS = (("Classification", "Classifications"), ("Detections", "Polylines"))
"""Fields that name tags, those of whole images first."""

_AGAIN = "export it from FiftyOne again"


def is_fiftyone(content: object) -> bool:
    """Return whether the content of a JSON file is one of FiftyOne's.

    >>> is_fiftyone({"samples": [{"filepath": "data/a.jpg"}]}), is_fiftyone({"classes": ["cat"], "labels": {"a": 0}})
    (True, True)
    >>> is_fiftyone({"a.jpg": ["cat"]}), is_fiftyone({"labels": ["cat"]})
    (False, False)
    """
    if not isinstance(content, Mapping):
        return False
    samples = content.get("samples")
    has_samples = isinstance(samples, list) and bool(samples) and isinstance(samples[0], Mapping)
    return has_samples or isinstance(content.get("labels"), Mapping)


def fiftyone_rows(path: Path, content: Mapping[str, Any], problems: list[Problem] | None) -> Iterator[Row]:
    """Yield the images of a file; one whose label is null gives no row.

    Args:
        path: of the file, for messages.
        content: for which :func:`is_fiftyone` holds.
        problems: where to collect images that cannot be used, which are then left out; None raises.

    Raises:
        DataError: when no field or several name tags, and for bad images without ``problems``.
    """
    rows = _sample_rows(path, content["samples"]) if "samples" in content else _label_rows(content)
    for place, image, names in rows:
        if isinstance(image, str) and image and names is not None:
            yield place, image, tuple(dict.fromkeys(names))
        else:
            message = f"{path} at {place} must name a photograph and its classes, got something else"
            report_problem(Problem(ProblemKind.BAD_TAGS, path, message, _AGAIN), problems)


def _label_rows(content: Mapping[str, Any]) -> Iterator[tuple[str, object, list[str] | None]]:
    """Yield place, image and names of ``labels.json``, None where they are something else."""
    classes = content.get("classes")
    for image, target in content["labels"].items():
        if target is not None:
            # Images of sub-folders are named from ``data`` on, beside which the file lies.
            name = f"data/{image}" if "/" in image else image
            yield f"image '{image}'", name, _targets(target, classes if isinstance(classes, list) else [])


def _targets(target: object, classes: Sequence[object]) -> list[str] | None:
    """Return the names that a target stands for, or None."""
    found: list[object] = []
    for item in target if isinstance(target, list) else [target]:
        value = item.get("label") if isinstance(item, Mapping) else item
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(classes):
            value = classes[value]
        found.append(value)
    return _texts(found)


def _sample_rows(path: Path, samples: Sequence[Any]) -> Iterator[tuple[str, object, list[str] | None]]:
    """Yield place, image and names of ``samples.json``."""
    field = _field(path, samples)
    for number, sample in enumerate(samples, start=1):
        place = f"sample {number}"
        if not isinstance(sample, Mapping):
            yield place, None, None
        elif (value := sample.get(field)) is not None:
            yield place, sample.get("filepath"), _names(value)


def _field(path: Path, samples: Sequence[Any]) -> str:
    """Return the name of the field of tags."""
    kinds = {
        name: value["_cls"]
        for sample in samples
        if isinstance(sample, Mapping)
        for name, value in sample.items()
        if isinstance(value, Mapping) and isinstance(value.get("_cls"), str)
    }
    for wanted in _KINDS:
        fields = [name for name, kind in kinds.items() if kind in wanted]
        if len(fields) == 1 or _PREFERRED in fields:
            return _PREFERRED if _PREFERRED in fields else fields[0]
        if fields:
            raise DataError(
                f"{path} must hold one field of classes, got '{fields[0]}' and '{fields[1]}'",
                help=f"export the field alone, with label_field, or call it {_PREFERRED}",
            )
    raise DataError(
        f"{path} must hold a field of classes, got {', '.join(kinds) or 'none'}",
        help="export the data set with its field of classifications",
    )


def _names(value: object) -> list[str] | None:
    """Return the names in a field of a sample, or None."""
    if not isinstance(value, Mapping):
        return None
    key = _LISTS.get(str(value.get("_cls")))
    items = value.get(key) if key else [value]
    if not isinstance(items, list):
        return None
    return _texts([item.get("label") if isinstance(item, Mapping) else None for item in items])


def _texts(values: Sequence[object]) -> list[str] | None:
    """Return values that are all names of classes, or None."""
    names = [value.strip() for value in values if isinstance(value, str) and value.strip() and is_text(value)]
    return names if len(names) == len(values) else None
