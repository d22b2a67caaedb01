"""Label maps of many images as one COCO file that annotation tools import, as the app answers.

Axes: H W pixels of the upright image.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import TextIOBase
from typing import Any

from tagseg.artifacts.area_csv import label_areas
from tagseg.classes import ClassTable
from tagseg.ops.outlines import outlines
from tagseg.types import LabelMap

Annotation = dict[str, Any]


def mask_annotations(labels: LabelMap) -> list[Annotation]:
    """Return COCO's annotations of one label map, without ``id`` and ``image_id``.

    One for each connected component (8-connected) of a class, ``iscrowd`` 0, with one polygon in whole pixels along
    their edges. Holes are bridged, since COCO has no holes: a bridge has no width, so no tool fills it.
    ``pycocotools`` makes exactly the component of it again.

    Args:
        labels: (H, W) label ids; background and void have no annotation.

    Returns:
        Dictionaries of JSON values in order of the classes, then of the first pixel of the component: ``category_id``
        (the label id), ``bbox`` (x, y, width, height in pixels), ``area`` (pixels), ``iscrowd``, ``segmentation``.

    >>> import numpy as np
    >>> found = mask_annotations(np.array([[0, 3, 3], [3, 0, 0]], np.uint8))
    >>> [(each["category_id"], each["bbox"], each["area"]) for each in found]
    [(3, [0, 0, 3, 2], 3)]
    >>> found[0]["segmentation"]
    [[1, 0, 3, 0, 3, 1, 1, 1, 1, 2, 0, 2, 0, 1, 1, 1]]
    """
    annotations = []
    for outline in sorted(outlines(labels), key=lambda outline: outline.label_id):
        low, high = outline.corners.min(axis=0), outline.corners.max(axis=0)
        annotations.append(
            {
                "category_id": outline.label_id,
                "bbox": [*low.tolist(), *(high - low).tolist()],
                "area": outline.area_px,
                "iscrowd": 0,
                "segmentation": [outline.corners.ravel().tolist()],
            }
        )
    return annotations


@contextmanager
def coco_stream(file: TextIOBase, classes: ClassTable) -> Iterator[Callable[[str, LabelMap], None]]:
    """Lend a function that adds the name and label map of one image to an open file.

    Images and annotations are numbered from 1 in the order in which they are added, so the same images give the same
    bytes. Annotations go to the file at once, one a line; only names and sizes of the images are kept.

    Args:
        file: open for writing.
        classes: the class table that the ids belong to; category ids are the label ids 1..C.

    Raises:
        ArtifactError: when an id belongs to no class.

    >>> from io import StringIO
    >>> import numpy as np
    >>> file = StringIO()
    >>> with coco_stream(file, ClassTable(("cat",))) as add:
    ...     add("photo.jpg", np.array([[0, 1]], np.uint8))
    >>> content = json.loads(file.getvalue())
    >>> content["images"], content["categories"]
    ([{'id': 1, 'file_name': 'photo.jpg', 'width': 2, 'height': 1}], [{'id': 1, 'name': 'cat', 'supercategory': ''}])
    >>> content["annotations"][0]["segmentation"]
    [[1, 0, 2, 0, 2, 1, 1, 1]]
    """
    images: list[dict[str, Any]] = []
    categories = [{"id": label, "name": name, "supercategory": ""} for label, name in enumerate(classes.names, start=1)]
    # Annotation tools do not need info and licenses, but some of them look whether they are there.
    opening = {"info": {"description": "label maps by tagseg"}, "licenses": [], "categories": categories}
    file.write(f'{json.dumps(opening)[:-1]}, "annotations": [')
    written = 0

    def add(file_name: str, labels: LabelMap) -> None:
        nonlocal written
        label_areas(labels, classes, name=file_name)
        height, width = labels.shape
        images.append({"id": len(images) + 1, "file_name": file_name, "width": width, "height": height})
        for annotation in mask_annotations(labels):
            written += 1
            numbered = {"id": written, "image_id": len(images), **annotation}
            file.write(f"{',' if written > 1 else ''}\n{json.dumps(numbered)}")

    yield add
    file.write(f'\n], "images": {json.dumps(images)}}}\n')
