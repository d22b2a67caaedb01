"""What a tile cannot know by itself: features that look at the whole image, and where in the image its cells lie.

Axes: N images, D channels, h w cells of a tile, R cells of an enlarged axis.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from math import ceil, log2
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from tagseg.prediction.sampling import sample_maps

Maps = Float[Tensor, "N D h w"]
ContextMaps = dict[nn.Module, Float[Tensor, "1 D h w"]]
"""What each module that looks at the whole image puts out for it."""

_PROBE_SIZE = (64, 96)  # two and three cells at stride 32: no average over the image looks like a map


@dataclass(frozen=True, slots=True)
class CellAxis:
    """The cells of a tile among those of the whole image, along one axis.

    Args:
        start: number of the tile's first cell.
        count: cells of the tile.
        total: cells of the image.
        owned: (first, after the last) cell that this tile counts for: each cell of the image is one tile's.
    """

    start: int
    count: int
    total: int
    owned: tuple[int, int]

    def corner_aligned(self, length: int) -> Float[Tensor, " R"]:
        """Return from where in the tile its cells come, enlarged to ``length``, when the image keeps its corners.

        ``x(i) = i * (total - 1) / (total * factor - 1)``, both counted from the image's first cell.
        """
        factor = length // self.count
        enlarged = torch.arange(self.start * factor, self.start * factor + length, dtype=torch.float64)
        return (enlarged * (self.total - 1) / max(self.total * factor - 1, 1) - self.start).float()


@dataclass(frozen=True, slots=True)
class TilePlace:
    """Where a tile lies, in pixels of the image as the network sees it: after scaling and mirroring.

    Args:
        image: (height, width) of the whole image.
        start: (top, left) of the tile.
        size: (height, width) of the tile.
        owned: (top, bottom) and (left, right) of the part that this tile counts for.
    """

    image: tuple[int, int]
    start: tuple[int, int]
    size: tuple[int, int]
    owned: tuple[tuple[int, int], tuple[int, int]]

    def cells(self, maps: Maps) -> tuple[CellAxis, CellAxis]:
        """Return where the cells of the tile's maps lie; strides between pixels and cells are powers of two."""
        # Cells are rounded up, so that the quotient falls short of the stride, but not by half.
        stride = 2 ** ceil(log2(max(self.size) / max(maps.shape[2:])))
        axes = []
        for image, start, owned, count in zip(self.image, self.start, self.owned, maps.shape[2:], strict=True):
            first = round(start / stride)
            end = first + count if owned[1] == image else round(owned[1] / stride)
            axes.append(CellAxis(first, count, ceil(image / stride), owned=(round(owned[0] / stride), end)))
        return axes[0], axes[1]


class WholeImageParts:
    """The parts of a network that look at a whole image, made to do so while the network is shown its tiles.

    *Context modules* average over the image: the atrous pyramid of DeepLabV3+ (whose dilated convolutions, too, look
    further than a tile) and the pooling pyramid of UPerNet. What enters them is put together from all tiles, each cell
    once; they see it as a whole, and each tile gets its part of what they put out. They are found as the outermost
    modules with an ``nn.AdaptiveAvgPool2d`` inside that turn one map into one of the same cells.

    An ``nn.Upsample`` with ``align_corners=True`` (DeepLabV3+) stretches an image between its corners, so that the
    place of a cell depends on the image's size. A tile's cells go where the whole image's would.

    Not known are statistics that other modules compute in their ``forward``: squeeze and excitation in the encoder, and
    attention over the whole image. Of these a tile sees its own.

    Args:
        network: any network, in evaluation mode.

    Attributes:
        context_modules: those that need :meth:`observing` before :meth:`placed`.
    """

    def __init__(self, network: nn.Module) -> None:
        self.context_modules = _context_modules(network)
        self._upsamples = [
            module for module in network.modules() if isinstance(module, nn.Upsample) and module.align_corners
        ]

    @contextmanager
    def observing(self, place: TilePlace, mosaics: "dict[nn.Module, Mosaic]") -> Iterator[None]:
        """Inside the block, one forward pass of a tile adds what enters the context modules, and ends there."""
        waiting = set(self.context_modules)

        def observe(module: nn.Module, inputs: tuple[Any, ...]) -> None:
            mosaics.setdefault(module, Mosaic()).add(inputs[0], place)
            waiting.discard(module)
            if not waiting:
                raise _EnoughSeen

        with ExitStack() as hooks:
            for module in self.context_modules:
                hooks.enter_context(module.register_forward_pre_hook(observe))
            try:
                yield
            except _EnoughSeen:
                return

    @contextmanager
    def placed(self, place: TilePlace, context: ContextMaps) -> Iterator[None]:
        """Inside the block, a forward pass of a tile goes as that of the whole image.

        Args:
            place: of the tile.
            context: what each context module puts out for the whole image.
        """

        def cut(module: nn.Module, maps: Maps) -> Float[Tensor, "N D2 h w"]:
            whole = context[module]
            rows, columns = (
                (torch.arange(axis.start, axis.start + axis.count, device=maps.device)).clamp(max=length - 1)
                for axis, length in zip(place.cells(maps), whole.shape[2:], strict=True)
            )
            return whole.index_select(2, rows).index_select(3, columns)

        def stretch(module: nn.Upsample, maps: Maps) -> Float[Tensor, "N D H W"]:
            grid = place.cells(maps)
            factors = [int(factor) for factor in _pair(module.scale_factor)]
            sides = zip(grid, factors, strict=True)
            return sample_maps(maps, *(axis.corner_aligned(axis.count * factor) for axis, factor in sides))

        with ExitStack() as replaced:
            for module in self.context_modules:
                replaced.enter_context(_replaced_forward(module, cut))
            for module in self._upsamples:
                replaced.enter_context(_replaced_forward(module, stretch))
            yield


class Mosaic:
    """A map of the whole image, put together from tiles in any order."""

    def __init__(self) -> None:
        self._pieces: dict[tuple[int, int], Maps] = {}

    def add(self, maps: Maps, place: TilePlace) -> None:
        """Add the cells that a tile counts for."""
        rows, columns = place.cells(maps)
        own = (slice(axis.owned[0] - axis.start, axis.owned[1] - axis.start) for axis in (rows, columns))
        self._pieces[rows.owned[0], columns.owned[0]] = maps[:, :, *own].clone()

    def join(self) -> Maps:
        """Return the whole map, and forget its pieces."""
        tops, lefts = (sorted({corner[axis] for corner in self._pieces}) for axis in range(2))
        rows = [torch.cat([self._pieces.pop((top, left)) for left in lefts], dim=3) for top in tops]
        return torch.cat(rows, dim=2)


class _EnoughSeen(Exception):  # noqa: N818 - no error: it ends a forward pass whose rest nobody needs
    pass


def _context_modules(network: nn.Module) -> list[nn.Module]:
    """Show a network a small image, and return the outermost modules that average over it, from a map to a map."""
    found: set[nn.Module] = set()

    def note(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:  # noqa: ANN401 - any module's
        cells = _cells(inputs[0]) if len(inputs) == 1 else None
        if isinstance(module, nn.AdaptiveAvgPool2d) or (cells not in (None, _PROBE_SIZE) and cells == _cells(output)):
            found.add(module)

    with ExitStack() as hooks:
        for module in network.modules():
            hooks.enter_context(module.register_forward_hook(note))
        network(next(network.parameters(), torch.zeros(())).new_zeros(1, 3, *_PROBE_SIZE))
    chosen: list[nn.Module] = []
    inside: set[nn.Module] = set()
    for module in network.modules():  # from the outside to the inside
        pools = [part for part in module.modules() if isinstance(part, nn.AdaptiveAvgPool2d) and part in found]
        if module in found and module not in inside and pools and pools != [module]:
            chosen.append(module)
            inside.update(module.modules())
    return chosen


def _cells(maps: object) -> tuple[int, int] | None:
    return (maps.shape[2], maps.shape[3]) if isinstance(maps, Tensor) and maps.ndim == 4 else None


def _pair(value: Any) -> tuple[Any, Any]:  # noqa: ANN401 - as torch.nn keeps it: one number or one a side
    return value if isinstance(value, tuple) else (value, value)


@contextmanager
def _replaced_forward(module: nn.Module, forward: Callable[[Any, Maps], Maps]) -> Iterator[None]:
    """Let another function do a module's work for a while."""
    module.__dict__["forward"] = lambda maps: forward(module, maps)
    try:
        yield
    finally:
        del module.__dict__["forward"]
