"""Known answers of the pair losses and their gradients."""

import math

import pytest
import torch

from tagseg.losses.affinity import BOUNDARY_GUESS, affinity_loss, boundary_loss, pair_sums


def constant_case(boundary: float, labels: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return one boundary for all cells, no displacement, and labels; on 2 x 3 cells radius 2 has 4 pairs of (0, 1)."""
    ids = torch.tensor([labels])
    return torch.full(ids.shape, boundary), torch.zeros(1, 2, *ids.shape[1:]), ids


def centre_field(height: int, width: int) -> torch.Tensor:
    """Return the displacement of every cell to one centre."""
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack([3.0 - rows, 4.0 - columns])[None]


def test_number_of_pairs_of_the_training_grid():
    sums, counts = pair_sums(torch.zeros(1, 128, 128), torch.zeros(1, 2, 128, 128), torch.zeros(1, 128, 128).long())
    assert counts.tolist() == [1_989_680, 0, 0, 0, 2 * 1_989_680]
    torch.testing.assert_close(sums[0] / counts[0], torch.tensor(-math.log1p(1e-5)), atol=1e-6, rtol=0)
    assert sums[1:].tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("labels", "group"), [([[0, 0, 0], [0, 0, 0]], 0), ([[7, 7, 7], [7, 7, 7]], 1), ([[7, 0, 2], [3, 1, 2]], 2)]
)
@pytest.mark.parametrize(("boundary", "affinity"), [(0.0, 1.0), (0.25, 0.75), (1.0, 0.0)])
def test_cost_of_each_kind_of_pair(labels, group, boundary, affinity):
    sums, counts = pair_sums(*constant_case(boundary, labels), radius=2)
    likely = 1 - affinity if group == 2 else affinity
    expected = [0.0, 0.0, 0.0]
    expected[group] = -4 * math.log(likely + 1e-5)
    torch.testing.assert_close(sums[:3], torch.tensor(expected), atol=1e-5, rtol=1e-6)
    assert counts[:3].tolist() == [4.0 * (group == kind) for kind in range(3)]


def test_a_pair_with_an_unknown_end_counts_nowhere():
    boundary, displacement, labels = constant_case(0.5, [[0, 255, 0], [0, 0, 0]])
    sums, counts = pair_sums(boundary, displacement, labels, radius=2)
    assert counts.tolist() == sums.tolist() == [0] * 5
    boundary, displacement, labels = constant_case(0.5, [[0, 4, 255], [255, 4, 255]])
    assert pair_sums(boundary, displacement, labels, radius=2).counts.tolist() == [0, 1, 0, 2, 0]


def test_a_field_that_leads_to_one_centre_costs_the_foreground_nothing():
    labels = torch.full((1, 8, 12), 5)
    sums, counts = pair_sums(torch.zeros(1, 8, 12), centre_field(8, 12), labels, radius=4)
    assert counts[3] == 2 * counts[1] > 0
    assert sums[3].abs() < 1e-3
    # In the background the same field costs every pair the length of its offset, along rows and columns.
    sums, counts = pair_sums(torch.zeros(1, 8, 12), centre_field(8, 12), labels * 0, radius=2)
    assert (sums[4] / counts[4]).item() == pytest.approx((0 + 1 + 1 + 1 + 1 + 0 + 1 + 1) / 8)


def test_displacements_of_pairs_of_two_labels_are_free():
    boundary, _, labels = constant_case(0.5, [[7, 0, 2], [3, 1, 2]])
    sums, counts = pair_sums(boundary, torch.rand(1, 2, 2, 3), labels, radius=2)
    assert sums[3:].tolist() == counts[3:].tolist() == [0, 0]


def test_gradient_of_a_pair_goes_to_the_strongest_cell_of_its_path():
    boundary = torch.tensor([[[0.0, 0.1, 0.5, 0.2, 0.0], [0.0] * 5, [0.0] * 5]], requires_grad=True)
    labels = torch.full((1, 3, 5), 255)
    labels[0, 0, 2] = labels[0, 0, 4] = 0
    sums, counts = pair_sums(boundary, torch.zeros(1, 2, 3, 5), labels, radius=3)
    assert counts.tolist() == [1, 0, 0, 0, 2]
    (gradient,) = torch.autograd.grad(sums[0], boundary)
    assert gradient.nonzero().tolist() == [[0, 0, 2]]
    assert gradient[0, 0, 2].item() == pytest.approx(1 / (0.5 + 1e-5))


def test_equal_cells_of_a_path_give_one_of_them_the_gradient():
    boundary, displacement, labels = constant_case(0.5, [[255, 1, 1], [255, 255, 255]])
    (gradient,) = torch.autograd.grad(
        pair_sums(boundary.requires_grad_(), displacement, labels, radius=2).sums[1], boundary
    )
    assert gradient.tolist() == [[[0, 0, pytest.approx(1 / (0.5 + 1e-5))], [0, 0, 0]]]


def test_gradient_of_a_displacement_is_a_sign_at_each_end():
    boundary, displacement, labels = constant_case(0.0, [[255, 3, 3], [255, 255, 255]])
    displacement[0, :, 0, 1] = torch.tensor([0.5, 3.0])  # it differs from its neighbour's by (0.5, 3), not by (0, 1)
    sums, _ = pair_sums(boundary, displacement.requires_grad_(), labels, radius=2)
    assert sums[3].item() == 2.5
    (gradient,) = torch.autograd.grad(sums[3], displacement)
    assert gradient[0, :, 0, 1].tolist() == [1, 1]
    assert gradient[0, :, 0, 2].tolist() == [-1, -1]
    assert gradient.abs().sum() == 4


def test_gradients_agree_with_finite_differences():
    generator = torch.Generator().manual_seed(0)
    boundary = torch.rand(2, 4, 6, dtype=torch.float64, generator=generator, requires_grad=True)
    displacement = torch.randn(2, 2, 4, 6, dtype=torch.float64, generator=generator, requires_grad=True)
    labels = torch.randint(0, 3, (2, 4, 6), generator=generator)
    labels[torch.rand(2, 4, 6, generator=generator) < 0.2] = 255
    assert torch.autograd.gradcheck(
        lambda b, d: pair_sums(b, d, labels, radius=3).sums,
        (boundary, displacement),
        eps=1e-8,
        atol=1e-5,
        fast_mode=True,
    )


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_halves_are_summed_in_single_precision(dtype):
    boundary = torch.full((1, 16, 19), 0.5, dtype=dtype, requires_grad=True)
    labels = torch.zeros(1, 16, 19, dtype=torch.uint8)
    sums, counts = pair_sums(boundary, torch.zeros(1, 2, 16, 19, dtype=dtype), labels)
    assert sums.dtype == counts.dtype == torch.float32
    assert (sums[0] / counts[0]).item() == pytest.approx(math.log(2), abs=1e-4)
    assert torch.autograd.grad(sums[0], boundary)[0].dtype == dtype


def test_autocast_changes_nothing():
    generator = torch.Generator().manual_seed(0)
    boundary, displacement = torch.rand(1, 9, 12, generator=generator), torch.randn(1, 2, 9, 12, generator=generator)
    labels = torch.randint(0, 2, (1, 9, 12), generator=generator)
    plain = pair_sums(boundary, displacement, labels, radius=4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        cast = pair_sums(boundary, displacement, labels, radius=4)
    assert torch.equal(cast.sums, plain.sums)


def test_weights_of_the_five_means():
    counts = torch.tensor([2.0, 4.0, 5.0, 8.0, 10.0])
    weights = [affinity_loss(counts * one, counts).item() for one in torch.eye(5)]
    assert weights == [0.25, 0.25, 0.5, 0.5, 0.5]


def test_kinds_without_pairs_add_nothing():
    assert affinity_loss(torch.zeros(5), torch.zeros(5)).item() == 0.0
    sums, counts = torch.tensor([0.0, 6.0, 0.0, 0.0, 0.0]), torch.tensor([0.0, 2.0, 0.0, 0.0, 0.0])
    assert affinity_loss(sums, counts).item() == 0.75


def test_the_loss_of_the_boundary_is_the_whole_without_displacements():
    counts = torch.tensor([2.0, 4.0, 5.0, 8.0, 10.0])
    assert [boundary_loss(counts * one, counts).item() for one in torch.eye(5)] == [0.25, 0.25, 0.5, 0, 0]
    assert boundary_loss(torch.zeros(5), torch.zeros(5)).item() == 0.0


def test_no_boundary_that_is_equal_everywhere_costs_less_than_the_guess():
    labels = torch.tensor([[[0, 0, 1, 1, 2]] * 4])
    costs = {}
    for percent in range(5, 100, 5):
        boundary = torch.full((1, 4, 5), percent / 100)
        costs[percent] = boundary_loss(*pair_sums(boundary, torch.zeros(1, 2, 4, 5), labels, radius=2)).item()
    assert min(costs, key=costs.__getitem__) == 50
    assert costs[50] == pytest.approx(BOUNDARY_GUESS, abs=1e-4)
