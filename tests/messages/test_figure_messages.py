"""What a figure says that cannot be drawn, word for word."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from kit.grey_runs import make_grey_run, make_photos, mark_done
from kit.messages import ROW, assert_says, row
from PIL import Image

from tagseg.artifacts.cam_file import write_cam
from tagseg.artifacts.mask_file import write_confidence, write_mask
from tagseg.classes import ClassTable
from tagseg.errors import TagsegError
from tagseg.report.figures import color_mask
from tagseg.results.figure import FigureChoice, write_figure

CAT = ClassTable(("cat",))
LEAVE_OUT = "or leave it out of --columns"
OTHER_FIGURES = "draw a figure for each of them"
PUT_BACK = "put the image back that it was made from, or"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return make_grey_run(tmp_path / "run", make_photos(tmp_path / "photos", "cat/tom.png"))


def draw(*runs: Path, out: str = "fig.png", images: tuple[str, ...] = (), **choice: object) -> None:
    write_figure(runs, Path(out), choice=FigureChoice(images, **choice))  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ROW,
    [
        row(
            "another_ending",
            lambda run: draw(run, out="docs/fig.jpg"),
            "figure docs/fig.jpg is a PNG, PDF or SVG file, got the ending '.jpg'",
            "end its name in .png, .pdf or .svg",
        ),
        row(
            "millimetres_of_a_png",
            lambda run: draw(run, width_mm=85.5),
            "figure fig.png has a width in pixels, got 85.5 mm",
            "give --width-px, or end its name in .pdf or .svg",
        ),
        *(
            row(
                f"pixels_of_a_{ending}",
                lambda run, ending=ending: draw(run, out=f"fig.{ending}", width_px=900),
                f"figure fig.{ending} has a width in millimetres, got 900 px",
                "give --width-mm, or end its name in .png",
            )
            for ending in ("pdf", "SVG")
        ),
        row(
            "no_run",
            lambda run: draw(run.parent),
            "FOLDER must be the folder of a run, got no recipe.toml in it",
            "give the folder that 'tagseg run' printed",
        ),
        row(
            "an_image_that_is_near_one",
            lambda run: draw(run, images=("cat/tim",)),
            "'cat/tim' is not an image of RUN",
            "did you mean 'cat/tom'?",
        ),
        row(
            "an_image_that_does_not_exist",
            lambda run: draw(run, images=("zebra",)),
            "'zebra' is not an image of RUN",
            "an id is the name of a file in RUN/2_cams, without .npz",
        ),
        row(
            "a_column_that_is_near_one",
            lambda run: draw(run, columns=("image", "seeds")),
            "'seeds' is not a column of a figure",
            "did you mean 'seed'?",
        ),
        row(
            "a_column_without_a_name",
            lambda run: draw(run, columns=("",)),
            "'' is not a column of a figure",
            "use one of: cam, confident, image, mask, prediction, seed, sure, truth",
        ),
        row("a_palette", lambda run: draw(run, palette="save"), "'save' is not a palette", "did you mean 'safe'?"),
        row(
            "truth_where_there_is_none",
            lambda run: draw(run, columns=("truth",)),
            "column 'truth' shows masks, got images without any",
            "leave it out of --columns",
        ),
    ],
)
def test_choices(run: Path, call: Callable[[Path], object], problem: str, help: str) -> None:
    assert_says(lambda: call(run), TagsegError, problem, help, RUN=run, FOLDER=run.parent)


@pytest.mark.parametrize(
    ("column", "what", "stage"),
    [
        ("sure", "sure seeds", "train-affinity"),
        ("mask", "pseudo masks", "make-masks"),
        ("confident", "confidence masks", "make-masks"),
    ],
)
def test_a_column_whose_stage_has_not_run(run: Path, column: str, what: str, stage: str) -> None:
    wanted = f"column '{column}' shows {what}, got {run} without any", f"run the stage {stage} first, {LEAVE_OUT}"
    assert_says(lambda: draw(run, columns=("image", column)), TagsegError, *wanted)
    mark_done(run, stage.replace("-", "_"))
    for folder in ("3_affinity", "4_masks"):
        (run / folder).rmdir()
    assert_says(lambda: draw(run, columns=("image", column)), TagsegError, *wanted)


def empty_mask(path: Path, *, width: int = 6) -> None:
    write_mask(path, np.zeros((4, width), np.uint8), CAT)


def without_a_walk(folder: Path) -> None:
    run = make_grey_run(folder / "other", folder / "photos", 'masks.refine=["crf"]')
    empty_mask(run / "3_affinity" / "seeds" / "cat" / "tom.png")
    draw(run, columns=("sure",))


def without_any_of_the_images(folder: Path, column: str) -> None:
    mark_done(folder / "run", "train_affinity", "make_masks")
    draw(folder / "run", images=("cat/tom",), columns=(column,))


def with_tests(folder: Path, *settings: str) -> Path:
    """Write a run over one image to train on and one to test on."""
    tests = make_photos(folder / "tests", "cat/tim.png")
    return make_grey_run(folder / "other", folder / "photos", f"data.test_root={json.dumps(str(tests))}", *settings)


def of_no_predictions(folder: Path) -> None:
    draw(with_tests(folder), columns=("prediction",))


def of_predictions_of_other_images(folder: Path) -> None:
    run = with_tests(folder)
    mark_done(run, "predict")
    draw(run, columns=("prediction",))


def without_a_segmenter(folder: Path) -> None:
    run = with_tests(folder, "segmenter.enabled=false")
    empty_mask(run / "6_predictions" / "labels" / "cat" / "tim.png")
    draw(run, columns=("prediction",))


def of_maps_of_images_to_test_on(folder: Path, column: str) -> None:
    run = with_tests(folder)
    mark_done(run, "extract_cams")
    draw(run, images=("cat/tim",), columns=(column,))


def beside_a_run_without_masks(folder: Path) -> None:
    other = make_grey_run(folder / "other", folder / "photos")
    empty_mask(folder / "run" / "4_masks" / "labels" / "cat" / "tom.png")
    draw(folder / "run", other, columns=("mask",))


@pytest.mark.parametrize(
    ROW,
    [
        row(
            "sure_seeds_of_a_recipe_that_does_not_walk",
            without_a_walk,
            "column 'sure' shows sure seeds, got OTHER whose recipe does not walk",
            f"run it with 'walk' in masks.refine, {LEAVE_OUT}",
        ),
        row(
            "no_sure_seeds_of_the_images",
            lambda folder: without_any_of_the_images(folder, "sure"),
            "column 'sure' shows sure seeds, got RUN with none of these images",
            f"name training images with --images, {LEAVE_OUT}",
        ),
        row(
            "no_masks_of_the_images",
            lambda folder: without_any_of_the_images(folder, "mask"),
            "column 'mask' shows pseudo masks, got RUN with none of these images",
            f"name others with --images, {LEAVE_OUT}",
        ),
        row(
            "predictions_that_are_not_made",
            of_no_predictions,
            "column 'prediction' shows predictions, got OTHER without any",
            f"let 'tagseg run' come to its end, {LEAVE_OUT}",
        ),
        row(
            "predictions_of_other_images",
            of_predictions_of_other_images,
            "column 'prediction' shows predictions, got OTHER with none of these images",
            f"name images to test on with --images, {LEAVE_OUT}",
        ),
        row(
            "predictions_without_a_segmenter",
            without_a_segmenter,
            "column 'prediction' shows predictions, got OTHER whose recipe trains no segmenter",
            f"run it with segmenter.enabled=true, {LEAVE_OUT}",
        ),
        row(
            "maps_of_images_to_test_on",
            lambda folder: of_maps_of_images_to_test_on(folder, "cam"),
            "column 'cam' shows maps, got OTHER with none of these images",
            f"name others with --images, {LEAVE_OUT}",
        ),
        row(
            "seeds_of_images_to_test_on",
            lambda folder: of_maps_of_images_to_test_on(folder, "seed"),
            "column 'seed' shows seeds, got OTHER with none of these images",
            f"name others with --images, {LEAVE_OUT}",
        ),
        row(
            "a_column_that_one_of_the_runs_lacks",
            beside_a_run_without_masks,
            "column 'mask' shows pseudo masks, got OTHER without any",
            f"run the stage make-masks first, {LEAVE_OUT}",
        ),
    ],
)
def test_columns(run: Path, call: Callable[[Path], object], problem: str, help: str) -> None:
    folder = run.parent
    assert_says(lambda: call(folder), TagsegError, problem, help, RUN=run, OTHER=folder / "other")


def of_a_mask_of_another_size(run: Path, column: str, path: str) -> None:
    if column == "confident":
        write_confidence(run / path, np.ones((4, 5), bool))
    else:
        empty_mask(run / path, width=5)
    draw(run, columns=(column,))


def of_a_confidence_mask_alone(run: Path) -> None:
    write_confidence(run / "4_masks" / "confidence" / "cat" / "tom.png", np.ones((4, 6), bool))
    draw(run, columns=("confident",))


def of_other_photos(run: Path, *names: str) -> None:
    draw(run, make_grey_run(run.parent / "other", make_photos(run.parent / "zoo", *names)))


def of_no_maps(run: Path) -> None:
    (run / "2_cams" / "cat" / "tom.npz").unlink()
    draw(run)


def of_maps_of_another_size(run: Path) -> None:
    write_cam(run / "2_cams" / "cat" / "tom.npz", np.full((1, 4, 5), 0.5, np.float32), (1,))
    draw(run)


def of_truth_of_another_size(run: Path) -> None:
    masks = run.parent / "masks"
    (masks / "cat").mkdir(parents=True)
    Image.fromarray(np.zeros((3, 6), np.uint8)).save(masks / "cat" / "tom.png")
    draw(make_grey_run(run.parent / "other", run.parent / "photos", masks=masks))


@pytest.mark.parametrize(
    ROW,
    [
        *(
            row(
                f"the_column_{column}_of_another_size",
                lambda run, column=column, path=path: of_a_mask_of_another_size(run, column, path),
                f"mask RUN/{path} has the image's size 4 x 6, got 4 x 5",
                f"{PUT_BACK} run 'tagseg run' again with --redo",
            )
            for column, path in [
                ("sure", "3_affinity/seeds/cat/tom.png"),
                ("mask", "4_masks/labels/cat/tom.png"),
                ("confident", "4_masks/confidence/cat/tom.png"),
            ]
        ),
        row(
            "a_confidence_mask_without_its_pseudo_mask",
            of_a_confidence_mask_alone,
            "mask RUN/4_masks/labels/cat/tom.png must exist, got no such file",
            "run the stage that writes it first",
        ),
        row(
            "other_classes",
            lambda run: of_other_photos(run, "cat/tom.png", "dog/rex.png"),
            "FOLDER/other has the classes of RUN (cat), got cat, dog",
            OTHER_FIGURES,
        ),
        row(
            "other_images",
            lambda run: of_other_photos(run, "cat/ada.png"),
            "RUN and FOLDER/other have images in common, got none",
            OTHER_FIGURES,
        ),
        row(
            "no_maps",
            of_no_maps,
            "CAM file RUN/2_cams/cat/tom.npz must exist, got no such file",
            "run the stage extract-cams first",
        ),
        row(
            "maps_of_another_size",
            of_maps_of_another_size,
            "CAM file RUN/2_cams/cat/tom.npz has the image's size 4 x 6, got 4 x 5",
            f"{PUT_BACK} delete it and run the stage extract-cams again",
        ),
        row(
            "truth_of_another_size",
            of_truth_of_another_size,
            "mask of FOLDER/photos/cat/tom.png has the image's size 4 x 6, got 3 x 6",
            "correct it; 'tagseg check' lists everything wrong with a data set",
        ),
    ],
)
def test_files(run: Path, call: Callable[[Path], object], problem: str, help: str) -> None:
    assert_says(lambda: call(run), TagsegError, problem, help, RUN=run, FOLDER=run.parent)


@pytest.mark.parametrize("content", ["no JSON", "[]", '{"images": 3}', json.dumps({"seeds": {"averaged": {}}})])
def test_scores_that_cannot_be_read(run: Path, content: str) -> None:
    path = run / "scores.json"
    path.write_text(content)
    assert_says(
        lambda: draw(run),
        TagsegError,
        f"{path} must be scores that tagseg wrote, got a file that cannot be read as such",
        "delete it and run the stage evaluate again",
    )


def test_an_id_that_belongs_to_no_class() -> None:
    assert_says(
        lambda: color_mask(np.array([[0, 1, 2, 255]], np.uint8), CAT),
        TagsegError,
        "a mask to paint holds label ids 0..1 and 255, got 2",
        "paint it with the class table that made it",
    )
