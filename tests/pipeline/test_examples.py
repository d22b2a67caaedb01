"""Every example runs on small drawn data and does what it says."""

import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tagseg.artifacts.mask_file import read_mask
from tagseg.data.drawn_pictures import write_dataset

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
TINY = (
    "classifier.backbone=test_resnet",
    "classifier.weights=random",
    "classifier.frozen_stages=0",
    'suppression.positions=["last_stage"]',
    "reconstruction.width=8",
    "reconstruction.pyramid_levels=[0, 1]",
    "self_modulation.warmup_epochs=1",
    "training.epochs=2",
    "training.batch_size=2",
    "training.crop_size_px=64",
    "training.long_side_px=[64, 64]",
    "training.validation_images=0",
    "cams.scales=[1.0]",
    "segmenter.decoder_channels=16",
    "segmenter.frozen_stages=0",
    "segmenter.epochs=1",
    "segmenter.batch_size=2",
    "segmenter.crop_size_px=64",
    "segmenter.long_side_px=[64, 64]",
    "segmenter.validation_images=0",
    'small_set.set=["self_modulation.enabled=false", "masks.refine=[]"]',
    "engine.accelerator=cpu",
    "engine.threads=1",
)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data") / "my photos"
    write_dataset(root, num_images=4, size=(64, 64), seed=5)
    return root


@pytest.fixture(scope="module")
def trained(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Run the training example; return the run folder and what it printed."""
    folder = tmp_path_factory.mktemp("trained")
    return folder / "run", run_example("train_on_a_folder.py", photos, folder / "run", *TINY, cache_of(folder))


def cache_of(folder: Path) -> str:
    return f"superpixels.cache={folder / 'regions'}"


def run_example(name: str, *words: object) -> str:
    """Run an example in this process, as ``python examples/NAME WORDS`` would, and return what it prints."""
    with pytest.MonkeyPatch.context() as patch:
        printed: list[str] = []
        patch.setattr(sys, "argv", [name, *map(str, words)])
        patch.setattr("builtins.print", lambda *texts: printed.append(" ".join(map(str, texts))))
        runpy.run_path(str(EXAMPLES / name), run_name="__main__")
    return "\n".join(printed)


def test_every_example_is_run_here() -> None:
    here = Path(__file__).read_text(encoding="utf-8")
    assert [path.name for path in sorted(EXAMPLES.glob("*.py")) if f'run_example("{path.name}"' not in here] == []


def test_training_on_a_folder_prints_scores(trained: tuple[Path, str]) -> None:
    folder, printed = trained
    lines = printed.splitlines()
    places = {"maps": "2_cams", "masks": "4_masks/labels", "network": "5_segmenter"}
    assert lines[:3] == [f"{what}: {folder / place}" for what, place in places.items()]
    assert [line.partition(": mIoU ")[0] for line in lines[3:]] == ["network", "averaged", "affinity"]


def test_training_without_masks_says_why_there_are_no_scores(photos: Path, tmp_path: Path) -> None:
    root = tmp_path / "photos"
    (root / "cat").mkdir(parents=True)
    Image.open(photos / "images" / "000000.png").save(root / "cat" / "one.png")
    printed = run_example("train_on_a_folder.py", root, tmp_path / "run", *TINY, cache_of(tmp_path))
    assert printed.splitlines()[3:] == ["no scores: the data set has no masks to compare with"]


def test_maps_are_laid_over_their_image(trained: tuple[Path, str], photos: Path, tmp_path: Path) -> None:
    cams, image = trained[0] / "2_cams" / "000001.npz", photos / "images" / "000001.png"
    printed = run_example("overlay_maps.py", cams, image, tmp_path / "overlay.png")
    overlay = np.asarray(Image.open(tmp_path / "overlay.png"))
    assert overlay.shape == (64, 64, 3)
    assert all(line.startswith("label ") for line in printed.splitlines())


def test_superpixels_of_a_photo_are_outlined(photos: Path, tmp_path: Path) -> None:
    printed = run_example("superpixels_of_a_photo.py", photos / "images" / "000000.png", tmp_path / "regions.png")
    assert 1 < int(printed.split()[0]) <= 64
    before, after = (np.asarray(Image.open(p)) for p in (photos / "images" / "000000.png", tmp_path / "regions.png"))
    changed = (before != after).any(axis=-1)
    assert changed.any()
    assert (after[changed] == 255).all()


def test_the_losses_go_down_in_a_loop_of_ones_own() -> None:
    lines = run_example("losses_in_your_own_loop.py").splitlines()
    losses = [float(line.rpartition(" ")[2]) for line in lines]
    assert len(losses) == 5
    assert losses[-1] < losses[0]


def test_photographs_are_labelled_with_what_was_trained(
    trained: tuple[Path, str], photos: Path, tmp_path: Path
) -> None:
    pictures = sorted((photos / "images").glob("*.png"))[:2]
    printed = run_example("label_photos.py", trained[0], tmp_path / "masks", *pictures)
    assert [line.partition(": ")[0] for line in printed.splitlines()] == [str(picture) for picture in pictures]
    for picture in pictures:
        labels = read_mask(tmp_path / "masks" / picture.name)
        assert labels.shape == (64, 64)
        assert f"{100 * (labels == 0).mean():.0f} % background" in printed or not (labels == 0).any()
