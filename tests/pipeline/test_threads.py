"""On a GPU threads do the part of the work that needs no network; here they do it on a processor."""

from pathlib import Path

import pytest
from kit.small_run import NUM_IMAGES, run, small_recipe

from tagseg.data.drawn_pictures import write_dataset
from tagseg.stages import work

QUICK = (
    "training.epochs=2",
    "affinity.epochs=1",
    "crf.iterations=2",
    "masks.walk_radius=4",
    "cams.region_affinity=true",
    "self_modulation.target_refine=['region_affinity','crf']",
    "masks.refine=['walk','crf']",
)


def test_threads_leave_the_same_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_dataset(tmp_path / "photos", num_images=NUM_IMAGES, size=(64, 64), seed=3)
    recipe = small_recipe(tmp_path / "photos", tmp_path / "cache", *QUICK)
    run(recipe, tmp_path / "in_turn")
    monkeypatch.setattr(work, "_threads", lambda fabric: work.GPU_THREADS)
    run(recipe, tmp_path / "at_once")
    made = sorted(path for path in (tmp_path / "in_turn").rglob("*.*") if path.suffix in (".npz", ".png"))
    assert len(made) > 4 * NUM_IMAGES  # maps, seeds, walked maps, masks, confidence
    for path in made:
        other = tmp_path / "at_once" / path.relative_to(tmp_path / "in_turn")
        assert other.read_bytes() == path.read_bytes(), path.name
