"""What pseudo masks say of themselves without ground truth: pictures that are all object, classes with flat maps.

Axes: C_t tagged classes of one image, H W pixels.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
from jaxtyping import Float32, UInt8
from numpy import ndarray

from tagseg.classes import BACKGROUND, VOID, ClassTable

FLOOD_SHARE = 0.8
"""A mask that labels more of its picture than this as objects is a flood: none to three masks are, in each of six
drawings of 90 photographs of animals."""

FLAT_SHARE = 0.6
"""A class that covers more than this of its median picture has flat maps: there it was 0.2 to 0.4."""

FLAT_LEVEL = 0.4
"""So has a class on whose median picture the network's map has a mean above this, with a peak of 1: there it was 0.2 to
0.3, and 0.45 where a class could not be told apart from its ground (``benchmarks/drawn_niche.py``)."""

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
        shares: of its pixels with each tag, in [0, 1].
        levels: mean of the network's map of each tag, in [0, 1].
    """

    image_id: str
    tags: tuple[int, ...]
    share: float
    shares: tuple[float, ...]
    levels: tuple[float, ...]

    @property
    def floods(self) -> bool:
        """Whether the mask leaves next to no background."""
        return self.share > FLOOD_SHARE


def measure_coverage(
    image_id: str, tags: Sequence[int], labels: UInt8[ndarray, "H W"], maps: Float32[ndarray, "C_t H W"]
) -> Coverage:
    """Return how much of a picture is labelled as objects, and how high the maps stand on the whole picture.

    Args:
        image_id: of the picture.
        tags: its label ids.
        labels: its pseudo mask.
        maps: of its tags, as the network gave them, in [0, 1].

    >>> maps = np.array([[[0.0, 1.0, 1.0, 0.0]]], np.float32)
    >>> measure_coverage("a", (2,), np.array([[0, 2, 2, 255]], np.uint8), maps)
    Coverage(image_id='a', tags=(2,), share=0.6666666666666666, shares=(0.6666666666666666,), levels=(0.5,))
    """
    counts = np.bincount(labels.ravel(), minlength=VOID + 1)
    known = max(labels.size - int(counts[VOID]), 1)
    share = (labels.size - int(counts[VOID]) - int(counts[BACKGROUND])) / known
    shares = tuple(int(counts[tag]) / known for tag in tags)
    return Coverage(image_id, tuple(tags), share, shares, tuple(maps.mean(axis=(1, 2), dtype=np.float64).tolist()))


def mask_warnings(
    coverages: Sequence[Coverage],
    classes: ClassTable,
    *,
    training_images: Mapping[int, int],
    found_score: float | None = None,
    lowered: Mapping[int, float] | None = None,
) -> list[str]:
    """Return what is wrong with the pseudo masks of a run as far as they show it themselves, with the next move.

    Args:
        coverages: of the tagged images.
        classes: their class table.
        training_images: how many training images have each label id as a tag.
        found_score: the background score, in [0, 1], that a rule found; None where it is the recipe's.
        lowered: label ids whose maps were flat and were lowered, with their medians in [0, 1].

    >>> classes = ClassTable(("cat", "dog"))
    >>> flood = [Coverage(f"dogs/{index}", (2,), 0.97, (0.97,), (0.8,)) for index in range(3)]
    >>> coverages = [Coverage("cats/0", (1,), 0.4, (0.4,), (0.3,)), *flood]
    >>> for text in mask_warnings(coverages, classes, training_images={1: 20, 2: 20}):
    ...     print(text)
    3 of 4 pseudo masks label more than 80% of their picture as objects (dogs/0, dogs/1, dogs/2); look at them in the report, and raise masks.background_score if they are wrong
    the maps of 'dog' are flat: on half of its 3 pictures its masks label 97% or more, so it cannot be told apart from its scene; add photographs of the same scenes without it
    """  # noqa: E501
    warnings = []
    floods = [each.image_id for each in coverages if each.floods]
    if floods:
        more = f" and {len(floods) - NAMED} more, all in manifest.json" if len(floods) > NAMED else ""
        warnings.append(
            f"{len(floods)} of {len(coverages)} pseudo masks label more than {FLOOD_SHARE:.0%} of their picture as "
            f"objects ({', '.join(floods[:NAMED])}{more}); look at them in the report, and {_higher_cut(found_score)} "
            "if they are wrong"
        )
    for label, name in enumerate(classes.names, start=1):
        own = [each for each in coverages if label in each.tags]
        if lowered and label in lowered:
            warnings.append(
                f"the maps of '{name}' are flat: on half of its pictures their median is {lowered[label]:.0%} of their "
                "peak or more, so it is hardly told apart from its scene; they were lowered by it, which suits objects "
                "of less than half of a picture (cams.flat_maps=keep leaves them); add photographs of the same scenes "
                "without it"
            )
        elif flat := _flatness(own, label):
            warnings.append(
                f"the maps of '{name}' are flat: {flat} or more, so it cannot be told apart from its scene; add "
                "photographs of the same scenes without it"
            )
        if training_images.get(label, 0) < FEW_IMAGES:
            warnings.append(
                f"'{name}' has {training_images.get(label, 0)} training images, too few to learn what it looks like; "
                f"add photographs of it, at least {FEW_IMAGES}"
            )
    return warnings


def _higher_cut(found_score: float | None) -> str:
    """Return how the recipe gets a higher background score than the one that the masks were cut at."""
    if found_score is None:
        return "raise masks.background_score"
    return f"set masks.background_rule=fixed and a masks.background_score above {found_score:.2f}"


def _flatness(coverages: Sequence[Coverage], label: int) -> str:
    """Return how flat the maps of a class are on the pictures that show it, or nothing where they are not."""
    if not coverages:
        return ""
    share = median(each.shares[each.tags.index(label)] for each in coverages)
    if share > FLAT_SHARE:
        return f"on half of its {len(coverages)} pictures its masks label {share:.0%}"
    level = median(each.levels[each.tags.index(label)] for each in coverages)
    if level > FLAT_LEVEL:
        return f"on half of its {len(coverages)} pictures their mean is {level:.0%} of their peak"
    return ""
