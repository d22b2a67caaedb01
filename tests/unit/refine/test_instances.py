from itertools import islice
from math import floor
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from skimage import measure

from tagseg.refine import instances
from tagseg.refine.instances import (
    InstanceSettings,
    centroid_groups,
    find_instances,
    follow_displacement,
    instance_maps,
    instance_masks,
)
from tagseg.refine.random_walk import random_walk, walk_cam
from tagseg.refine.walk import mean_with_walked

DATA = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "voc2012_animals"
SEEDS = st.integers(0, 2**32 - 1)
LAWS = settings(max_examples=15, deadline=None)


def field_to(centres, height, width):
    """Return the field with which every cell jumps to the nearest of some (y, x)."""
    grid = torch.stack(torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")).float()
    offsets = torch.tensor(centres, dtype=torch.float32)[:, :, None, None] - grid
    nearest = offsets.norm(dim=1).argmin(dim=0)
    return offsets.gather(0, nearest[None, None].expand(1, 2, -1, -1))[0], nearest


def random_field(seed, height, width, *, strength=4.0):
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randn(1, 2, 3, 3, generator=generator) * strength
    return torch.nn.functional.interpolate(coarse, size=(height, width), mode="bilinear", align_corners=True)[0]


def groups_of(displacement, **options):
    return centroid_groups(follow_displacement(displacement), displacement, **options)


def same_partition(first, second):
    """Return whether two group maps differ in the names of the groups only."""
    pairs = {(a, b) for a, b in zip(first.flatten().tolist(), second.flatten().tolist(), strict=True)}
    return len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})


def slow_track(displacement, start, steps):
    """Follow one cell in plain Python."""
    _, height, width = displacement.shape
    field = displacement.double().tolist()
    y, x = map(float, start)
    for _ in range(steps):
        top, left = min(floor(y), max(height - 2, 0)), min(floor(x), max(width - 2, 0))
        bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
        down, along = y - top, x - left
        move = [
            (1 - down) * ((1 - along) * axis[top][left] + along * axis[top][right])
            + down * ((1 - along) * axis[bottom][left] + along * axis[bottom][right])
            for axis in field
        ]
        y, x = min(max(y + move[0], 0), height - 1), min(max(x + move[1], 0), width - 1)
    return y, x


@pytest.mark.parametrize(("height", "width"), [(7, 9), (1, 6), (5, 1), (1, 1)])
def test_tracks_equal_those_of_plain_python(height, width):
    displacement = random_field(3, height, width, strength=1.5)
    for steps in (0, 1, 2, 40):
        positions = follow_displacement(displacement.double(), steps=steps)
        for row in range(height):
            for column in range(width):
                expected = slow_track(displacement, (row, column), steps)
                assert positions[:, row, column].tolist() == pytest.approx(expected, abs=1e-9)


def test_a_field_to_two_centres_gives_their_two_basins():
    displacement, nearest = field_to([(10, 8), (12, 30)], 24, 40)
    positions = follow_displacement(displacement)
    groups = centroid_groups(positions, displacement)
    assert groups.max() == 1
    assert same_partition(groups, nearest)
    torch.testing.assert_close(positions[:, 0, 0], torch.tensor([10.0, 8.0]), rtol=0, atol=1e-3)
    torch.testing.assert_close(positions[:, 23, 39], torch.tensor([12.0, 30.0]), rtol=0, atol=1e-3)


def test_small_steps_to_a_centre_arrive_too():
    displacement, _ = field_to([(10, 8), (12, 30)], 24, 40)
    slow, fast = follow_displacement(displacement * 0.1), follow_displacement(displacement)
    inside = (torch.arange(40) < 15) | (torch.arange(40) > 24)  # between two centres, small steps may turn
    torch.testing.assert_close(slow[..., inside], fast[..., inside], rtol=0, atol=0.05)


def test_a_field_of_zeros_is_one_group_and_moves_nothing():
    displacement = torch.zeros(2, 13, 17)
    positions = follow_displacement(displacement)
    rows, columns = torch.meshgrid(torch.arange(13.0), torch.arange(17.0), indexing="ij")
    torch.testing.assert_close(positions, torch.stack([rows, columns]), rtol=0, atol=1e-4)
    assert centroid_groups(positions, displacement).unique().tolist() == [0]


def test_tracks_stay_inside_the_grid():
    displacement = torch.full((2, 6, 9), 50.0)
    positions = follow_displacement(displacement, steps=3)
    assert positions[0].unique().tolist() == [5.0]
    assert positions[1].unique().tolist() == [8.0]


def test_a_field_without_centroid_is_one_group():
    assert groups_of(torch.full((2, 6, 9), 50.0)).unique().tolist() == [0]


def test_a_track_that_ends_in_no_centroid_goes_to_the_nearest():
    displacement = torch.full((2, 1, 9), 9.0)
    displacement[:, 0, 1] = displacement[:, 0, 7] = 0  # centroids at columns 1 and 7
    ends = torch.tensor([[0, 1, 2, 3, 3.4, 5, 5, 7, 8]])
    positions = torch.stack([torch.zeros(1, 9), ends])
    assert centroid_groups(positions, displacement).tolist() == [[0, 0, 0, 0, 0, 1, 1, 1, 1]]


def test_centroids_that_no_track_reaches_take_no_number():
    displacement = torch.full((2, 1, 9), 9.0)
    displacement[:, 0, 1] = displacement[:, 0, 4] = displacement[:, 0, 7] = 0
    ends = torch.tensor([[1.0, 1, 1, 7, 7, 7, 7, 7, 7]])
    assert centroid_groups(torch.stack([torch.zeros(1, 9), ends]), displacement).tolist() == [[0] * 3 + [1] * 6]


def test_centroids_touch_by_edges_not_by_corners():
    displacement = torch.full((2, 2, 2), 9.0)
    displacement[:, 0, 0] = displacement[:, 1, 1] = 0
    still = torch.tensor([[[0.0, 0], [1, 1]], [[0, 0], [1, 1]]])
    assert centroid_groups(still, displacement).tolist() == [[0, 0], [1, 1]]


@pytest.mark.parametrize(("length", "expected"), [(2.4, [[0, 0, 0]]), (2.5, [[0, 0, 1]])])
def test_a_centroid_is_weaker_than_two_and_a_half_cells(length, expected):
    displacement = torch.zeros(2, 1, 3)
    displacement[:, 0, 1] = torch.tensor([0.6, 0.8]) * length
    ends = torch.tensor([[[0.0, 0, 0]], [[0.0, 0, 2]]])
    assert centroid_groups(ends, displacement).tolist() == expected


@LAWS
@given(seed=SEEDS, centre=st.tuples(st.integers(2, 9), st.integers(2, 8)))
def test_a_mirrored_field_gives_mirrored_groups(seed, centre):
    generator = torch.Generator().manual_seed(seed)
    second = (int(torch.randint(2, 10, (), generator=generator)), 20 + centre[1])
    displacement, _ = field_to([centre, second], 12, 33)
    mirrored = displacement.flip(2) * torch.tensor([1.0, -1.0])[:, None, None]
    upside_down = displacement.flip(1) * torch.tensor([-1.0, 1.0])[:, None, None]
    groups = groups_of(displacement)
    assert groups.max() == 1
    assert same_partition(groups_of(mirrored), groups.flip(1))
    assert same_partition(groups_of(upside_down), groups.flip(0))


@LAWS
@given(seed=SEEDS, height=st.integers(1, 12), width=st.integers(1, 12))
def test_groups_are_numbered_without_gaps(seed, height, width):
    groups = groups_of(random_field(seed, height, width))
    assert groups.unique().tolist() == list(range(int(groups.max()) + 1))


@LAWS
@given(seed=SEEDS, height=st.integers(1, 8), width=st.integers(1, 8), num_groups=st.integers(1, 5))
def test_the_maps_of_a_class_add_up_to_it_and_do_not_overlap(seed, height, width, num_groups):
    generator = torch.Generator().manual_seed(seed)
    cam = torch.rand(3, height, width, generator=generator)
    cam[1] = 0
    groups = torch.randint(num_groups, (height, width), generator=generator)
    maps, owners = instance_maps(cam, groups)
    assert owners.tolist() == sorted(owners.tolist())
    assert (maps.amax(dim=(1, 2)) > 0).all()
    for index in range(3):
        own = maps[owners == index]
        assert torch.equal(own.sum(dim=0), cam[index])
        assert ((own > 0).sum(dim=0) <= 1).all()
        assert all(len(groups[one > 0].unique()) == 1 for one in own)


def test_masks_are_those_of_the_arg_max_above_the_background():
    walked = torch.tensor([[[4.0, 1.0, 0.0, 0.0]], [[0.0, 2.0, 2.0, 1.0]], [[0.0, 0.0, 2.0, 0.5]]])
    found = instance_masks(walked, [5, 5, 9], size=(1, 4))
    assert [(one.label_id, one.mask[0].tolist(), one.score) for one in found] == [
        (5, [True, False, False, False], 1.0),
        (5, [False, True, True, False], 0.5),  # a tie goes to the earlier map, a quarter of the maximum to no map
    ]


def test_masks_grow_to_the_size_of_the_image():
    walked = torch.zeros(1, 2, 2)
    walked[0, :, 0] = 1.0
    (found,) = instance_masks(walked, [1], size=(8, 8))
    # The edge between the two columns is bilinear: 0.875, 0.625, 0.375 and 0.125 in pixel columns 2 to 5.
    assert found.mask.all(axis=0).tolist() == [True] * 5 + [False] * 3


@pytest.mark.parametrize("walked", [torch.zeros(2, 3, 3), torch.zeros(0, 3, 3)])
def test_maps_of_zeros_are_no_instance(walked):
    assert instance_masks(walked, [1] * len(walked), size=(6, 6)) == []


def two_objects():
    """Return cam, boundary and displacement of two squares of one class that touch at a boundary."""
    cam, boundary = torch.zeros(1, 96, 160), torch.zeros(24, 40)
    cam[0, 24:72, 16:144] = 0.4
    cam[0, 40:56, 40:56] = cam[0, 40:56, 104:120] = 1.0
    boundary[5:19, [3, 20, 36]] = 1.0
    boundary[[5, 18], 3:37] = 1.0
    displacement, _ = field_to([(12, 11), (12, 28)], 24, 40)
    return cam, boundary, displacement


def test_two_objects_of_one_class_become_two_instances():
    cam, boundary, displacement = two_objects()
    found = find_instances(cam, [3], boundary=boundary, displacement=displacement, settings=InstanceSettings())
    assert [one.label_id for one in found] == [3, 3]
    left, right = (one.mask for one in found)
    assert left[28:68, 20:72].all()
    assert right[28:68, 92:140].all()
    assert not left[:, 84:].any()
    assert not right[:, :76].any()
    assert not (left & right).any()
    assert max(one.score for one in found) == 1.0


def test_without_a_field_they_are_one_instance():
    cam, boundary, displacement = two_objects()
    found = find_instances(
        cam, [3], boundary=boundary, displacement=torch.zeros_like(displacement), settings=InstanceSettings()
    )
    assert len(found) == 1
    assert found[0].mask[28:68, 20:72].all()
    assert found[0].mask[28:68, 92:140].all()


def test_permuting_the_classes_permutes_the_instances():
    cam, boundary, displacement = two_objects()
    cams = torch.cat([cam * (torch.arange(160) < 80), cam * (torch.arange(160) >= 80)])
    options = {"boundary": boundary, "displacement": displacement, "settings": InstanceSettings()}
    found = find_instances(cams, [2, 9], **options)
    swapped = find_instances(cams.flip(0), [9, 2], **options)
    assert [one.label_id for one in found] == [2, 9]
    assert [one.label_id for one in swapped] == [9, 2]
    for one, other in zip(found, reversed(swapped), strict=True):
        assert np.array_equal(one.mask, other.mask)
        assert one.score == pytest.approx(other.score)


@LAWS
@given(seed=SEEDS, share=st.sampled_from([0.1, 0.5, 1.0]))
def test_leaving_out_maps_that_cannot_win_changes_nothing(seed, share):
    generator = torch.Generator().manual_seed(seed)
    cam = torch.rand(2, 40, 48, generator=generator) ** 6 * torch.tensor([1.0, 0.3])[:, None, None]
    boundary, displacement = torch.rand(10, 12, generator=generator) ** 3, random_field(seed, 10, 12, strength=8.0)
    settings = InstanceSettings(radius=3, doublings=2, share=share)
    found = find_instances(cam, [1, 2], boundary=boundary, displacement=displacement, settings=settings)
    cells = torch.nn.functional.interpolate(cam[None], size=(10, 12), mode="bilinear")[0]
    maps, owners = instance_maps(cells, groups_of(displacement))
    walked = random_walk(maps, boundary, radius=3, beta=10.0, doublings=2)
    ids = [1 + owner for owner in owners.tolist()]
    expected = instance_masks(walked, ids, size=(40, 48), parts=maps, share=share)
    assert [one.label_id for one in found] == [one.label_id for one in expected]
    for one, other in zip(found, expected, strict=True):
        assert np.array_equal(one.mask, other.mask)
        assert one.score == pytest.approx(other.score, rel=1e-5)


def test_a_share_keeps_an_object_where_its_map_is_and_not_where_the_walk_leaks():
    cam, still = torch.zeros(1, 24, 32), torch.zeros(2, 6, 8)
    cam[..., :16] = 1.0
    options = {"boundary": torch.zeros(6, 8), "displacement": still}
    (leaked,) = find_instances(cam, [7], **options, settings=InstanceSettings())
    assert leaked.mask.all()
    (kept,) = find_instances(cam, [7], **options, settings=InstanceSettings(share=0.2))
    assert kept.mask[:, :14].all() and not kept.mask[:, 18:].any()  # the edge of the map is seen in cells of 4 px
    assert kept.score == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("share", [0.25, 0.5, 1.0])
def test_objects_of_one_group_are_the_pseudo_mask_of_the_same_maps(share):
    generator = torch.Generator().manual_seed(4)
    coarse = torch.rand(1, 2, 5, 6, generator=generator) ** 2
    cam = torch.nn.functional.interpolate(coarse, size=(40, 48), mode="bilinear")[0]
    boundary = torch.rand(10, 12, generator=generator) ** 2
    walked = walk_cam(cam, boundary, radius=3, doublings=4)
    scores = mean_with_walked(cam, walked, share=share)
    settings = InstanceSettings(radius=3, doublings=4, background_score=0.45, share=share)
    options = {"boundary": boundary, "displacement": torch.zeros(2, 10, 12)}
    found = {one.label_id: one.mask for one in find_instances(cam, [1, 2], **options, settings=settings)}
    best, labels = scores.max(dim=0)
    for label_id in (1, 2):
        expected = ((labels == label_id - 1) & (best > 0.45)).numpy()
        assert 0.05 < expected.mean() < 0.95
        assert (found[label_id] != expected).mean() < 0.03  # an object's map is seen in cells of 4 px


def test_the_mean_of_a_part_and_its_walk_is_a_sum_in_plain_python():
    walked, parts = torch.tensor([[[4.0, 2.0]], [[0.0, 3.0]]]), torch.tensor([[[0.0, 1.0]], [[0.5, 0.0]]])
    found = instance_masks(walked, [5, 9], size=(1, 2), background_score=0.3, parts=parts, share=0.5)
    # 0.5 * 4/4 + 0.5 * 0.0 and 0.5 * 2/4 + 0.5 * 1.0 of the first; 0.25 and 0.375 of the second.
    assert [(one.label_id, one.mask.tolist(), one.score) for one in found] == [(5, [[True, True]], 0.75)]
    found = instance_masks(torch.zeros(1, 1, 2), [5], size=(1, 2), parts=parts[:1], share=0.5)
    assert [(one.mask.tolist(), one.score) for one in found] == [([[False, True]], 0.5)]


def test_maps_that_cannot_win_are_not_walked(monkeypatch):
    cam, boundary, displacement = two_objects()
    walked = []

    def count(maps, *args, **kwargs):
        walked.append(len(maps))
        return random_walk(maps, *args, **kwargs)

    monkeypatch.setattr(instances, "random_walk", count)
    faint = torch.cat([cam, 0.02 * cam])
    find_instances(faint, [1, 2], boundary=boundary, displacement=displacement, settings=InstanceSettings())
    assert sum(walked) == 2  # of four: the two instances of the faint class stay out


@pytest.mark.parametrize(("cam", "label_ids"), [(torch.zeros(0, 8, 8), []), (torch.zeros(1, 8, 8), [4])])
def test_an_image_without_tags_or_activation_has_no_instances(cam, label_ids):
    options = {"boundary": torch.zeros(2, 2), "displacement": torch.zeros(2, 2, 2), "settings": InstanceSettings()}
    assert find_instances(cam, label_ids, **options) == []


def test_a_boundary_everywhere_lets_nothing_set_out():
    options = {"boundary": torch.ones(6, 6), "displacement": torch.zeros(2, 6, 6)}
    assert find_instances(torch.ones(1, 24, 24), [1], **options, settings=InstanceSettings()) == []
    (found,) = find_instances(torch.ones(1, 24, 24), [1], **options, settings=InstanceSettings(share=0.5))
    assert found.mask.all() and found.score == 0.5


def real_objects():
    """Yield image and large connected parts of one class of a few real masks, when it has two or more."""
    for path in sorted((DATA / "SegmentationClass").glob("2007_*.png"))[:60]:
        labels = np.array(Image.open(path))
        for label_id in set(np.unique(labels).tolist()) - {0, 255}:
            parts = np.asarray(measure.label(labels == label_id, connectivity=1))
            sizes = np.bincount(parts.ravel())[1:]
            large = [number for number in range(1, len(sizes) + 1) if sizes[number - 1] > 0.02 * parts.size]
            if len(large) >= 2:
                yield label_id, [parts == number for number in large]


@pytest.mark.skipif(not DATA.is_dir(), reason=f"real masks are not at {DATA}")
def test_perfect_fields_of_real_masks_give_back_their_objects():
    objects = list(islice(real_objects(), 4))
    assert len(objects) == 4
    for label_id, parts in objects:
        masks = torch.from_numpy(np.stack(parts)).float()
        size = (-(-masks.shape[1] // 4), -(-masks.shape[2] // 4))
        small = torch.nn.functional.interpolate(masks[None], size=size, mode="area")[0]
        centres = [tuple(torch.nonzero(one > 0.5).float().mean(dim=0).tolist()) for one in small]
        grid = torch.stack(torch.meshgrid(torch.arange(size[0]), torch.arange(size[1]), indexing="ij")).float()
        # Outside the objects the field is strong and leads nowhere in particular.
        displacement = torch.full((2, *size), 3.0)
        for one, centre in zip(small, centres, strict=True):
            displacement[:, one > 0] = (torch.tensor(centre)[:, None, None] - grid)[:, one > 0]
        boundary = ((small.sum(dim=0) > 0) & (small.sum(dim=0) < 1)).float()
        found = find_instances(
            masks.sum(dim=0, keepdim=True),
            [label_id],
            boundary=boundary,
            displacement=displacement,
            settings=InstanceSettings(),
        )
        assert [one.label_id for one in found] == [label_id] * len(parts)
        for part in parts:  # what is lost is the rim of thin objects, a boundary cell wide
            assert max((one.mask & part).sum() / (one.mask | part).sum() for one in found) > 0.65
