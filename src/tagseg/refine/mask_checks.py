"""What pseudo masks say of themselves without ground truth: pictures that are all object, classes with flat maps.

Axes: H W pixels.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from tagseg.classes import BACKGROUND, VOID, ClassTable

FLOOD_SHARE = 0.8
"""A mask that labels more of its picture than this as objects is a flood: on 90 photographs of animals the largest mask
had 0.79."""

FLAT_SHARE = 0.6
"""A class whose median mask labels more of its picture than this has flat maps: there it was 0.2 to 0.4."""

FEW_IMAGES = 10
"""A class with fewer training images than this is hardly learned."""

NAMED = 5
"""Most images that a warning names."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of one picture its pseudo mask labels as objects.

    Args:
        image_id: of the picture.
        tags: its label ids.
        share: of its pixels with any class, in [0, 1]; void ones do not count.
    """

    image_id: str
    tags: tuple[int, ...]
    share: float

    @property
    def floods(self) -> bool:
        """Whether the mask leaves next to no background."""
        return self.share > FLOOD_SHARE


def measure_coverage(image_id: str, tags: Sequence[int], labels: UInt8[ndarray, "H W"]) -> Coverage:
    """Return how much of a picture is labelled as objects.

    >>> measure_coverage("a", (2,), np.array([[0, 2, 2, 255]], np.uint8)).share
    0.6666666666666666
    """
    known = labels != VOID
    share = np.count_nonzero(known & (labels != BACKGROUND)) / max(np.count_nonzero(known), 1)
    return Coverage(image_id, tuple(tags), float(share))


def mask_warnings(
    coverages: Sequence[Coverage], classes: ClassTable, *, training_images: Mapping[int, int]
) -> list[str]:
    """Return what is wrong with the pseudo masks of a run as far as they show it themselves, with the next move.

    Args:
        coverages: of the tagged images.
        classes: their class table.
        training_images: how many training images have each label id as a tag.

    >>> classes = ClassTable(("cat", "dog"))
    >>> flood = [Coverage(f"dogs/{index}", (2,), 0.97) for index in range(3)]
    >>> for text in mask_warnings([Coverage("cats/0", (1,), 0.4), *flood], classes, training_images={1: 20, 2: 20}):
    ...     print(text)
    3 of 4 pseudo masks label more than 80% of their picture as objects (dogs/0, dogs/1, dogs/2); look at them in the report, and raise masks.background_score if they are wrong
    the maps of 'dog' are flat: half of its 3 masks label 97% of the picture or more, so it cannot be told from its scene; add photographs of the same scenes without it
    """  # noqa: E501
    warnings = []
    floods = [each.image_id for each in coverages if each.floods]
    if floods:
        more = f" and {len(floods) - NAMED} more" if len(floods) > NAMED else ""
        warnings.append(
            f"{len(floods)} of {len(coverages)} pseudo masks label more than {FLOOD_SHARE:.0%} of their picture as "
            f"objects ({', '.join(floods[:NAMED])}{more}); look at them in the report, and raise "
            "masks.background_score if they are wrong"
        )
    for label, name in enumerate(classes.names, start=1):
        own = [each for each in coverages if label in each.tags]
        typical = median(each.share for each in own) if own else 0.0
        if typical > FLAT_SHARE:
            warnings.append(
                f"the maps of '{name}' are flat: half of its {len(own)} masks label {typical:.0%} of the picture or "
                "more, so it cannot be told from its scene; add photographs of the same scenes without it"
            )
        if training_images.get(label, 0) < FEW_IMAGES:
            warnings.append(
                f"'{name}' has {training_images.get(label, 0)} training images, too few to learn what it looks like; "
                f"add photographs of it, at least {FEW_IMAGES}"
            )
    return warnings
