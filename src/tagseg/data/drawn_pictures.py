"""The embedded data set: painted creatures that give themselves away by a small marking on the head.

It is made to have the difficulty of real photographs at a size that a processor learns in a minute. The five classes
share their shape. Most creatures wear the coat of their class, some that of another, so the marking tells classes apart
best and a plain CAM stops there, as it stops at the faces of cats. Each class prefers a habitat, as cows prefer grass,
so a CAM that grows without constraint leaks into the background, which is cluttered with leaves and stones in coat
colours.

Axis legend: H W pixels, P points of the sampling grid. Lengths in the local frame of a creature are in body radii;
its u axis points from the tail (negative) to the head (positive).
"""

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from tagseg.classes import BACKGROUND, ClassTable
from tagseg.types import Image, LabelMap

SYNTHETIC_CLASSES = ClassTable(("bullseye", "stripes", "checker", "cross", "petals"))

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

_SUPERSAMPLING = 2
_REFERENCE_SIDE_PX = 128
_RADIUS_PX = (19.0, 36.0)
"""Range of the body radius in an image whose short side is 128 px."""

_HEAD_U, _HEAD_RADIUS, _MARKING_RADIUS = 1.0, 0.48, 0.4

_COATS = ((186, 120, 66), (112, 104, 128), (150, 62, 48), (222, 206, 172), (70, 58, 54))
"""One a class."""

_OWN_COAT = 0.92
"""Chance that a creature wears the coat of its class instead of any."""

_HABITATS = (
    # two ground colours, then the grain of the texture along (y, x) as cells per image
    ((70, 104, 48), (128, 146, 70), (6, 40)),
    ((198, 176, 128), (164, 140, 100), (24, 24)),
    ((70, 110, 140), (126, 160, 172), (36, 5)),
    ((98, 76, 54), (142, 116, 84), (8, 30)),
    ((112, 112, 116), (160, 156, 150), (14, 14)),
)
_HABITAT_PREFERENCE = 0.5
"""Chance that an image's habitat is the one of its first creature's class instead of any."""


@dataclass(frozen=True, slots=True)
class Creature:
    """One animal of a scene.

    Args:
        label_id: its class, 1..5.
        center: (y, x) of the torso, px.
        angle: direction of the head, radians, 0 = right, growing downwards.
        radius: half the torso's length, px.
        girth: half the torso's width, in radii.
        bend: how far tail and head are bent sideways, in radii.
        coat: RGB of the body.
    """

    label_id: int
    center: tuple[float, float]
    angle: float
    radius: float
    girth: float
    bend: float
    coat: tuple[float, float, float]

    def local(self, y: Array, x: Array) -> tuple[Array, Array]:
        """Return the local coordinates (u, v) of points given in pixels."""
        dy, dx = (y - self.center[0]) / self.radius, (x - self.center[1]) / self.radius
        u = dx * np.cos(self.angle) + dy * np.sin(self.angle)
        v = dy * np.cos(self.angle) - dx * np.sin(self.angle)
        return u, v - self.bend * u**2

    def body(self, u: Array, v: Array) -> Flags:
        """Return which local points the animal covers: torso, head, tail and four legs."""
        covered = u**2 + (v / self.girth) ** 2 <= 1
        covered |= (u - _HEAD_U) ** 2 + v**2 <= _HEAD_RADIUS**2
        covered |= (np.abs(v) <= 0.07 + 0.05 * (u + 2)) & (u >= -1.75) & (u <= 0)
        for foot_u in (-0.55, 0.5):
            covered |= ((u - foot_u) / 0.17) ** 2 + ((np.abs(v) - self.girth) / 0.34) ** 2 <= 1
        return covered

    def marking(self, u: Array, v: Array) -> Flags:
        """Return which local points lie on the marking."""
        return (u - _HEAD_U) ** 2 + v**2 <= _MARKING_RADIUS**2


def generate_image(
    seed: int, index: int, *, size: tuple[int, int] = (128, 128)
) -> tuple[Image, LabelMap, tuple[int, ...]]:
    """Paint one scene: a habitat with clutter and one to three creatures, the later in front.

    A pixel of the mask belongs to the creature that covers its centre.

    Args:
        seed: of the data set, at least 0.
        index: of the image in the data set, at least 0; the pair decides everything.
        size: (H, W) of the image, px, each at least 48.

    Returns:
        the image (H, W, 3), its exact mask (H, W), and the label ids that the mask shows, ascending.

    >>> image, mask, tags = generate_image(0, 0, size=(96, 128))
    >>> image.shape, mask.shape, tags == tuple(sorted(set(mask.flat) - {0}))
    ((96, 128, 3), (96, 128), True)
    """
    rng = np.random.default_rng((seed, index))
    creatures = _draw_creatures(size, rng)
    y, x = _grid(size, _SUPERSAMPLING)
    canvas = _paint_background(creatures[0].label_id, y, x, size, rng)
    mask = np.full(size, BACKGROUND, np.uint8)
    for creature in creatures:
        _paint_creature(canvas, creature, y, x, rng)
        mask[creature.body(*creature.local(*_grid(size, 1)))] = creature.label_id
    pixels = canvas.reshape(size[0], _SUPERSAMPLING, size[1], _SUPERSAMPLING, 3).mean((1, 3))
    pixels = pixels * rng.uniform(0.8, 1.15) + rng.normal(0, 5, (*size, 3))
    tags = tuple(int(label_id) for label_id in np.unique(mask) if label_id != BACKGROUND)
    return np.clip(pixels, 0, 255).astype(np.uint8), mask, tags


def write_dataset(
    root: Path, *, num_images: int, size: tuple[int, int] = (128, 128), seed: int = 0, first_index: int = 0
) -> None:
    """Write scenes ``first_index`` and following as a folder data set.

    The layout is ``images/<index>.png``, ``masks/<index>.png`` (palette), ``classes.txt`` and ``tags.csv``. The tags
    come last, so a folder that has them is whole.

    Args:
        root: the folder, made when missing; files of the same name are replaced.
        num_images: how many scenes, at least 1.
        size: (H, W) of each image, px.
        seed: see :func:`generate_image`.
        first_index: index of the first scene; disjoint ranges make disjoint splits.
    """
    for folder in ("images", "masks"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    rows = []
    for index in range(first_index, first_index + num_images):
        image, mask, tags = generate_image(seed, index, size=size)
        name = f"{index:06d}.png"
        PillowImage.fromarray(image).save(root / "images" / name)
        labels = PillowImage.fromarray(mask)
        labels.putpalette(SYNTHETIC_CLASSES.palette())
        labels.save(root / "masks" / name)
        rows.append((name, " ".join(SYNTHETIC_CLASSES.name(label_id) for label_id in tags)))
    (root / "classes.txt").write_text("\n".join(SYNTHETIC_CLASSES.names) + "\n", encoding="utf-8")
    with (root / "tags.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("image", "tags"), *rows])


def _draw_creatures(size: tuple[int, int], rng: np.random.Generator) -> list[Creature]:
    """Draw one to three creatures; a later one hides no marking and little of the bodies before it."""
    wanted = rng.choice((1, 2, 3), p=(0.45, 0.35, 0.2))
    y, x = _grid(size, 1)
    bodies, markings = np.zeros(size, bool), np.zeros(size, bool)
    creatures: list[Creature] = []
    for _ in range(20):
        creature = _draw_creature(size, rng)
        u, v = creature.local(y, x)
        body = creature.body(u, v)
        if creatures and ((body & markings).any() or (body & bodies).sum() > 0.12 * body.sum()):
            continue
        bodies |= body
        markings |= creature.marking(u, v)
        creatures.append(creature)
        if len(creatures) == wanted:
            break
    return creatures


def _draw_creature(size: tuple[int, int], rng: np.random.Generator) -> Creature:
    """Draw a creature whose marking lies inside the image; the body may be cut by the frame."""
    radius = rng.uniform(*_RADIUS_PX) * min(size) / _REFERENCE_SIDE_PX
    angle = rng.uniform(0, 2 * np.pi)
    margin = _HEAD_RADIUS * radius
    head = (rng.uniform(margin, size[0] - margin), rng.uniform(margin, size[1] - margin))
    # The torso points inwards more often than not, else half of the bodies would be outside.
    inwards = np.arctan2(head[0] - size[0] / 2, head[1] - size[1] / 2)
    angle = inwards + 0.35 * (angle - np.pi)
    bend = rng.uniform(-0.15, 0.15)
    along, across = _HEAD_U, bend * _HEAD_U**2
    label_id = int(rng.integers(1, SYNTHETIC_CLASSES.num_classes, endpoint=True))
    coat = _COATS[label_id - 1 if rng.random() < _OWN_COAT else int(rng.integers(len(_COATS)))]
    return Creature(
        label_id=label_id,
        center=(
            head[0] - radius * (along * np.sin(angle) + across * np.cos(angle)),
            head[1] - radius * (along * np.cos(angle) - across * np.sin(angle)),
        ),
        angle=angle,
        radius=radius,
        girth=rng.uniform(0.5, 0.72),
        bend=bend,
        coat=_vary(coat, rng, spread=12),
    )


def _paint_background(label_id: int, y: Array, x: Array, size: tuple[int, int], rng: np.random.Generator) -> Array:
    """Return the habitat with its clutter as (P_y, P_x, 3) floats in 0..255."""
    preferred = rng.random() < _HABITAT_PREFERENCE
    habitat = label_id - 1 if preferred else int(rng.integers(len(_HABITATS)))
    first, second, grain = _HABITATS[habitat]
    coarse, fine = _noise(y.shape, (4, 4), rng), _noise(y.shape, grain, rng)
    blend = np.clip(0.5 + 0.35 * coarse + 0.35 * fine, 0, 1)[..., None]
    canvas = blend * np.asarray(_vary(first, rng)) + (1 - blend) * np.asarray(_vary(second, rng))
    unit = min(size) / _REFERENCE_SIDE_PX
    for _ in range(rng.integers(8, 18)):
        color = (first, second, *_COATS)[rng.integers(2 + len(_COATS))]
        angle, half_length = rng.uniform(0, np.pi), rng.uniform(3, 13) * unit
        center = rng.uniform(0, size[0]), rng.uniform(0, size[1])
        near = tuple(_samples_within(middle, half_length, side) for middle, side in zip(center, size, strict=True))
        dy, dx = y[near] - center[0], x[near] - center[1]
        along, across = dx * np.cos(angle) + dy * np.sin(angle), dy * np.cos(angle) - dx * np.sin(angle)
        covered = (along / half_length) ** 2 + (across / (half_length * rng.uniform(0.15, 0.8))) ** 2 <= 1
        canvas[near][covered] = np.asarray(_vary(color, rng, spread=24)) + 14 * fine[near][covered, None]
    return canvas


def _samples_within(middle: float, reach: float, side: int) -> slice:
    """Return the samples of a side of ``side`` pixels that lie within ``reach`` pixels of ``middle``, or some more."""
    first = max(0, int((middle - reach) * _SUPERSAMPLING) - 1)
    return slice(first, min(side * _SUPERSAMPLING, int((middle + reach) * _SUPERSAMPLING) + 2))


def _paint_creature(canvas: Array, creature: Creature, y: Array, x: Array, rng: np.random.Generator) -> None:
    """Paint a creature over ``canvas``: a shaded, mottled coat and a flat marking."""
    u, v = creature.local(y, x)
    body = creature.body(u, v)
    light = 1 - 0.22 * np.clip(v[body] / creature.girth, -1, 1) - 0.1 * u[body] ** 2
    mottle = _noise(y.shape, (26, 26), rng)[body]
    canvas[body] = np.asarray(creature.coat) * light[:, None] + 9 * mottle[:, None]
    marking = body & creature.marking(u, v)
    pattern, dark, bright = _MARKINGS[creature.label_id - 1]
    turn = rng.uniform(0, 2 * np.pi)
    along, across = (u[marking] - _HEAD_U) / _MARKING_RADIUS, v[marking] / _MARKING_RADIUS
    figure = pattern(along * np.cos(turn) - across * np.sin(turn), along * np.sin(turn) + across * np.cos(turn))
    colors = np.where(figure[:, None], _vary(bright, rng, spread=20), _vary(dark, rng, spread=20))
    canvas[marking] = colors


def _bullseye(u: Array, v: Array) -> Flags:
    return np.floor(np.hypot(u, v) * 2.6) % 2 == 0


def _stripes(u: Array, v: Array) -> Flags:
    return np.floor(u * 2.2) % 2 == 0


def _checker(u: Array, v: Array) -> Flags:
    return (np.floor(u * 1.7 + 0.3) + np.floor(v * 1.7 + 0.3)) % 2 == 0


def _cross(u: Array, v: Array) -> Flags:
    return np.minimum(np.abs(u), np.abs(v)) < 0.27


def _petals(u: Array, v: Array) -> Flags:
    return np.hypot(u, v) < 0.55 + 0.4 * np.cos(3 * np.arctan2(v, u))


_MARKINGS: tuple[tuple[Callable[[Array, Array], Flags], tuple[int, int, int], tuple[int, int, int]], ...] = (
    (_bullseye, (190, 40, 40), (240, 236, 230)),
    (_stripes, (30, 28, 26), (238, 200, 50)),
    (_checker, (34, 34, 38), (236, 236, 236)),
    (_cross, (40, 70, 170), (240, 240, 236)),
    (_petals, (150, 40, 120), (246, 214, 90)),
)


def _vary(color: tuple[int, int, int], rng: np.random.Generator, *, spread: int = 16) -> tuple[float, float, float]:
    """Return ``color`` moved by a uniform offset per channel of at most ``spread`` grey levels."""
    red, green, blue = np.asarray(color) + rng.uniform(-spread, spread, 3)
    return float(red), float(green), float(blue)


def _noise(shape: tuple[int, ...], cells: tuple[int, int], rng: np.random.Generator) -> Array:
    """Return smooth noise of mean 0 and deviation about 1, with ``cells`` (down, across) bumps over the image."""
    grid = PillowImage.fromarray(rng.normal(size=cells).astype(np.float32))
    return np.asarray(grid.resize((shape[1], shape[0]), PillowImage.Resampling.BICUBIC), np.float64)


def _grid(size: tuple[int, int], samples: int) -> tuple[Array, Array]:
    """Return (y, x) in pixels of ``samples`` x ``samples`` points a pixel; the first pixel's centre is (0.5, 0.5)."""
    y, x = ((np.arange(side * samples) + 0.5) / samples for side in size)
    full = np.meshgrid(y, x, indexing="ij")
    return full[0], full[1]
