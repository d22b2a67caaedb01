"""Path maxima, pair losses and their gradients against slow references that share no code with them."""

import itertools
import math

import pytest
import torch

from tagseg.losses.affinity import pair_sums
from tagseg.ops.pairs import neighbour_offsets, path_maximum, source_cells

BACKGROUND, UNKNOWN = 0, 255


def random_case(seed: int, *, height: int, width: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return boundary, displacement and blocky labels of two images, a third of the cells unknown."""
    generator = torch.Generator().manual_seed(seed)
    boundary = torch.rand(2, height, width, dtype=torch.float64, generator=generator)
    displacement = 3 * torch.randn(2, 2, height, width, dtype=torch.float64, generator=generator)
    blocks = torch.randint(0, 3, (2, -(-height // 3), -(-width // 3)), generator=generator)
    labels = blocks.repeat_interleave(3, 1).repeat_interleave(3, 2)[:, :height, :width].contiguous()
    labels[torch.rand(labels.shape, generator=generator) < 1 / 3] = UNKNOWN
    return boundary, displacement, labels


def distance_to_line(point: tuple[int, int], end: tuple[int, int]) -> float:
    """Return how far a point is from the line through the origin and an end."""
    along = (point[0] * end[0] + point[1] * end[1]) / math.hypot(*end)
    return math.sqrt(max(math.hypot(*point) ** 2 - along**2, 0.0))


def slow_pairs(height: int, width: int, radius: int) -> list[tuple[tuple[int, int], tuple[int, int], list]]:
    """Return (source, neighbour, cells of the path) of all pairs, in loops over sources and neighbours."""
    reach = range(-radius, radius + 1)
    pairs = []
    for row, column in itertools.product(range(height - radius + 1), range(radius - 1, width - radius + 1)):
        for dy, dx in itertools.product(reach, reach):
            if (dy, dx) <= (0, 0) or math.hypot(dy, dx) >= radius:
                continue
            rectangle = itertools.product(range(min(0, dy), max(0, dy) + 1), range(min(0, dx), max(0, dx) + 1))
            path = [(row + y, column + x) for y, x in rectangle if distance_to_line((y, x), (dy, dx)) < 1 - 1e-9]
            pairs.append(((row, column), (row + dy, column + dx), path))
    return pairs


def slow_sums(boundary, displacement, labels, *, radius: int) -> tuple[list[torch.Tensor], list[int]]:
    """Return the five sums and counts, one pair after the other."""
    sums, counts = [torch.zeros((), dtype=torch.float64) for _ in range(5)], [0] * 5
    pairs = slow_pairs(*boundary.shape[1:], radius)
    for image, (source, neighbour, path) in itertools.product(range(len(boundary)), pairs):
        first, second = int(labels[image][source]), int(labels[image][neighbour])
        if UNKNOWN in (first, second):
            continue
        affinity = 1 - torch.stack([boundary[image][cell] for cell in path]).max()
        if first != second:
            sums[2] = sums[2] - torch.log(1 + 1e-5 - affinity)
            counts[2] += 1
            continue
        kind = 0 if first == BACKGROUND else 1
        sums[kind] = sums[kind] - torch.log(affinity + 1e-5)
        counts[kind] += 1
        for axis in (0, 1):
            target = neighbour[axis] - source[axis] if kind else 0
            difference = displacement[image, axis][source] - displacement[image, axis][neighbour]
            sums[4 - kind] = sums[4 - kind] + (difference - target).abs()
            counts[4 - kind] += 1
    return sums, counts


@pytest.mark.parametrize("radius", [2, 4, 5])
def test_path_maximum_equals_python_loops(radius):
    boundary, _, _ = random_case(0, height=7, width=11)
    sources = source_cells(torch.arange(77).view(7, 11), radius=radius).flatten().tolist()
    values = boundary[0].numpy()
    found = {
        (source, offset): value
        for offset in neighbour_offsets(radius)
        for source, value in zip(
            sources, path_maximum(boundary[0], offset, radius=radius).flatten().tolist(), strict=True
        )
    }
    expected = {}
    for source, neighbour, path in slow_pairs(7, 11, radius):
        offset = (neighbour[0] - source[0], neighbour[1] - source[1])
        expected[source[0] * 11 + source[1], offset] = max(values[cell] for cell in path)
    assert found == expected


@pytest.mark.parametrize(("seed", "radius"), [(0, 2), (1, 3), (4, 4)])
def test_sums_counts_and_gradients_equal_python_loops(seed, radius):
    boundary, displacement, labels = random_case(seed, height=6, width=9)
    inputs = boundary.requires_grad_(), displacement.requires_grad_()
    sums, counts = pair_sums(*inputs, labels, radius=radius)
    expected, expected_counts = slow_sums(*inputs, labels, radius=radius)
    assert counts.tolist() == expected_counts
    assert min(expected_counts) > 0
    for kind in range(5):
        torch.testing.assert_close(sums[kind], expected[kind], atol=1e-9, rtol=1e-9)
        gradients = torch.autograd.grad(sums[kind], inputs, retain_graph=True)
        references = torch.autograd.grad(expected[kind], inputs, retain_graph=True, allow_unused=True)
        for gradient, reference in zip(gradients, references, strict=True):
            reference = torch.zeros_like(gradient) if reference is None else reference
            torch.testing.assert_close(gradient, reference, atol=1e-9, rtol=1e-9)


def test_single_precision_equals_double():
    boundary, displacement, labels = random_case(3, height=30, width=40)
    double = pair_sums(boundary, displacement, labels)
    single = pair_sums(boundary.float(), displacement.float(), labels.to(torch.uint8))
    assert torch.equal(single.counts.double(), double.counts)
    torch.testing.assert_close(single.sums.double(), double.sums, atol=0, rtol=1e-5)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device to compare with the CPU")
def test_cpu_and_gpu_agree():
    boundary, displacement, labels = random_case(0, height=30, width=40)
    cpu = pair_sums(boundary, displacement, labels)
    gpu = pair_sums(boundary.cuda(), displacement.cuda(), labels.cuda())
    assert torch.equal(gpu.counts.cpu(), cpu.counts)
    torch.testing.assert_close(gpu.sums.cpu(), cpu.sums, atol=0, rtol=1e-9)
