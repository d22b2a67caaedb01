"""Every refiner keeps the one interface; and each does what it is named after."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as PillowImage

from tagseg.data.superpixels import compute_regions
from tagseg.ops.resize import resize_maps
from tagseg.refine.dense_crf import CrfSettings
from tagseg.refine.pixel_adaptive import PixelAdaptiveSettings
from tagseg.refine.pseudo_mask import PseudoMask
from tagseg.refine.random_walk import walk_cam
from tagseg.refine.refiner import (
    CrfRefiner,
    PixelAdaptive,
    Refiner,
    SuperpixelSnap,
    Unrefined,
    WalkRefiner,
    refine_in_order,
)

ANIMALS = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "voc2012_animals"
HEIGHT, WIDTH = 26, 34


def every_refiner(height: int, width: int) -> list[Refiner]:
    generator = torch.Generator().manual_seed(0)
    regions = torch.randint(-1, 6, (height, width), generator=generator).numpy()
    boundary = torch.rand(-(-height // 4), -(-width // 4), generator=generator)
    return [
        Unrefined(),
        SuperpixelSnap(regions),
        CrfRefiner(),
        CrfRefiner(unary="scores"),
        PixelAdaptive(PixelAdaptiveSettings(dilations=(1, 3), iterations=2)),
        WalkRefiner(boundary, doublings=3),
    ]


NAMES = ["unrefined", "snap", "crf", "crf of scores", "pixel-adaptive", "walk"]
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


@EVERY
def test_a_single_label_comes_back_as_it_is(position: int):
    scores = random_scores(1, HEIGHT, WIDTH)
    assert every_refiner(HEIGHT, WIDTH)[position](random_image(HEIGHT, WIDTH), scores) is scores


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


def test_the_walk_changes_the_maps_of_the_classes_alone():
    scores = random_scores(3, HEIGHT, WIDTH)
    boundary = torch.rand(7, 9, generator=torch.Generator().manual_seed(3))
    walked = WalkRefiner(boundary, radius=3, beta=4.0, doublings=2)(random_image(HEIGHT, WIDTH), scores)
    assert torch.equal(walked[0], scores[0])
    assert torch.equal(walked[1:], walk_cam(scores[1:], boundary, radius=3, beta=4.0, doublings=2))


def test_without_kernels_the_crf_returns_what_it_starts_from():
    scores = torch.tensor([[[0.25, 0.0, 0.0]], [[0.75, 0.5, 0.0]]])
    image = np.zeros((1, 3, 3), np.uint8)
    settings = CrfSettings(gaussian_weight=0.0, bilateral_weight=0.0)
    labels = CrfRefiner(settings, certainty=0.9)(image, scores)
    torch.testing.assert_close(labels[1], torch.tensor([[0.9, 0.9, 0.1]]), atol=1e-4, rtol=0)
    shares = CrfRefiner(settings, unary="scores")(image, scores)
    torch.testing.assert_close(shares[1], torch.tensor([[0.75, 1.0, 0.5]]), atol=1e-4, rtol=0)
    torch.testing.assert_close(CrfRefiner(settings, unary="scores")(image, scores / 50_000), shares, atol=1e-4, rtol=0)


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
    _, snap, _, _, adaptive, _ = every_refiner(HEIGHT, WIDTH)
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
        refiners = [Unrefined(), snap, CrfRefiner(), CrfRefiner(unary="scores"), PixelAdaptive()]
        for kind, refiner in zip(errors, refiners, strict=True):
            labels = PseudoMask.from_scores(refiner(image, scores), ids).labels
            errors[kind] += float((labels != truth)[truth != 255].mean()) / len(names)
    unrefined = errors.pop("unrefined")
    assert max(errors.values()) < 0.95 * unrefined, (unrefined, errors)
