"""`tagseg review` as a user gives it: photographs, masks, numbers, and the way back into a run."""

import csv
import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from kit.command_line import exit_code
from kit.hand_made_runs import NUM_IMAGES, SIDE, add_masks, ids_of, make_run

from tagseg.artifacts.cam_file import read_cam, write_cam
from tagseg.artifacts.mask_file import read_mask
from tagseg.data.corrections import read_corrections
from tagseg.data.drawn_pictures import write_dataset
from tagseg.data.layouts.folder import read_folder
from tagseg.use.label_files import LABEL_FORMATS, OF_PREDICTIONS
from tagseg.use.review import what_is_trusted

COUNT = 3
DOUBTED_ROWS = 4
BACKGROUND_SCORE = 0.25


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data") / "photos"
    write_dataset(root, num_images=NUM_IMAGES, size=(SIDE, SIDE), seed=3)
    return root


@pytest.fixture
def run(photos: Path, tmp_path: Path) -> Path:
    """A run that is less and less sure of its masks: more and more rows of the maps are near the background's score."""
    settings = ("cams.average_over_regions=false", "cams.region_affinity=false", "masks.refine=[]")
    made = add_masks(make_run(tmp_path / "run", photos, *settings), photos, "mask", "confident")
    for index, path in enumerate(sorted((made / "2_cams").glob("*.npz"))):
        maps = read_cam(path)
        sure = np.arange(SIDE)[:, None] >= index * DOUBTED_ROWS
        maps.cam[:] = 0  # of two tags only the first is seen
        maps.cam[0] = np.where(sure, 1.0, BACKGROUND_SCORE + 0.1)
        write_cam(path, maps.cam, maps.label_ids)
    return made


def rows_of(out: Path) -> list[dict[str, str]]:
    with (out / "review.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_it_writes_the_photographs_of_most_worth_with_their_masks(run: Path, photos: Path, tmp_path: Path, capsys):
    out = tmp_path / "review"
    assert exit_code("review", str(run), "--count", str(COUNT), "--out", str(out)) == 0
    said = capsys.readouterr().out
    assert f"written: {out} ({COUNT} photographs" in said
    assert "agreement with the masks of the run: no pixel was changed" in said
    rows = rows_of(out)
    names = [row["image"] for row in rows]
    assert len(names) == COUNT
    for row in rows:
        labels = read_mask(run / "4_masks" / "labels" / f"{row['image']}.png")
        np.testing.assert_array_equal(read_mask(out / "SegmentationClass" / f"{row['image']}.png"), labels)
        doubt = ids_of(run).index(row["image"]) * DOUBTED_ROWS / SIDE
        assert float(row["doubt"]) == pytest.approx(doubt, abs=1e-4)
        worth = doubt / (1 + int(row["chosen_before"]))
        assert float(row["worth"]) == pytest.approx(worth, abs=1e-4)
    assert [float(row["worth"]) for row in rows] == sorted((float(row["worth"]) for row in rows), reverse=True)
    assert sorted(path.stem for path in (out / "photographs").iterdir()) == sorted(names)
    record = json.loads((out / "export.json").read_text())
    assert "review.csv" in record["files"]
    corrected = read_corrections(out, read_folder(photos)).records  # as it is, it goes back into a run
    assert [each.image_id for each in corrected] == sorted(names)


def test_corrected_photographs_are_left_out_and_a_second_review_needs_redo(run: Path, photos: Path, tmp_path: Path):
    out = tmp_path / "review"
    words = ("--count", str(COUNT), "--out", str(out))
    assert exit_code("review", str(run), *words) == 0
    first = [row["image"] for row in rows_of(out)]
    done = tmp_path / "done"
    shutil.copytree(out / "SegmentationClass", done)
    recipe = run / "recipe.toml"
    text = recipe.read_text()
    recipe.write_text(text.replace("[segmenter]", f"[segmenter]\ncorrections = '{done}'"))
    assert exit_code("review", str(run), *words) == 2
    assert [row["image"] for row in rows_of(out)] == first
    assert exit_code("review", str(run), *words, "--redo") == 0
    assert not set(first) & {row["image"] for row in rows_of(out)}


def test_formats_with_photographs_of_their_own_have_no_second_copy(run: Path, tmp_path: Path):
    out = tmp_path / "review"
    assert exit_code("review", str(run), "--count", "1", "--out", str(out), "--format", "labelme") == 0
    assert not (out / "photographs").exists()
    assert (out / f"{rows_of(out)[0]['image']}.json").exists()


def keep_one(out: Path, format: str, name: str) -> Path:
    """Do what the command says at its end for a photograph that was corrected; return what a run is given."""
    if format.startswith("label-studio"):
        tasks = json.loads((out / "tasks.json").read_text())
        for task in tasks:
            (prediction,) = task["predictions"]
            task["annotations"] = [{"result": prediction["result"]}] if f"{name}." in task["data"]["image"] else []
        (out.parent / "project.json").write_text(json.dumps(tasks))
        return out.parent / "project.json"
    if format.startswith("coco"):
        content = json.loads((out / "annotations.json").read_text())
        content["images"] = [each for each in content["images"] if Path(each["file_name"]).stem == name]
        kept = {each["id"] for each in content["images"]}
        content["annotations"] = [each for each in content["annotations"] if each["image_id"] in kept]
        (out / "annotations.json").write_text(json.dumps(content))
        return out
    if format == "huggingface":
        path = out / "train" / "metadata.jsonl"
        lines = [line for line in path.read_text().splitlines() if f"/{name}." in json.loads(line)["file_name"]]
        path.write_text("".join(f"{line}\n" for line in lines))
        return out
    place, pattern = (
        out,
        {"yolo": "labels/**/*.txt", "yolo-masks": "masks/**/*.png", "labelme": "*.json"}.get(format, ""),
    )
    if format == "cvat":
        place = out.parent / "unpacked"
        zipfile.ZipFile(out / "segmentation_mask.zip").extractall(place)
    for path in place.glob(pattern or ("masks/*.png" if format == "ids" else "SegmentationClass/*.png")):
        if path.stem not in (name, "export"):
            path.unlink()
    return place


@pytest.mark.parametrize("format", [name for name in LABEL_FORMATS if name not in OF_PREDICTIONS])
def test_what_the_command_says_at_its_end_leaves_what_was_corrected(
    run: Path, photos: Path, tmp_path: Path, format: str, capsys
) -> None:
    out, split = tmp_path / "review", read_folder(photos)
    assert exit_code("review", str(run), "--count", str(COUNT), "--out", str(out), "--format", format) == 0
    assert what_is_trusted(format) in " ".join(capsys.readouterr().out.split())
    name = rows_of(out)[0]["image"]
    assert len(read_corrections(out, split).records) == COUNT
    kept = keep_one(out, format, name)
    assert [each.image_id for each in read_corrections(kept, split).records] == [name]
