"""Label Studio's tasks with predictions, and the labelling configuration that they need.

Source: labelstud.io, "Import pre-annotated data into Label Studio" (tasks with ``data`` and ``predictions``, whose
``result`` has an entry a region, its points in percent of width and height) and the tags ``BrushLabels`` and
``PolygonLabels``. Brush masks are run lengths of thi.ng/rle-pack (its page says: 32 bits for the number of values, 5
for their size less 1, four times 4 for the sizes of counts less 1, then for each run a bit, 2 bits that choose a size,
the count less 1, the value), of the four channels of every pixel, rows first, 255 inside.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

import numpy as np
from jaxtyping import Bool
from numpy import ndarray

from tagseg.artifacts.label_formats.labelled_image import About, AddImage, LabelledImage
from tagseg.classes import ClassTable, voc_color
from tagseg.ops.part_rings import bridged

TASKS, CONFIGURATION = "tasks.json", "labeling_config.xml"

_CHANNELS, _INSIDE, _VALUE_BITS = 4, 255, 8
_COUNT_BITS = (3, 4, 8, 16)


@contextmanager
def label_studio_tasks(folder: Path, classes: ClassTable, about: About, *, brush: bool) -> Iterator[AddImage]:
    """Lend a function that adds a photograph as a task with one prediction: a region for each object.

    Args:
        folder: gets ``tasks.json`` and ``labeling_config.xml``.
        classes: names of the labels.
        about: ``images_at`` goes before the name of each photograph, whose odd letters are written as in addresses.
        brush: masks, exact; else polygons, holes bridged.
    """
    (folder / CONFIGURATION).write_text(labelling_configuration(classes, brush=brush), encoding="utf-8")
    written = 0
    with (folder / TASKS).open("x", encoding="ascii") as file:
        file.write("[")

        def add(image: LabelledImage) -> None:
            nonlocal written
            results = list(_results(image, classes, brush=brush))
            prediction: dict[str, Any] = {"model_version": about.maker, "result": results}
            if image.scores:
                prediction["score"] = round(sum(image.scores) / len(image.scores), 4)
            address = about.images_at + quote(image.file_name)
            task = {"data": {"image": address}, "predictions": [prediction]}
            file.write(f"{',' if written else ''}\n{json.dumps(task)}")
            written += 1

        yield add
        file.write("\n]\n")


def labelling_configuration(classes: ClassTable, *, brush: bool) -> str:
    """Return the XML that a project needs to show the predictions.

    >>> print(labelling_configuration(ClassTable(("cat & dog",)), brush=True))
    <View>
      <Image name="image" value="$image" zoom="true"/>
      <BrushLabels name="label" toName="image">
        <Label value="cat &amp; dog" background="#800000"/>
      </BrushLabels>
    </View>
    <BLANKLINE>
    """
    tag = "BrushLabels" if brush else "PolygonLabels"
    rows = [
        f'    <Label value={quoteattr(name)} background="#{bytes(voc_color(label)).hex()}"/>'
        for label, name in enumerate(classes.names, start=1)
    ]
    lines = [
        "<View>",
        '  <Image name="image" value="$image" zoom="true"/>',
        f'  <{tag} name="label" toName="image">',
        *rows,
        f"  </{tag}>",
        "</View>",
    ]
    return "".join(f"{line}\n" for line in lines)


def brush_run_lengths(mask: Bool[ndarray, "H W"]) -> list[int]:
    """Return the bytes of a brush mask.

    >>> brush_run_lengths(np.array([[True]]))
    [0, 0, 0, 4, 57, 27, 252, 127, 224]
    """
    values = mask.ravel()
    changes = np.flatnonzero(values[1:] != values[:-1]) + 1
    starts = np.concatenate([[0], changes])
    lengths = np.diff(np.concatenate([starts, [len(values)]])) * _CHANNELS
    bits = [f"{len(values) * _CHANNELS:032b}{_VALUE_BITS - 1:05b}", *(f"{size - 1:04b}" for size in _COUNT_BITS)]
    for inside, length in zip(values[starts].tolist(), lengths.tolist(), strict=True):
        value = f"{_INSIDE if inside else 0:0{_VALUE_BITS}b}"
        while length:
            run = min(length, 1 << _COUNT_BITS[-1])
            choice = next(place for place, size in enumerate(_COUNT_BITS) if run <= 1 << size)
            bits.append(f"1{choice:02b}{run - 1:0{_COUNT_BITS[choice]}b}{value}")
            length -= run
    text = "".join(bits)
    return np.packbits(np.frombuffer(text.encode("ascii"), np.uint8) - ord("0")).tolist()


def _results(image: LabelledImage, classes: ClassTable, *, brush: bool) -> Iterator[dict[str, Any]]:
    height, width = image.size
    kind = "brushlabels" if brush else "polygonlabels"
    values: Iterator[dict[str, Any]]
    if brush:
        values = ({"format": "rle", "rle": brush_run_lengths(mask)} for mask in image.masks())
    else:
        values = ({"points": _percent(image, rings), "closed": True} for rings in image.rings)
    for index, (label_id, value) in enumerate(zip(image.parts.label_ids, values, strict=True)):
        score = image.score(index)
        yield {
            "id": f"region{index + 1}",
            "type": kind,
            "from_name": "label",
            "to_name": "image",
            "original_width": width,
            "original_height": height,
            "image_rotation": 0,
            "value": {**value, kind: [classes.name(label_id)]},
            **({} if score is None else {"score": round(score, 4)}),
        }


def _percent(image: LabelledImage, rings: list[ndarray]) -> list[list[float]]:
    height, width = image.size
    return (100 * bridged(rings) / (width, height)).round(6).tolist()
