"""Laws of the random walk, for any maps and boundaries."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tagseg.refine.random_walk import Transition, random_walk, walk_cam

SEEDS = st.integers(0, 2**32 - 1)
SIDES = st.integers(1, 9)
RADII = st.integers(1, 6)
STEPS = st.integers(1, 40)
LAWS = settings(max_examples=12, deadline=None)


def random_case(seed: int, height: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return three maps and a boundary with some walls."""
    generator = torch.Generator().manual_seed(seed)
    maps = torch.rand(3, height, width, dtype=torch.float64, generator=generator)
    boundary = torch.rand(height, width, dtype=torch.float64, generator=generator) ** 3
    boundary[torch.rand(height, width, generator=generator) < 0.1] = 1.0
    return maps, boundary


@LAWS
@given(seed=SEEDS, height=SIDES, width=SIDES, radius=RADII, steps=STEPS)
def test_columns_of_the_transition_sum_to_one(seed, height, width, radius, steps):
    _, boundary = random_case(seed, height, width)
    cells = height * width
    one_cell_each = torch.eye(cells, dtype=torch.float64).view(cells, height, width)
    rows = Transition(boundary, radius=radius).walk(one_cell_each, steps=steps)
    torch.testing.assert_close(rows.sum(dim=0), torch.ones(height, width, dtype=torch.float64), atol=1e-6, rtol=0)


@LAWS
@given(seed=SEEDS, height=SIDES, width=SIDES, radius=RADII)
def test_a_pair_of_cells_has_one_affinity(seed, height, width, radius):
    _, boundary = random_case(seed, height, width)
    cells = height * width
    one_cell_each = torch.eye(cells, dtype=torch.float64).view(cells, height, width)
    transition = Transition(boundary, radius=radius).walk(one_cell_each, steps=1).flatten(1)
    affinity = transition / transition.diagonal()  # a cell's own is 1
    torch.testing.assert_close(affinity, affinity.T)


@LAWS
@given(seed=SEEDS, height=SIDES, width=SIDES, first=STEPS, second=STEPS)
def test_steps_add_up(seed, height, width, first, second):
    maps, boundary = random_case(seed, height, width)
    transition = Transition(boundary)
    in_two = transition.walk(transition.walk(maps, steps=first), steps=second)
    torch.testing.assert_close(in_two, transition.walk(maps, steps=first + second), atol=1e-6, rtol=0)


@LAWS
@given(seed=SEEDS, height=SIDES, width=SIDES, a=st.floats(-3, 3), b=st.floats(-3, 3))
def test_the_walk_is_linear(seed, height, width, a, b):
    maps, boundary = random_case(seed, height, width)
    walked = random_walk(maps, boundary)
    mixed = random_walk((a * maps[0] + b * maps[1])[None], boundary)[0]
    torch.testing.assert_close(mixed, a * walked[0] + b * walked[1], atol=1e-6, rtol=0)


@LAWS
@given(seed=SEEDS, height=SIDES, width=SIDES, radius=RADII)
def test_permuting_classes_permutes_maps(seed, height, width, radius):
    maps, boundary = random_case(seed, height, width)
    order = torch.tensor([2, 0, 1])
    assert torch.equal(
        random_walk(maps[order], boundary, radius=radius), random_walk(maps, boundary, radius=radius)[order]
    )


@LAWS
@given(seed=SEEDS, height=SIDES, width=SIDES, radius=RADII)
def test_mirroring_and_turning_the_image_does_so_with_the_maps(seed, height, width, radius):
    maps, boundary = random_case(seed, height, width)
    walked = random_walk(maps, boundary, radius=radius)
    for change in (
        lambda x: x.flip(-1),
        lambda x: x.flip(-2),
        lambda x: x.transpose(-1, -2),
    ):
        torch.testing.assert_close(
            random_walk(change(maps), change(boundary), radius=radius), change(walked), atol=1e-6, rtol=0
        )


@LAWS
@given(seed=SEEDS, height=SIDES, width=SIDES, radius=RADII)
def test_a_wall_parts_the_image_into_two(seed, height, width, radius):
    maps, boundary = random_case(seed, height, 2 * width + 1)
    boundary[:, width] = 1.0
    changed = maps.clone()
    changed[..., width:] += 1.0
    before, after = random_walk(maps, boundary, radius=radius), random_walk(changed, boundary, radius=radius)
    torch.testing.assert_close(before[..., :width], after[..., :width], atol=1e-12, rtol=0)
    alone = random_walk(maps[..., :width], boundary[:, :width], radius=radius)
    torch.testing.assert_close(before[..., :width], alone, atol=1e-6, rtol=0)


@LAWS
@given(seed=SEEDS, height=SIDES, width=SIDES)
def test_more_activation_never_walks_to_less(seed, height, width):
    maps, boundary = random_case(seed, height, width)
    more = maps + random_case(seed + 1, height, width)[0]
    assert (random_walk(more, boundary) >= random_walk(maps, boundary) - 1e-6).all()


@LAWS
@given(seed=SEEDS, height=st.integers(1, 30), width=st.integers(1, 30))
def test_a_walked_cam_has_the_size_and_the_range_of_a_cam(seed, height, width):
    cam = random_case(seed, height, width)[0]
    boundary = random_case(seed, -(-height // 4), -(-width // 4))[1] * 0.9
    walked = walk_cam(cam, boundary)
    assert walked.shape == cam.shape
    assert walked.min() >= 0
    assert walked.max() == 1
