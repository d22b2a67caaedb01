"""What every writer of label maps is given: one photograph, its labels, and the objects in them.

Axes: H W pixels of the upright image.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from jaxtyping import Bool
from numpy import ndarray

from tagseg.classes import VOID, ClassTable
from tagseg.ops.part_rings import Ring
from tagseg.ops.parts import Parts
from tagseg.types import LabelMap


@dataclass(frozen=True, slots=True)
class About:
    """What is the same for all photographs of an export.

    Args:
        title: the name of the run.
        maker: program and version that the labels are from, such as ``tagseg 0.2.0``.
        split: ``train`` for masks of the images that a run learned from, ``test`` for predictions.
        images_at: goes before the name of a photograph where a tool asks for its address.
        corrected: how many of the masks a person corrected.
    """

    title: str
    maker: str
    split: str
    images_at: str = ""
    corrected: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class LabelledImage:
    """One photograph with its labels.

    Args:
        name: its path in the data set without the ending, with ``/``; with it where two would have one name.
        photograph: its file.
        labels: (H, W) label ids, 255 where nothing is said.
        parts: the objects in the labels.
        rings: the polygons of each object; empty for a writer that draws none.
        scores: in [0, 1], of each object; empty when nobody knows.
    """

    name: str
    photograph: Path
    labels: LabelMap
    parts: Parts
    rings: list[list[Ring]]
    scores: tuple[float, ...] = ()

    @property
    def file_name(self) -> str:
        """Its path in the data set."""
        is_whole = self.name.rpartition("/")[2] == self.photograph.name
        return self.name if is_whole else f"{self.name}{self.photograph.suffix}"

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.labels.shape[0], self.labels.shape[1]

    def masks(self) -> Iterator[Bool[ndarray, "H W"]]:
        """Yield the pixels of each object."""
        for number in range(1, len(self.parts.label_ids) + 1):
            yield self.parts.ids == number

    def score(self, index: int) -> float | None:
        """Return the score of the object at a place in the list, or None."""
        return self.scores[index] if self.scores else None


AddImage = Callable[[LabelledImage], None]

LabelFormat = Callable[[Path, ClassTable, About], AbstractContextManager[AddImage]]
"""Given a folder, the classes and what is common to all, lends a function that adds a photograph."""


def labels_by_id(classes: ClassTable) -> dict[str, str]:
    """Return the names of all labels by id, 255 among them, as JSON objects have them.

    >>> labels_by_id(ClassTable(("cat",)))
    {'0': 'background', '1': 'cat', '255': 'void'}
    """
    return {**{str(label): name for label, name in enumerate(classes.label_names)}, str(VOID): "void"}


def half_px(ring: Ring) -> list[list[int | float]]:
    """Return corners as JSON numbers: whole ones without a fraction.

    >>> import numpy as np
    >>> half_px(np.array([[0.0, 1.5]]))
    [[0, 1.5]]
    """
    return [[int(value) if value.is_integer() else value for value in corner] for corner in ring.tolist()]
