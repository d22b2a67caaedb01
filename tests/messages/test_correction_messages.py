"""What is wrong with corrected masks, and with a review, word for word."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from kit.command_line import exit_code
from kit.files import save, write
from kit.hand_made_runs import add_masks, make_run
from kit.heard import Heard
from kit.messages import ROW, assert_says, row
from kit.small_segmenter_run import small_recipe

from tagseg.classes import ClassTable
from tagseg.data.corrections import read_corrections
from tagseg.data.drawn_pictures import write_dataset
from tagseg.errors import DataError, RecipeError
from tagseg.pipeline import run_pipeline
from tagseg.recipe import make_recipe
from tagseg.types import ImageRecord, Split

GOOD = np.array([[0, 1, 2], [0, 1, 255]], np.uint8)


def nothing_there(folder: Path) -> None:
    return None


def near_name(folder: Path) -> None:
    (folder.parent / "correctd").mkdir()


def no_mask(folder: Path) -> None:
    write(folder / "classes.txt", "cat\ndog\n")


def other_name(folder: Path) -> None:
    save(folder / "c.png", GOOD)


def two_of_one(folder: Path) -> None:
    save(folder / "a.png", GOOD)
    save(folder / "a.jpg.png", GOOD)


def other_size(folder: Path) -> None:
    save(folder / "a.png", GOOD.T.copy())


def unknown_id(folder: Path) -> None:
    save(folder / "a.png", GOOD * 3)


def unknown_class(folder: Path) -> None:
    write(folder / "classes.txt", "cat\nhorse\n")
    save(folder / "a.png", GOOD)


def jpeg(folder: Path) -> None:
    save(folder / "a.jpg", GOOD)


@pytest.mark.parametrize(
    ROW,
    [
        row(
            "no_folder",
            nothing_there,
            "folder OUT of corrections must exist, got no such folder",
            "correct segmenter.corrections",
        ),
        row(
            "near_folder",
            near_name,
            "folder OUT of corrections must exist, got no such folder",
            "did you mean 'PLACE/correctd'?",
        ),
        row(
            "no_mask",
            no_mask,
            "folder OUT of corrections must hold masks, got none",
            "save masks there under the names of their photographs, or leave segmenter.corrections out",
        ),
        row(
            "other_name",
            other_name,
            "correction OUT/c.png has the name of a training photograph, got a name that fits none",
            "rename it like its photograph, or remove it",
        ),
        row(
            "two_of_one",
            two_of_one,
            "correction OUT/a.jpg.png is the only one of its photograph, got a.png too",
            "remove one of them",
        ),
        row(
            "other_size",
            other_size,
            "correction OUT/a.png has the size of its photograph, 2 x 3, got 3 x 2",
            "save it in the size of the photograph, or remove it",
        ),
        row(
            "unknown_id",
            unknown_id,
            "mask OUT/a.png must hold ids 0 to 2 or 255, got 3, 6, 253",
            "draw it again, or name the missing classes in classes.txt",
        ),
        row(
            "unknown_class",
            unknown_class,
            "correction OUT/a.png shows classes of the run (cat, dog), got 'horse'",
            "correct the name in classes.txt, or draw these pixels as background, id 0",
        ),
        row(
            "lossy",
            jpeg,
            "mask OUT/a.jpg must be of a lossless format, got a JPEG file",
            "save the mask again from its source, as a palette PNG; a lossy format changes the ids",
        ),
    ],
)
def test_corrections_that_do_not_fit(tmp_path: Path, call: Callable[[Path], None], problem: str, help: str) -> None:
    photo = save(tmp_path / "photos" / "a.jpg", np.zeros((2, 3, 3), np.uint8))
    split = Split("train", ClassTable(("cat", "dog")), (ImageRecord("a", photo, (1,)),))
    folder = tmp_path / "corrected"
    call(folder)
    assert_says(lambda: read_corrections(folder, split), DataError, problem, help, OUT=folder, PLACE=tmp_path)


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        (
            ["segmenter.labels=truth"],
            "segmenter labels 'truth' leave nothing to correct; leave corrections out, or set labels='pseudo'",
        ),
        (
            ["segmenter.enabled=false"],
            "segmenter corrections teach the segmenter, and enabled is false; leave one of the two out",
        ),
    ],
)
def test_recipes_in_which_corrections_have_no_use(settings: list[str], problem: str) -> None:
    values = {"name": "mine", "data": {"format": "folder", "root": "photos"}}
    assert_says(
        lambda: make_recipe(values, ["segmenter.corrections=corrected", *settings]),
        RecipeError,
        f"recipe has 1 problem: {problem}",
        "correct the recipe or the --set that names it",
    )


def test_corrections_are_refused_before_the_first_stage(tmp_path: Path) -> None:
    write_dataset(tmp_path / "learn", num_images=4, size=(64, 64), seed=3)
    write_dataset(tmp_path / "test", num_images=1, size=(64, 64), seed=4)
    gone, heard = tmp_path / "gone", Heard()
    recipe = small_recipe(tmp_path, f"segmenter.corrections={gone}")
    assert_says(
        lambda: run_pipeline(recipe, tmp_path / "run", progress=heard),
        DataError,
        f"folder {gone} of corrections must exist, got no such folder",
        "correct segmenter.corrections",
    )
    assert heard.stages == []


def test_reviews_that_cannot_be(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photos = tmp_path / "photos"
    write_dataset(photos, num_images=2, size=(64, 64), seed=3)
    run, out = make_run(tmp_path / "run", photos), tmp_path / "review"

    def said(*words: object) -> list[str]:
        assert exit_code("review", *map(str, words)) == 2
        return capsys.readouterr().err.splitlines()

    assert said(run, "--count", 0, "--out", out) == ["error: --count is 1 or more, got 0", "help: take 20"]
    assert said(run, "--out", out) == [
        f"error: export of masks takes a run that has them, got {run} without any",
        "help: let 'tagseg run' come to the end of its stage make_masks",
    ]
    assert said(run, "--out", out, "--format", "vco") == [
        "error: --format 'vco' is unknown",
        "help: did you mean 'voc'?",
    ]
    done = make_run(tmp_path / "done", photos, f"segmenter.corrections={photos / 'masks'}")
    add_masks(done, photos, "mask", "confident")
    assert said(done, "--out", out) == [
        "error: review takes training photographs that are not corrected yet, got none of 2",
        "help: review a run without segmenter.corrections to begin again",
    ]
    assert not out.exists()
