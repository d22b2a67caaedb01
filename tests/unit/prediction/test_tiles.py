import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from tagseg.prediction import whole_image
from tagseg.prediction.segment import View, normalize_images, segment, view_probabilities
from tagseg.prediction.tiles import Tiling, tile_axis, tiled_blocks
from tagseg.prediction.whole_image import CellAxis, Mosaic, TilePlace, WholeImageParts

RGB = {"mean": (0.5, 0.4, 0.6), "std": (0.2, 0.3, 0.25)}
SMALL = Tiling(tile_px=256, overlap_px=128)
UPRIGHT = View()


class Context(nn.Module):
    """Looks at the whole image in three ways: its average, a pooled grid, and far away cells."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.average = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(channels, channels, 1), nn.ReLU())
        self.grid = nn.Sequential(nn.AdaptiveAvgPool2d(3), nn.Conv2d(channels, channels, 1), nn.ReLU())
        self.far = nn.Conv2d(channels, channels, 3, padding=9, dilation=9)

    def forward(self, maps: Tensor) -> Tensor:
        pooled = [functional.interpolate(part(maps), size=maps.shape[2:]) for part in (self.average, self.grid)]
        return torch.cat([maps, self.far(maps), *pooled], dim=1)


class Network(nn.Module):
    """Cells of 16 pixels, context, corner-aligned enlargement to cells of 4, logits; images padded to whole cells."""

    def __init__(self, *, context: bool = True) -> None:
        super().__init__()
        self.cells = nn.Conv2d(3, 4, 16, stride=16)
        self.context = Context(4) if context else nn.Conv2d(4, 16, 1)
        self.up = nn.Upsample(scale_factor=4, mode="bilinear", align_corners=True)
        self.head = nn.Conv2d(16, 3, 3, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        height, width = images.shape[2:]
        padded = functional.pad(images, (0, -width % 16, 0, -height % 16))
        logits = 20 * self.head(self.up(self.context(self.cells(padded))))
        return functional.interpolate(logits, size=padded.shape[2:], mode="bilinear")[:, :, :height, :width]


def network(**kind: bool) -> nn.Module:
    torch.manual_seed(0)
    return Network(**kind)


def photograph(height: int, width: int) -> np.ndarray:
    coarse = np.random.default_rng(0).integers(0, 256, (-(-height // 20), -(-width // 20), 3), np.uint8)
    return coarse.repeat(20, 0).repeat(20, 1)[:height, :width]


def tiled(network: nn.Module, image: np.ndarray, *, tiling: Tiling = SMALL, views=(UPRIGHT,)) -> Tensor:
    """Put the blocks together; every pixel must be given exactly once."""
    found, given = None, torch.zeros(image.shape[:2])
    for block in tiled_blocks(network, image, **RGB, tiling=tiling, views=views):
        found = torch.zeros(len(block.probabilities), *image.shape[:2]) if found is None else found
        found[:, block.rows, block.columns] = block.probabilities
        given[block.rows, block.columns] += 1
    assert found is not None
    assert given.unique().tolist() == [1.0]
    return found


def whole(network: nn.Module, image: np.ndarray, view: View = UPRIGHT) -> Tensor:
    pixels = normalize_images([image], **RGB, device=torch.device("cpu"))
    with torch.no_grad():
        return view_probabilities(network.eval(), pixels, view)[0]


class TestLayout:
    def test_what_fits_is_one_tile(self):
        (span,) = tile_axis(256, SMALL)
        assert (span.start, span.stop, span.owned) == (0, 256, (0, 256))
        assert span.weights.unique().tolist() == [1.0]

    def test_tiles_are_as_few_and_as_small_as_possible(self):
        tiling = Tiling(tile_px=1024, overlap_px=128)
        spans = tile_axis(1100, tiling)
        assert [(span.start, span.stop) for span in spans] == [(0, 640), (512, 1100)]
        assert [span.owned for span in spans] == [(0, 576), (576, 1100)]

    def test_the_ramp_leaves_out_the_outer_quarters(self):
        first, second = tile_axis(380, SMALL)
        shared = second.weights[:128]
        assert shared[:32].unique().tolist() == [0.0]
        assert shared[96:].unique().tolist() == [1.0]
        assert shared[32:96].tolist() == pytest.approx([(index + 0.5) / 64 for index in range(64)])
        torch.testing.assert_close(first.weights[-128:], 1 - shared)


@pytest.mark.parametrize("size", [(300, 700), (517, 261), (200, 600), (1, 300)])
def test_what_looks_at_the_whole_image_sees_it(size):
    image, model = photograph(*size), network()
    torch.testing.assert_close(tiled(model, image), whole(model, image), atol=1e-5, rtol=0)


@pytest.mark.parametrize("view", [View(0.5), View(1.25), View(1.0, True), View(0.75, True)])
def test_at_other_scales_and_mirrored(view):
    image, model = photograph(384, 640), network()
    torch.testing.assert_close(tiled(model, image, views=(view,)), whole(model, image, view), atol=1e-4, rtol=0)


def test_views_are_averaged():
    image, model = photograph(256, 384), network()
    found = tiled(model, image, views=(View(), View(1.0, True)))
    pixels = normalize_images([image], **RGB, device=torch.device("cpu"))
    torch.testing.assert_close(found, segment(model, pixels, flip=True)[0], atol=1e-5, rtol=0)


def test_without_help_tiles_would_differ(monkeypatch):
    """The network of these tests does need the whole image: each remedy left out shows."""
    image, model = photograph(300, 700), network()
    expected = whole(model, image)
    monkeypatch.setattr(whole_image, "_context_modules", lambda network: [])
    assert (tiled(model, image) - expected).abs().max() > 0.05
    monkeypatch.undo()
    model.up.align_corners = False
    without = tiled(model, image)
    model.up.align_corners = True
    assert (without - expected).abs().max() > 0.05


def test_an_image_of_one_tile_is_shown_once_as_it_is():
    image, model = photograph(250, 201), network()
    shapes = []
    model.register_forward_pre_hook(lambda module, inputs: shapes.append(tuple(inputs[0].shape)))
    assert torch.equal(tiled(model, image), whole(model, image))
    assert shapes == [(1, 3, 250, 201)] * 2


def test_a_wider_photograph_mirrored_in_one_tile_is_that_of_the_whole():
    image, model, view = photograph(90, 201), network(), View(1.0, True)
    assert torch.equal(tiled(model, image, views=(view,)), whole(model, image, view))


def test_the_network_is_left_as_it_was():
    model = network().train()
    state = {name: dict(module.__dict__) for name, module in model.named_modules()}
    with torch.enable_grad():
        for _ in tiled_blocks(model, photograph(300, 400), **RGB, tiling=SMALL):
            assert torch.is_grad_enabled()
    assert model.training
    for name, module in model.named_modules():
        assert "forward" not in module.__dict__
        assert {key: value for key, value in state[name].items() if "hooks" in key and value} == {}
        assert not module._forward_hooks and not module._forward_pre_hooks


def test_an_error_of_the_network_leaves_it_as_it_was():
    model = network()
    model.head.register_forward_hook(lambda *call: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        list(tiled_blocks(model, photograph(300, 400), **RGB, tiling=SMALL))
    assert not any("forward" in module.__dict__ or module._forward_pre_hooks for module in model.modules())


def test_memory_does_not_grow_with_the_height(monkeypatch):
    """Besides the tile, only what one row of tiles shares with the next is kept."""
    kept = []
    empty = Tensor.new_empty
    monkeypatch.setattr(Tensor, "new_empty", lambda tensor, *size: kept.append(size) or empty(tensor, *size))
    tiled(nn.Conv2d(3, 5, 1), photograph(1500, 300))
    assert kept == [(5, 128, 300)]


class TestParts:
    def test_context_modules_are_the_outermost_that_turn_a_map_into_a_map(self):
        model = network()
        assert WholeImageParts(model).context_modules == [model.context]
        assert WholeImageParts(network(context=False)).context_modules == []

    def test_averages_that_the_network_never_takes_are_none(self):
        model = network(context=False)
        model.classifier = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(4, 2, 1))
        assert WholeImageParts(model).context_modules == []

    def test_real_decoders(self):
        from tagseg.models.segmentation_network import SegmenterDesign, build_segmenter

        def parts(architecture: str, stride: int) -> list[str]:
            design = SegmenterDesign(architecture, "test_resnet", num_labels=3, output_stride=stride)
            model = build_segmenter(design, weights=None).eval()
            found = WholeImageParts(model).context_modules
            return [name for name, module in model.named_modules() if module in found]

        assert parts("deeplabv3plus", 16) == ["network.decoder.aspp"]
        assert parts("upernet", 32) == ["network.decoder.psp"]
        assert parts("deeplabv2", 8) == []

    def test_cells_of_a_tile(self):
        place = TilePlace(image=(70, 300), start=(0, 128), size=(70, 172), owned=((0, 70), (192, 300)))
        rows, columns = place.cells(torch.zeros(1, 2, 5, 11))
        assert rows == CellAxis(start=0, count=5, total=5, owned=(0, 5))
        assert columns == CellAxis(start=8, count=11, total=19, owned=(12, 19))

    def test_a_mosaic_is_put_together_in_any_order(self):
        maps = torch.arange(4 * 6.0).view(1, 1, 4, 6)
        mosaic = Mosaic()
        for left, right, own in ((2, 6, (3, 6)), (0, 4, (0, 3))):
            place = TilePlace(
                image=(64, 96),
                start=(0, 16 * left),
                size=(64, 16 * (right - left)),
                owned=((0, 64), (16 * own[0], 16 * own[1])),
            )
            mosaic.add(maps[..., left:right], place)
        assert torch.equal(mosaic.join(), maps)

    def test_corner_aligned_places_are_those_of_the_whole_image(self):
        """Enlarging 0..9 itself by 4 shows from where each place comes."""
        line = torch.arange(10.0).view(1, 1, 1, 10)
        enlarged = functional.interpolate(line, size=(1, 40), mode="bilinear", align_corners=True).flatten()
        axis = CellAxis(start=3, count=5, total=10, owned=(3, 8))
        torch.testing.assert_close(axis.corner_aligned(20) + 3, enlarged[12:32])
