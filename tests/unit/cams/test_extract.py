import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate

from tagseg.cams.extract import add_views, average_over_regions, extract_cams, scaled_size, shape_batches
from tagseg.cams.methods.cam import ClassActivation
from tagseg.models.classifier import TagClassifier


class Wrapped(TagClassifier):
    """A classifier with the class maps of any module."""

    def __init__(self, network: nn.Module) -> None:
        nn.Module.__init__(self)
        self.network, self.pooling_shares = network, (1.0,)
        self.register_buffer("level", torch.zeros(100))

    def forward(self, images: Tensor) -> Tensor:
        return self.network(images)


def cam_of(network: nn.Module) -> ClassActivation:
    return ClassActivation(Wrapped(network))


class Recorder(nn.Module):
    """Class maps that are channel means of 4 x 4 cells; remembers what it was shown and in which mode."""

    def __init__(self, num_classes: int = 2) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(num_classes, 3, generator=torch.Generator().manual_seed(0)))
        self.seen: list[tuple[tuple[int, ...], bool]] = []

    def forward(self, images: Tensor) -> Tensor:
        self.seen.append((tuple(images.shape), self.training))
        cells = avg_pool2d(images, 4, ceil_mode=True)
        return torch.einsum("kc,nchw->nkhw", self.weight, cells)


def pictures(count: int, height: int, width: int) -> Tensor:
    return torch.randn(count, 3, height, width, generator=torch.Generator().manual_seed(1))


def slow_cam(classifier: nn.Module, image: Tensor, label: int, scales: tuple[float, ...], flip: bool) -> np.ndarray:
    """One image, one class, one view at a time, with the mirroring done on the finished full-size map."""
    height, width = image.shape[1:]
    total = np.zeros((height, width))
    for scale in scales:
        size = (max(1, round(height * scale)), max(1, round(width * scale)))
        for mirrored in (False, True) if flip else (False,):
            view = image[None]
            if scale != 1:
                view = interpolate(view, size=size, mode="bicubic", align_corners=False, antialias=True)
            view = view.flip(-1) if mirrored else view
            with torch.no_grad():
                map_ = classifier(view)[:, label : label + 1].clamp_min(0)
            full = interpolate(map_, size=(height, width), mode="bilinear", align_corners=False)[0, 0].double()
            total += (full.flip(-1) if mirrored else full).numpy()
    return total / total.max() if total.max() > 0 else total


@pytest.mark.parametrize("flip", [True, False])
@pytest.mark.parametrize("scales", [(1.0,), (0.5, 1.0, 1.5, 2.0)])
def test_parity_with_one_view_at_a_time(flip: bool, scales: tuple[float, ...]) -> None:
    classifier, images = Recorder(3), pictures(2, 21, 14)
    tags = torch.tensor([[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
    cams = extract_cams(cam_of(classifier), images, tags, scales=scales, flip=flip)
    for image, cam, labels in zip(images, cams, ([0, 2], [1]), strict=True):
        expected = np.stack([slow_cam(classifier, image, label, scales, flip) for label in labels])
        assert np.abs(cam.numpy() - expected).max() < 1e-5


def test_only_tagged_classes_in_their_order_each_with_maximum_1() -> None:
    images = pictures(3, 16, 12)
    tags = torch.tensor([[1.0, 1.0], [0.0, 0.0], [0.0, 1.0]])
    cams = extract_cams(cam_of(Recorder()), images, tags)
    assert [tuple(cam.shape) for cam in cams] == [(2, 16, 12), (0, 16, 12), (1, 16, 12)]
    for cam in (cams[0], cams[2]):
        assert cam.dtype == torch.float32
        assert cam.amin() >= 0
        assert cam.amax(dim=(1, 2)).tolist() == [1.0] * len(cam)
    assert not any(cam.requires_grad for cam in cams)


def test_an_image_gets_the_same_maps_alone_and_in_a_batch() -> None:
    method, images = cam_of(Recorder()), pictures(3, 16, 12)
    tags = torch.ones(3, 2)
    together = extract_cams(method, images, tags)
    alone = [extract_cams(method, images[i : i + 1], tags[i : i + 1])[0] for i in range(3)]
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(together, alone, strict=True))


def test_mirroring_the_image_mirrors_the_maps_when_flips_are_summed() -> None:
    method, images, tags = cam_of(Recorder()), pictures(1, 16, 12), torch.ones(1, 2)
    upright = extract_cams(method, images, tags, scales=(1.0,))[0]
    mirrored = extract_cams(method, images.flip(-1), tags, scales=(1.0,))[0]
    assert torch.allclose(mirrored, upright.flip(-1), atol=1e-6)


class Dark(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return -images[:, :2].abs() - 1


def test_a_map_that_is_nowhere_positive_is_0_everywhere() -> None:
    cam = extract_cams(cam_of(Dark()), pictures(1, 8, 8), torch.ones(1, 2))[0]
    assert torch.count_nonzero(cam) == 0
    assert torch.isfinite(cam).all()


def test_views_are_batched_sized_and_shown_in_evaluation_mode_and_training_mode_comes_back() -> None:
    classifier = Recorder().train()
    method = cam_of(classifier)
    extract_cams(method, pictures(2, 19, 12), torch.ones(2, 2), scales=(0.5, 1.0))
    assert classifier.seen == [((4, 3, 10, 6), False), ((4, 3, 19, 12), False)]
    assert classifier.training
    method.classifier.eval()
    extract_cams(method, pictures(1, 8, 8), torch.ones(1, 2), scales=(1.0,), flip=False)
    assert classifier.seen[-1] == ((1, 3, 8, 8), False)
    assert not classifier.training


def test_a_batch_without_any_tag_is_not_shown_to_the_network() -> None:
    classifier = Recorder()
    cams = extract_cams(cam_of(classifier), pictures(2, 8, 8), torch.zeros(2, 2))
    assert [tuple(cam.shape) for cam in cams] == [(0, 8, 8), (0, 8, 8)]
    assert classifier.seen == []


def test_a_one_pixel_image_has_a_map() -> None:
    cam = extract_cams(cam_of(nn.Conv2d(3, 1, 1)), torch.ones(1, 3, 1, 1), torch.ones(1, 1))[0]
    assert cam.shape == (1, 1, 1)


def test_half_precision_class_maps_give_float32_maps() -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        cam = extract_cams(cam_of(nn.Conv2d(3, 2, 1)), pictures(1, 8, 8), torch.ones(1, 2), scales=(1.0, 2.0))[0]
    assert cam.dtype == torch.float32


def test_averaging_gives_each_region_its_mean_and_pixels_without_region_their_own_value() -> None:
    random = np.random.default_rng(0)
    cam, regions = random.random((2, 7, 5), dtype=np.float32), random.integers(-1, 4, size=(7, 5))
    expected = cam.copy()
    for region in range(4):
        expected[:, regions == region] = cam[:, regions == region].mean(axis=1, keepdims=True)
    found = average_over_regions(torch.from_numpy(cam), torch.from_numpy(regions))
    assert np.abs(found.numpy() - expected).max() < 1e-6


def test_averaging_laws() -> None:
    cam = torch.rand(2, 4, 6, generator=torch.Generator().manual_seed(0))
    one_each = torch.arange(24).reshape(4, 6)
    assert torch.allclose(average_over_regions(cam, one_each), cam)
    assert torch.allclose(average_over_regions(cam, one_each.flip(0, 1)), cam)  # renaming regions changes nothing
    assert torch.equal(average_over_regions(cam, torch.full((4, 6), -1)), cam)
    flat = average_over_regions(cam, torch.zeros(4, 6, dtype=torch.int32))
    assert torch.allclose(flat, cam.mean(dim=(1, 2), keepdim=True).expand_as(cam))
    assert average_over_regions(cam[:0], one_each).shape == (0, 4, 6)


sizes = st.lists(st.sampled_from([(3, 4), (4, 3), (2, 6), (8, 8), (1, 1)]), max_size=20)


@settings(max_examples=60, deadline=None)
@given(sizes, st.integers(1, 5))
def test_batches_hold_every_image_once_with_one_size_each_largest_first(
    sizes: list[tuple[int, int]], batch_size: int
) -> None:
    batches = shape_batches(sizes, batch_size=batch_size)
    assert sorted(position for batch in batches for position in batch) == list(range(len(sizes)))
    assert all(1 <= len(batch) <= batch_size for batch in batches)
    assert all(len({sizes[position] for position in batch}) == 1 for batch in batches)
    areas = [sizes[batch[0]][0] * sizes[batch[0]][1] for batch in batches]
    assert areas == sorted(areas, reverse=True)
    full = sum(-(-sizes.count(size) // batch_size) for size in set(sizes))
    assert len(batches) == full


def test_scaled_sizes_are_rounded_and_never_0() -> None:
    assert scaled_size((375, 500), 1.5) == (562, 750)
    assert scaled_size((1, 10_000), 0.25) == (1, 2500)


def test_adding_views_leaves_them_as_they_are() -> None:
    views = [torch.tensor([[[1.0, 3.0]]]), torch.tensor([[[1.0, 1.0]]])]
    assert add_views(views, (1, 2)).tolist() == [[[0.5, 1.0]]]
    assert [view.tolist() for view in views] == [[[[1.0, 3.0]]], [[[1.0, 1.0]]]]
