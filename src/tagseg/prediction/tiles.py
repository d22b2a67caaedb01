"""Label probabilities of images of any size: overlapping tiles, blended without seams.

Axes: K labels with background, H W image pixels, h w pixels of a tile or of a finished part of the image.
"""

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import pairwise, product
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from tagseg.errors import RecipeError
from tagseg.models.mode import evaluation_mode
from tagseg.prediction.segment import RGB, View, normalize_images, view_probabilities
from tagseg.prediction.whole_image import ContextMaps, Mosaic, TilePlace, WholeImageParts
from tagseg.types import Image

ALIGN_PX = 128
"""Tiles start at multiples of this: cells of stride 32 or less lie as in the whole image, at scales of quarters too."""

TILE_PX, OVERLAP_PX = 1536, 384


@dataclass(frozen=True, slots=True)
class Tiling:
    """How a large image is cut.

    Args:
        tile_px: longest side of a tile, a multiple of 128 from 256 on; memory grows with its square.
        overlap_px: that neighbours share, a multiple of 128 up to half a tile. The outer quarters of it are only seen,
            never used: what the network sees from there ends at the tile's edge.

    Raises:
        RecipeError: when a value is out of range.

    >>> Tiling(tile_px=512, overlap_px=128)
    Tiling(tile_px=512, overlap_px=128)
    """

    tile_px: int = TILE_PX
    overlap_px: int = OVERLAP_PX

    def __post_init__(self) -> None:
        if self.tile_px < 2 * ALIGN_PX or self.tile_px % ALIGN_PX:
            raise RecipeError(
                f"tile_px is a multiple of {ALIGN_PX}, at least {2 * ALIGN_PX}, got {self.tile_px}",
                help=f"take {max(2, round(self.tile_px / ALIGN_PX)) * ALIGN_PX}",
            )
        largest = self.tile_px // 2 // ALIGN_PX * ALIGN_PX
        if not ALIGN_PX <= self.overlap_px <= largest or self.overlap_px % ALIGN_PX:
            raise RecipeError(
                f"overlap_px is a multiple of {ALIGN_PX} up to half of tile_px = {self.tile_px}, got {self.overlap_px}",
                help=f"take {min(max(1, round(self.overlap_px / ALIGN_PX)) * ALIGN_PX, largest)}",
            )


class Span(NamedTuple):
    """One tile along one axis.

    Args:
        start: first pixel.
        stop: pixel after the last.
        weights: share of this tile in each of its pixels; the shares of all tiles add up to 1 everywhere.
        owned: (first, after the last) of the pixels that this tile counts for: each pixel is one tile's.
    """

    start: int
    stop: int
    weights: Float[Tensor, " h"]
    owned: tuple[int, int]


class Block(NamedTuple):
    """A finished part of the image.

    Args:
        rows: of the image.
        columns: of the image.
        probabilities: of each label, adding up to 1.
    """

    rows: slice
    columns: slice
    probabilities: Float[Tensor, "K h w"]


def tile_axis(length: int, tiling: Tiling) -> tuple[Span, ...]:
    """Cut one axis into as few tiles as possible, of one size as small as possible; the last one may be shorter.

    In no pixel do more than two tiles count.

    Args:
        length: in pixels, at least 1.
        tiling: limits.

    >>> [(span.start, span.stop) for span in tile_axis(2000, Tiling(tile_px=1024, overlap_px=256))]
    [(0, 896), (640, 1536), (1280, 2000)]
    """
    if length <= tiling.tile_px:
        return (Span(0, length, torch.ones(length), (0, length)),)
    overlap = tiling.overlap_px
    count = -(-(length - overlap) // (tiling.tile_px - overlap))
    size = -(-(length + (count - 1) * overlap) // (count * ALIGN_PX)) * ALIGN_PX
    starts = [index * (size - overlap) for index in range(count)]
    borders = [0, *(start + overlap // 2 for start in starts[1:]), length]
    ramp = _ramp(overlap)
    spans = []
    for start, owned in zip(starts, pairwise(borders), strict=True):
        stop = min(start + size, length)
        weights = torch.ones(stop - start)
        if start > 0:
            weights[:overlap] *= ramp
        if stop < length:
            weights[-overlap:] *= 1 - ramp
        spans.append(Span(start, stop, weights, owned))
    return tuple(spans)


def tiled_blocks(
    network: nn.Module, image: Image, *, mean: RGB, std: RGB, tiling: Tiling, views: Sequence[View] = (View(),)
) -> Iterator[Block]:
    """Yield the probabilities of an image part by part; every pixel is in exactly one part.

    ``p = sum over tiles t of weight_t * mean over views of softmax(logits_t)``: along an axis at most two tiles meet in
    a pixel, and their weights are linear ramps over the middle half of the overlap. Besides one tile, only the
    probabilities where two rows of tiles overlap are kept.

    What looks at the whole image does so (:class:`~tagseg.prediction.whole_image.WholeImageParts`): the tiles are first
    run up to there. Its maps, of 1/16 or 1/32 of the image's height and width, are the only thing that grows with the
    image's area. At scales other than multiples of 1/4 a tile's cells may lie half a cell off the image's.

    Args:
        network: as in :func:`~tagseg.prediction.segment.segment`; tiles are computed on its device.
        image: (H, W, 3) RGB of any size.
        mean: of RGB in [0, 1], which the network expects to be subtracted.
        std: of RGB in [0, 1], by which it expects to be divided.
        tiling: size and overlap of tiles.
        views: scales and flips, whose probabilities are averaged.

    Yields:
        Blocks, from top to bottom and left to right; of an image that fits one tile exactly that of the whole image.

    >>> image, tiling = torch.zeros(70, 300, 3, dtype=torch.uint8).numpy(), Tiling(tile_px=256, overlap_px=128)
    >>> blocks = tiled_blocks(nn.Conv2d(3, 5, 1), image, mean=(0.5,) * 3, std=(0.5,) * 3, tiling=tiling)
    >>> [(block.columns.start, block.columns.stop) for block in blocks]
    [(0, 128), (128, 300)]
    """
    height, width = image.shape[:2]
    rows, columns = tile_axis(height, tiling), tile_axis(width, tiling)
    with evaluation_mode(network):
        tiles = _Tiles(network, image, mean=mean, std=std, views=views)
        if len(rows) * len(columns) > 1:
            tiles.observe(rows, columns)
        seam = torch.zeros(())  # what the tiles above have given to the pixels that they share with those below
        for row, row_end in zip(rows, _ends(rows), strict=True):
            left = torch.zeros(())  # the same for the tile on the left
            for column, column_end in zip(columns, _ends(columns), strict=True):
                part = tiles.probabilities(row, column)
                part *= row.weights.to(part)[:, None] * column.weights.to(part)
                if column.start > 0:
                    part[:, :, : left.shape[2]] += left
                finished = column_end - column.start
                part, left = part[:, :, :finished], part[:, :, finished:].clone()
                done = slice(column.start, column_end)
                if row.start > 0:
                    part[:, : seam.shape[1]] += seam[:, :, done]
                finished = row_end - row.start
                if row_end < height:
                    if seam.ndim == 0:
                        seam = part.new_empty(len(part), row.stop - row_end, width)
                    seam[:, :, done] = part[:, finished:]
                yield Block(slice(row.start, row_end), done, part[:, :finished])


class _Tiles:
    """Runs the network on tiles of one image."""

    def __init__(self, network: nn.Module, image: Image, *, mean: RGB, std: RGB, views: Sequence[View]) -> None:
        self.network, self.image, self.views = network, image, views
        self.mean, self.std = mean, std
        self.device = next((parameter.device for parameter in network.parameters()), torch.device("cpu"))
        self.parts: WholeImageParts | None = None
        self.context: dict[View, ContextMaps] = {}

    @torch.no_grad()
    def observe(self, rows: Sequence[Span], columns: Sequence[Span]) -> None:
        """Find out which modules look at the whole image, and let them."""
        self.parts = WholeImageParts(self.network)
        for view in self.views:
            mosaics: dict[nn.Module, Mosaic] = {}
            if self.parts.context_modules:
                for row, column in product(rows, columns):
                    with self.parts.observing(self._place(row, column, view), mosaics):
                        self._show(row, column, view)
            self.context[view] = {module: module(mosaic.join()) for module, mosaic in mosaics.items()}

    @torch.no_grad()
    def probabilities(self, row: Span, column: Span) -> Float[Tensor, "K h w"]:
        """Return the mean over the views of one tile."""
        total: Tensor | None = None
        for view in self.views:
            whole = self.parts and self.parts.placed(self._place(row, column, view), self.context[view])
            with whole or nullcontext():
                seen = self._show(row, column, view)
            total = seen if total is None else total.add_(seen)
        assert total is not None
        return total.div_(len(self.views))

    def _show(self, row: Span, column: Span, view: View) -> Float[Tensor, "K h w"]:
        tile = self.image[row.start : row.stop, column.start : column.stop]
        pixels = normalize_images([tile], mean=self.mean, std=self.std, device=self.device)
        if view.mirrored and self.parts is not None:
            pixels = functional.pad(pixels, (0, -pixels.shape[3] % ALIGN_PX))
        return view_probabilities(self.network, pixels, view)[0, :, :, : tile.shape[1]]

    def _place(self, row: Span, column: Span, view: View) -> TilePlace:
        """Return where a tile lies in the scaled and mirrored image."""
        height, width = self.image.shape[:2]
        start, stop, owned = column.start, column.stop, column.owned
        if view.mirrored:  # the right edge is padded, so that all tiles start at multiples from the left, too
            padded = width + -width % ALIGN_PX
            if stop == width:
                stop, owned = padded, (owned[0], padded)
            width, start, stop, owned = padded, padded - stop, padded - start, (padded - owned[1], padded - owned[0])
        top, bottom, left, right = (round(place * view.scale) for place in (*row.owned, *owned))
        return TilePlace(
            image=view.size((height, width)),
            start=(round(row.start * view.scale), round(start * view.scale)),
            size=view.size((row.stop - row.start, stop - start)),
            owned=((top, bottom), (left, right)),
        )


def _ends(spans: Sequence[Span]) -> list[int]:
    """Return, for each tile, up to where no later tile of its axis has a share."""
    return [*(span.start for span in spans[1:]), spans[-1].stop]


def _ramp(overlap: int) -> Float[Tensor, " overlap"]:
    """Return weights rising from 0 to 1 over the middle half of an overlap."""
    places = torch.arange(overlap) + 0.5
    return ((places - overlap / 4) / (overlap / 2)).clamp(0, 1)
