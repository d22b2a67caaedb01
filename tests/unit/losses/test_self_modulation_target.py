"""The target that the warm-up sets: known answers, laws, its file, and how a sample carries it."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tagseg.artifacts.region_scores import read_region_scores, write_region_scores
from tagseg.data.augment import TrainTransform
from tagseg.data.datasets import TrainingSet
from tagseg.data.drawn_pictures import write_dataset
from tagseg.data.layouts.folder import read_folder
from tagseg.errors import ArtifactError
from tagseg.losses.self_modulation import SelfModulationSettings, self_modulation_loss, warmup_target

PLAIN = SelfModulationSettings(contrast=0.0)
SHARP = SelfModulationSettings(contrast=10.0, midpoint=0.4)


def test_a_region_belongs_to_its_strongest_class() -> None:
    scores = torch.tensor([[[0.9, 0.2], [0.3, 0.6]]])
    target = warmup_target(scores, torch.tensor([[[0, 0, 1]]]), settings=PLAIN)
    torch.testing.assert_close(target[0, :, 0], torch.tensor([[0.9, 0.9, 0.0], [0.0, 0.0, 0.6]]))


def test_contrast_pushes_away_from_the_midpoint() -> None:
    target = warmup_target(torch.tensor([[[0.2, 0.4, 0.8, 0.0]]]), torch.tensor([[[0, 1, 2, 3]]]), settings=SHARP)
    expected = torch.sigmoid(10 * (torch.tensor([0.2, 0.4, 0.8]) - 0.4))
    torch.testing.assert_close(target[0, 0, 0], torch.cat([expected, torch.zeros(1)]))


def test_padding_has_no_target() -> None:
    target = warmup_target(torch.tensor([[[0.9]]]), torch.tensor([[[0, -1]]]), settings=SHARP)
    assert target[0, 0, 0, 1] == 0


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_renaming_regions_changes_nothing(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    scores = torch.rand(2, 3, 5, generator=generator)
    regions = torch.randint(0, 5, (2, 6, 7), generator=generator)
    order = torch.randperm(5, generator=generator)
    renamed = warmup_target(scores[:, :, order], order.argsort()[regions], settings=SHARP)
    torch.testing.assert_close(renamed, warmup_target(scores, regions, settings=SHARP))


def test_a_map_that_equals_its_target_costs_nothing() -> None:
    scores = torch.tensor([[[1.0, 0.5]]])
    regions = torch.tensor([[[0, 1], [0, 1]]])
    maps = torch.tensor([[[[2.0, 1.0], [2.0, 1.0]]]])
    assert self_modulation_loss(maps, torch.ones(1, 1), regions, settings=PLAIN, region_scores=scores) == 0


def test_a_map_without_its_object_sinks_as_a_whole() -> None:
    maps = torch.full((1, 1, 2, 2), 3.0, requires_grad=True)
    regions = torch.zeros(1, 2, 2, dtype=torch.int64)
    loss = self_modulation_loss(maps, torch.ones(1, 1), regions, settings=PLAIN, region_scores=torch.zeros(1, 1, 1))
    (gradient,) = torch.autograd.grad(loss, maps)
    assert loss == 1 and (gradient > 0).all()  # a step down the gradient lowers every cell


def test_untagged_classes_get_no_gradient() -> None:
    maps = torch.rand(1, 2, 2, 2, requires_grad=True)
    tags, regions = torch.tensor([[1.0, 0.0]]), torch.zeros(1, 2, 2, dtype=torch.int64)
    loss = self_modulation_loss(maps, tags, regions, settings=SHARP, region_scores=torch.tensor([[[0.5], [0.0]]]))
    (gradient,) = torch.autograd.grad(loss, maps)
    assert (gradient[0, 1] == 0).all() and (gradient[0, 0] != 0).any()


def test_the_file_gives_back_every_image(tmp_path: Path) -> None:
    scores = {"b/two": np.array([[0.5, 0.25], [1.0, 0.0]], np.float32), "a": np.zeros((0, 3), np.float32)}
    write_region_scores(tmp_path / "scores.npz", scores)
    found = read_region_scores(tmp_path / "scores.npz")
    assert found.keys() == scores.keys()
    for name, values in scores.items():
        np.testing.assert_array_equal(found[name], values)


def test_a_damaged_file_is_refused_word_for_word(tmp_path: Path) -> None:
    path = tmp_path / "scores.npz"
    path.write_bytes(b"no archive")
    with pytest.raises(ArtifactError) as caught:
        read_region_scores(path)
    assert str(caught.value) == (
        f"file of region scores {path} must be a whole file written by tagseg, got a file that cannot be read as one; "
        "delete it and run the same command again"
    )


class OneRegion:
    def read(self, image_path: Path) -> np.ndarray:
        return np.zeros((64, 64), np.int32)


def test_a_sample_carries_the_scores_of_its_image(tmp_path: Path) -> None:
    write_dataset(tmp_path, num_images=2, size=(64, 64), seed=0)
    split = read_folder(tmp_path)
    scores = {
        record.image_id: np.full((len(record.tags), 1 + position), 0.5, np.float32)
        for position, record in enumerate(split.records)
    }
    transform = TrainTransform(
        crop_size=32, long_side_range=(32, 64), mean=(0.5,) * 3, std=(0.5,) * 3, color_jitter=0.0
    )
    dataset = TrainingSet(split, transform, seed=0, regions=OneRegion(), region_scores=scores)
    sample = dataset[0, 0]["region_scores"]
    assert sample.shape == (split.classes.num_classes, 2)
    assert (sample[:, 0] > 0).nonzero().flatten().tolist() == [tag - 1 for tag in split.records[0].tags]
    assert (sample[:, 1] == 0).all()
