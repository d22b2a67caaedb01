"""Colours of label ids on a page: VOC's, and one palette whose neighbours colour-blind people tell apart, too.

Axes: n colours, 3 RGB or CIELAB.
"""

from functools import cache

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from tagseg.classes import MAX_CLASSES, voc_color

Rgb = tuple[int, int, int]

PALETTES = ("voc", "safe")
"""Names of the palettes: VOC's own, and the colour-blind-safe one."""

VOID_COLORS: dict[str, Rgb] = {"voc": voc_color(255), "safe": (216, 216, 216)}

_OKABE_ITO = (
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (240, 228, 66),
    (0, 114, 178),
    (213, 94, 0),
    (204, 121, 167),
)
"""Okabe and Ito, Color Universal Design (2008), without black, which would read as background."""

_GRID_LEVELS = 9
_LIGHTNESS_RANGE = (25.0, 92.0)  # darker reads as background, lighter as void

# Machado, Oliveira and Fernandes (2009), severity 1.0: linear RGB as it is seen without the red or the green cones.
_VISIONS = (
    np.eye(3),
    np.array([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]),
    np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]),
)
_LINEAR_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
_WHITE_XYZ = _LINEAR_TO_XYZ.sum(axis=1)


def safe_color(label_id: int) -> Rgb:
    """Return the colour-blind-safe colour of a foreground label id in 1..254.

    Ids 1 to 7 have the colours of Okabe and Ito. Each further id has the colour of a grid in sRGB that is farthest from
    all before it and from void: distance in CIELAB, the smallest of those with all cones, without the red ones and
    without the green ones. So few classes are told apart with certainty, and many as well as their number allows.

    >>> safe_color(1), safe_color(5)
    ((230, 159, 0), (0, 114, 178))
    """
    return _safe_colors()[label_id - 1]


def palette_colors(palette: str, num_labels: int) -> tuple[str, ...]:
    """Return CSS colours of label ids 0 to ``num_labels - 1``; background has none and is ``transparent``.

    Args:
        palette: of :data:`PALETTES`.
        num_labels: K with background.

    >>> palette_colors("voc", 3), palette_colors("safe", 2)
    (('transparent', '#800000', '#008000'), ('transparent', '#e69f00'))
    """
    color = {"voc": voc_color, "safe": safe_color}[palette]
    return ("transparent", *(css_color(color(label)) for label in range(1, num_labels)))


def css_color(rgb: Rgb) -> str:
    """Return a colour as CSS writes it.

    >>> css_color((230, 159, 0))
    '#e69f00'
    """
    return "#{:02x}{:02x}{:02x}".format(*rgb)


@cache
def _safe_colors() -> tuple[Rgb, ...]:
    levels = np.rint(np.linspace(0, 255, _GRID_LEVELS))
    grid = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1).reshape(-1, 3)
    lightness = _seen(grid)[0][:, 0]
    candidates = grid[(lightness >= _LIGHTNESS_RANGE[0]) & (lightness <= _LIGHTNESS_RANGE[1])]
    chosen = [*_OKABE_ITO]
    seen = _seen(candidates)
    taken = _seen(np.array([VOID_COLORS["safe"], *_OKABE_ITO], np.float64))
    nearest = np.full(len(candidates), np.inf)
    for index in range(taken.shape[1]):
        nearest = np.minimum(nearest, _distances(seen, taken[:, index]))
    while len(chosen) < MAX_CLASSES:
        farthest = int(nearest.argmax())
        red, green, blue = candidates[farthest].astype(int).tolist()
        chosen.append((red, green, blue))
        nearest = np.minimum(nearest, _distances(seen, seen[:, farthest]))
    return tuple(chosen)


def _distances(seen: Float64[ndarray, "V n 3"], color: Float64[ndarray, "V 3"]) -> Float64[ndarray, " n"]:
    """Return the distance of every colour to one, in the vision that sees the smallest."""
    return np.sqrt(((seen - color[:, None]) ** 2).sum(axis=-1)).min(axis=0)


def _seen(rgb: Float64[ndarray, "n 3"]) -> Float64[ndarray, "V n 3"]:
    """Return colours in CIELAB as each of the V visions sees them."""
    share = rgb / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    return np.stack([_lab(np.clip(linear @ vision.T, 0, 1)) for vision in _VISIONS])


def _lab(linear: Float64[ndarray, "n 3"]) -> Float64[ndarray, "n 3"]:
    relative = linear @ _LINEAR_TO_XYZ.T / _WHITE_XYZ
    x, y, z = np.where(relative > (6 / 29) ** 3, np.cbrt(relative), relative / (3 * (6 / 29) ** 2) + 4 / 29).T
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)
