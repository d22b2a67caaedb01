"""Pictures for people: maps and masks laid over photographs, and what their colours mean.

Axes: H height, W width, 3 RGB.
"""

from collections.abc import Iterable
from functools import cache
from io import BytesIO

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray
from PIL import Image as PillowImage

from tagseg.classes import BACKGROUND, MAX_CLASSES, VOID, ClassTable, voc_color
from tagseg.errors import DataError
from tagseg.ops.overlay import overlay_labels
from tagseg.report.colors import safe_color
from tagseg.report.inferno import INFERNO
from tagseg.report.panel_layout import LegendEntry, fitted_size
from tagseg.types import Image

VOID_COLOR = (255, 255, 255)

_STRIPE_COLORS = np.array([(244, 244, 244), (120, 120, 120)], np.uint8)
_STRIPES = 48  # along the longer side: a photograph that is made smaller keeps them


def overlay_cam(
    image: UInt8[ndarray, "H W 3"], cam: Float[ndarray, "H W"], *, opacity: float = 0.65
) -> UInt8[ndarray, "H W 3"]:
    """Lay a map over its photograph: ``(1 - opacity) * image + opacity * colormap(cam)``.

    Args:
        image: RGB.
        cam: in [0, 1]; what lies outside is shown as the nearer end.
        opacity: of the map, in [0, 1].

    >>> overlay_cam(np.zeros((1, 1, 3), np.uint8), np.zeros((1, 1)), opacity=1.0).tolist()
    [[[0, 0, 3]]]
    """
    steps = np.rint(np.clip(cam, 0, 1) * 255).astype(np.uint8)
    return _blend(image, _colormap()[steps], opacity)


def color_mask(labels: UInt8[ndarray, "H W"], classes: ClassTable) -> UInt8[ndarray, "H W 3"]:
    """Paint label ids in VOC's colours, background black and void white.

    Args:
        labels: 0 background, 1..C, 255 void.
        classes: the class table that the ids belong to.

    Raises:
        DataError: when an id belongs to no class.

    >>> color_mask(np.array([[0, 1, 255]], np.uint8), ClassTable(("cat",))).tolist()
    [[[0, 0, 0], [128, 0, 0], [255, 255, 255]]]
    """
    _require_known(labels, classes)
    return _label_colors("voc")[labels]


def overlay_mask(
    image: UInt8[ndarray, "H W 3"],
    labels: UInt8[ndarray, "H W"],
    classes: ClassTable,
    *,
    opacity: float = 0.6,
    palette: str = "voc",
) -> UInt8[ndarray, "H W 3"]:
    """Lay the classes of a mask over their photograph; background stays the photograph and void is plain white.

    Args:
        image: RGB.
        labels: 0 background, 1..C, 255 void.
        classes: the class table that the ids belong to.
        opacity: of the classes' colours, in [0, 1].
        palette: one of :data:`tagseg.report.colors.PALETTES`.

    Raises:
        DataError: when an id belongs to no class.

    >>> grey = np.full((1, 3, 3), 100, np.uint8)
    >>> overlay_mask(grey, np.array([[0, 1, 255]], np.uint8), ClassTable(("cat",)), opacity=0.5).tolist()
    [[[100, 100, 100], [114, 50, 50], [255, 255, 255]]]
    """
    _require_known(labels, classes)
    return overlay_labels(image, labels, _label_colors(palette), opacity=opacity)


def overlay_known(
    image: UInt8[ndarray, "H W 3"],
    labels: UInt8[ndarray, "H W"],
    classes: ClassTable,
    *,
    opacity: float = 0.6,
    palette: str = "voc",
) -> UInt8[ndarray, "H W 3"]:
    """Lay labels over their photograph as :func:`overlay_mask` does, and stripes where the label is unknown.

    Args:
        image: RGB.
        labels: 0 background, 1..C, 255 unknown.
        classes: the class table that the ids belong to.
        opacity: of the classes' colours, in [0, 1].
        palette: one of :data:`tagseg.report.colors.PALETTES`.

    Raises:
        DataError: when an id belongs to no class.

    >>> grey = np.full((1, 3, 3), 100, np.uint8)
    >>> overlay_known(grey, np.array([[0, 255, 255]], np.uint8), ClassTable(("cat",))).tolist()
    [[[100, 100, 100], [114, 114, 114], [201, 201, 201]]]
    """
    unknown = labels == VOID
    laid = overlay_mask(image, labels, classes, opacity=opacity, palette=palette)
    stripes = _stripes(labels.shape, width_px=max(1, round(max(labels.shape) / _STRIPES)))
    laid[unknown] = _blend(image[unknown], stripes[unknown], 0.7)
    return laid


def label_legend(label_ids: Iterable[int], classes: ClassTable, *, palette: str = "voc") -> list[LegendEntry]:
    """Return the legend of label ids in a palette: each once, ascending, without background; void comes last.

    >>> [entry.name for entry in label_legend([255, 2, 0, 2], ClassTable(("cat", "dog")))]
    ['dog', 'void']
    """
    shown = sorted(set(label_ids) - {BACKGROUND})
    names = ["void" if label == VOID else classes.name(label) for label in shown]
    colors = _label_colors(palette)
    return [LegendEntry(name, colors[[[label]]].astype(np.uint8)) for label, name in zip(shown, names, strict=True)]


def cam_legend() -> LegendEntry:
    """Return the legend of :func:`overlay_cam`: its colours from 0 to 1."""
    return LegendEntry("map, 0 to 1", np.repeat(_colormap()[None], 48, axis=0))


def unknown_legend() -> LegendEntry:
    """Return the legend of the stripes of :func:`overlay_known`.

    >>> unknown_legend().name
    'unknown'
    """
    return LegendEntry("unknown", _stripes((13, 26), width_px=3))


def shrink(image: UInt8[ndarray, "h w 3"], *, side_px: int) -> Image:
    """Return the image, made smaller where a side is longer than ``side_px``, in its own proportions.

    >>> shrink(np.zeros((10, 40, 3), np.uint8), side_px=20).shape
    (5, 20, 3)
    """
    if max(image.shape[:2]) <= side_px:
        return image
    height, width = fitted_size(image, side_px)
    return np.asarray(PillowImage.fromarray(image).resize((width, height), PillowImage.Resampling.BILINEAR))


def encode_png(image: UInt8[ndarray, "h w 3"]) -> bytes:
    """Return the bytes of a PNG file.

    >>> encode_png(np.zeros((1, 1, 3), np.uint8))[1:4]
    b'PNG'
    """
    encoded = BytesIO()
    PillowImage.fromarray(image).save(encoded, format="PNG")
    return encoded.getvalue()


def _require_known(labels: UInt8[ndarray, "H W"], classes: ClassTable) -> None:
    strange = [label for label in np.unique(labels).tolist() if label >= classes.num_labels and label != VOID]
    if strange:
        raise DataError(
            f"a mask to paint holds label ids 0..{classes.num_classes} and {VOID}, got {strange[0]}",
            help="paint it with the class table that made it",
        )


def _blend(image: Image, colors: Image, opacity: float) -> Image:
    share = np.float32(opacity)
    return np.rint(image * (1 - share) + colors * share).astype(np.uint8)


def _stripes(size: tuple[int, ...], *, width_px: int) -> Image:
    """Return light and dark stripes of this width from the lower left to the upper right."""
    down, right = np.indices(size, sparse=True)
    return _STRIPE_COLORS[(down + right) // width_px % 2]


@cache
def _colormap() -> UInt8[ndarray, "256 3"]:
    return np.frombuffer(INFERNO, np.uint8).reshape(256, 3)


@cache
def _label_colors(palette: str) -> UInt8[ndarray, "256 3"]:
    """Return RGB of each label id; background is black, and void is white in every palette, as paper."""
    color = {"voc": voc_color, "safe": safe_color}[palette]
    colors = np.zeros((256, 3), np.uint8)
    colors[1 : MAX_CLASSES + 1] = [color(label) for label in range(1, MAX_CLASSES + 1)]
    colors[VOID] = VOID_COLOR
    return colors
