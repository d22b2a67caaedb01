"""Pairs of neighbouring cells of a grid, the straight paths between them, and the maximum on each path.

Axes: N images, h w rows and columns of the grid, hs ws of its source cells. An offset (dy, dx) leads from a pair's
source cell to its neighbour, in cells, down and to the right. Pairs have no direction: of two opposite offsets only
one is listed.
"""

from functools import cache

import torch
from jaxtyping import Shaped
from torch import Tensor

from tagseg.errors import RecipeError

Offset = tuple[int, int]


@cache
def neighbour_offsets(radius: int) -> tuple[Offset, ...]:
    """List half of the neighbours that are closer than a radius: those to the right, and those in later rows.

    ``{(0, dx): 0 < dx < radius}`` and ``{(dy, dx): 0 < dy < radius, dy^2 + dx^2 < radius^2}``

    Source: IRN (Ahn et al., CVPR 2019), the pairs of inter-pixel relation mining.

    Args:
        radius: in cells, at least 1; 1 leaves no neighbour.

    Returns:
        Offsets in row-major order: 34 for radius 5, 152 for radius 10.

    Raises:
        RecipeError: when the radius is below 1.

    >>> neighbour_offsets(2)
    ((0, 1), (1, -1), (1, 0), (1, 1))
    """
    if radius < 1:
        raise RecipeError(
            f"radius of neighbours is at least 1 cell, got {radius}", help="take 5 for the walk and 10 for training"
        )
    reach = range(1 - radius, radius)
    later_rows = ((dy, dx) for dy in range(1, radius) for dx in reach if dy**2 + dx**2 < radius**2)
    return tuple((0, dx) for dx in range(1, radius)) + tuple(later_rows)


@cache
def path_offsets(offset: Offset) -> tuple[Offset, ...]:
    """List the cells of the straight path from (0, 0) to an offset, both ends included.

    A cell is on the path when it lies in the rectangle that the two ends span, less than one cell from the line
    through them: ``(dy * x - dx * y)^2 < dy^2 + dx^2``.

    Source: IRN (Ahn et al., CVPR 2019), the line between two pixels; the width of one cell is its release's.

    Args:
        offset: where the path ends, not (0, 0), with ``dy >= 0``.

    Returns:
        Cells in row-major order.

    >>> path_offsets((2, 2))
    ((0, 0), (0, 1), (1, 0), (1, 1), (1, 2), (2, 1), (2, 2))
    """
    dy, dx = offset
    columns = range(min(0, dx), max(0, dx) + 1)
    return tuple((y, x) for y in range(dy + 1) for x in columns if (dy * x - dx * y) ** 2 < dy**2 + dx**2)


def source_cells(cells: Shaped[Tensor, "*batch h w"], *, radius: int) -> Shaped[Tensor, "*batch hs ws"]:
    """Return a view of the cells whose every neighbour of :func:`neighbour_offsets` lies in the grid.

    Args:
        cells: any values on the grid.
        radius: of the neighbours, in cells, at least 1.

    Returns:
        The cells without the last ``radius - 1`` rows and without the first and the last ``radius - 1`` columns.

    Raises:
        RecipeError: when no such cell exists.

    >>> source_cells(torch.arange(8).view(2, 4), radius=2).tolist()
    [[1, 2]]
    """
    return neighbour_cells(cells, (0, 0), radius=radius)


def neighbour_cells(
    cells: Shaped[Tensor, "*batch h w"], offset: Offset, *, radius: int
) -> Shaped[Tensor, "*batch hs ws"]:
    """Return a view of the cells that lie at an offset from each source cell.

    Args:
        cells: any values on the grid.
        offset: ``0 <= dy < radius`` and ``|dx| < radius``.
        radius: of the neighbours, in cells, at least 1.

    Returns:
        A view in the shape of :func:`source_cells`, element by element the neighbour of the source.

    Raises:
        RecipeError: when the grid is too small to have source cells.

    >>> neighbour_cells(torch.arange(8).view(2, 4), (1, -1), radius=2).tolist()
    [[4, 5]]
    """
    height, width = cells.shape[-2:]
    rows, columns = height - radius + 1, width - 2 * radius + 2
    if rows < 1 or columns < 1:
        raise RecipeError(
            f"grid for pairs of radius {radius} has at least {radius} x {2 * radius - 1} cells, got {height} x {width}",
            help="train on larger crops, or on pairs of a smaller radius",
        )
    top, left = offset[0], radius - 1 + offset[1]
    return cells[..., top : top + rows, left : left + columns]


@torch.no_grad()
def path_maximum(
    values: Shaped[Tensor, "*batch h w"], offset: Offset, *, radius: int
) -> Shaped[Tensor, "*batch hs ws"]:
    """Return the largest value on the path from each source cell to its neighbour.

    ``maximum[p] = max_{q on the path from p to p + offset} values[q]``

    Source: IRN (Ahn et al., CVPR 2019): a pair's affinity is one minus this maximum of the boundary. Departure: a
    running maximum over shifted views; pairs x path cells are never held at once.

    Args:
        values: one number a cell, of any ordered type; no gradient passes.
        offset: one of ``neighbour_offsets(radius)``.
        radius: of the neighbours, in cells, at least 2.

    Returns:
        One value a source cell.

    Raises:
        RecipeError: when the grid is too small to have source cells.

    >>> path_maximum(torch.tensor([[1, 9, 3, 4, 0], [0, 0, 0, 7, 8]]), (1, 1), radius=2).tolist()
    [[9, 7, 8]]
    """
    maximum = source_cells(values, radius=radius).clone()
    for cell in path_offsets(offset):
        torch.maximum(maximum, neighbour_cells(values, cell, radius=radius), out=maximum)
    return maximum
