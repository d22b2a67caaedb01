import math

import numpy as np
import pytest
import torch

from tagseg.refine.dense_crf import FINAL_CRF, CrfSettings, DenseCrf, label_probabilities, mean_field
from tagseg.refine.permutohedral import SparseRows, grid_coordinates, lattice_filter

UNARY_ONLY = CrfSettings(gaussian_weight=0.0, bilateral_weight=0.0)


def two_tone(height: int = 12, width: int = 16) -> np.ndarray:
    """Return an image whose right half is brighter by 100 grey levels."""
    image = np.full((height, width, 3), 60, np.uint8)
    image[:, width // 2 :] = 160
    return image


def random_probabilities(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed)).softmax(-3)


class TestLattice:
    def test_sparse_rows_multiply_and_an_empty_row_gives_zero(self):
        matrix = SparseRows(
            columns=torch.tensor([2, 0, 1], dtype=torch.int32),
            starts=torch.tensor([0, 2, 2, 3], dtype=torch.int32),
            weights=torch.tensor([0.5, 2.0, -1.0]),
        )
        values = torch.tensor([[1.0, 10.0], [3.0, 30.0], [4.0, 40.0]])
        assert matrix(values).tolist() == [[4.0, 40.0], [0.0, 0.0], [-3.0, -30.0]]

    @pytest.mark.parametrize("dimensions", [1, 2, 5])
    def test_all_steps_of_the_lattice_are_equally_long_in_feature_space(self, dimensions):
        """The steps are +1 of one grid coordinate, or -1 of all: sqrt(3 D / (2 (D + 1))) standard deviations each."""
        to_features = np.linalg.inv(grid_coordinates(torch.eye(dimensions)).numpy())
        steps = np.concatenate([to_features, -to_features.sum(axis=1, keepdims=True)], axis=1)
        lengths = np.sqrt((steps**2).sum(axis=0))
        assert lengths == pytest.approx([math.sqrt(3 * dimensions / (2 * (dimensions + 1)))] * (dimensions + 1))

    def test_the_point_on_a_vertex_keeps_the_middle_of_the_blur(self):
        """Both directions of a line are the same: blur (1/2, 1, 1/2) twice over three vertices, divided by 3/2."""
        step = math.sqrt(3 / 4)
        values = lattice_filter(torch.tensor([[0.0, step, -step]]))(torch.tensor([[1.0], [0.0], [0.0]]))
        torch.testing.assert_close(values, torch.tensor([[1.5], [1.0], [1.0]]) / 1.5)

    def test_coincident_points_share_and_far_points_do_not_mix(self):
        features = torch.tensor([[0.3, 0.3, 40.0], [0.1, 0.1, 0.1]])
        values = lattice_filter(features)(torch.tensor([[1.0, 0.0], [2.0, 0.0], [0.0, 5.0]]))
        assert values[0, 0] == values[1, 0] > 0
        assert values[:2, 1].tolist() == [0.0, 0.0] and values[2, 0] == 0

    def test_normalized_kernel_fixes_the_square_root_of_the_mass(self):
        """``N K N (1 / N) = N K 1 = 1 / N`` with ``N = 1 / sqrt(K 1)``."""
        features = torch.rand(5, 200, generator=torch.Generator().manual_seed(0)) * 4
        kernel = lattice_filter(features)
        root = kernel(torch.ones(200, 1)).sqrt()
        torch.testing.assert_close(kernel.normalized(gain=2.5)(root), 2.5 * root)

    def test_keys_of_64_bits_give_what_keys_of_32_bits_give(self):
        features = torch.rand(5, 300, generator=torch.Generator().manual_seed(1)) * 3
        outlier = torch.full((5, 1), 3000.0)
        values = torch.rand(301, 2, generator=torch.Generator().manual_seed(2))
        together = lattice_filter(torch.cat([features, outlier], dim=1))(values)[:300]
        torch.testing.assert_close(together, lattice_filter(features)(values[:300]))


class TestSettings:
    def test_defaults_are_those_of_affinity_labels(self):
        assert CrfSettings() == CrfSettings(10, 3.0, 3.0, 50.0, 5.0, 10.0)

    def test_final_crf_is_that_of_the_final_test(self):
        assert CrfSettings(10, 1.0, 3.0, 67.0, 3.0, 4.0) == FINAL_CRF


class TestLabelProbabilities:
    def test_the_rest_is_shared_by_the_other_labels(self):
        unary = label_probabilities(torch.tensor([[2, 0]], dtype=torch.uint8), num_labels=4)
        expected = torch.tensor([[[0.1, 0.7]], [[0.1, 0.1]], [[0.7, 0.1]], [[0.1, 0.1]]])
        torch.testing.assert_close(unary, expected)

    def test_one_label_alone_is_certain(self):
        assert label_probabilities(torch.zeros(2, 3, dtype=torch.int64), num_labels=1).tolist() == [[[1.0] * 3] * 2]


class TestMeanField:
    def test_one_pixel_converges_to_the_fixed_point_of_its_own_message(self):
        """Alone, a pixel's normalised kernels are 1, so ``Q <- softmax(log u + (3 + 10) Q)``, here by hand."""
        probabilities = [0.5, 0.3, 0.2]
        expected = list(probabilities)
        for _ in range(3):
            terms = [u * math.exp(13 * q) for u, q in zip(probabilities, expected, strict=True)]
            expected = [term / sum(terms) for term in terms]
        crf = DenseCrf(np.full((1, 1, 3), 7, np.uint8), settings=CrfSettings(iterations=3))
        marginals = crf.infer(torch.tensor(probabilities).view(3, 1, 1))
        assert marginals.flatten().tolist() == pytest.approx(expected, abs=1e-5)

    def test_two_steps_with_a_given_kernel(self):
        swap = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
        unary = torch.tensor([[[0.0, 1.0], [0.0, 0.0]]])
        expected = unary.softmax(1)
        for _ in range(2):
            expected = (unary + expected @ swap).softmax(1)
        torch.testing.assert_close(mean_field(unary, [lambda rows: swap @ rows], iterations=2), expected)


class TestDenseCrf:
    def test_lonely_labels_go_and_labels_stop_at_the_edge(self):
        labels = torch.zeros(12, 16, dtype=torch.int64)
        labels[:, 8:] = 1
        expected = labels.clone()
        labels[3, 3], labels[7, 12] = 1, 0
        labels[5:8, 6:8] = 1  # the object's label leaks over the edge
        marginals = DenseCrf(two_tone(), settings=CrfSettings()).infer(label_probabilities(labels, num_labels=2))
        assert torch.equal(marginals.argmax(0), expected)

    @pytest.mark.parametrize("settings", [UNARY_ONLY, CrfSettings(iterations=0)])
    def test_without_pairs_or_steps_the_probabilities_come_back(self, settings):
        probabilities = random_probabilities(4, 12, 16)
        marginals = DenseCrf(two_tone(), settings=settings).infer(probabilities)
        torch.testing.assert_close(marginals, probabilities)

    def test_only_ratios_count(self):
        crf = DenseCrf(two_tone(), settings=CrfSettings(iterations=2))
        probabilities = random_probabilities(3, 12, 16)
        torch.testing.assert_close(crf.infer(probabilities * 0.5), crf.infer(probabilities))

    def test_a_batch_equals_its_unaries_one_by_one(self):
        crf = DenseCrf(two_tone(), settings=CrfSettings())
        probabilities = random_probabilities(2, 3, 4, 12, 16)
        one_by_one = torch.stack([torch.stack([crf.infer(unary) for unary in pair]) for pair in probabilities])
        torch.testing.assert_close(crf.infer(probabilities), one_by_one, atol=1e-5, rtol=1e-5)

    @pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (2, 3)])
    def test_small_images(self, size):
        marginals = DenseCrf(np.zeros((*size, 3), np.uint8), settings=FINAL_CRF).infer(random_probabilities(2, *size))
        torch.testing.assert_close(marginals.sum(0), torch.ones(size))

    def test_impossible_labels_and_half_precision_stay_finite(self):
        labels = torch.zeros(12, 16, dtype=torch.int64)
        unary = label_probabilities(labels, num_labels=3, certainty=1.0).half()
        marginals = DenseCrf(two_tone(), settings=CrfSettings()).infer(unary)
        assert marginals.dtype == torch.float32
        assert (marginals[0] > 0.99).all()

    def test_views_and_read_only_images_and_any_memory_layout_are_taken(self):
        mirrored = two_tone()[:, ::-1]
        locked = np.ascontiguousarray(mirrored)
        locked.flags.writeable = False
        probabilities = random_probabilities(2, 12, 16)
        labels_last = probabilities.permute(1, 2, 0).contiguous().permute(2, 0, 1)
        result = DenseCrf(locked, settings=CrfSettings()).infer(probabilities)
        assert torch.equal(DenseCrf(mirrored, settings=CrfSettings()).infer(probabilities), result)
        assert torch.equal(DenseCrf(locked, settings=CrfSettings()).infer(labels_last), result)

    def test_again_gives_the_same_bits_and_no_gradient(self):
        image = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
        probabilities = random_probabilities(3, 40, 50).requires_grad_()
        results = [DenseCrf(image, settings=CrfSettings()).infer(probabilities) for _ in range(2)]
        assert torch.equal(*results)
        assert not results[0].requires_grad
