"""Tiles cover an image exactly, and a network sees in them what it sees in the whole."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from tagseg.models.segmentation_network import SegmentationNetwork, SegmenterDesign, build_segmenter
from tagseg.ops.resize import resize_maps
from tagseg.prediction import tiles
from tagseg.prediction.sampling import enlarged_places, sample_maps
from tagseg.prediction.segment import View, normalize_images, segment, views_of
from tagseg.prediction.segmenter import enlarged_blocks
from tagseg.prediction.tiles import ALIGN_PX, Tiling, tile_axis, tiled_blocks
from tagseg.prediction.whole_image import WholeImageParts

MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.2, 0.2)
SMALLEST = Tiling(tile_px=256, overlap_px=128)
ONE_VIEW = (View(),)
lengths = st.one_of(st.integers(1, 1500), st.integers(1, 60_000))


@st.composite
def tilings(draw: st.DrawFn) -> Tiling:
    tile = draw(st.integers(2, 12))
    return Tiling(tile * ALIGN_PX, draw(st.integers(1, tile // 2)) * ALIGN_PX)


def random_photo(height: int, width: int, *, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def uneven_photo(height: int, width: int) -> np.ndarray:
    """Return a photograph whose parts have other means than the whole."""
    rows, columns = np.mgrid[:height, :width]
    waves = 128 + 100 * np.sin(rows / 13) * np.cos(columns / 17)
    photo = np.stack([columns * 255 / width, waves, (columns // 40 + rows // 40) % 2 * 200], axis=-1).astype(np.uint8)
    photo[:, width // 2 :] //= 3
    return photo


def normalized(image: np.ndarray) -> torch.Tensor:
    return normalize_images([image], mean=MEAN, std=STD, device=torch.device("cpu"))


def put_together(network: nn.Module, image: np.ndarray, *, views=ONE_VIEW, tiling=SMALLEST) -> torch.Tensor:
    """Return the probabilities of all blocks, of which each pixel is in exactly one."""
    every, seen = None, np.zeros(image.shape[:2], int)
    for block in tiled_blocks(network, image, mean=MEAN, std=STD, tiling=tiling, views=views):
        if every is None:
            every = torch.full((len(block.probabilities), *image.shape[:2]), float("nan"))
        every[:, block.rows, block.columns] = block.probabilities
        seen[block.rows, block.columns] += 1
    assert every is not None
    assert (seen == 1).all()
    return every


def local_network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.Tanh(), nn.Conv2d(6, 4, 1))


class Context(nn.Module):
    """Adds to each cell what the whole map holds on average."""

    def __init__(self) -> None:
        super().__init__()
        self.mean = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(8, 8, 1))

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        return (maps + 30 * self.mean(maps)).tanh()


class ContextNetwork(nn.Module):
    """Cells of 8 pixels that know the whole image, stretched between its corners."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Conv2d(3, 8, 8, stride=8)
        self.context = Context()
        self.head = nn.Sequential(nn.Conv2d(8, 4, 1), nn.Upsample(scale_factor=8, mode="bilinear", align_corners=True))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return 20 * self.head(self.context(self.encoder(images)))


def context_network() -> SegmentationNetwork:
    torch.manual_seed(1)
    design = SegmenterDesign("deeplabv2", "test_resnet", num_labels=4, output_stride=8)
    return SegmentationNetwork(ContextNetwork(), design=design, mean=MEAN, std=STD, batch_norm="frozen")


class Blind(WholeImageParts):
    """As if nothing in the network looked at the whole image."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__(network)
        self.context_modules = []


@settings(max_examples=150, deadline=None)
@given(lengths, tilings())
@example(2305, Tiling(tile_px=1536, overlap_px=768))
def test_the_tiles_of_an_axis_cover_it(length: int, tiling: Tiling):
    spans = tile_axis(length, tiling)
    total, count = np.zeros(length), np.zeros(length, int)
    for span in spans:
        assert span.start % ALIGN_PX == 0
        assert 0 < span.stop - span.start <= tiling.tile_px
        assert span.start <= span.owned[0] < span.owned[1] <= span.stop
        assert 0 <= span.weights.min() <= span.weights.max() <= 1
        total[span.start : span.stop] += span.weights.numpy()
        count[span.start : span.stop] += 1
    np.testing.assert_allclose(total, 1, atol=1e-6)
    overlaps_by_half = 2 * tiling.overlap_px >= tiling.tile_px  # the last tile ends at the border, over two others
    assert set(count) <= ({1, 2, 3} if overlaps_by_half else {1, 2})
    borders = [0, *(span.owned[1] for span in spans)]
    assert [span.owned[0] for span in spans] == borders[:-1] and borders[-1] == length


@settings(max_examples=150, deadline=None)
@given(lengths, tilings())
def test_no_tile_is_needless_and_the_edges_of_tiles_are_not_used(length: int, tiling: Tiling):
    spans = tile_axis(length, tiling)
    fewer = len(spans) - 1
    assert fewer == 0 or fewer * tiling.tile_px - (fewer - 1) * tiling.overlap_px < length
    unused = tiling.overlap_px // 4
    for span in spans:
        assert span.start == 0 or span.weights[:unused].count_nonzero() == 0
        assert span.stop == length or span.weights[-unused:].count_nonzero() == 0


@settings(max_examples=150, deadline=None)
@given(lengths, tilings())
def test_neighbours_share_the_overlap_and_meet_in_its_middle(length: int, tiling: Tiling):
    spans = tile_axis(length, tiling)
    assert all(len(span.weights) == span.stop - span.start for span in spans)
    for before, after in pairwise(spans):
        assert before.stop - after.start == tiling.overlap_px
        assert before.owned[1] == after.owned[0] == after.start + tiling.overlap_px // 2


@settings(max_examples=12, deadline=None)
@given(st.integers(1, 700), st.integers(1, 700), st.booleans())
def test_a_network_that_looks_nearby_sees_the_same_in_tiles(height: int, width: int, flip: bool):
    network, photo = local_network(), random_photo(height, width)
    found = put_together(network, photo, views=views_of((1.0,), flip=flip))
    torch.testing.assert_close(found[None], segment(network, normalized(photo), flip=flip), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found.sum(dim=0), torch.ones(height, width))


@settings(max_examples=6, deadline=None)
@given(st.integers(65, 130), st.integers(65, 130), st.sampled_from([0.5, 0.75, 1.5]))
def test_so_it_does_at_other_scales(quarter_height: int, quarter_width: int, scale: float):
    network, photo = local_network(), random_photo(4 * quarter_height, 4 * quarter_width)
    found = put_together(network, photo, views=views_of((scale, 1.0), flip=False))
    torch.testing.assert_close(
        found[None], segment(network, normalized(photo), scales=(scale, 1.0)), rtol=1e-3, atol=1e-4
    )


@pytest.mark.parametrize("size", [(1, 1), (30, 256), (256, 256)])
def test_one_tile_is_the_whole_image(size: tuple[int, int]):
    network, photo = context_network(), random_photo(*size)
    views = views_of((0.5, 1.0), flip=True)
    whole = segment(network, normalized(photo), scales=(0.5, 1.0), flip=True)
    (block,) = tiled_blocks(network, photo, mean=MEAN, std=STD, tiling=SMALLEST, views=views)
    assert (block.rows, block.columns) == (slice(0, size[0]), slice(0, size[1]))
    torch.testing.assert_close(block.probabilities[None], whole)


@settings(max_examples=6, deadline=None)
@given(st.integers(200, 600), st.integers(257, 600))
def test_what_looks_at_the_whole_image_does_so_in_tiles(height: int, width: int):
    network, photo = context_network(), uneven_photo(height, width)
    whole = segment(network, normalized(photo))
    torch.testing.assert_close(put_together(network, photo)[None], whole, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("scales", [(1.0,), (0.5, 1.0)])
def test_and_mirrored_too(scales: tuple[float, ...]):
    network, photo = context_network(), uneven_photo(300, 512)
    whole = segment(network, normalized(photo), scales=scales, flip=True)
    found = put_together(network, photo, views=views_of(scales, flip=True))
    assert (found.argmax(0) == whole[0].argmax(0)).float().mean() >= 0.999
    torch.testing.assert_close(found[None], whole, rtol=1e-3, atol=5e-3)


def calibrated_deeplab(photo: np.ndarray) -> SegmentationNetwork:
    """Return a network with random weights whose labels vary as those of a trained one."""
    torch.manual_seed(0)
    design = SegmenterDesign("deeplabv3plus", "test_resnet", num_labels=4, decoder_channels=32)
    network = build_segmenter(design, weights=None, batch_norm="train")
    pixels, head = normalized(photo), network.network.segmentation_head[0]
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, _BatchNorm):
                module.momentum = 1.0
        network(torch.cat([pixels, pixels.flip(-1)]))
        logits = network.eval()(pixels)
        factors = 6 / logits.std((0, 2, 3))
        head.weight.mul_(factors[:, None, None, None])
        head.bias.sub_(logits.mean((0, 2, 3))).mul_(factors)
    return network


def test_deeplabv3plus_gives_the_labels_of_the_whole_image_because_of_the_first_pass(monkeypatch: pytest.MonkeyPatch):
    photo = uneven_photo(300, 500)
    network = calibrated_deeplab(photo)
    whole = segment(network, normalized(photo))[0].argmax(0)
    assert whole.unique().tolist() == [0, 1, 2, 3]
    assert (put_together(network, photo).argmax(0) == whole).float().mean() >= 0.99
    monkeypatch.setattr(tiles, "WholeImageParts", Blind)
    assert (put_together(network, photo).argmax(0) == whole).float().mean() < 0.9


def test_the_network_is_left_as_it_was():
    network, photo = context_network().train(), random_photo(300, 300)
    before = [(module.training, set(module.__dict__)) for module in network.modules()]
    hooks = [len(module._forward_pre_hooks) + len(module._forward_hooks) for module in network.modules()]
    put_together(network, photo)
    assert [(module.training, set(module.__dict__)) for module in network.modules()] == before
    assert hooks == [len(module._forward_pre_hooks) + len(module._forward_hooks) for module in network.modules()]


@pytest.mark.parametrize("value", [0, 200])
def test_an_even_picture_has_one_label_and_no_seams(value: int):
    network, photo = context_network(), np.full((400, 600, 3), value, np.uint8)
    found = put_together(network, photo)
    assert len(found.argmax(0).unique()) == 1
    torch.testing.assert_close(found, found[:, :1, :1].expand_as(found), rtol=1e-4, atol=1e-5)


@settings(max_examples=40, deadline=None)
@given(
    st.tuples(st.integers(1, 9), st.integers(1, 9)),
    st.tuples(st.integers(1, 60), st.integers(1, 60)),
    st.integers(0, 59),
)
def test_sampled_places_of_an_enlarged_map_are_the_resized_map(old: tuple[int, int], new: tuple[int, int], cut: int):
    maps = torch.randn(2, 3, *old, generator=torch.Generator().manual_seed(4))
    rows, columns = (enlarged_places(*pair) for pair in zip(old, new, strict=True))
    whole = resize_maps(maps, new)
    torch.testing.assert_close(sample_maps(maps, rows, columns), whole, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(sample_maps(maps, rows[cut:], columns), whole[:, :, cut:], rtol=1e-4, atol=1e-5)


@settings(max_examples=15, deadline=None)
@given(
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.tuples(st.integers(1, 300), st.sampled_from([1, 700, 3000])),
)
def test_strips_are_the_enlarged_whole(old: tuple[int, int], new: tuple[int, int]):
    probabilities = torch.rand(3, *old, generator=torch.Generator().manual_seed(5)).softmax(dim=0)
    blocks = list(enlarged_blocks(probabilities, new))
    found = torch.cat([block.probabilities for block in blocks], dim=1)
    assert [block.rows.start for block in blocks] == [0, *(block.rows.stop for block in blocks)][:-1]
    assert blocks[-1].rows.stop == new[0]
    torch.testing.assert_close(found, resize_maps(probabilities[None], new)[0], rtol=1e-4, atol=1e-5)


def test_a_large_map_comes_in_several_strips():
    assert len(list(enlarged_blocks(torch.rand(2, 4, 4), (500, 3000)))) > 3
