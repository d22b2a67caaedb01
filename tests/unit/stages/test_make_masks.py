"""Which rule finds the background score of a run, and what the log says of it."""

from pathlib import Path

import numpy as np
import pytest
from kit.contexts import stage_context
from kit.heard import Heard
from kit.messages import assert_says
from kit.small_run import quick_recipe
from PIL import Image

from tagseg.artifacts.cam_file import write_cam
from tagseg.data.layouts.folder import read_folder
from tagseg.errors import ArtifactError, ModelError
from tagseg.stages import make_masks
from tagseg.stages.context import StageContext
from tagseg.stages.make_masks import settle_background

SIDE, COUNT = 64, 100


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hundred red squares on grey noise, in one folder."""
    root, rng = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    (root / "square").mkdir()
    for number in range(COUNT):
        picture = rng.integers(90, 140, (SIDE, SIDE, 3), dtype=np.uint8)
        picture[16:48, 16:48] = (200, 20, 20)
        Image.fromarray(picture).save(root / "square" / f"{number:03}.png")
    return root


def context_of(
    photos: Path, root: Path, *settings: str, count: int = COUNT, moved: bool = False
) -> tuple[StageContext, Heard]:
    """Return a run before stage 4 whose maps are sure of the left half of each square, and weak on the other.

    The other half has 0.45, the ground above the square 0.3, and the rest of the ground 0.05. ``moved``: each map lies
    elsewhere, for a network sees where the edges of a picture are.
    """
    split = read_folder(photos)
    recipe = quick_recipe(photos, root / "cache", *settings)
    split = type(split)(split.name, split.classes, split.records[:count])
    heard = Heard()
    context = stage_context("make_masks", recipe, root / "run", split, None, progress=heard)
    cam = np.full((1, SIDE, SIDE), 0.05, np.float32)
    cam[0, :16], cam[0, 16:48, 16:32], cam[0, 16:48, 32:48] = 0.3, 0.9, 0.45
    rng = np.random.default_rng(2)
    for record in split.records:
        shift = tuple(rng.integers(SIDE, size=2)) if moved else (0, 0)
        write_cam(context.folder.cam(record), np.roll(cam, shift, axis=(1, 2)), record.tags)
    return context, heard


def test_features_tell_weak_objects_from_strong_ground(photos: Path, tmp_path: Path) -> None:
    settings = ["cams.average_over_regions=false", "cams.region_affinity=false"]
    context, heard = context_of(photos, tmp_path, "masks.background_rule=auto", *settings)
    score, rule = settle_background(context, context.train.records)
    assert rule == "auto" and 0.3 <= score < 0.45
    assert heard.notes == [f"background score {score:.3f} (auto: frozen features promise the best masks there)"]
    assert heard.tasks["Choosing the background score"] == (COUNT, 0)


def test_otsu_is_asked_by_its_name_and_of_few_images(photos: Path, tmp_path: Path) -> None:
    settings = ["cams.average_over_regions=false", "cams.region_affinity=false"]
    context, heard = context_of(photos, tmp_path / "otsu", "masks.background_rule=otsu", *settings)
    score, rule = settle_background(context, context.train.records)
    assert rule == "otsu"
    assert heard.notes == [f"background score {score:.3f} (Otsu's threshold on the maps of 100 images)"]
    context, heard = context_of(photos, tmp_path / "few", "masks.background_rule=auto", *settings, count=99)
    score, rule = settle_background(context, context.train.records)
    assert rule == "otsu"
    assert heard.notes == [
        f"background score {score:.3f} (Otsu's threshold on the maps of 99 images; auto asks features of 100 images)"
    ]


def test_features_that_see_nothing_leave_it_to_otsu(photos: Path, tmp_path: Path) -> None:
    blank, rng = tmp_path / "photos" / "square", np.random.default_rng(1)
    blank.mkdir(parents=True)
    for path in (photos / "square").iterdir():
        Image.fromarray(rng.integers(90, 140, (SIDE, SIDE, 3), dtype=np.uint8)).save(blank / path.name)
    settings = ["cams.average_over_regions=false", "cams.region_affinity=false"]
    context, heard = context_of(blank.parent, tmp_path, "masks.background_rule=auto", *settings, moved=True)
    score, rule = settle_background(context, context.train.records)
    assert rule == "otsu"
    assert heard.notes == [
        f"background score {score:.3f} (Otsu's threshold on the maps of 100 images; "
        "frozen features say too little: objects are small, classes rare, or features blind to them)"
    ]


def test_a_stage_that_was_stopped_goes_on_with_the_score_of_its_masks(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = ["cams.average_over_regions=false", "cams.region_affinity=false"]
    context, heard = context_of(photos, tmp_path, "masks.background_rule=auto", *settings)

    def gone(*_: object, **__: object) -> None:
        raise ModelError("no network is in reach", help="wait")

    with monkeypatch.context() as patch:
        patch.setattr(make_masks, "build_frozen_backbone", gone)
        first = settle_background(context, context.train.records)
    assert first.rule == "otsu"
    assert heard.warnings == ["the background score is found without frozen features: no network is in reach; wait"]
    assert heard.notes[-1].endswith("(Otsu's threshold on the maps of 100 images; frozen features cannot be had)")
    assert settle_background(context, context.train.records) == first  # the network is back, and masks are cut already
    assert heard.notes[-1] == f"background score {first.score:.3f} (otsu), as it was found before"
    kept = context.folder.background_cut
    assert not context.folder.seals.unsealed([kept])
    kept.write_text('{"background_score": 0.2}')
    assert_says(
        lambda: settle_background(context, context.train.records),
        ArtifactError,
        f"{kept} must be a background score that tagseg wrote, got a file that cannot be read as such",
        f"delete the folder {kept.parent} and run 'tagseg run' again: its masks are cut at that score",
    )
    kept.unlink()
    assert settle_background(context, context.train.records).rule == "auto"


def test_masks_that_a_version_without_a_kept_score_left_are_cut_again(photos: Path, tmp_path: Path) -> None:
    settings = ["cams.average_over_regions=false", "cams.region_affinity=false", "masks.soft_scores=true"]
    context, _ = context_of(photos, tmp_path, "masks.background_rule=otsu", *settings)
    first = context.train.records[0]
    layout = context.folder
    stale = [layout.pseudo_mask(first), layout.confidence(first), layout.soft_scores(first)]
    for path in stale:
        path.parent.mkdir(parents=True)
        path.touch()
    settle_background(context, context.train.records)
    assert not any(path.exists() for path in stale)
    for path in stale:
        path.touch()
    settle_background(context, context.train.records)
    assert all(path.exists() for path in stale)


def test_a_fixed_score_is_the_recipes(photos: Path, tmp_path: Path) -> None:
    settings = ["masks.background_rule=fixed", "masks.background_score=0.35"]
    context, heard = context_of(photos, tmp_path, *settings, count=2)
    assert settle_background(context, context.train.records) == (0.35, "fixed")
    assert heard.notes == []
    assert not context.folder.background_cut.exists()
