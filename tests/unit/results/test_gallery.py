"""Which images a report shows, and what is drawn of them, on run folders made by hand."""

import csv
import dataclasses
import json
import random
import shutil
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from kit.hand_made_runs import NUM_IMAGES, SIDE, add_masks, ids_of, make_run
from PIL import Image

from tagseg.artifacts.cam_file import read_cam, write_cam
from tagseg.artifacts.mask_file import read_confidence, read_mask, write_mask
from tagseg.classes import VOID
from tagseg.data.drawn_pictures import write_dataset
from tagseg.data.layouts.folder import read_folder
from tagseg.progress import SilentProgress
from tagseg.recipe import make_recipe, to_toml
from tagseg.report.pictures import sampled_pixels
from tagseg.results import gallery as report_gallery
from tagseg.results.gallery import Gallery, choose, gather_gallery
from tagseg.results.report_images import Measured, report_images
from tagseg.results.source import open_source


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data") / "photos"
    write_dataset(root, num_images=NUM_IMAGES, size=(SIDE, SIDE), seed=3)
    return root


@pytest.fixture
def run(photos: Path, tmp_path: Path) -> Path:
    root = make_run(
        tmp_path / "run", photos, "cams.average_over_regions=true", best={"network": 0.35, "averaged": 0.45}
    )
    return add_masks(root, photos, "sure", "mask", "confident")


def gallery_of(root: Path, *, search: bool = True) -> Gallery:
    return gather_gallery(open_source(root), progress=SilentProgress(), search=search)


def decoded(picture: bytes) -> np.ndarray:
    with Image.open(BytesIO(picture)) as image:
        return np.asarray(image)


def add_predictions(root: Path, records) -> None:
    """Write predictions that miss a column of each object."""
    for record in records:
        labels = record.mask.read()
        labels[labels == VOID] = 0
        split = read_folder(record.image_path.parents[1])
        write_mask(
            root / "6_predictions" / "labels" / f"{record.image_id}.png", np.roll(labels, 2, axis=1), split.classes
        )


def measured() -> list[Measured]:
    """Return ten images: the score grows with the id, the uncertainty falls."""
    return [Measured(f"i{n}", n / 10, 1 - n / 10) for n in range(10)]


def test_the_worst_best_and_most_uncertain_are_chosen_and_doubles_have_all_their_reasons() -> None:
    chosen = choose(measured(), {"worst": 2, "best": 3, "uncertain": 1, "random": 0}, seed=0)
    assert chosen == {
        "i0": ("worst", "uncertain"),
        "i1": ("worst",),
        "i9": ("best",),
        "i8": ("best",),
        "i7": ("best",),
    }


def test_a_choice_depends_on_the_seed_alone_not_on_the_order() -> None:
    shuffled = measured()
    quota = {"worst": 1, "best": 1, "uncertain": 1, "random": 3}
    expected = choose(measured(), quota, seed=5)
    for _ in range(5):
        random.shuffle(shuffled)
        assert choose(shuffled, quota, seed=5) == expected
    drawn = [tuple(choose(measured(), {"random": 3}, seed=seed)) for seed in range(8)]
    assert len(set(drawn)) > 4


def test_equal_scores_are_told_apart_by_id() -> None:
    same = [Measured(name, 0.5, 0.5) for name in ("c", "a", "b")]
    assert choose(same, {"worst": 1, "best": 1, "uncertain": 1}, seed=0) == {"a": ("worst", "best", "uncertain")}


def test_images_that_are_not_scored_or_have_no_tags_are_chosen_at_random_only() -> None:
    assert choose([Measured("a"), Measured("b")], {"worst": 2, "uncertain": 2, "random": 1}, seed=0).keys() <= {
        "a",
        "b",
    }
    assert choose([Measured("a")], {"worst": 1, "best": 1, "uncertain": 1, "random": 1}, seed=0) == {"a": ("random",)}
    assert choose([Measured("a", None, 0.3)], {"worst": 1, "uncertain": 1}, seed=0) == {"a": ("uncertain",)}


def test_a_random_image_stays_when_others_come() -> None:
    few = [Measured(f"i{n}") for n in range(20)]
    more = [*few, *(Measured(f"j{n}") for n in range(20))]
    one, other = (set(choose(images, {"random": 8}, seed=0)) for images in (few, more))
    assert {name for name in other if name.startswith("i")} <= one


def test_a_small_run_shows_every_image_once_with_its_rule(run: Path) -> None:
    gallery = gallery_of(run)
    assert [image.image_id for image in gallery.images] == ids_of(run)
    assert gallery.rule == (
        f"Of {NUM_IMAGES} scored images with maps: 12 with the lowest mIoU of their own pseudo mask, 12 with the "
        "highest, 12 whose maps lie closest to the background score 0.35 and 12 drawn from seed 0."
    )
    assert gallery.score == "pseudo mask"
    assert gallery.problems == ()
    assert all(image.why == ("worst", "best", "uncertain", "random") for image in gallery.images)


def test_the_pictures_are_those_of_the_files(run: Path, photos: Path) -> None:
    split = read_folder(photos, masks=photos / "masks")
    for image, record in zip(gallery_of(run).images, split.records, strict=True):
        rows, columns = sampled_pixels((SIDE, SIDE))
        assert image.size == (SIDE, SIDE) == (len(rows), len(columns))
        maps = read_cam(run / "2_cams" / f"{record.image_id}.npz")
        assert tuple(image.cams["network"]) == tuple(image.cams["averaged"]) == record.tags == image.tags
        for label, cam in zip(maps.label_ids, maps.cam, strict=True):
            np.testing.assert_array_equal(decoded(image.cams["network"][label]), np.rint(255 * cam))
        labels = {name: decoded(picture) for name, picture in image.labels.items()}
        assert set(labels) == {"sure", "mask", "confident", "truth"}
        mask = read_mask(run / "4_masks" / "labels" / f"{record.image_id}.png")
        trusted = read_confidence(run / "4_masks" / "confidence" / f"{record.image_id}.png")
        assert record.mask is not None
        truth = record.mask.read()
        np.testing.assert_array_equal(labels["mask"], mask)
        np.testing.assert_array_equal(labels["confident"], np.where(trusted, mask, VOID))
        np.testing.assert_array_equal(labels["truth"], truth)
        assert image.mean_iou == pytest.approx(own_mean_iou(mask, truth))
        assert image.uncertainty == pytest.approx(np.mean(1 - np.abs(maps.cam.max(axis=0) - 0.35) / 0.65), abs=1e-5)


def own_mean_iou(labels: np.ndarray, truth: np.ndarray) -> float:
    """Return the mean IoU over the labels in one image's truth or result, by sets of pixels."""
    known = truth != VOID
    ious = []
    for label in set(truth[known].tolist()) | set(labels[known].tolist()):
        both, either = (labels == label) & (truth == label) & known, ((labels == label) | (truth == label)) & known
        ious.append(both.sum() / either.sum())
    return float(np.mean(ious))


def test_averaged_maps_differ_from_the_networks_and_are_left_out_where_nothing_averages(photos, run, tmp_path) -> None:
    image = gallery_of(run).images[0]
    label = image.tags[0]
    assert (decoded(image.cams["network"][label]) != decoded(image.cams["averaged"][label])).any()
    plain = make_run(tmp_path / "plain", photos)
    assert set(gallery_of(plain).images[0].cams) == {"network"}


def test_the_order_of_files_changes_nothing(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_gallery, "LARGE", {"worst": 1, "best": 1, "uncertain": 1, "random": 1})
    expected = gallery_of(run)
    assert 1 < len(expected.images) <= 4
    source = open_source(run)
    assert source.splits is not None

    def turned(split):
        return dataclasses.replace(split, records=tuple(reversed(split.records)))

    splits = dataclasses.replace(
        source.splits, train=turned(source.splits.train), evaluation=turned(source.splits.evaluation)
    )
    found = gather_gallery(dataclasses.replace(source, splits=splits), progress=SilentProgress())
    assert found == expected


def test_a_run_at_work_shows_a_few_at_random_without_looking_at_all(run: Path, monkeypatch) -> None:
    monkeypatch.setattr(report_gallery, "SMALL", {"random": 3})
    looked = []
    measure = report_gallery.ReportImages.measure
    monkeypatch.setattr(
        report_gallery.ReportImages,
        "measure",
        lambda self, name, kind: looked.append(name) or measure(self, name, kind),
    )
    gallery = gallery_of(run, search=False)
    assert len(gallery.images) == len(looked) == 3
    assert gallery.rule == f"Of {NUM_IMAGES} scored images with maps: 3 drawn from seed 0."
    assert all(image.why == ("random",) and image.mean_iou is not None for image in gallery.images)


def test_without_ground_truth_nothing_is_worst(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    root = make_run(tmp_path / "run", photos, f"data.masks={json.dumps(str(tmp_path / 'none'))}")
    gallery = gallery_of(root)
    assert len(gallery.images) == NUM_IMAGES
    assert gallery.score == ""
    assert gallery.rule == (
        f"Of {NUM_IMAGES} images with maps: 12 whose maps lie closest to the background score 0.20 and 12 drawn from "
        "seed 0."
    )
    assert all(image.mean_iou is None and "truth" not in image.labels for image in gallery.images)
    assert {why for image in gallery.images for why in image.why} == {"uncertain", "random"}


def test_before_there_are_masks_seeds_are_scored(photos: Path, tmp_path: Path) -> None:
    root = make_run(tmp_path / "run", photos, best={"network": 0.35})
    gallery = gallery_of(root)
    assert gallery.score == "seeds"
    record = read_folder(photos, masks=photos / "masks").records[0]
    maps = read_cam(root / "2_cams" / f"{record.image_id}.npz")
    assert record.mask is not None
    assert gallery.images[0].mean_iou == pytest.approx(own_mean_iou(maps.labels(0.35), record.mask.read()))


def test_a_run_that_has_made_few_masks_still_scores_seeds(photos: Path, tmp_path: Path) -> None:
    root = make_run(tmp_path / "run", photos, best={"network": 0.35})
    add_masks(root, photos, "mask", "confident", names=(ids_of(root)[0],))
    gallery = gallery_of(root)
    assert gallery.score == "seeds"
    assert "mask" in gallery.images[0].labels and "mask" not in gallery.images[1].labels


def test_a_run_without_maps_has_no_pictures(photos: Path, tmp_path: Path) -> None:
    root = make_run(tmp_path / "run", photos)
    shutil.rmtree(root / "2_cams")
    assert gallery_of(root) == Gallery()


def test_predictions_of_images_apart_are_shown_beside(photos: Path, tmp_path: Path) -> None:
    write_dataset(tmp_path / "test", num_images=3, size=(SIDE, SIDE), seed=3, first_index=NUM_IMAGES)
    root = make_run(tmp_path / "run", photos, f"data.test_root={json.dumps(str(tmp_path / 'test'))}")
    tested = read_folder(tmp_path / "test", masks=tmp_path / "test" / "masks").records
    add_predictions(root, tested)
    gallery = gallery_of(root)
    assert gallery.score == "seeds or prediction"
    assert gallery.rule == (
        f"Of {NUM_IMAGES} scored images with maps: 9 with the lowest mIoU of their own seeds, 9 with the highest, 9 "
        "whose maps lie closest to the background score 0.20 and 9 drawn from seed 0. Of 3 images of split 'test': 6 "
        "with the lowest mIoU of their own prediction and 6 with the highest."
    )
    shown = {image.image_id: image for image in gallery.images}
    for record in tested:
        image = shown[record.image_id]
        assert image.cams == {} and set(image.labels) == {"prediction", "truth"}
        assert image.uncertainty is None and image.why == ("worst", "best")
        assert image.mean_iou == pytest.approx(
            own_mean_iou(decoded(image.labels["prediction"]), decoded(image.labels["truth"]))
        )


def test_an_upper_bound_shows_predictions_alone(photos: Path, tmp_path: Path) -> None:
    root = make_run(tmp_path / "run", photos, "segmenter.labels=truth", "segmenter.strategy=all")
    add_predictions(root, read_folder(photos, masks=photos / "masks").records)
    gallery = gallery_of(root)
    assert gallery.score == "prediction"
    assert gallery.rule == (
        f"Of {NUM_IMAGES} images of split 'all': 12 with the lowest mIoU of their own prediction, 12 with the highest "
        "and 12 drawn from seed 0."
    )
    assert all(image.cams == {} and set(image.labels) == {"prediction", "truth"} for image in gallery.images)


def test_images_that_cannot_be_shown_are_left_out_and_named(photos: Path, run: Path, tmp_path: Path) -> None:
    copy = tmp_path / "photos"
    shutil.copytree(photos, copy)
    text = (run / "recipe.toml").read_text().replace(str(photos), str(copy))
    (run / "recipe.toml").write_text(text)
    ids = ids_of(run)
    (copy / "images" / f"{ids[0]}.png").write_bytes(b"no image")
    Image.new("RGB", (SIDE + 1, SIDE)).save(copy / "images" / f"{ids[1]}.png")
    (run / "2_cams" / f"{ids[2]}.npz").write_bytes(b"no maps")
    (copy / "masks" / f"{ids[3]}.png").write_bytes(b"no mask")
    (run / "4_masks" / "labels" / f"{ids[4]}.png").write_bytes(b"no mask")
    gallery = gallery_of(run)
    assert [image.image_id for image in gallery.images] == ids[5:]
    assert {problem.kind for problem in gallery.problems} == {"warning"}
    assert sorted(problem.what for problem in gallery.problems) == ids[:5]
    assert all(problem.reason.startswith("not shown in the gallery: ") for problem in gallery.problems)


def test_ids_with_folders_and_hostile_names_are_only_names(tmp_path: Path) -> None:
    names = ["a/b c/ä.png", "<script>alert(1)</script>.png", "</script><b>.png", "'\"&.png", "x..y/x.png"]
    for name in names:
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (6, 4), (90, 90, 90)).save(tmp_path / "photos" / name)
    with (tmp_path / "photos" / "tags.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("image", "tags"), *((name, "cat") for name in names)])
    root = tmp_path / "run"
    root.mkdir()
    recipe = make_recipe({"name": "odd", "data": {"format": "folder", "root": str(tmp_path / "photos")}})
    (root / "recipe.toml").write_text(to_toml(recipe))
    source = open_source(root)
    assert source.splits is not None
    records = source.splits.train.records
    for record in records:
        write_cam(root / "2_cams" / f"{record.image_id}.npz", np.full((1, 4, 6), 0.5, np.float32), (1,))
    gallery = gallery_of(root)
    assert [image.image_id for image in gallery.images] == [record.image_id for record in records]
    assert len(records) == len(names)
    assert report_images(source).mapped == {record.image_id for record in records}
