"""Stage 3: what the affinity network learns from, which loss is watched, and where the mean displacement comes from."""

from pathlib import Path

import numpy as np
import pytest
import torch
from kit.contexts import stage_context
from kit.heard import Heard
from kit.small_run import small_recipe
from lightning_fabric import Fabric
from PIL import Image

from tagseg.artifacts.cam_file import write_cam
from tagseg.artifacts.mask_file import write_mask
from tagseg.artifacts.run_folder import RunFolder
from tagseg.classes import ClassTable
from tagseg.data.augment import normalize_image
from tagseg.data.corrections import read_corrections
from tagseg.data.drawn_pictures import write_dataset
from tagseg.data.images import read_image
from tagseg.data.layouts.folder import read_folder
from tagseg.models.affinity import AffinityNetwork, predict_displacement
from tagseg.models.backbone import build_backbone
from tagseg.progress import SilentProgress
from tagseg.stages import train_affinity
from tagseg.stages.train_affinity import MEAN_IMAGES, Seeds, mean_displacement
from tagseg.types import ImageRecord, Split


def test_a_correction_takes_the_place_of_seeds(tmp_path: Path) -> None:
    classes, labels = ClassTable(("cat",)), np.array([[0, 1], [255, 1]], np.uint8)
    records = []
    for name in ("a", "b"):
        Image.fromarray(np.zeros((2, 2, 3), np.uint8)).save(tmp_path / f"{name}.png")
        records.append(ImageRecord(name, tmp_path / f"{name}.png", (1,)))
    (tmp_path / "corrected").mkdir()
    Image.fromarray(labels).save(tmp_path / "corrected" / "b.png")
    folder = RunFolder(tmp_path / "run")
    for record in records:
        write_mask(folder.seeds(record), np.full((2, 2), 255, np.uint8), classes)
    (corrected,) = read_corrections(tmp_path / "corrected", Split("train", classes, tuple(records))).records
    seeds = Seeds(folder, {"b": corrected})
    assert (seeds.read(records[0]) == 255).all()
    np.testing.assert_array_equal(seeds.read(records[1]), labels)


@pytest.mark.parametrize(("boundary_lr", "warned"), [(1e-12, True), (0.1, False)])
def test_the_loss_of_the_boundary_is_watched_whatever_the_displacement_does(
    boundary_lr: float, warned: bool, tmp_path: Path
) -> None:
    photos = tmp_path / "photos"
    write_dataset(photos, num_images=8, size=(64, 64), seed=3)
    settings = [f"affinity.lr={boundary_lr}", f"affinity.displacement_lr_factor={1e-2 / boundary_lr}"]
    settings += ["cams.average_over_regions=false", "affinity.epochs=9", "affinity.weights=random", "crf.iterations=1"]
    recipe, split = small_recipe(photos, tmp_path / "cache", *settings), read_folder(photos, masks=photos / "masks")
    heard = Heard()
    context = stage_context("train_affinity", recipe, tmp_path / "run", split, progress=heard)
    for record in split.records:
        assert record.mask is not None
        truth = record.mask.read()
        cam = np.stack([truth == label for label in record.tags]).astype(np.float32)
        write_cam(context.folder.cam(record), cam, record.tags)
    details = train_affinity.run(context)
    assert details.get("loss_warnings", []) == heard.warnings
    assert [text.partition(":")[0] for text in heard.warnings] == ["the loss 'boundary' did not move"] * warned


@pytest.mark.parametrize("total", [201, 399])
def test_the_mean_displacement_is_taken_over_images_from_the_first_to_the_last(total: int, tmp_path: Path) -> None:
    """The images get brighter from first to last, so that the first 200 of them have another mean."""
    records = []
    for index in range(total):
        path = tmp_path / f"{index:03d}.png"
        Image.fromarray(np.full((8, 8, 3), 255 * index // total, np.uint8)).save(path)
        records.append(ImageRecord(path.stem, path, (), None))
    torch.manual_seed(0)
    network = AffinityNetwork(build_backbone("test_resnet", weights=None))

    def mean_over(positions: list[int]) -> torch.Tensor:
        images = [read_image(records[position].image_path) for position in positions]
        pixels = torch.stack(
            [normalize_image(image, mean=network.backbone.mean, std=network.backbone.std) for image in images]
        )
        return predict_displacement(network, pixels).mean(dim=(0, 2, 3))

    found = mean_displacement(network, records, fabric=Fabric(accelerator="cpu", devices=1), progress=SilentProgress())
    spaced = mean_over([(2 * place + 1) * total // (2 * MEAN_IMAGES) for place in range(MEAN_IMAGES)])
    torch.testing.assert_close(found, spaced)
    first = mean_over(list(range(MEAN_IMAGES)))
    assert (found - first).norm() > 100 * (found - spaced).norm()
