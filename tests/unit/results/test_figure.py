"""Figures of run folders that are made by hand: maps from the masks, no network, no training."""

import json
from pathlib import Path

import numpy as np
import pytest
from kit.hand_made_runs import NUM_IMAGES, PLAIN_SCORE, SIDE, SSC_SCORE, add_masks, ids_of, make_run
from kit.heard import Heard
from PIL import Image

from tagseg.artifacts.cam_file import read_cam, write_cam
from tagseg.artifacts.mask_file import write_mask
from tagseg.artifacts.run_folder import RunFolder
from tagseg.classes import VOID, ClassTable
from tagseg.data.drawn_pictures import write_dataset
from tagseg.data.images import read_image
from tagseg.data.layouts.folder import read_folder
from tagseg.report.colors import safe_color
from tagseg.report.figures import overlay_cam, overlay_known, overlay_mask
from tagseg.report.panel_layout import PanelLayout, PanelRow
from tagseg.results import figure_file
from tagseg.results.figure import FigureChoice, write_figure

ANY_CLASSES = ClassTable(tuple("abcdefgh"))  # a mask holds ids, whatever their names


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data") / "photos"
    write_dataset(root, num_images=NUM_IMAGES, size=(SIDE, SIDE), seed=3)
    return root


@pytest.fixture(scope="module")
def ssc(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    best = {"network": PLAIN_SCORE, "averaged": SSC_SCORE}
    return make_run(tmp_path_factory.mktemp("runs") / "ssc", photos, "cams.average_over_regions=true", best=best)


@pytest.fixture(scope="module")
def plain(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    off = [f"{part}.enabled=false" for part in ("suppression", "reconstruction", "self_modulation")]
    return make_run(tmp_path_factory.mktemp("runs") / "base", photos, *off, best={"network": PLAIN_SCORE})


@pytest.fixture
def panels(monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[str], list[PanelRow], list[str]]]:
    """Return a list that fills with the titles, rows and legend names of every panel drawn."""
    drawn = []

    def note(titles, rows, *, legend, width_px):
        drawn.append((titles, rows, [entry.name for entry in legend]))
        return np.zeros((1, width_px, 3), np.uint8)

    monkeypatch.setattr(figure_file, "panel", note)
    return drawn


def test_a_run_alone_shows_image_map_seeds_and_truth(plain, photos, panels, tmp_path) -> None:
    (shown,) = write_figure([plain], tmp_path / "a.png", choice=FigureChoice(count=1))
    ((titles, (row,), legend),) = panels
    assert titles == ["image", "map", "seeds", "ground truth"]
    split = read_folder(photos, masks=photos / "masks")
    record = next(record for record in split.records if record.image_id == shown)
    image, maps = read_image(record.image_path), read_cam(plain / "2_cams" / f"{shown}.npz")
    assert record.mask is not None
    seeds, truth = maps.labels(PLAIN_SCORE), record.mask.read()
    assert len(np.unique(seeds)) > 1  # else the comparison would say little
    wanted = (
        image,
        overlay_cam(image, maps.strongest()[1]),
        overlay_mask(image, seeds, split.classes),
        overlay_mask(image, truth, split.classes),
    )
    for cell, expected in zip(row.images, wanted, strict=True):
        np.testing.assert_array_equal(cell, expected)
    tags = [split.classes.name(label) for label in record.tags]
    assert (row.title, row.detail) == (shown, ", ".join(tags))
    void = ["void"] if (truth == VOID).any() else []
    assert legend == [*tags, *void, "map, 0 to 1"]


def test_runs_stand_side_by_side_kind_by_kind(plain, ssc, panels, tmp_path) -> None:
    write_figure([plain, ssc], tmp_path / "a.png", choice=FigureChoice(count=2))
    ((titles, rows, _),) = panels
    assert titles == ["image", "map\nplain CAM", "map\nSSC", "seeds\nplain CAM", "seeds\nSSC", "ground truth"]
    for row in rows:
        _, plain_cam, ssc_cam, plain_seeds, ssc_seeds, _ = row.images
        np.testing.assert_array_equal(plain_cam, ssc_cam)  # both as the network gave them
        assert (plain_seeds != ssc_seeds).any()  # one is averaged over regions and cut at another score


def test_seeds_are_cut_at_the_best_score_of_their_own_kind_of_maps(plain, ssc, panels, tmp_path) -> None:
    progress = Heard()
    write_figure([plain, ssc], tmp_path / "a.png", choice=FigureChoice(count=1), progress=progress)
    assert progress.notes == [
        f"plain CAM ({plain}): seeds from the network's maps above 0.15 [best of its sweep]",
        f"SSC ({ssc}): seeds from maps averaged over regions above 0.45 [best of its sweep]",
    ]


def test_a_background_score_that_is_asked_for_wins(plain, panels, tmp_path) -> None:
    progress, choice = Heard(), FigureChoice(count=1, columns=("seed",), background_score=1.0)
    (shown,) = write_figure([plain], tmp_path / "a.png", choice=choice, progress=progress)
    assert progress.notes == [f"plain CAM ({plain}): seeds from the network's maps above 1.00 [asked for]"]
    assert panels[0][2] == []  # nothing exceeds 1, so there is no class to name
    assert shown


def test_a_run_without_scores_takes_the_score_of_its_recipe(photos, panels, tmp_path) -> None:
    bare = make_run(tmp_path / "bare", photos, "evaluation.background_score=0.35")
    progress = Heard()
    write_figure([bare], tmp_path / "a.png", choice=FigureChoice(count=1), progress=progress)
    (bare / "scores.json").write_text('{"seeds": null}')
    write_figure([bare], tmp_path / "a.png", choice=FigureChoice(count=1), progress=progress)
    note = f"SSC ({bare}): seeds from the network's maps above 0.35 [of its recipe, since nothing is scored]"
    assert progress.notes == [note, note]


@pytest.mark.parametrize(
    ("settings", "cut", "where"),
    [
        (["masks.refine=['crf']"], "0.44", "of its pseudo masks, since nothing is scored"),
        (["masks.refine=['walk','crf']"], "0.20", "of its recipe, since nothing is scored"),  # cut from walked maps
        (["masks.refine=['crf']", "masks.maps=network"], "0.20", "of its recipe, since nothing is scored"),
    ],
)
def test_a_run_without_ground_truth_is_cut_where_its_masks_were(photos, panels, tmp_path, settings, cut, where) -> None:
    bare, progress = make_run(tmp_path / "bare", photos, *settings), Heard()
    RunFolder(bare).mark_started("make_masks", "made")
    write_figure([bare], tmp_path / "a.png", choice=FigureChoice(count=1), progress=progress)
    RunFolder(bare).mark_done("make_masks", "made", {"images": NUM_IMAGES, "background_score": 0.44})
    write_figure([bare], tmp_path / "a.png", choice=FigureChoice(count=1), progress=progress)
    unfinished = f"SSC ({bare}): seeds from the network's maps above 0.20 [of its recipe, since nothing is scored]"
    assert progress.notes == [unfinished, f"SSC ({bare}): seeds from the network's maps above {cut} [{where}]"]


def test_images_are_spread_evenly_and_the_same_every_time(plain, panels, tmp_path) -> None:
    ids = ids_of(plain)
    assert len(ids) == NUM_IMAGES
    for count, positions in ((1, [4]), (2, [2, 6]), (4, [1, 3, 5, 7]), (8, range(8)), (100, range(8))):
        for _ in range(2):
            shown = write_figure([plain], tmp_path / "a.png", choice=FigureChoice(count=count))
            assert list(shown) == [ids[position] for position in positions]


def test_images_with_masks_come_first(photos, panels, tmp_path) -> None:
    few = tmp_path / "few"
    run = make_run(tmp_path / "run", photos, f"data.masks={json.dumps(str(few))}")
    few.mkdir()
    ids = ids_of(run)
    for name in (ids[0], ids[1]):
        Image.open(photos / "masks" / f"{name}.png").save(few / f"{name}.png")
    assert write_figure([run], tmp_path / "a.png", choice=FigureChoice(count=3)) == (ids[0], ids[1])
    chosen = (ids[5], ids[0])
    assert write_figure([run], tmp_path / "a.png", choice=FigureChoice(chosen)) == chosen
    (_, (without, with_mask), _) = panels[-1]
    assert without.images[-1] is None and with_mask.images[-1] is not None


def test_without_any_mask_the_column_of_the_truth_is_left_out(photos, panels, tmp_path) -> None:
    (tmp_path / "none").mkdir()
    run = make_run(tmp_path / "run", photos, f"data.masks={json.dumps(str(tmp_path / 'none'))}")
    assert len(write_figure([run], tmp_path / "a.png", choice=FigureChoice(count=3))) == 3
    assert panels[0][0] == ["image", "map", "seeds"]


def test_sure_seeds_and_the_trusted_part_of_a_mask_are_striped_where_unknown(photos, panels, tmp_path) -> None:
    run = add_masks(make_run(tmp_path / "run", photos), photos, "sure", "mask", "confident")
    choice = FigureChoice(count=1, columns=("sure", "mask", "confident"))
    (shown,) = write_figure([run], tmp_path / "a.png", choice=choice)
    ((titles, (row,), legend),) = panels
    assert titles == ["sure seeds", "pseudo mask", "confident"]
    split = read_folder(photos)
    image = read_image(next(record.image_path for record in split.records if record.image_id == shown))
    mask = np.asarray(Image.open(run / "4_masks" / "labels" / f"{shown}.png"))
    assert (mask[:, SIDE // 2 :] > 0).any()  # else the halves would say little
    trusted = mask.copy()
    trusted[:, : SIDE // 2] = VOID
    striped = overlay_known(image, trusted, split.classes)
    for cell, expected in zip(row.images, (striped, overlay_mask(image, mask, split.classes), striped), strict=True):
        np.testing.assert_array_equal(cell, expected)
    assert legend[-1] == "unknown" and "void" not in legend


def test_pseudo_masks_are_shown_unasked_where_all_runs_have_them(photos, panels, tmp_path) -> None:
    one, two = (make_run(tmp_path / name, photos) for name in ("one", "two"))
    choice, out = FigureChoice(count=2), tmp_path / "a.png"
    add_masks(one, photos, "mask", "confident")
    write_figure([one], out, choice=choice)
    write_figure([one, two], out, choice=choice)
    add_masks(two, photos, "mask", "confident")
    write_figure([one, two], out, choice=choice)
    pairs = [f"{kind}\n{name}" for kind in ("map", "seeds", "pseudo mask") for name in ("one", "two")]
    assert [titles for titles, _, _ in panels] == [
        ["image", "map", "seeds", "pseudo mask", "ground truth"],
        ["image", *pairs[:4], "ground truth"],
        ["image", *pairs, "ground truth"],
    ]


def test_images_with_the_asked_masks_come_first_and_the_others_have_empty_cells(photos, panels, tmp_path) -> None:
    run = make_run(tmp_path / "run", photos)
    ids = ids_of(run)
    add_masks(run, photos, "sure", names=(ids[2], ids[6]))
    choice = FigureChoice(count=5, columns=("image", "sure"))
    assert write_figure([run], tmp_path / "a.png", choice=choice) == (ids[2], ids[6])
    write_figure([run], tmp_path / "a.png", choice=FigureChoice((ids[0], ids[2]), columns=("sure", "image")))
    (_, (without, with_seeds), _) = panels[-1]
    assert without.images[0] is None and with_seeds.images[0] is not None


def test_images_and_columns_come_in_the_order_asked_for(plain, panels, tmp_path) -> None:
    ids = ids_of(plain)
    choice = FigureChoice((ids[3], ids[1]), columns=("truth", "image"))
    assert write_figure([plain], tmp_path / "a.png", choice=choice) == (ids[3], ids[1])
    ((titles, rows, legend),) = panels
    assert titles == ["ground truth", "image"]
    assert [row.title for row in rows] == [ids[3], ids[1]]
    assert "map, 0 to 1" not in legend


def test_images_that_a_run_left_out_are_not_chosen(plain, photos, panels, tmp_path) -> None:
    run = make_run(tmp_path / "run", photos)
    ids = ids_of(run)
    bad = next(record for record in read_folder(photos).records if record.image_id == ids[4])
    (run / "2_cams" / f"{ids[4]}.npz").unlink()
    listed = {"bad_files": [{"path": str(bad.image_path), "reason": "cut short"}]}
    (run / "manifest.json").write_text(json.dumps({"format": 1, "stages": {}, "data": listed}))
    assert set(write_figure([plain, run], tmp_path / "a.png")) == set(ids) - {ids[4]}


def test_runs_of_one_method_are_told_apart_by_folder_and_else_by_path(photos, panels, tmp_path) -> None:
    one, two, three = (make_run(tmp_path / name, photos) for name in ("x/one", "x/two", "y/one"))
    for roots, names in (([one, two], ["one", "two"]), ([one, three], [str(one), str(three)])):
        write_figure(roots, tmp_path / "a.png", choice=FigureChoice(count=1, columns=("cam",)))
        assert panels[-1][0] == [f"map\n{name}" for name in names]


def test_the_file_is_a_png_of_the_asked_width_with_the_same_bytes_every_time(plain, ssc, tmp_path) -> None:
    choice = FigureChoice(count=2, width_px=600)
    for name in ("a.png", "b.PNG"):
        write_figure([plain, ssc], tmp_path / "deep" / name, choice=choice)
    assert (tmp_path / "deep" / "a.png").read_bytes() == (tmp_path / "deep" / "b.PNG").read_bytes()
    with Image.open(tmp_path / "deep" / "a.png") as shown:
        assert shown.format == "PNG" and shown.width == 600 and shown.height > 200
        assert len(shown.convert("RGB").getcolors(10**6) or []) > 100


@pytest.mark.parametrize("ending", ["pdf", "svg"])
def test_vectors_have_the_same_bytes_every_time(plain, ssc, tmp_path, ending: str) -> None:
    choice = FigureChoice(count=2, width_mm=85.0)
    for name in (f"a.{ending}", f"b.{ending.upper()}"):
        write_figure([plain, ssc], tmp_path / name, choice=choice)
    content = (tmp_path / f"a.{ending}").read_bytes()
    assert content == (tmp_path / f"b.{ending.upper()}").read_bytes()
    assert (b"%PDF-" if ending == "pdf" else b"<svg") in content[:1000]
    write_figure([plain, ssc], tmp_path / f"c.{ending}", choice=FigureChoice(count=2, width_mm=170.0))
    assert content != (tmp_path / f"c.{ending}").read_bytes()


def test_a_large_photograph_is_kept_as_large_as_its_cell_can_show(photos, panels, tmp_path) -> None:
    run = make_run(tmp_path / "run", photos)
    choice = FigureChoice(count=1, columns=("image", "truth"), width_px=100)
    write_figure([run], tmp_path / "a.png", choice=choice)
    ((_, (row,), _),) = panels
    assert max(row.images[0].shape) == PanelLayout(2, 100).cell < SIDE


def test_a_palette_colours_masks_and_legend(plain, photos, monkeypatch, tmp_path) -> None:
    drawn = []
    monkeypatch.setattr(figure_file.FigureFile, "write", lambda *args, legend: drawn.append((args, legend)))
    choice = FigureChoice(count=1, columns=("image", "truth"), palette="safe")
    (shown,) = write_figure([plain], tmp_path / "a.png", choice=choice)
    (((_, _, (row,)), legend),) = drawn
    split = read_folder(photos, masks=photos / "masks")
    record = next(record for record in split.records if record.image_id == shown)
    assert record.mask is not None
    wanted = overlay_mask(read_image(record.image_path), record.mask.read(), split.classes, palette="safe")
    np.testing.assert_array_equal(row.images[1], wanted)
    assert legend[0].swatch.tolist() == [[list(safe_color(record.tags[0]))]]


@pytest.fixture
def unseen(tmp_path: Path) -> Path:
    """Return a folder of images to test on: ids of the data set to train on, other pictures."""
    write_dataset(tmp_path / "tests", num_images=3, size=(SIDE, SIDE), seed=9)
    return tmp_path / "tests"


def make_tested_run(root: Path, photos: Path, unseen: Path) -> Path:
    settings = {"data.test_root": str(unseen), "data.test_masks": str(unseen / "masks")}
    return make_run(root, photos, *(f"{key}={json.dumps(value)}" for key, value in settings.items()))


def predict(root: Path, records) -> dict[str, np.ndarray]:
    """Write predictions that are the truth, moved, and return them."""
    made = {}
    for record in records:
        labels = np.roll(record.mask.read(), 7, axis=1)
        labels[labels == VOID] = 0
        made[record.image_id] = labels
        write_mask(root / "6_predictions" / "labels" / f"{record.image_id}.png", labels, ANY_CLASSES)
    return made


def test_predictions_are_shown_of_images_to_test_on(photos, unseen, panels, tmp_path) -> None:
    run = make_tested_run(tmp_path / "run", photos, unseen)
    split = read_folder(unseen, masks=unseen / "masks", classes=read_folder(photos).classes.names)
    made = predict(run, split.records[:2])
    choice = FigureChoice(columns=("image", "prediction", "truth"))
    shown = write_figure([run], tmp_path / "a.png", choice=choice)
    # Their ids are those of images to train on as well, which keep them.
    assert shown == tuple(f"test:{image_id}" for image_id in made)
    ((titles, rows, _),) = panels
    assert titles == ["image", "prediction", "ground truth"]
    for row, record in zip(rows, split.records, strict=False):
        image = read_image(record.image_path)
        assert record.mask is not None
        expected = (
            image,
            overlay_mask(image, made[record.image_id], split.classes),
            overlay_mask(image, record.mask.read(), split.classes),
        )
        for cell, wanted in zip(row.images, expected, strict=True):
            np.testing.assert_array_equal(cell, wanted)


def test_cells_without_maps_or_predictions_are_empty_and_named(photos, unseen, panels, tmp_path) -> None:
    run = make_tested_run(tmp_path / "run", photos, unseen)
    split = read_folder(unseen, masks=unseen / "masks")
    predict(run, split.records[:1])
    train, predicted, other = ids_of(run)[0], *(f"test:{record.image_id}" for record in split.records[:2])
    progress, choice = Heard(), FigureChoice((train, predicted, other), columns=("image", "cam", "seed", "prediction"))
    write_figure([run], tmp_path / "a.png", choice=choice, progress=progress)
    ((_, rows, _),) = panels
    there = [[cell is not None for cell in row.images] for row in rows]
    assert there == [[True, True, True, False], [True, False, False, True], [True, False, False, False]]
    assert progress.notes[1:] == [
        f"SSC: no maps of 2 of 3 images, such as {predicted}; their cells of 'cam' are empty",
        f"SSC: no seeds of 2 of 3 images, such as {predicted}; their cells of 'seed' are empty",
        f"SSC: no predictions of 2 of 3 images, such as {train}; their cells of 'prediction' are empty",
    ]


def test_without_a_split_to_test_on_the_scored_images_are_predicted(photos, panels, tmp_path) -> None:
    run = make_run(tmp_path / "run", photos)
    ids = ids_of(run)
    add_masks(run, photos, "mask", names=(ids[2],))
    (run / "6_predictions").mkdir()
    (run / "4_masks" / "labels").rename(run / "6_predictions" / "labels")
    choice = FigureChoice(columns=("image", "cam", "prediction"))
    assert write_figure([run], tmp_path / "a.png", choice=choice) == (ids[2],)
    assert all(cell is not None for cell in panels[0][1][0].images)


def test_images_to_test_on_are_not_chosen_unasked(photos, unseen, panels, tmp_path) -> None:
    run = make_tested_run(tmp_path / "run", photos, unseen)
    for columns in (None, ("image", "truth")):
        shown = write_figure([run], tmp_path / "a.png", choice=FigureChoice(count=100, columns=columns))
        assert list(shown) == ids_of(run)


def test_a_bad_image_to_test_on_is_left_out(photos, unseen, panels, tmp_path) -> None:
    run = make_tested_run(tmp_path / "run", photos, unseen)
    records = read_folder(unseen, masks=unseen / "masks").records
    predict(run, records)
    listed = {"bad_files": [{"path": str(records[1].image_path), "reason": "cut short"}]}
    (run / "manifest.json").write_text(json.dumps({"format": 1, "stages": {}, "test_data": listed}))
    shown = write_figure([run], tmp_path / "a.png", choice=FigureChoice(columns=("prediction",)))
    assert shown == tuple(f"test:{records[position].image_id}" for position in (0, 2))


def test_an_image_without_tags_has_empty_seeds(photos, panels, tmp_path) -> None:
    run = make_run(tmp_path / "run", photos)
    image_id = ids_of(run)[0]
    write_cam(run / "2_cams" / f"{image_id}.npz", np.zeros((0, SIDE, SIDE), np.float32), ())
    write_figure([run], tmp_path / "a.png", choice=FigureChoice((image_id,), columns=("image", "seed")))
    ((_, (row,), _),) = panels
    np.testing.assert_array_equal(row.images[0], row.images[1])
