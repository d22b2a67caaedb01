"""Laws of tiles: they cover the image, their shares add up, and a network that looks nearby does not notice them."""

from itertools import pairwise

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from tagseg.prediction.sampling import enlarged_places, sample_maps
from tagseg.prediction.segment import normalize_images, segment
from tagseg.prediction.tiles import ALIGN_PX, Tiling, tile_axis, tiled_blocks

LAWS = settings(max_examples=60, deadline=None)
FEW = settings(max_examples=8, deadline=None)
RGB = {"mean": (0.5, 0.5, 0.5), "std": (0.25, 0.25, 0.25)}
TILINGS = st.integers(2, 12).flatmap(
    lambda tile: st.integers(1, tile // 2).map(lambda overlap: Tiling(tile * ALIGN_PX, overlap * ALIGN_PX))
)
SIZES = st.tuples(st.integers(1, 600), st.integers(257, 600))


def tiled(network: nn.Module, image: np.ndarray) -> Tensor:
    parts: dict[int, list[Tensor]] = {}
    for block in tiled_blocks(network, image, **RGB, tiling=Tiling(256, 128)):
        parts.setdefault(block.rows.start, []).append(block.probabilities)
    return torch.cat([torch.cat(row, dim=2) for row in parts.values()], dim=1)


@LAWS
@given(length=st.integers(1, 9000), tiling=TILINGS)
def test_shares_add_up_to_1_in_every_pixel_and_at_most_two_tiles_meet(length, tiling):
    total, count = torch.zeros(length), torch.zeros(length)
    for span in tile_axis(length, tiling):
        assert len(span.weights) == span.stop - span.start <= tiling.tile_px
        assert span.start % ALIGN_PX == 0
        assert span.weights.min() >= 0
        total[span.start : span.stop] += span.weights
        count[span.start : span.stop] += 1
    torch.testing.assert_close(total, torch.ones(length))
    assert count.min() >= 1 and count.max() <= 2


@LAWS
@given(length=st.integers(1, 9000), tiling=TILINGS)
def test_neighbours_share_the_overlap_and_owned_parts_follow_each_other(length, tiling):
    spans = tile_axis(length, tiling)
    for before, after in pairwise(spans):
        assert before.stop - after.start == tiling.overlap_px
        assert before.owned[1] == after.owned[0] == after.start + tiling.overlap_px // 2
    assert (spans[0].owned[0], spans[-1].owned[1]) == (0, length)
    assert all(span.start <= span.owned[0] < span.owned[1] <= span.stop for span in spans)
    if len(spans) > 1:  # one tile fewer would not reach
        assert (len(spans) - 1) * (tiling.tile_px - tiling.overlap_px) + tiling.overlap_px < length


@FEW
@given(size=SIZES, seed=st.integers(0, 99))
def test_a_network_that_looks_nearby_does_not_notice_tiles(size, seed):
    torch.manual_seed(seed)
    network = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Tanh(), nn.Conv2d(4, 3, 5, padding=2))
    image = np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)
    pixels = normalize_images([image], **RGB, device=torch.device("cpu"))
    found = tiled(network, image)
    torch.testing.assert_close(found, segment(network, pixels)[0], atol=1e-6, rtol=0)
    torch.testing.assert_close(found.sum(dim=0), torch.ones(size))


@FEW
@given(size=SIZES, color=st.tuples(*[st.integers(0, 255)] * 3))
def test_an_image_of_one_color_has_one_label(size, color):
    torch.manual_seed(0)
    image = np.full((*size, 3), color, np.uint8)
    found = tiled(nn.Conv2d(3, 4, 1), image)
    torch.testing.assert_close(found, found[:, :1, :1].expand_as(found))


@LAWS
@given(
    cells=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    size=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    cut=st.integers(0, 39),
)
def test_a_part_of_an_enlarged_map_is_that_part_of_the_whole(cells, size, cut):
    maps = torch.randn(1, 2, *cells, generator=torch.Generator().manual_seed(0))
    expected = nn.functional.interpolate(maps, size=size, mode="bilinear", align_corners=False)
    rows, columns = (enlarged_places(*pair) for pair in zip(cells, size, strict=True))
    torch.testing.assert_close(sample_maps(maps, rows[cut:], columns), expected[:, :, cut:], atol=1e-5, rtol=0)
