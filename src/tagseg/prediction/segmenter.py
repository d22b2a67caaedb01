"""A trained network with the names of its labels: any picture in, labels, scores and names out.

Axes: N images, K labels with background, H W image pixels.
"""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float, Float32
from numpy import ndarray
from torch import Tensor

from tagseg.classes import BACKGROUND, ClassTable
from tagseg.errors import DataError, ModelError, RecipeError, lacks_memory
from tagseg.models.folding import fold_batch_norms
from tagseg.models.segmentation_network import SegmentationNetwork
from tagseg.prediction.inputs import Picture, to_image
from tagseg.prediction.result import Prediction
from tagseg.prediction.segment import best_labels, label_images, limit_labels, normalize_images, segment, views_of
from tagseg.prediction.shrunk import enlarged_blocks, shrink
from tagseg.prediction.tiles import OVERLAP_PX, TILE_PX, Block, Tiling, tiled_blocks
from tagseg.types import Image, LabelMap

__all__ = ["Prediction", "PredictionSettings", "Segmenter"]

MAX_SIDE_PX = 1024
"""Longest side at which images are looked at where nobody says how large those were that a network learned from."""


@dataclass(frozen=True, slots=True)
class PredictionSettings:
    """How images are looked at.

    Args:
        scales: factors of the image's height and width, whose probabilities are averaged.
        flip: also look at the mirrored image.
        max_side_px: images with a longer side are shrunk to it, and their probabilities brought back to full size.
            None: every image at its own size, cut into tiles when a side exceeds ``tile_px``.
        tile_px: longest side of a tile, a multiple of 128, at least 256.
        overlap_px: that neighbouring tiles share, a multiple of 128 up to half a tile.
        batch_size: images of one size that are read and handed on together, at least 1; a GPU computes them at once.

    Raises:
        RecipeError: when a value is out of range.

    >>> PredictionSettings(max_side_px=640, scales=(0.5, 1.0, 1.5), flip=True).batch_size
    8
    """

    scales: tuple[float, ...] = (1.0,)
    flip: bool = False
    max_side_px: int | None = field(kw_only=True)
    tile_px: int = TILE_PX
    overlap_px: int = OVERLAP_PX
    batch_size: int = 8

    def __post_init__(self) -> None:
        if not self.scales or not all(0 < scale < float("inf") for scale in self.scales):
            raise RecipeError(
                f"scales of a prediction are one or more numbers above 0, got {list(self.scales)}", help="take [1.0]"
            )
        if self.max_side_px is not None and self.max_side_px < 1:
            raise RecipeError(
                f"max_side_px is at least 1, or none for native size, got {self.max_side_px}", help="take 1024"
            )
        if self.batch_size < 1:
            raise RecipeError(f"batch_size of a prediction is at least 1, got {self.batch_size}", help="take 8")
        self.tiling  # noqa: B018 - checks both values

    @property
    def tiling(self) -> Tiling:
        """How an image larger than a tile is cut."""
        return Tiling(self.tile_px, self.overlap_px)


class Segmenter:
    """Segments photographs without any tags.

    On a CPU a copy of the network predicts, whose convolutions do the work of its batch norms
    (:func:`~tagseg.models.folding.fold_batch_norms`): an eighth faster, equal up to rounding, and a second time the
    memory of the convolutions' weights.

    Args:
        network: trained; put into evaluation mode, and used on the device that it is on. Its weights are not to change
            afterwards.
        classes: the class of each label.
        settings: how images are looked at; by default as they are, at most :data:`MAX_SIDE_PX` long.

    Raises:
        ModelError: when the network has another number of labels than the classes.

    >>> from tagseg.models.segmentation_network import SegmenterDesign, build_segmenter
    >>> design = SegmenterDesign(architecture="deeplabv2", backbone="test_resnet", num_labels=3)
    >>> segmenter = Segmenter(build_segmenter(design, weights=None), ClassTable(("cat", "dog")))
    >>> prediction = segmenter.predict(np.zeros((30, 40, 3), np.uint8))
    >>> prediction.labels.shape, prediction.names
    ((30, 40), ('background', 'cat', 'dog'))
    """

    def __init__(
        self, network: SegmentationNetwork, classes: ClassTable, *, settings: PredictionSettings | None = None
    ) -> None:
        if network.design.num_labels != classes.num_labels:
            raise ModelError(
                f"network of a segmenter has one label a class and background, {classes.num_labels}, "
                f"got {network.design.num_labels}",
                help="pass the class table that it was trained with",
            )
        self._network = network.eval()
        self._folded = self._without_batch_norms()
        self.classes = classes
        self.settings = settings or PredictionSettings(max_side_px=MAX_SIDE_PX)
        self.possible: tuple[int, ...] | None = None

    @property
    def network(self) -> SegmentationNetwork:
        """The network as it was given; :meth:`to` moves it."""
        return self._network

    @property
    def names(self) -> tuple[str, ...]:
        """The name of each label id, background first."""
        return self.classes.label_names

    @property
    def palette(self) -> list[int]:
        """768 values: red, green, blue of each label id."""
        return self.classes.palette()

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return next(self._network.parameters()).device

    def to(self, device: str | torch.device) -> "Segmenter":
        """Move the network, and return this segmenter."""
        self._network.to(device)
        return self

    def with_settings(self, settings: PredictionSettings) -> "Segmenter":
        """Return a segmenter with the same network that looks at images in another way."""
        other = copy.copy(self)
        other.settings = settings
        return other

    def with_tags(self, tags: Sequence[str]) -> "Segmenter":
        """Return a segmenter with the same network for images that show these classes and no others.

        Labels are background and the classes of the tags; see :func:`~tagseg.prediction.segment.limit_labels`.

        Raises:
            DataError: when a tag is not a class.
        """
        other = copy.copy(self)
        other.possible = (BACKGROUND, *sorted(self.classes.label_id(tag) for tag in set(tags)))
        return other

    @property
    def _predicting(self) -> SegmentationNetwork:
        """What predicts, where the network is now: another segmenter of it may have moved it."""
        if next(self._folded.parameters()).device != self.device:
            self._folded = self._without_batch_norms()
        return self._folded

    def _without_batch_norms(self) -> SegmentationNetwork:
        """Return what predicts: on other devices than a CPU, where nothing was measured, the network itself."""
        return fold_batch_norms(self._network) if self.device.type == "cpu" else self._network

    def predict(self, picture: Picture, *, probabilities: bool = False) -> Prediction:
        """Return the labels of one picture.

        Args:
            picture: a path, a Pillow image, a uint8 array (H, W), (H, W, 3) or (H, W, 4), or a tensor (3, H, W), uint8
                or float in [0, 1].
            probabilities: also return those of every label: 4 bytes a label and pixel.

        Returns:
            Labels and scores in the size of the upright picture.

        Raises:
            DataError: when the picture cannot be read or is of another kind.
            ModelError: when the network's values are not finite.
        """
        return self.predict_batch([to_image(picture)], probabilities=probabilities)[0]

    def predict_batch(self, images: Sequence[Image], *, probabilities: bool = False) -> list[Prediction]:
        """Return the labels of several images of one size, which go through the network together.

        Images that are shrunk or cut into tiles go one by one, and so do all on a CPU, where that is faster, and when
        probabilities are asked for.

        Args:
            images: (H, W, 3) RGB each.
            probabilities: also return those of every label.

        Raises:
            DataError: when the sizes differ, or the network cannot look at images of that size at these scales.
            ModelError: when the network's values are not finite.

        >>> from tagseg.models.segmentation_network import SegmenterDesign, build_segmenter
        >>> design = SegmenterDesign(architecture="deeplabv2", backbone="test_resnet", num_labels=2)
        >>> segmenter = Segmenter(build_segmenter(design, weights=None), ClassTable(("cat",)))
        >>> [found.labels.shape for found in segmenter.predict_batch([np.zeros((30, 40, 3), np.uint8)] * 2)]
        [(30, 40), (30, 40)]
        """
        sizes = sorted({image.shape[:2] for image in images})
        if len(sizes) > 1:
            raise DataError(
                f"images of a batch have one size, got {' and '.join(f'{h} x {w}' for h, w in sizes)}",
                help="predict them one by one",
            )
        try:
            return self._predict_equal(images, probabilities=probabilities)
        except (RuntimeError, ValueError) as error:
            if lacks_memory(error):  # of the machine, no fault of the image
                raise
            height, width = sizes[0]
            scales = ", ".join(f"{scale:g}" for scale in self.settings.scales)
            raise DataError(
                f"image of {height} x {width} px must suit the network at scales {scales}, got: {_first_line(error)}",
                help="leave out the smallest scale, or shrink or enlarge the image",
            ) from error

    def _predict_equal(self, images: Sequence[Image], *, probabilities: bool) -> list[Prediction]:
        if probabilities or not images or self.possible is not None or not self._is_shown_whole(images[0]):
            return [self._assemble(image, probabilities=probabilities) for image in images]
        labels, scores = label_images(
            self._predicting, self._normalize(images), scales=self.settings.scales, flip=self.settings.flip
        )
        parts = zip(labels.cpu().numpy(), scores.cpu().numpy(), images, strict=True)
        return [self._prediction(*part) for part in parts]

    def _assemble(self, image: Image, *, probabilities: bool) -> Prediction:
        """Put the parts of an image together, on the CPU."""
        size = image.shape[:2]
        labels, scores = np.empty(size, np.uint8), np.empty(size, np.float32)
        every = torch.empty(self.classes.num_labels, *size) if probabilities else None
        for block in self._blocks(image):
            found = block.probabilities if self.possible is None else limit_labels(block.probabilities, self.possible)
            label_map, score = best_labels(found[None], logits=False)
            labels[block.rows, block.columns] = label_map[0].cpu().numpy()
            scores[block.rows, block.columns] = score[0].cpu().numpy()
            if every is not None:
                every[:, block.rows, block.columns] = found.cpu()
        return self._prediction(labels, scores, image, every)

    def _prediction(
        self, labels: LabelMap, scores: Float32[ndarray, "H W"], image: Image, every: Tensor | None = None
    ) -> Prediction:
        if np.isnan(scores.max()):
            raise ModelError(
                "network of a segmenter gives finite logits, got NaN", help="train it again with a lower learning rate"
            )
        return Prediction(labels, scores, self.classes, image, every)

    def _blocks(self, image: Image) -> Iterator[Block]:
        """Yield the probabilities of an image, whole or part by part."""
        settings, network = self.settings, self._predicting
        if self._is_shown_whole(image):
            yield Block(slice(None), slice(None), self._segment(image))
        elif settings.max_side_px is not None:
            yield from enlarged_blocks(self._segment(shrink(image, settings.max_side_px)), image.shape[:2])
        else:
            views = views_of(settings.scales, flip=settings.flip)
            yield from tiled_blocks(
                network, image, mean=network.mean, std=network.std, tiling=settings.tiling, views=views
            )

    def _is_shown_whole(self, image: Image) -> bool:
        limit = self.settings.max_side_px
        return max(image.shape[:2]) <= (self.settings.tile_px if limit is None else limit)

    def _segment(self, image: Image) -> Float[Tensor, "K H W"]:
        settings = self.settings
        return segment(self._predicting, self._normalize([image]), scales=settings.scales, flip=settings.flip)[0]

    def _normalize(self, images: Sequence[Image]) -> Float[Tensor, "N 3 H W"]:
        return normalize_images(images, mean=self._network.mean, std=self._network.std, device=self.device)


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
