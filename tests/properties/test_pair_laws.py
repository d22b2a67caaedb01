"""Laws of paths and of the pair losses, for any input."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tagseg.losses.affinity import affinity_loss, pair_sums
from tagseg.ops.pairs import neighbour_cells, neighbour_offsets, path_maximum, source_cells

SEEDS = st.integers(0, 2**32 - 1)
RADII = st.integers(2, 4)
LAWS = settings(max_examples=10, deadline=None)


def random_case(seed: int, images: int = 2) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    boundary = torch.rand(images, 6, 9, dtype=torch.float64, generator=generator)
    displacement = torch.randn(images, 2, 6, 9, dtype=torch.float64, generator=generator)
    labels = torch.randint(0, 4, (images, 6, 9), generator=generator)
    labels[torch.rand(labels.shape, generator=generator) < 0.3] = 255
    return boundary, displacement, labels


@LAWS
@given(seed=SEEDS, radius=RADII)
def test_path_maxima_cover_both_ends_and_keep_order(seed, radius):
    low = random_case(seed)[0]
    high = low + random_case(seed + 1)[0]
    for offset in neighbour_offsets(radius):
        maximum = path_maximum(low, offset, radius=radius)
        assert (maximum >= source_cells(low, radius=radius)).all()
        assert (maximum >= neighbour_cells(low, offset, radius=radius)).all()
        assert (path_maximum(high, offset, radius=radius) >= maximum).all()
        assert torch.equal(path_maximum(low.exp(), offset, radius=radius), maximum.exp())


@LAWS
@given(seed=SEEDS, radius=RADII)
def test_path_maxima_mirror_with_the_image(seed, radius):
    cells = random_case(seed)[0]
    for dy, dx in neighbour_offsets(radius):
        if dy:
            mirrored = path_maximum(cells.flip(2), (dy, -dx), radius=radius)
            assert torch.equal(mirrored.flip(2), path_maximum(cells, (dy, dx), radius=radius))


@LAWS
@given(seed=SEEDS, radius=RADII)
def test_sums_and_counts_of_a_batch_are_those_of_its_images(seed, radius):
    case = random_case(seed, images=3)
    batch = pair_sums(*case, radius=radius)
    parts = [pair_sums(*(tensor[[image]] for tensor in case), radius=radius) for image in range(3)]
    assert torch.equal(sum(part.counts for part in parts), batch.counts)
    torch.testing.assert_close(sum(part.sums for part in parts), batch.sums)


@LAWS
@given(seed=SEEDS, radius=RADII)
def test_gradients_of_two_processes_are_those_of_one(seed, radius):
    boundary, displacement, labels = random_case(seed)
    boundary.requires_grad_()
    displacement.requires_grad_()
    expected = torch.autograd.grad(
        affinity_loss(*pair_sums(boundary, displacement, labels, radius=radius)), (boundary, displacement)
    )
    parts = [pair_sums(boundary[[n]], displacement[[n]], labels[[n]], radius=radius) for n in range(2)]
    loss = affinity_loss(parts[0].sums + parts[1].sums, parts[0].counts + parts[1].counts)
    for gradient, reference in zip(torch.autograd.grad(loss, (boundary, displacement)), expected, strict=True):
        torch.testing.assert_close(gradient, reference)


@LAWS
@given(seed=SEEDS, radius=RADII)
def test_names_of_classes_mean_nothing(seed, radius):
    boundary, displacement, labels = random_case(seed)
    names = torch.arange(256)
    names[1:4] = torch.tensor([3, 200, 1])
    renamed = pair_sums(boundary, displacement, names[labels], radius=radius)
    original = pair_sums(boundary, displacement, labels, radius=radius)
    assert torch.equal(renamed.sums, original.sums)
    assert torch.equal(renamed.counts, original.counts)


@LAWS
@given(seed=SEEDS, radius=RADII)
def test_boundaries_cost_pairs_of_one_label_and_save_pairs_of_two(seed, radius):
    boundary, displacement, labels = random_case(seed)
    boundary.requires_grad_()
    sums, _ = pair_sums(boundary, displacement, labels, radius=radius)
    for kind, sign in ((0, 1), (1, 1), (2, -1)):
        (gradient,) = torch.autograd.grad(sums[kind], boundary, retain_graph=True)
        assert (sign * gradient >= 0).all()


@LAWS
@given(seed=SEEDS, radius=RADII, dy=st.floats(-9, 9), dx=st.floats(-9, 9))
def test_moving_all_displacements_alike_costs_nothing(seed, radius, dy, dx):
    boundary, displacement, labels = random_case(seed)
    moved = displacement + torch.tensor([dy, dx], dtype=torch.float64).view(1, 2, 1, 1)
    expected = pair_sums(boundary, displacement, labels, radius=radius).sums
    torch.testing.assert_close(pair_sums(boundary, moved, labels, radius=radius).sums, expected, atol=1e-8, rtol=1e-8)


@LAWS
@given(seed=SEEDS, radius=RADII)
def test_forgetting_a_label_takes_its_pairs_away_and_nothing_else(seed, radius):
    boundary, displacement, labels = random_case(seed)
    less = labels.clone()
    less[0, 1, 4] = 255
    all_pairs = pair_sums(boundary, displacement, labels, radius=radius)
    fewer = pair_sums(boundary, displacement, less, radius=radius)
    assert (fewer.counts <= all_pairs.counts).all()
    assert (fewer.sums <= all_pairs.sums + 1e-9).all()
    assert torch.equal(fewer.counts, all_pairs.counts) == torch.allclose(fewer.sums, all_pairs.sums)
