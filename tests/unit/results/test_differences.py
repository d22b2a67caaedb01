"""Differences of hand-made runs with their intervals: which images count, what is said, and what the page shows."""

import csv
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from kit.hand_made_runs import SIDE, add_masks, ids_of, make_run
from kit.heard import Heard
from kit.messages import assert_says
from kit.scores import ALL_SCORES

from tagseg.artifacts.json_file import json_bytes
from tagseg.artifacts.mask_file import read_mask, write_mask
from tagseg.cli.compare_tables import chance_lines, comparison_rows
from tagseg.data.drawn_pictures import write_dataset
from tagseg.data.layouts.folder import read_folder
from tagseg.errors import ArtifactError
from tagseg.evaluation.confusion import ConfusionMatrix
from tagseg.evaluation.scores import compute_scores
from tagseg.report.comparison import Comparison
from tagseg.results.compare import gather_comparison, write_comparison
from tagseg.results.image_table import write_image_table
from tagseg.types import LabelMap, Split

NUM_IMAGES = 22


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data") / "photos"
    write_dataset(root, num_images=NUM_IMAGES, size=(SIDE, SIDE), seed=3)
    return root


@pytest.fixture
def runs(photos: Path, tmp_path: Path) -> list[Path]:
    """Return runs whose pseudo masks are shifted, and half as much shifted."""
    roots = [make_run(tmp_path / name, photos) for name in ("base", "better")]
    for root in roots:
        (root / "scores.json").write_bytes(json_bytes(ALL_SCORES))
        add_masks(root, photos, "mask", "confident")
    redraw(roots[1], photos, lambda labels: np.roll(labels, -3, axis=0))
    return roots


def read(photos: Path) -> Split:
    return read_folder(photos, masks=photos / "masks")


def mask_path(root: Path, name: str) -> Path:
    return root / "4_masks" / "labels" / f"{name}.png"


def redraw(root: Path, photos: Path, change: Callable[[LabelMap], LabelMap]) -> None:
    for record in read(photos).records:
        path = mask_path(root, record.image_id)
        write_mask(path, change(read_mask(path)), read(photos).classes)


def mean_iou(root: Path, photos: Path, *, without: tuple[str, ...] = ()) -> float:
    split = read(photos)
    matrix = ConfusionMatrix(split.classes.num_labels)
    for record in split.records:
        if record.mask is not None and record.image_id not in without:
            matrix.update(read_mask(mask_path(root, record.image_id)), record.mask.read())
    return compute_scores(matrix, split.classes.label_names).mean_iou


def compared(runs: list[Path], *, resamples: int = 100, progress: Heard | None = None) -> Comparison:
    return gather_comparison(runs, image_ids=(), count=1, resamples=resamples, progress=progress or Heard())


def test_the_difference_is_that_of_all_scored_images(runs: list[Path], photos: Path) -> None:
    (found,) = compared(runs).differences
    assert (found.key, found.run, found.images) == ("pseudo_masks", 1, NUM_IMAGES)
    assert found.difference == pytest.approx(mean_iou(runs[1], photos) - mean_iou(runs[0], photos))
    assert 0 < found.low < found.difference < found.high
    assert found.is_beyond_chance


def test_equal_masks_may_be_chance_and_each_run_is_compared_with_the_first(runs: list[Path], photos: Path) -> None:
    third = make_run(runs[0].parent / "third", photos)
    (third / "scores.json").write_bytes(json_bytes(ALL_SCORES))
    add_masks(third, photos, "mask", "confident")
    better, same = compared([*runs, third]).differences
    assert (better.run, same.run) == (1, 2)
    assert (same.difference, same.low, same.high, same.verdict) == (0, 0, 0, "may be chance")


def test_an_image_that_one_run_cannot_read_is_left_out_of_all_and_that_is_said(runs: list[Path], photos: Path) -> None:
    broken = ids_of(runs[0])[2]
    expected = mean_iou(runs[1], photos, without=(broken,)) - mean_iou(runs[0], photos, without=(broken,))
    mask_path(runs[1], broken).write_bytes(b"no mask")
    heard = Heard()
    (found,) = compared(runs, progress=heard).differences
    assert found.images == NUM_IMAGES - 1
    assert found.difference == pytest.approx(expected)
    said = f"pseudo masks: 1 images cannot be read, such as {broken}: left out of intervals"
    assert said in heard.warnings


def test_few_images_and_no_resamples_have_no_interval(runs: list[Path]) -> None:
    assert compared(runs, resamples=0).differences == ()
    for name in ids_of(runs[0])[:3]:
        mask_path(runs[0], name).unlink()
    few = compared(runs)
    assert few.differences == ()
    assert chance_lines(few) == []


def test_the_table_has_the_interval_below_its_difference(runs: list[Path]) -> None:
    comparison = compared(runs)
    (found,) = comparison.differences
    rows = comparison_rows(comparison)
    place = next(at for at, row in enumerate(rows) if row[0] == "mIoU %, pseudo masks")
    interval = f"{100 * found.low:+.1f} to {100 * found.high:+.1f}"
    assert rows[place + 1] == ("  95 % interval of the difference", "", "", interval)
    assert chance_lines(comparison) == [
        f"pseudo masks: {100 * found.difference:+.1f} points of mIoU for better on {NUM_IMAGES} images, "
        f"95 % interval {interval}: more than chance",
        "intervals: paired bootstrap over images, 100 resamples, seed 0; each run is one training",
    ]


def test_the_page_shows_it(runs: list[Path], tmp_path: Path) -> None:
    comparison = write_comparison(runs, tmp_path / "compare.html", count=1, resamples=100)
    text = " ".join((tmp_path / "compare.html").read_text(encoding="utf-8").split())
    (found,) = comparison.differences
    interval = f"+{100 * found.low:.1f} to +{100 * found.high:.1f}"
    assert re.search(rf"{re.escape(interval)}</td><td class=\"number\">{NUM_IMAGES}</td><td>more than chance", text)
    assert "100 resamples, seed 0" in text


def test_every_image_has_a_row_of_its_own(runs: list[Path], photos: Path, tmp_path: Path) -> None:
    write_image_table(runs[1], tmp_path / "images.csv", progress=Heard())
    with (tmp_path / "images.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["image"] for row in rows] == ids_of(runs[1])
    assert {row["what"] for row in rows} == {"pseudo masks"}
    others = tuple(name for name in ids_of(runs[1]) if name != rows[4]["image"])
    assert float(rows[4]["mean_iou"]) == mean_iou(runs[1], photos, without=others)


def test_a_run_without_scored_masks_has_no_table(photos: Path, tmp_path: Path) -> None:
    root = make_run(tmp_path / "run", photos)
    assert_says(
        lambda: write_image_table(root, tmp_path / "images.csv", progress=Heard()),
        ArtifactError,
        f"a table of images takes a run with ground truth for masks or predictions, got {root}",
        "name the folder of the ground truth in the recipe, or leave --by-image out",
    )
