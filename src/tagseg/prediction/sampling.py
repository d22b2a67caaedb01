"""Maps read at fractional places: any part of an enlarged map, without the whole of it.

Axes: N images, D channels, h w cells, R S sampled rows and columns.
"""

import torch
from jaxtyping import Float
from torch import Tensor


def sample_maps(
    maps: Float[Tensor, "N D h w"], rows: Float[Tensor, " R"], columns: Float[Tensor, " S"]
) -> Float[Tensor, "N D R S"]:
    """Return maps at fractional places, bilinearly; places outside take the nearest cell.

    Args:
        maps: values of any range; cell i has its centre at i.
        rows: places along h.
        columns: places along w.

    >>> maps = torch.tensor([[[[0.0, 4.0]]]])
    >>> sample_maps(maps, torch.tensor([0.0]), torch.tensor([-1.0, 0.25, 1.0])).flatten().tolist()
    [0.0, 1.0, 4.0]
    """
    for axis, places in ((2, rows), (3, columns)):
        inside = places.to(maps.device).clamp(0, maps.shape[axis] - 1)
        lower = inside.floor().long()
        upper = (lower + 1).clamp(max=maps.shape[axis] - 1)
        weight = (inside - lower).to(maps.dtype).unflatten(0, (-1, *[1] * (3 - axis)))
        maps = torch.lerp(maps.index_select(axis, lower), maps.index_select(axis, upper), weight)
    return maps


def enlarged_places(length: int, new_length: int) -> Float[Tensor, " R"]:
    """Return where the cells of an axis resized to ``new_length`` come from, as in ``ops.resize.resize_maps``.

    >>> enlarged_places(2, 4).tolist()
    [-0.25, 0.25, 0.75, 1.25]
    """
    return (torch.arange(new_length) + 0.5) * length / new_length - 0.5
