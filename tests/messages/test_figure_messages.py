import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tagseg.artifacts.cam_file import write_cam
from tagseg.artifacts.mask_file import write_confidence, write_mask
from tagseg.classes import ClassTable
from tagseg.errors import TagsegError
from tagseg.recipe import make_recipe, to_toml
from tagseg.report.figures import color_mask
from tagseg.results.figure import FigureChoice, write_figure


def make_run(root: Path, photos: Path, *settings: str, masks: Path | None = None) -> Path:
    """Write a run folder over a data set of one class a folder and one image in it, 4 x 6 pixels."""
    data = {"format": "folder", "root": str(photos), **({"masks": str(masks)} if masks else {})}
    root.mkdir(parents=True)
    (root / "recipe.toml").write_text(to_toml(make_recipe({"name": "small", "data": data}, list(settings))))
    write_cam(root / "2_cams" / "cat" / "tom.npz", np.full((1, 4, 6), 0.5, np.float32), (1,))
    return root


def make_photos(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (6, 4), (90, 90, 90)).save(root / name)
    return root


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return make_run(tmp_path / "run", make_photos(tmp_path / "photos", "cat/tom.png"))


def message(*roots: Path, out: Path = Path("fig.png"), choice: FigureChoice | None = None) -> str:
    with pytest.raises(TagsegError) as caught:
        write_figure(roots, out, choice=choice)
    return str(caught.value)


def test_a_figure_of_another_ending(run: Path) -> None:
    assert message(run, out=Path("docs/fig.jpg")) == (
        "figure docs/fig.jpg is a PNG, PDF or SVG file, got the ending '.jpg'; end its name in .png, .pdf or .svg"
    )


def test_a_width_in_the_other_unit(run: Path) -> None:
    assert message(run, choice=FigureChoice(width_mm=85.5)) == (
        "figure fig.png has a width in pixels, got 85.5 mm; give --width-px, or end its name in .pdf or .svg"
    )
    for ending in ("pdf", "SVG"):
        assert message(run, out=Path(f"fig.{ending}"), choice=FigureChoice(width_px=900)) == (
            f"figure fig.{ending} has a width in millimetres, got 900 px; give --width-mm, or end its name in .png"
        )


def test_a_folder_that_is_no_run(tmp_path: Path) -> None:
    assert message(tmp_path) == (
        f"{tmp_path} is the folder of a run, got no recipe.toml in it; give the folder that 'tagseg run' printed"
    )


def test_an_image_that_does_not_exist(run: Path) -> None:
    assert message(run, choice=FigureChoice(("cat/tim",))) == (
        f"'cat/tim' is no image of {run}; did you mean 'cat/tom'?"
    )
    assert message(run, choice=FigureChoice(("zebra",))) == (
        f"'zebra' is no image of {run}; an id is the name of a file in {run}/2_cams, without .npz"
    )


def test_a_column_that_does_not_exist(run: Path) -> None:
    assert message(run, choice=FigureChoice(columns=("image", "seeds"))) == (
        "'seeds' is no column of a figure; did you mean 'seed'?"
    )
    assert message(run, choice=FigureChoice(columns=("",))) == (
        "'' is no column of a figure; use one of: cam, confident, image, mask, prediction, seed, sure, truth"
    )


def test_a_palette_that_does_not_exist(run: Path) -> None:
    assert message(run, choice=FigureChoice(palette="save")) == "'save' is no palette; did you mean 'safe'?"


def test_truth_where_there_is_none(run: Path) -> None:
    assert message(run, choice=FigureChoice(columns=("truth",))) == (
        "column 'truth' shows masks, got images without any; leave it out of --columns"
    )


def mark_done(run: Path, *stages: str) -> None:
    """Note stages as done, with an output folder each."""
    for folder in ("3_affinity", "4_masks", "6_predictions"):
        (run / folder).mkdir(exist_ok=True)
    entries = {stage: {"state": "done", "fingerprint": "x"} for stage in stages}
    (run / "manifest.json").write_text(json.dumps({"format": 1, "stages": entries}))


@pytest.mark.parametrize(
    ("column", "what", "stage"),
    [
        ("sure", "sure seeds", "train-affinity"),
        ("mask", "pseudo masks", "make-masks"),
        ("confident", "confidence masks", "make-masks"),
    ],
)
def test_a_column_whose_stage_has_not_run(run: Path, column: str, what: str, stage: str) -> None:
    wanted = (
        f"column '{column}' shows {what}, got {run} without any; "
        f"run the stage {stage} first, or leave it out of --columns"
    )
    assert message(run, choice=FigureChoice(columns=("image", column))) == wanted
    mark_done(run, stage.replace("-", "_"))
    for folder in ("3_affinity", "4_masks"):
        (run / folder).rmdir()
    assert message(run, choice=FigureChoice(columns=("image", column))) == wanted


def test_sure_seeds_of_a_recipe_that_does_not_walk(tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "photos", "cat/tom.png")
    run = make_run(tmp_path / "run", photos, 'masks.refine=["crf"]')
    write_mask(run / "3_affinity" / "seeds" / "cat" / "tom.png", np.zeros((4, 6), np.uint8), ClassTable(("cat",)))
    assert message(run, choice=FigureChoice(columns=("sure",))) == (
        f"column 'sure' shows sure seeds, got {run} whose recipe does not walk; "
        "run it with 'walk' in masks.refine, or leave it out of --columns"
    )


def test_a_column_without_any_of_the_images(run: Path) -> None:
    mark_done(run, "train_affinity", "make_masks")
    assert message(run, choice=FigureChoice(("cat/tom",), columns=("sure",))) == (
        f"column 'sure' shows sure seeds, got {run} with none of these images; "
        "name training images with --images, or leave it out of --columns"
    )
    assert message(run, choice=FigureChoice(("cat/tom",), columns=("mask",))) == (
        f"column 'mask' shows pseudo masks, got {run} with none of these images; "
        "name others with --images, or leave it out of --columns"
    )


def run_with_tests(root: Path, *settings: str) -> Path:
    """Write a run over one image to train on and one to test on."""
    photos, tests = make_photos(root / "photos", "cat/tom.png"), make_photos(root / "tests", "cat/tim.png")
    return make_run(root / "run", photos, f"data.test_root={json.dumps(str(tests))}", *settings)


def test_predictions_that_are_not_made(run: Path, tmp_path: Path) -> None:
    choice, ours = FigureChoice(columns=("prediction",)), "column 'prediction' shows predictions, got"
    rest = "or leave it out of --columns"
    assert message(run, choice=choice) == (
        f"{ours} {run} without images to test on; label photographs with 'tagseg predict', {rest}"
    )
    tested = run_with_tests(tmp_path / "tested")
    assert message(tested, choice=choice) == f"{ours} {tested} without any; let 'tagseg run' come to its end, {rest}"
    mark_done(tested, "predict")
    assert message(tested, choice=choice) == (
        f"{ours} {tested} with none of these images; name images to test on with --images, {rest}"
    )
    off = run_with_tests(tmp_path / "off", "segmenter.enabled=false")
    write_mask(off / "6_predictions" / "labels" / "cat" / "tim.png", np.zeros((4, 6), np.uint8), ClassTable(("cat",)))
    assert message(off, choice=choice) == (
        f"{ours} {off} whose recipe trains no segmenter; run it with segmenter.enabled=true, {rest}"
    )


def test_maps_of_images_to_test_on(tmp_path: Path) -> None:
    run = run_with_tests(tmp_path)
    mark_done(run, "extract_cams")
    for column, what in (("cam", "maps"), ("seed", "seeds")):
        assert message(run, choice=FigureChoice(("cat/tim",), columns=(column,))) == (
            f"column '{column}' shows {what}, got {run} with none of these images; "
            "name others with --images, or leave it out of --columns"
        )


def test_a_column_that_one_of_the_runs_lacks(run: Path, tmp_path: Path) -> None:
    other = make_run(tmp_path / "other", tmp_path / "photos")
    write_mask(run / "4_masks" / "labels" / "cat" / "tom.png", np.zeros((4, 6), np.uint8), ClassTable(("cat",)))
    assert message(run, other, choice=FigureChoice(columns=("mask",))) == (
        f"column 'mask' shows pseudo masks, got {other} without any; "
        "run the stage make-masks first, or leave it out of --columns"
    )


@pytest.mark.parametrize(
    ("column", "path"),
    [
        ("sure", "3_affinity/seeds/cat/tom.png"),
        ("mask", "4_masks/labels/cat/tom.png"),
        ("confident", "4_masks/confidence/cat/tom.png"),
    ],
)
def test_masks_of_a_run_of_another_size(run: Path, column: str, path: str) -> None:
    if column == "confident":
        write_confidence(run / path, np.ones((4, 5), bool))
    else:
        write_mask(run / path, np.zeros((4, 5), np.uint8), ClassTable(("cat",)))
    assert message(run, choice=FigureChoice(columns=(column,))) == (
        f"mask {run / path} has the image's size 4 x 6, got 4 x 5; "
        "put the image back that it was made from, or run 'tagseg run' again with --redo"
    )


def test_a_confidence_mask_without_its_pseudo_mask(run: Path) -> None:
    write_confidence(run / "4_masks" / "confidence" / "cat" / "tom.png", np.ones((4, 6), bool))
    assert message(run, choice=FigureChoice(columns=("confident",))) == (
        f"mask {run / '4_masks' / 'labels' / 'cat' / 'tom.png'} must exist, got no such file; "
        "run the stage that writes it first"
    )


def test_runs_of_other_classes(run: Path, tmp_path: Path) -> None:
    other = make_run(tmp_path / "other", make_photos(tmp_path / "zoo", "cat/tom.png", "dog/rex.png"))
    assert message(run, other) == (
        f"{other} has the classes of {run} (cat), got cat, dog; draw a figure for each of them"
    )


def test_runs_of_other_images(run: Path, tmp_path: Path) -> None:
    other = make_run(tmp_path / "other", make_photos(tmp_path / "zoo", "cat/ada.png"))
    assert message(run, other) == (f"{run} and {other} have images in common, got none; draw a figure for each of them")


def test_maps_that_are_not_there(run: Path) -> None:
    path = run / "2_cams" / "cat" / "tom.npz"
    path.unlink()
    assert message(run) == f"CAM file {path} must exist, got no such file; run the stage extract-cams first"


def test_maps_of_another_size(run: Path) -> None:
    path = run / "2_cams" / "cat" / "tom.npz"
    write_cam(path, np.full((1, 4, 5), 0.5, np.float32), (1,))
    assert message(run) == (
        f"CAM file {path} has the image's size 4 x 6, got 4 x 5; "
        "put the image back that it was made from, or delete it and run the stage extract-cams again"
    )


def test_a_mask_of_another_size(tmp_path: Path) -> None:
    photos, masks = make_photos(tmp_path / "photos", "cat/tom.png"), tmp_path / "masks"
    (masks / "cat").mkdir(parents=True)
    Image.fromarray(np.zeros((3, 6), np.uint8)).save(masks / "cat" / "tom.png")
    run = make_run(tmp_path / "run", photos, masks=masks)
    assert message(run) == (
        f"mask of {photos / 'cat' / 'tom.png'} has the image's size 4 x 6, got 3 x 6; "
        "correct it; 'tagseg check' lists everything wrong with a data set"
    )


@pytest.mark.parametrize("content", ["no JSON", "[]", '{"images": 3}', json.dumps({"seeds": {"averaged": {}}})])
def test_scores_that_cannot_be_read(run: Path, content: str) -> None:
    path = run / "scores.json"
    path.write_text(content)
    assert message(run) == (
        f"{path} must be scores that tagseg wrote, got a file that cannot be read as such; "
        "delete it and run the stage evaluate again"
    )


def test_an_id_that_belongs_to_no_class() -> None:
    with pytest.raises(TagsegError) as caught:
        color_mask(np.array([[0, 1, 2, 255]], np.uint8), ClassTable(("cat",)))
    assert str(caught.value) == (
        "a mask to paint holds label ids 0..1 and 255, got 2; paint it with the class table that made it"
    )
