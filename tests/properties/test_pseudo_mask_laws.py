"""Laws of pseudo masks, confidence masks, seeds and pixel-adaptive refinement, for any input."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tagseg.artifacts.cam_file import CamFile
from tagseg.refine.pixel_adaptive import PixelAdaptiveSettings, neighbour_weights, pixel_adaptive
from tagseg.refine.pseudo_mask import PseudoMask, confidence_mask, label_scores
from tagseg.refine.seeds import seed_labels
from tagseg.refine.superpixel_snap import snap_scores

LAWS = settings(max_examples=40, deadline=None)
SIDES = st.integers(1, 7)
SEEDS = st.integers(0, 2**32 - 1)
FRACTIONS = st.floats(0, 1) | st.sampled_from([0.0, 0.5, 1.0])
# Few different values, so that ties and scores exactly at the threshold are common.
LEVELS = st.integers(0, 8).map(lambda level: np.float32(level / 8))


@st.composite
def cams(draw: st.DrawFn) -> tuple[np.ndarray, tuple[int, ...]]:
    label_ids = tuple(sorted(draw(st.sets(st.integers(1, 254), max_size=4))))
    return draw(hnp.arrays(np.float32, (len(label_ids), draw(SIDES), draw(SIDES)), elements=LEVELS)), label_ids


def random_case(seed: int, height: int, width: int) -> tuple[np.ndarray, torch.Tensor, torch.Tensor]:
    """Return an image, scores of four labels without ties, and regions."""
    generator = np.random.default_rng(seed)
    image = generator.integers(0, 256, (height, width, 3), np.uint8)
    scores = generator.permutation(4 * height * width).reshape(4, height, width) / np.float32(4 * height * width)
    regions = generator.integers(-1, 5, (height, width))
    return image, torch.from_numpy(scores.astype(np.float32)), torch.from_numpy(regions)


@LAWS
@given(case=cams(), background_score=LEVELS)
def test_only_background_and_tags_appear_and_scores_explain_them(case, background_score):
    cam, label_ids = case
    mask = PseudoMask.from_scores(label_scores(torch.from_numpy(cam), float(background_score)), label_ids)
    assert set(np.unique(mask.labels)) <= {0, *label_ids}
    assert (mask.margin >= 0).all()
    assert (mask.score >= background_score).all()
    assert np.array_equal(mask.labels, CamFile(cam, label_ids).labels(float(background_score)))


@LAWS
@given(seed=SEEDS, height=SIDES, width=SIDES, order=st.permutations([0, 1, 2]))
def test_permuting_the_classes_permutes_the_mask(seed, height, width, order):
    _, scores, _ = random_case(seed, height, width)
    new_ids = np.array([10, 20, 30])
    permuted = torch.cat([scores[:1], scores[1:][list(order)]])
    old = PseudoMask.from_scores(scores, (1, 2, 3))
    new = PseudoMask.from_scores(permuted, tuple(new_ids.tolist()))
    renamed = np.concatenate([[0], new_ids[np.argsort(order)]])
    assert np.array_equal(renamed[old.labels], new.labels)
    assert np.array_equal(old.margin, new.margin)


@LAWS
@given(labels=hnp.arrays(np.uint8, (5, 6), elements=st.sampled_from([0, 1, 7, 255])), data=st.data())
def test_a_larger_fraction_keeps_more_and_each_kept_pixel_beats_each_dropped_one_of_its_label(labels, data):
    margin = data.draw(hnp.arrays(np.float32, (5, 6), elements=LEVELS))
    low, high = sorted((data.draw(FRACTIONS), data.draw(FRACTIONS)))
    few, many = (confidence_mask(labels, margin, keep_fraction=fraction) for fraction in (low, high))
    assert not (few & ~many).any()
    for label in (0, 1, 7):
        kept, dropped = margin[few & (labels == label)], margin[~few & (labels == label)]
        if kept.size and dropped.size:
            assert kept.min() > dropped.max()
        if low < 1:
            enough = min(low * (kept.size + dropped.size) - 1e-6, (margin[labels == label] > 0).sum())
            assert kept.size >= enough


@LAWS
@given(case=cams(), scores=st.tuples(LEVELS, LEVELS))
def test_seeds_are_the_two_cuts_of_the_cam(case, scores):
    cam, label_ids = case
    low, high = sorted(map(float, scores))
    seeds = seed_labels(cam, label_ids, foreground_score=high, background_score=low, crf=None)
    sure, likely = (CamFile(cam, label_ids).labels(score) for score in (high, low))
    assert np.array_equal(seeds, np.where(sure > 0, sure, np.where(likely > 0, 255, 0)))
    if low == high:
        assert np.array_equal(seeds, sure)


@LAWS
@given(seed=SEEDS, height=SIDES, width=SIDES, order=st.permutations([0, 1, 2, 3]))
def test_snapping_and_averaging_treat_all_labels_alike(seed, height, width, order):
    image, scores, regions = random_case(seed, height, width)
    permuted = scores[list(order)]
    assert torch.equal(snap_scores(permuted, regions), snap_scores(scores, regions)[list(order)])
    small = PixelAdaptiveSettings(dilations=(1, 3), iterations=2)
    refined = pixel_adaptive(image, scores, settings=small)
    torch.testing.assert_close(pixel_adaptive(image, permuted, settings=small), refined[list(order)])


@LAWS
@given(seed=SEEDS, height=SIDES, width=SIDES)
def test_snapping_twice_is_snapping_once_where_a_majority_is_clear(seed, height, width):
    _, scores, regions = random_case(seed, height, width)
    once = snap_scores(scores, regions)
    twice = snap_scores(once, regions)
    assert torch.equal(twice.argmax(dim=0), once.argmax(dim=0))
    torch.testing.assert_close(once.sum(dim=0), torch.ones(height, width))


@LAWS
@given(seed=SEEDS, height=SIDES, width=SIDES, constant=st.floats(-100, 100, width=32))
def test_constants_are_fixed_points_of_pixel_adaptive_refinement_and_it_never_overshoots(seed, height, width, constant):
    image, scores, _ = random_case(seed, height, width)
    refined = pixel_adaptive(image, torch.full((1, height, width), constant), settings=PixelAdaptiveSettings())
    torch.testing.assert_close(refined, torch.full((1, height, width), constant), atol=1e-6, rtol=1e-5)
    refined = pixel_adaptive(image, scores, settings=PixelAdaptiveSettings(iterations=2))
    assert (refined.amax((1, 2)) <= scores.amax((1, 2)) + 1e-6).all()
    assert (refined.amin((1, 2)) >= scores.amin((1, 2)) - 1e-6).all()


@LAWS
@given(seed=SEEDS, height=SIDES, width=SIDES, position_weight=st.floats(0, 10))
def test_weights_are_shares(seed, height, width, position_weight):
    image, _, _ = random_case(seed, height, width)
    pixels = torch.from_numpy(image).permute(2, 0, 1).float()
    weights = neighbour_weights(pixels, settings=PixelAdaptiveSettings(position_weight=position_weight))
    assert (weights >= 0).all()
    torch.testing.assert_close(weights.sum(dim=0), torch.ones(height, width))


@LAWS
@given(seed=SEEDS, height=SIDES, width=SIDES)
def test_a_brighter_or_paler_image_has_the_same_weights(seed, height, width):
    image, _, _ = random_case(seed, height, width)
    pixels = torch.from_numpy(image).permute(2, 0, 1).float() // 4
    settings = PixelAdaptiveSettings()
    changed = neighbour_weights(pixels * 3 + 40, settings=settings)
    torch.testing.assert_close(changed, neighbour_weights(pixels, settings=settings), atol=1e-5, rtol=1e-4)
