"""Laws of the dense CRF and of its lattice, for any input."""

from itertools import pairwise

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tagseg.refine.dense_crf import CrfSettings, DenseCrf, label_probabilities
from tagseg.refine.permutohedral import lattice_filter

SEEDS = st.integers(0, 2**32 - 1)
SIDES = st.integers(1, 14)
LABELS = st.integers(1, 5)
LAWS = settings(max_examples=30, deadline=None)


def random_case(seed: int, height: int, width: int, num_labels: int) -> tuple[np.ndarray, torch.Tensor]:
    """Return an image of a few colours with noise, and probabilities."""
    random = np.random.default_rng(seed)
    image = random.integers(0, 4, (height, width, 1)) * 60 + random.integers(0, 12, (height, width, 3))
    scores = torch.rand(num_labels, height, width, generator=torch.Generator().manual_seed(seed))
    return image.astype(np.uint8), (3 * scores).softmax(0)


@LAWS
@given(seed=SEEDS, height=SIDES, width=SIDES, num_labels=LABELS)
def test_marginals_are_probabilities(seed, height, width, num_labels):
    image, probabilities = random_case(seed, height, width, num_labels)
    marginals = DenseCrf(image, settings=CrfSettings()).infer(probabilities)
    assert marginals.min() >= 0
    torch.testing.assert_close(marginals.sum(0), torch.ones(height, width))


@LAWS
@given(seed=SEEDS, height=SIDES, width=SIDES, num_labels=LABELS)
def test_zero_pairwise_weight_returns_the_unary_arg_max(seed, height, width, num_labels):
    image, probabilities = random_case(seed, height, width, num_labels)
    unary_only = CrfSettings(gaussian_weight=0.0, bilateral_weight=0.0)
    marginals = DenseCrf(image, settings=unary_only).infer(probabilities)
    winners = probabilities.gather(0, marginals.argmax(0, keepdim=True))[0]
    torch.testing.assert_close(winners, probabilities.amax(0))  # by value: float32 may tie what was nearly equal


@LAWS
@given(seed=SEEDS, height=SIDES, width=SIDES, num_labels=LABELS)
def test_permuting_labels_permutes_marginals(seed, height, width, num_labels):
    image, probabilities = random_case(seed, height, width, num_labels)
    crf = DenseCrf(image, settings=CrfSettings(iterations=3))
    names = torch.randperm(num_labels, generator=torch.Generator().manual_seed(seed))
    torch.testing.assert_close(crf.infer(probabilities[names]), crf.infer(probabilities)[names], atol=1e-4, rtol=1e-4)


@LAWS
@given(seed=SEEDS, height=SIDES, width=SIDES, num_labels=LABELS)
def test_no_preference_stays_no_preference(seed, height, width, num_labels):
    image, _ = random_case(seed, height, width, num_labels)
    marginals = DenseCrf(image, settings=CrfSettings()).infer(torch.ones(num_labels, height, width))
    torch.testing.assert_close(marginals, torch.full_like(marginals, 1 / num_labels))


@LAWS
@given(seed=SEEDS, grey=st.integers(0, 255), height=st.integers(1, 5), width=st.integers(2, 40))
def test_more_weight_never_adds_label_changes_along_a_row_of_a_flat_image(seed, grey, height, width):
    """Rows are alike, so that only neighbours in the row speak; soft unaries have counterexamples in any mean field."""
    image = np.full((height, width, 3), grey, np.uint8)
    labels = torch.randint(0, 2, (1, width), generator=torch.Generator().manual_seed(seed)).repeat(height, 1)
    unary = label_probabilities(labels, num_labels=2)
    changes = []
    for weight in (0.0, 0.1, 0.3, 1.0, 4.0):
        stronger = CrfSettings(gaussian_weight=3 * weight, bilateral_weight=10 * weight)
        winners = DenseCrf(image, settings=stronger).infer(unary).argmax(0)
        changes.append((winners[:, 1:] != winners[:, :-1]).sum(1))
    for weaker, stronger in pairwise(changes):
        assert (stronger <= weaker).all()


@LAWS
@given(seed=SEEDS, dimensions=st.integers(1, 6), points=st.integers(1, 60), spread=st.floats(0.1, 50))
def test_lattice_filter_is_linear_and_keeps_signs(seed, dimensions, points, spread):
    generator = torch.Generator().manual_seed(seed)
    kernel = lattice_filter(spread * torch.rand(dimensions, points, generator=generator))
    one, other = torch.rand(2, points, 3, generator=generator)
    torch.testing.assert_close(kernel(2 * one - other), 2 * kernel(one) - kernel(other), atol=1e-5, rtol=1e-4)
    assert (kernel(one) > 0).all()


@LAWS
@given(seed=SEEDS, dimensions=st.integers(1, 6), points=st.integers(1, 60), spread=st.floats(0.1, 50))
def test_splat_loses_nothing_and_slice_is_an_average_of_corners(seed, dimensions, points, spread):
    kernel = lattice_filter(spread * torch.rand(dimensions, points, generator=torch.Generator().manual_seed(seed)))
    values = torch.rand(points, 2, generator=torch.Generator().manual_seed(seed))
    torch.testing.assert_close(kernel.splat(values).sum(0), values.sum(0), atol=1e-4, rtol=1e-4)
    vertices = torch.ones(len(kernel.splat.starts) - 1, 1)
    torch.testing.assert_close(
        kernel.slice(vertices), torch.full((points, 1), 1 / (1 + 2**-dimensions)), atol=1e-5, rtol=1e-5
    )


@LAWS
@given(seed=SEEDS, height=SIDES, width=SIDES)
def test_mean_field_does_not_care_where_unaries_stand_in_a_batch(seed, height, width):
    image, probabilities = random_case(seed, height, width, 3)
    crf = DenseCrf(image, settings=CrfSettings(iterations=3))
    flipped = probabilities.flip(0)
    together = crf.infer(torch.stack([flipped, probabilities]))
    torch.testing.assert_close(together[1], crf.infer(probabilities), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(together[0].flip(0), together[1], atol=1e-4, rtol=1e-4)
