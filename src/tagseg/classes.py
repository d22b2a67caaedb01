"""The class table: label 0 is background, 1..C are the foreground classes, 255 is void."""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache

from tagseg.errors import DataError

BACKGROUND = 0
VOID = 255
MAX_CLASSES = 254

# fmt: off
VOC_CLASSES = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable", "dog",
    "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)
# fmt: on


@dataclass(frozen=True, slots=True)
class ClassTable:
    """Foreground class names in label order: the class at position ``i`` has label id ``i + 1``.

    Args:
        names: 1 to 254 different, non-empty names.

    Raises:
        DataError: when there is no class, too many, an empty name or a repeated one, or one that is not text.

    >>> table = ClassTable(("cat", "dog"))
    >>> table.label_id("dog"), table.name(0), table.num_classes, table.num_labels
    (2, 'background', 2, 3)
    """

    names: tuple[str, ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.names) <= MAX_CLASSES:
            raise DataError(
                f"a class table holds 1 to {MAX_CLASSES} foreground classes, got {len(self.names)}",
                help="name the classes to learn in the recipe's data.classes",
            )
        repeated = sorted({name for name in self.names if self.names.count(name) > 1})
        if repeated or not all(self.names):
            raise DataError(
                f"class names are different and not empty, got {repeated or ['']}", help="rename or remove them"
            )
        for name in self.names:
            if not is_text(name):
                raise DataError(f"class names are text, got {name!r}", help="rename the class")

    @property
    def num_classes(self) -> int:
        """Number of foreground classes, ``C``."""
        return len(self.names)

    @property
    def num_labels(self) -> int:
        """Number of labels with background, ``K = C + 1``."""
        return len(self.names) + 1

    @property
    def label_names(self) -> tuple[str, ...]:
        """Names of all labels, background first."""
        return ("background", *self.names)

    def name(self, label_id: int) -> str:
        """Return the name of label ``label_id`` in 0..C."""
        return self.label_names[label_id]

    def label_id(self, name: str) -> int:
        """Return the label id (1..C) of a foreground class name, or raise :class:`DataError` with the nearest name."""
        if name in self.names:
            return self.names.index(name) + 1
        raise DataError(f"'{name}' is not a class of this data set", help=nearest_name_help(name, self.names))

    def palette(self) -> list[int]:
        """Return 768 values, RGB per label id, by the bit-spreading rule of PASCAL VOC (void is cream)."""
        return list(_voc_palette())


def is_text(name: str) -> bool:
    r"""Return whether a file can hold a text: Python also has texts for names of files that are none.

    >>> is_text("gr\u00f6\u00dfe"), is_text("gr\udcf6\udcdfe")
    (True, False)
    """
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def voc_color(label_id: int) -> tuple[int, int, int]:
    """Return VOC's RGB colour of a label id in 0..255: bits 0, 1, 2 of the id spread over R, G, B from the top bit.

    >>> voc_color(0), voc_color(1), voc_color(15), voc_color(255)
    ((0, 0, 0), (128, 0, 0), (192, 128, 128), (224, 224, 192))
    """
    rgb = [0, 0, 0]
    for bit in range(8):
        for channel in range(3):
            rgb[channel] |= (label_id >> (3 * bit + channel) & 1) << (7 - bit)
    return rgb[0], rgb[1], rgb[2]


@cache
def _voc_palette() -> tuple[int, ...]:
    return tuple(channel for label in range(256) for channel in voc_color(label))


def nearest_name_help(name: str, names: Iterable[str]) -> str:
    """Return the help clause for an unknown name: the nearest known one, or all of them."""
    known = sorted(names)
    same = [other for other in known if other.lower() == name.lower()]
    near = same or get_close_matches(name, known, n=1, cutoff=0.6)
    return f"did you mean '{near[0]}'?" if near else f"use one of: {', '.join(known)}"
