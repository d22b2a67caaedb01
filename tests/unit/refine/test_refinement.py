"""Every refinement keeps the one interface; and each does what it is named after."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as PillowImage

from tagseg.data.augment import normalize_image
from tagseg.data.superpixels import compute_regions
from tagseg.models.affinity import AffinityNetwork, predict_boundary
from tagseg.models.backbone import build_backbone
from tagseg.ops.resize import resize_maps
from tagseg.refine.crf import CrfRefiner
from tagseg.refine.dense_crf import CrfSettings
from tagseg.refine.pixel_adaptive import PixelAdaptive, PixelAdaptiveSettings
from tagseg.refine.pseudo_mask import PseudoMask
from tagseg.refine.random_walk import walk_cam
from tagseg.refine.refinement import Refinement, Refiner, refine_in_order
from tagseg.refine.superpixel_snap import SuperpixelMajority, SuperpixelSnap
from tagseg.refine.walk import Walk, WalkRefiner, WalkSettings
from tagseg.types import ImageRecord

ANIMALS = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "voc2012_animals"
HEIGHT, WIDTH = 26, 34


def every_refiner(height: int, width: int) -> list[Refiner]:
    generator = torch.Generator().manual_seed(0)
    regions = torch.randint(-1, 6, (height, width), generator=generator).numpy()
    boundary = torch.rand(-(-height // 4), -(-width // 4), generator=generator)
    return [
        SuperpixelSnap(regions),
        CrfRefiner(),
        CrfRefiner(unary="scores"),
        CrfRefiner(unary="softmax"),
        PixelAdaptive(PixelAdaptiveSettings(dilations=(1, 3), iterations=2)),
        beside_background(WalkRefiner(boundary, WalkSettings(doublings=3))),
    ]


def beside_background(refiner: Refiner) -> Callable[[np.ndarray, torch.Tensor], torch.Tensor]:
    """Return what lets a refiner of maps work on scores of labels: the background stays."""
    return lambda image, scores: torch.cat([scores[:1], refiner(image, scores[1:])])


NAMES = ["snap", "crf", "crf of scores", "crf of softmax", "pixel-adaptive", "walk"]
EVERY = pytest.mark.parametrize("position", range(len(NAMES)), ids=NAMES)


def random_image(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8)


def random_scores(num_labels: int, height: int, width: int) -> torch.Tensor:
    scores = torch.rand(num_labels, height, width, generator=torch.Generator().manual_seed(2))
    scores[0] = 0.3
    return scores


@EVERY
@pytest.mark.parametrize("size", [(HEIGHT, WIDTH), (1, 1), (1, 9)])
def test_a_refiner_keeps_the_shape_and_gives_finite_values(position: int, size: tuple[int, int]):
    scores = random_scores(3, *size)
    refined = every_refiner(*size)[position](random_image(*size), scores)
    assert refined.shape == scores.shape
    assert refined.dtype == torch.float32
    assert torch.isfinite(refined).all()
    assert torch.equal(scores, random_scores(3, *size)), "the scores passed in were written to"


@pytest.mark.parametrize("position", range(4), ids=NAMES[:4])
def test_a_single_label_comes_back_as_it_is(position: int):
    scores = random_scores(1, HEIGHT, WIDTH)
    assert every_refiner(HEIGHT, WIDTH)[position](random_image(HEIGHT, WIDTH), scores) is scores


def test_no_map_comes_back_as_it_is():
    maps = torch.zeros(0, HEIGHT, WIDTH)
    assert WalkRefiner(torch.zeros(7, 9), WalkSettings())(random_image(HEIGHT, WIDTH), maps) is maps


@EVERY
def test_permuting_the_classes_permutes_the_mask(position: int):
    image, scores = random_image(HEIGHT, WIDTH), random_scores(4, HEIGHT, WIDTH)
    refiner = every_refiner(HEIGHT, WIDTH)[position]
    refined = PseudoMask.from_scores(refiner(image, scores), (1, 2, 3))
    permuted = PseudoMask.from_scores(refiner(image, scores[[0, 3, 1, 2]]), (11, 12, 13))
    renamed = np.array([0, 12, 13, 11])[refined.labels]
    # Two equal scores, and two that differ by rounding, may fall either way.
    clear = refined.margin > 1e-5
    assert clear.mean() > 0.7
    assert np.array_equal(renamed[clear], permuted.labels[clear])


@EVERY
def test_maps_of_zeros_stay_background(position: int):
    scores = torch.zeros(3, HEIGHT, WIDTH)
    scores[0] = 0.3
    refined = every_refiner(HEIGHT, WIDTH)[position](random_image(HEIGHT, WIDTH), scores)
    assert not PseudoMask.from_scores(refined, (5, 6)).labels.any()


@EVERY
def test_arrays_that_are_views_or_locked_serve(position: int):
    image, scores = random_image(HEIGHT, WIDTH), random_scores(3, HEIGHT, WIDTH)
    refiner = every_refiner(HEIGHT, WIDTH)[position]
    mirrored = np.ascontiguousarray(image[:, ::-1])[:, ::-1]
    mirrored.flags.writeable = False
    assert torch.equal(refiner(mirrored, scores), refiner(image, scores))


def test_the_walk_is_that_of_the_settings():
    maps = random_scores(3, HEIGHT, WIDTH)
    boundary = torch.rand(7, 9, generator=torch.Generator().manual_seed(3))
    walked = WalkRefiner(boundary, WalkSettings(radius=3, beta=4.0, doublings=2))(random_image(HEIGHT, WIDTH), maps)
    assert torch.equal(walked, walk_cam(maps, boundary, radius=3, beta=4.0, doublings=2))


@pytest.mark.parametrize("share", [0.25, 0.5])
def test_the_share_of_the_walk_is_a_mean_of_maps(share: float):
    maps = random_scores(3, HEIGHT, WIDTH)
    boundary = torch.rand(7, 9, generator=torch.Generator().manual_seed(3))
    mean = WalkRefiner(boundary, WalkSettings(doublings=2, share=share))(random_image(HEIGHT, WIDTH), maps)
    walked = walk_cam(maps, boundary, doublings=2)
    assert not torch.allclose(walked, maps, atol=0.05)
    torch.testing.assert_close(mean, share * walked + (1 - share) * maps)


def records(count: int) -> list[ImageRecord]:
    return [ImageRecord(str(number), Path(f"{number}.png"), (1,)) for number in range(count)]


def test_the_walk_looks_at_a_batch_once_and_each_image_gets_its_boundaries():
    torch.manual_seed(0)
    network = AffinityNetwork(build_backbone("test_resnet", weights=None)).eval()
    images = [random_image(HEIGHT, WIDTH), random_image(HEIGHT, WIDTH)[::-1].copy()]
    walk = Walk(network, WalkSettings(doublings=2))
    assert isinstance(walk, Refinement)
    refiners = walk.prepare(images, records(2))
    backbone = network.backbone
    pixels = torch.stack([normalize_image(image, mean=backbone.mean, std=backbone.std) for image in images])
    maps = random_scores(2, HEIGHT, WIDTH)
    for image, refiner, boundary in zip(images, refiners, predict_boundary(network, pixels), strict=True):
        assert torch.equal(refiner(image, maps), walk_cam(maps, boundary, doublings=2))


def test_superpixels_are_read_for_each_image():
    read = {Path("0.png"): np.zeros((3, 4), np.int32), Path("1.png"): np.ones((3, 4), np.int32)}
    majority = SuperpixelMajority(read.__getitem__)
    assert isinstance(majority, Refinement)
    refiners = majority.prepare([random_image(3, 4)] * 2, records(2))
    assert [refiner.regions.max() for refiner in refiners] == [0, 1]  # type: ignore[attr-defined]


@pytest.mark.parametrize("refinement", [CrfRefiner(), PixelAdaptive()], ids=["crf", "pixel-adaptive"])
def test_what_needs_nothing_of_an_image_is_the_same_for_all(refinement: Refinement):
    assert isinstance(refinement, Refinement)
    assert list(refinement.prepare([random_image(3, 4)] * 2, records(2))) == [refinement, refinement]


def test_without_kernels_the_crf_returns_what_it_starts_from():
    scores = torch.tensor([[[0.25, 0.0, 0.0]], [[0.75, 0.5, 0.0]]])
    image = np.zeros((1, 3, 3), np.uint8)
    settings = CrfSettings(gaussian_weight=0.0, bilateral_weight=0.0)
    labels = CrfRefiner(settings, certainty=0.9)(image, scores)
    torch.testing.assert_close(labels[1], torch.tensor([[0.9, 0.9, 0.1]]), atol=1e-4, rtol=0)
    shares = CrfRefiner(settings, unary="scores")(image, scores)
    torch.testing.assert_close(shares[1], torch.tensor([[0.75, 1.0, 0.5]]), atol=1e-4, rtol=0)
    torch.testing.assert_close(CrfRefiner(settings, unary="scores")(image, scores / 50_000), shares, atol=1e-4, rtol=0)
    softened = CrfRefiner(settings, unary="softmax", temperature=0.25)(image, scores)
    expected = 1 / (1 + torch.tensor([[-2.0, -2.0, 0.0]]).exp())  # of leads of 0.5, 0.5 and 0
    torch.testing.assert_close(softened[1], expected, atol=1e-4, rtol=0)


def test_superpixels_of_any_integer_type_serve():
    scores = random_scores(3, 4, 5)
    regions = np.arange(20).reshape(4, 5) // 6
    image = random_image(4, 5)
    first, *others = (SuperpixelSnap(regions.astype(kind))(image, scores) for kind in (np.int64, np.int32, np.uint16))
    regions.flags.writeable = False
    others.append(SuperpixelSnap(regions)(image, scores))
    assert all(torch.equal(first, other) for other in others)


def test_refiners_run_in_their_order():
    image, scores = random_image(HEIGHT, WIDTH), random_scores(3, HEIGHT, WIDTH)
    snap, _, _, _, adaptive, _ = every_refiner(HEIGHT, WIDTH)
    assert torch.equal(refine_in_order(image, scores, [snap, adaptive]), adaptive(image, snap(image, scores)))
    assert torch.equal(refine_in_order(image, scores, [adaptive, snap]), snap(image, adaptive(image, scores)))
    assert refine_in_order(image, scores, []) is scores


def spilled_scores(truth: np.ndarray) -> tuple[torch.Tensor, list[int]]:
    """Return maps at stride 16 that reach 16 px beyond the objects, as CAMs do, and the label ids of the objects."""
    ids = [label for label in np.unique(truth).tolist() if label not in (0, 255)]
    objects = torch.stack([torch.from_numpy(truth == label).float() for label in ids])[None]
    wide = torch.nn.functional.max_pool2d(objects, 33, stride=1, padding=16)
    maps = torch.cat([1 - wide.amax(dim=1, keepdim=True), wide], dim=1)
    small = torch.nn.functional.interpolate(maps, scale_factor=1 / 16, mode="area")
    return resize_maps(small, truth.shape)[0], ids


@pytest.mark.skipif(not ANIMALS.is_dir(), reason="needs shared/data/voc2012_animals beside the repository")
def test_on_photographs_every_refinement_brings_spilled_maps_nearer_to_the_truth():
    names = (ANIMALS / "ImageSets" / "Segmentation" / "train.txt").read_text().split()[:2]
    errors = dict.fromkeys(["unrefined", "snap", "crf", "crf of scores", "pixel-adaptive"], 0.0)
    for name in names:
        image = np.array(PillowImage.open(ANIMALS / "JPEGImages" / f"{name}.jpg").convert("RGB"))
        truth = np.array(PillowImage.open(ANIMALS / "SegmentationClass" / f"{name}.png"))
        scores, ids = spilled_scores(truth)
        snap = SuperpixelSnap(compute_regions(image))
        refiners = [[], [snap], [CrfRefiner()], [CrfRefiner(unary="scores")], [PixelAdaptive()]]
        for kind, steps in zip(errors, refiners, strict=True):
            labels = PseudoMask.from_scores(refine_in_order(image, scores, steps), ids).labels
            errors[kind] += float((labels != truth)[truth != 255].mean()) / len(names)
    unrefined = errors.pop("unrefined")
    assert max(errors.values()) < 0.95 * unrefined, (unrefined, errors)
