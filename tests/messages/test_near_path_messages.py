"""What is said about a path that is nearly one that exists, word for word."""

from collections.abc import Callable
from pathlib import Path

import pytest
from kit.files import write
from kit.messages import ROW, assert_says, row

from tagseg.data.json_elements import list_elements
from tagseg.data.layouts.folder import read_folder
from tagseg.data.tags import read_tags
from tagseg.errors import TagsegError
from tagseg.recipe import load_recipe
from tagseg.results.open_run import read_run_recipe
from tagseg.use.folder_survey import survey_folder
from tagseg.use.load import find_segmenter
from tagseg.use.score_folders import evaluate_folders


@pytest.mark.parametrize(
    ROW,
    [
        row(
            "a_recipe",
            lambda folder: load_recipe(folder / "photo.toml"),
            "recipe FOLDER/photo.toml must exist, got no such file",
            "did you mean 'FOLDER/photos.toml'?",
        ),
        row(
            "no_recipe_but_a_folder",
            lambda folder: load_recipe(folder / "masks.toml"),
            "recipe FOLDER/masks.toml must exist, got no such file",
            "check the path",
        ),
        row(
            "a_data_set_in_other_letters",
            lambda folder: read_folder(folder / "Photos"),
            "folder FOLDER/Photos must exist, got no such folder",
            "did you mean 'FOLDER/photos'?",
        ),
        row(
            "a_folder_for_init",
            lambda folder: survey_folder(folder / "photo"),
            "FOLDER/photo must be a folder of photographs, got none",
            "did you mean 'FOLDER/photos'?",
        ),
        row(
            "a_file_of_tags",
            lambda folder: read_tags(folder / "tag.csv"),
            "file of tags FOLDER/tag.csv must exist, got no such file",
            "did you mean 'FOLDER/tags.csv'?",
        ),
        row(
            "annotations",
            lambda folder: list(list_elements(folder / "instances.json")),
            "annotations FOLDER/instances.json must exist, got no such file",
            "did you mean 'FOLDER/instance.json'?",
        ),
        row(
            "a_segmenter",
            lambda folder: find_segmenter(folder / "Masks"),
            "segmenter FOLDER/Masks must be a run folder, a folder with segmenter.json, or 'owner/name' on the hub, "
            "got no such path",
            "did you mean 'FOLDER/masks'?",
        ),
        row(
            "a_run",
            lambda folder: read_run_recipe(folder / "photoss"),
            "FOLDER/photoss must be the folder of a run, got no recipe.toml in it",
            "did you mean 'FOLDER/photos'?",
        ),
        row(
            "a_folder_to_score",
            lambda folder: evaluate_folders(folder / "masks", folder / "mask"),
            "folder of masks FOLDER/mask must exist, got no such folder",
            "did you mean 'FOLDER/masks'?",
        ),
    ],
)
def test_near_paths(tmp_path: Path, call: Callable[[Path], object], problem: str, help: str) -> None:
    for name in ("photos.toml", "tags.csv", "instance.json", "photos/a.txt", "masks/a.txt"):
        write(tmp_path / name, "")
    assert_says(lambda: call(tmp_path), TagsegError, problem, help, FOLDER=tmp_path)
