"""A run that lowers the maps of classes that are high all over their pictures, and what it says of them."""

from pathlib import Path

import numpy as np
import pytest
from kit.heard import Heard
from kit.messages import assert_says
from kit.small_run import NUM_IMAGES, quick_recipe

from tagseg.artifacts.cam_file import read_cam
from tagseg.artifacts.map_medians import read_map_medians, write_map_medians
from tagseg.artifacts.run_folder import RunFolder
from tagseg.artifacts.scores_file import read_scores
from tagseg.cams.flatness import FLAT_MEDIAN
from tagseg.data.drawn_pictures import write_dataset
from tagseg.errors import ArtifactError
from tagseg.pipeline import run_pipeline
from tagseg.progress import SilentProgress
from tagseg.recipe import Recipe
from tagseg.stages import extract_cams

LOWER = ("cams.flat_maps=lower", "cams.average_over_regions=true", "masks.background_rule=otsu")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("photos")
    write_dataset(root, num_images=NUM_IMAGES, size=(64, 96), seed=5)
    return root


def recipe_of(photos: Path, tmp_path: Path, *settings: str) -> Recipe:
    return quick_recipe(photos, tmp_path / "cache", *settings)


def maps_of(run: Path) -> dict[str, tuple[tuple[int, ...], np.ndarray]]:
    files = {path.stem: read_cam(path) for path in sorted((run / "2_cams").glob("*.npz"))}
    return {name: (tuple(each.label_ids), each.cam) for name, each in files.items()}


def test_flat_maps_alone_are_lowered_and_named(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heard, out, plain = Heard(), tmp_path / "run", tmp_path / "plain"
    run_pipeline(recipe_of(photos, tmp_path), plain, progress=SilentProgress(), only="train_classifier")
    run_pipeline(recipe_of(photos, tmp_path), plain, progress=SilentProgress(), only="extract_cams")
    kept = maps_of(plain)
    middles = [
        (np.median(cam), label) for labels, maps in kept.values() for label, cam in zip(labels, maps, strict=True)
    ]
    flat = max(middles)[1]  # the drawn classes are told apart, so one is called flat here
    monkeypatch.setattr(
        extract_cams,
        "measure_medians",
        lambda method, of_classes, **_: [0.5 if label == flat else 0.1 for label in range(1, 1 + len(of_classes))],
    )
    run_pipeline(recipe_of(photos, tmp_path, *LOWER), out, progress=heard)
    medians, lowered = read_map_medians(RunFolder(out).map_medians), maps_of(out)
    first = list(medians)[flat - 1]
    assert [name for name, median in medians.items() if median == 0.5] == [first] and len(lowered) == NUM_IMAGES
    changed = 0
    for name, (labels, cam) in lowered.items():
        for label, mine, whole in zip(labels, cam, kept[name][1], strict=True):
            if label == flat:
                assert np.median(mine) == 0
                changed += int(not np.array_equal(mine, whole))
            else:
                np.testing.assert_array_equal(mine, whole)
    assert changed
    assert f"the maps of '{first}' are flat (median 0.50 of the peak): lowered by it" in heard.notes
    warning = (
        f"the maps of '{first}' are flat: on half of its pictures their median is 50% of their peak or more, so it is "
        "hardly told apart from its scene; they were lowered by it, which suits objects of less than half of a picture "
        "(cams.flat_maps=keep leaves them); add photographs of the same scenes without it"
    )
    scores = read_scores(out / "scores.json")
    assert scores is not None and warning in heard.warnings and warning in scores.warnings
    assert RunFolder(out).stage_status("extract_cams").details["flat_classes"] == [flat]


def test_an_interrupted_run_goes_on_with_what_it_found(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, out = recipe_of(photos, tmp_path, *LOWER), tmp_path / "run"
    run_pipeline(recipe, out, progress=SilentProgress(), only="train_classifier")
    with monkeypatch.context() as patch:
        patch.setattr(extract_cams, "measure_medians", lambda method, of_classes, **_: [0.5] * len(of_classes))
        run_pipeline(recipe, out, progress=SilentProgress(), only="extract_cams")
    first, folder = maps_of(out), RunFolder(out)
    for path in sorted((out / "2_cams").glob("*.npz"))[:2]:
        path.unlink()
    with monkeypatch.context() as patch:
        patch.setattr(extract_cams, "measure_medians", lambda *_, **__: pytest.fail("measured again"))
        run_pipeline(recipe, out, progress=SilentProgress(), only="extract_cams")
    again = maps_of(out)
    for name, (labels, cam) in first.items():
        assert again[name][0] == labels
        np.testing.assert_array_equal(again[name][1], cam)
    flat = folder.stage_status("extract_cams").details["flat_classes"]
    assert flat == list(range(1, 1 + len(read_map_medians(folder.map_medians))))
    folder.map_medians.unlink()
    heard = Heard()
    run_pipeline(recipe, out, progress=heard, only="extract_cams")  # whose maps are there: what they were is measured
    assert folder.map_medians.is_file() and "Looking for flat maps" in heard.tasks


@pytest.mark.parametrize("text", ["", "[]", '{"cat": 2}', '{"cat": "high"}'])
def test_medians_that_cannot_be_read_end_the_run(tmp_path: Path, text: str) -> None:
    path = tmp_path / "2_cams" / "medians.json"
    write_map_medians(path, {"cat": FLAT_MEDIAN})
    path.write_text(text)
    assert_says(
        lambda: read_map_medians(path),
        ArtifactError,
        f"{path} must be medians of maps that tagseg wrote, got a file that cannot be read as such",
        f"delete the folder {path.parent} and run 'tagseg run' again: its maps were lowered by them",
    )


def test_the_key_is_part_of_the_inputs(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    for stage in ("train_classifier", "extract_cams"):
        run_pipeline(recipe_of(photos, tmp_path), out, progress=SilentProgress(), only=stage)
    with pytest.raises(ArtifactError, match=r"'extract_cams' of the same recipe, got .*cams.flat_maps keep -> lower"):
        run_pipeline(recipe_of(photos, tmp_path, "cams.flat_maps=lower"), out, progress=SilentProgress())
