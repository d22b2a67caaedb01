"""Run folders that are read back."""

from pathlib import Path

import pytest
from kit.hand_made_runs import make_run

from tagseg.artifacts.run_folder import RunFolder
from tagseg.data.drawn_pictures import write_dataset
from tagseg.progress import SilentProgress
from tagseg.results.open_run import best_background_score, open_runs, read_run_recipe
from tagseg.results.source import open_source


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("photos")
    write_dataset(root, num_images=3, size=(64, 64), seed=3)
    return root


def test_a_run_folder_of_tagseg_0_1_is_read(photos: Path, tmp_path: Path) -> None:
    """That version wrote the keys of all data layouts into the recipe of any."""
    new, old = (make_run(tmp_path / name, photos, best={"network": 0.4, "averaged": 0.4}) for name in ("new", "old"))
    path = old / "recipe.toml"
    others = (
        'train_split = "train_aug"\nnum_images = 240\nimage_size_px = 128\nsynthetic_seed = 0\ntest_num_images = 0\n'
    )
    path.write_text(path.read_text().replace("[data]\n", f"[data]\n{others}"))
    assert read_run_recipe(old) == read_run_recipe(new)
    assert open_source(old).splits == open_source(new).splits
    opened = open_runs([new, old], background_score=None, progress=SilentProgress())
    assert opened[0].records == opened[1].records


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (["masks.refine=[]"], (0.4, "of its pseudo masks, since nothing is scored")),
        (["masks.refine=['crf']"], (0.4, "of its pseudo masks, since nothing is scored")),
        (["masks.refine=['walk']"], (0.2, "of its recipe, since nothing is scored")),
        (["masks.refine=['region_affinity']"], (0.2, "of its recipe, since nothing is scored")),
        (["masks.refine=[]", "masks.maps=network"], (0.2, "of its recipe, since nothing is scored")),
    ],
)
def test_the_cut_of_pseudo_masks_is_that_of_seeds_where_both_are_of_the_same_maps(
    photos: Path, tmp_path: Path, settings: list[str], expected: tuple[float, str]
) -> None:
    root = make_run(tmp_path / "run", photos, *settings)
    RunFolder(root).mark_done("make_masks", "x", {"background_score": 0.4})
    assert best_background_score(RunFolder(root), read_run_recipe(root)) == expected
