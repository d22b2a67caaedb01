"""Known answers of the random walk."""

import math

import pytest
import torch

from tagseg.refine.random_walk import Transition, chebyshev_weights, random_walk, walk_cam


def cells(*size: int) -> torch.Tensor:
    return torch.rand(*size, generator=torch.Generator().manual_seed(0))


def test_ones_stay_ones_without_boundary():
    # As a matrix the transition of this grid, a 1000 x 1000 image, takes 14.6 GiB.
    assert torch.equal(random_walk(torch.ones(1, 250, 250), torch.zeros(250, 250)), torch.ones(1, 250, 250))


@pytest.mark.parametrize("steps", [1, 4, 256])
def test_ones_stay_ones_where_a_half_is_behind_a_boundary(steps):
    boundary = cells(9, 13)
    halves = torch.zeros(2, 9, 13, dtype=torch.float64)
    halves[0, :, :7] = halves[1, :, 7:] = 1.0
    walked = Transition(boundary, radius=4).walk(halves, steps=steps)
    assert walked[0].min() < 0.9
    torch.testing.assert_close(walked.sum(dim=0), torch.ones(9, 13, dtype=torch.float64), atol=1e-7, rtol=0)


def test_a_wall_leaks_nothing():
    boundary = torch.zeros(12, 20)
    boundary[:, 9] = 1.0
    maps = torch.zeros(1, 12, 20)
    maps[..., :9] = cells(1, 12, 9) + 0.1
    walked = random_walk(maps, boundary)
    assert walked[..., :9].min() > 0.1
    assert not walked[..., 9:].any()


def test_a_gap_in_the_wall_leaks():
    boundary = torch.zeros(12, 20)
    boundary[1:, 9] = 1.0
    maps = torch.zeros(1, 12, 20)
    maps[..., :9] = 1.0
    walked = random_walk(maps, boundary)
    assert walked[..., 10:].min() > 0


def test_an_isolated_cell_keeps_its_score_and_takes_no_other():
    boundary = torch.ones(7, 7)
    boundary[3, 3] = 0.0
    walked = random_walk(torch.full((1, 7, 7), 0.5), boundary)
    assert walked[0, 3, 3] == 0.5
    assert walked.sum() == 0.5


def test_one_step_averages_the_cells_in_reach():
    maps = torch.tensor([[[0.0, 0.0, 12.0, 0.0, 0.0]]])
    walked = random_walk(maps, torch.zeros(1, 5), radius=2, doublings=0)
    torch.testing.assert_close(walked, torch.tensor([[[0.0, 4.0, 4.0, 4.0, 0.0]]]))


def test_beta_is_the_power_of_the_affinity():
    # Two cells, of which one has boundary 0.5: their affinity is 0.25, each one's own is 1.
    walked = random_walk(torch.tensor([[[1.0, 0.0]]]), torch.tensor([[0.0, 0.5]]), beta=2.0, doublings=0)
    torch.testing.assert_close(walked, torch.tensor([[[1 / 1.25, 0.25 / 1.25]]]))


def test_scores_start_weighted_by_what_is_no_boundary():
    walked = random_walk(torch.tensor([[[8.0]]]), torch.tensor([[0.25]]))
    assert walked.item() == 6.0


@pytest.mark.parametrize("doublings", [0, 3, 8])
def test_doublings_are_that_many_squarings(doublings):
    boundary, maps = cells(8, 10), cells(2, 8, 10).double()
    transition = Transition(boundary)
    expected = maps * (1 - boundary)
    for _ in range(2**doublings):
        expected = transition.walk(expected, steps=1)
    torch.testing.assert_close(random_walk(maps, boundary, doublings=doublings), expected, atol=1e-8, rtol=0)


@pytest.mark.parametrize("size", [(1, 1), (1, 2), (3, 1), (2, 3), (4, 4), (1, 40), (40, 1)])
def test_grids_smaller_than_the_radius_converge_to_the_mean(size):
    maps = cells(2, *size)
    walked = random_walk(maps, torch.zeros(size), radius=5, doublings=12)
    means = maps.mean(dim=(1, 2), keepdim=True)
    # On a long grid the cells at its ends have fewer neighbours, and weigh less.
    torch.testing.assert_close(walked, means.expand_as(walked), atol=0.05 if 40 in size else 1e-5, rtol=0)
    torch.testing.assert_close(walked, walked.mean(dim=(1, 2), keepdim=True).expand_as(walked), atol=1e-4, rtol=0)


def test_radius_one_leaves_the_maps():
    maps, boundary = cells(1, 4, 4), torch.zeros(4, 4)
    assert torch.equal(random_walk(maps, boundary, radius=1), maps)


def test_no_maps_give_no_maps():
    assert random_walk(torch.zeros(0, 3, 4), torch.zeros(3, 4)).shape == (0, 3, 4)
    assert walk_cam(torch.zeros(0, 12, 16), torch.zeros(3, 4)).shape == (0, 12, 16)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_the_type_of_the_maps_is_kept_and_no_input_changes(dtype):
    maps, boundary = cells(2, 6, 7).to(dtype), cells(6, 7).to(dtype)
    before = maps.clone(), boundary.clone()
    walked = random_walk(maps.requires_grad_(), boundary)
    assert walked.dtype == dtype
    assert not walked.requires_grad
    assert torch.equal(maps, before[0])
    assert torch.equal(boundary, before[1])


def test_cam_is_walked_at_stride_four_and_scaled_to_one():
    cam = torch.zeros(2, 18, 30)
    cam[0, 4:12, 4:12] = 0.6
    cam[1, 10:, 20:] = 0.2
    walked = walk_cam(cam, torch.zeros(5, 8))
    assert walked.shape == cam.shape
    assert walked.max() == 1.0
    assert walked[1].max() < 0.9


def test_cam_does_not_cross_a_wall_of_cells():
    cam = torch.zeros(1, 16, 40)
    cam[..., :16] = 1.0
    boundary = torch.zeros(4, 10)
    boundary[:, 5] = 1.0
    walked = walk_cam(cam, boundary)
    assert walked[..., :18].min() == 1.0  # half a cell before the wall, bilinear interpolation begins to fall
    assert not walked[..., 22:].any()


def test_an_empty_cam_stays_empty():
    assert not walk_cam(torch.zeros(2, 9, 9), cells(3, 3)).any()


@pytest.mark.parametrize(("steps", "degree"), [(1, 1), (2, 2), (16, 16), (64, 44), (256, 90), (4096, 366)])
def test_degree_grows_with_the_root_of_the_steps(steps, degree):
    assert len(chebyshev_weights(steps)) - 1 == degree


@pytest.mark.parametrize("steps", [1, 2, 5, 64, 256, 1000])
def test_weighted_chebyshev_polynomials_are_the_power(steps):
    worst = 0.0
    for angle in torch.linspace(0, math.pi, 2001, dtype=torch.float64).tolist():
        polynomial = math.fsum(weight * math.cos(k * angle) for k, weight in enumerate(chebyshev_weights(steps)))
        worst = max(worst, abs(polynomial - math.cos(angle) ** steps))
    assert worst < 2e-8


@pytest.mark.parametrize("steps", [3, 8, 256])
def test_chebyshev_weights_are_the_probabilities_of_a_walk_on_the_line(steps):
    weights = chebyshev_weights(steps, tolerance=0.0)
    for k, weight in enumerate(weights):
        ways = math.comb(steps, (steps - k) // 2) * (2 if k else 1) if (steps - k) % 2 == 0 else 0
        assert weight == pytest.approx(ways / 2**steps, rel=1e-9)


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (9, 14)])
def test_the_sparse_matrix_of_a_gpu_takes_the_same_steps(size, monkeypatch):
    boundary = torch.rand(size, generator=torch.Generator().manual_seed(0))
    maps = torch.rand(2, *size, generator=torch.Generator().manual_seed(1))
    step = Transition(boundary)
    by_shifts = [step.walk(maps, steps=steps) for steps in (1, 2, 256)]
    monkeypatch.setattr(Transition, "_by_shifts", lambda self, buffers: self._by_matrix())
    by_matrix = [step.walk(maps, steps=steps) for steps in (1, 2, 256)]
    for shifted, multiplied in zip(by_shifts, by_matrix, strict=True):
        torch.testing.assert_close(multiplied, shifted, rtol=0, atol=1e-6)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_walks_as_a_processor_does():
    boundary, maps = torch.rand(30, 40), torch.rand(2, 30, 40)
    walked = random_walk(maps.cuda(), boundary.cuda()).cpu()
    torch.testing.assert_close(walked, random_walk(maps, boundary), rtol=0, atol=1e-5)
