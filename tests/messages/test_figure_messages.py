import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tagseg.artifacts.cam_file import write_cam
from tagseg.classes import ClassTable
from tagseg.errors import TagsegError
from tagseg.recipe import make_recipe, to_toml
from tagseg.report.figures import color_mask
from tagseg.stages.figure import FigureChoice, write_figure


def make_run(root: Path, photos: Path, *, masks: Path | None = None) -> Path:
    """Write a run folder over a data set of one class a folder and one image in it, 4 x 6 pixels."""
    data = {"format": "folder", "root": str(photos), **({"masks": str(masks)} if masks else {})}
    root.mkdir(parents=True)
    (root / "recipe.toml").write_text(to_toml(make_recipe({"name": "small", "data": data})))
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


def test_a_figure_that_is_no_png(run: Path) -> None:
    assert message(run, out=Path("docs/fig.jpg")) == (
        "figure docs/fig.jpg is a PNG file, got the ending '.jpg'; end its name in .png"
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
        "'' is no column of a figure; use one of: cam, image, seed, truth"
    )


def test_truth_where_there_is_none(run: Path) -> None:
    assert message(run, choice=FigureChoice(columns=("truth",))) == (
        "column 'truth' shows masks, got images without any; leave it out of --columns"
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
