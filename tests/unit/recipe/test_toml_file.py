"""Recipes: defaults, presets, overrides, round trip."""

import json
import re
from pathlib import Path

import pytest
import torch
from kit.messages import assert_says

from tagseg.errors import RecipeError
from tagseg.losses.affinity import pair_sums
from tagseg.recipe import load_recipe, load_run_recipe, make_recipe, to_toml
from tagseg.recipe.layouts import FolderData
from tagseg.recipe.packaged import FOLDER
from tagseg.refine.dense_crf import CrfSettings

MINIMAL = {"name": "mine", "data": {"format": "folder", "root": "photos"}}


def test_release_preset_keeps_the_constants_of_the_release():
    recipe = make_recipe({**MINIMAL, "preset": "release"})
    assert recipe.training.momentum == 1e-4
    assert recipe.training.weight_decay == 1e-4
    assert (recipe.affinity.momentum, recipe.affinity.weight_decay) == (1e-4, 1e-4)
    assert recipe.training.batch_size == 6
    assert recipe.self_modulation.normalizer == "region"
    assert recipe.reconstruction.pyramid == "vgg19"
    assert not recipe.reconstruction.normalize


def test_values_of_the_file_win_over_the_preset_and_overrides_over_the_file():
    values = {**MINIMAL, "preset": "release", "training": {"batch_size": 8, "epochs": 3}}
    recipe = make_recipe(values, ["training.epochs=7", "classifier.backbone=mobilenetv2_100", "cams.scales=[1.0]"])
    assert (recipe.training.batch_size, recipe.training.epochs) == (8, 7)
    assert recipe.classifier.backbone == "mobilenetv2_100"
    assert recipe.cams.scales == (1.0,)


def test_overrides_do_not_change_the_values_that_were_passed_in():
    values = {**MINIMAL, "training": {"epochs": 3}}
    make_recipe(values, ["training.epochs=7"])
    assert values["training"] == {"epochs": 3}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("training.clip_norm", "1.0"),
        ("region_affinity.color_sigma", "20.0"),
        ("segmenter.most_steps", "100"),
        ("engine.threads", "1"),
    ],
)
def test_a_number_that_may_be_left_out_is_taken_back_by_the_word_none(key: str, value: str) -> None:
    assert make_recipe(MINIMAL, [f"{key}={value}"]) != make_recipe(MINIMAL)
    assert make_recipe(MINIMAL, [f"{key}={value}", f"{key}=none"]) == make_recipe(MINIMAL)


def test_a_number_of_a_shipped_recipe_is_taken_back_by_the_word_none() -> None:
    assert load_recipe("magnetic_tiles").classifier.absent_quantile == 0.9
    assert load_recipe("magnetic_tiles", ["classifier.absent_quantile=none"]).classifier.absent_quantile is None


def test_none_is_no_number_where_one_is_needed_and_a_word_where_words_are() -> None:
    with pytest.raises(RecipeError, match=r'training\.epochs: input should be a valid integer, got "none"'):
        make_recipe(MINIMAL, ["training.epochs=none"])
    assert make_recipe(MINIMAL, ["data.masks=none"]).data == FolderData(
        format="folder", root=Path("photos"), masks=Path("none")
    )


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ([], ("suppression", "reconstruction", "self_modulation")),
        (["reconstruction.enabled=false"], ("suppression", "self_modulation")),
        (["suppression.enabled=false", "self_modulation.enabled=false"], ("reconstruction",)),
    ],
)
def test_constraints_are_the_parts_that_are_switched_on(settings, names):
    assert make_recipe(MINIMAL, settings).constraints == names


def test_plain_leaves_the_maps_as_the_network_gives_them():
    lowered = ["cams.flat_maps=lower", "cams.average_over_regions=true", "cams.region_affinity=true"]
    assert make_recipe(MINIMAL, lowered).plain().cams == make_recipe(MINIMAL).cams


def test_plain_switches_the_three_parts_off_and_nothing_else():
    recipe = make_recipe(MINIMAL)
    plain = recipe.plain()
    assert plain.constraints == ()
    assert not (plain.suppression.enabled or plain.reconstruction.enabled or plain.self_modulation.enabled)
    assert (plain.training, plain.data, plain.seed, plain.classifier) == (
        recipe.training,
        recipe.data,
        recipe.seed,
        recipe.classifier,
    )


def test_defaults_of_seeds_crf_affinity_and_walk_are_those_of_irn():
    recipe = make_recipe(MINIMAL)
    assert (recipe.seeds.foreground_score, recipe.seeds.background_score, recipe.seeds.crf) == (0.3, 0.1, True)
    assert CrfSettings(**recipe.crf.model_dump(exclude={"certainty"})) == CrfSettings()
    assert recipe.crf.certainty == 0.7
    values = recipe.affinity
    assert (values.radius, values.epochs, values.batch_size, values.crop_size_px) == (10, 3, 16, 512)
    assert (values.lr, values.displacement_lr_factor) == (0.1, 10)
    masks = recipe.masks
    assert (masks.walk_radius, masks.walk_beta, masks.walk_doublings, masks.walk_share) == (5, 10, 8, 1)
    assert (masks.background_rule, masks.background_score, masks.keep_fraction) == ("fixed", 0.25, 0.5)


@pytest.mark.parametrize(
    ("steps", "needed"),
    [
        ('["walk"]', True),
        ('["walk", "crf", "superpixels"]', True),
        ("[]", False),
        ('["crf", "superpixels", "pixel_adaptive"]', False),
    ],
)
def test_an_affinity_network_is_needed_by_the_walk_only(steps, needed):
    recipe = make_recipe(MINIMAL, [f"masks.refine={steps}"])
    assert recipe.needs_affinity == needed
    assert list(recipe.masks.refine) == json.loads(steps)


def test_without_a_walk_maps_of_the_training_images_are_not_needed():
    only_eval = ['cams.splits=["eval"]', 'masks.splits=["eval"]', "segmenter.enabled=false"]
    assert make_recipe(MINIMAL, [*only_eval, 'masks.refine=["crf"]'])


def test_masks_of_fewer_splits_than_maps_are_fine():
    splits = ['cams.splits=["train", "eval"]', 'masks.splits=["eval"]']
    recipe = make_recipe(MINIMAL, [*splits, "segmenter.enabled=false"])
    assert recipe.masks.splits == ("eval",)


def test_the_smallest_crop_that_holds_a_pair_is_fine():
    recipe = make_recipe(MINIMAL, ["affinity.radius=10", "affinity.crop_size_px=76"])
    values = recipe.affinity
    cells = torch.zeros(1, values.crop_size_px // 4, values.crop_size_px // 4)
    sums = pair_sums(cells, cells[:, None].expand(-1, 2, -1, -1), cells.long(), radius=values.radius)
    assert sums.counts[0] > 0


def test_plain_cam_is_refined_like_ssc():
    recipe = make_recipe(MINIMAL, ['masks.refine=["walk", "crf"]', "seeds.foreground_score=0.4", "crf.iterations=3"])
    plain = recipe.plain()
    assert (plain.masks, plain.seeds, plain.crf, plain.affinity) == (
        recipe.masks,
        recipe.seeds,
        recipe.crf,
        recipe.affinity,
    )


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.toml")), ids=lambda path: path.name)
def test_every_shipped_recipe_loads_and_survives_a_round_trip(path, tmp_path):
    recipe = load_recipe(path)
    copy = tmp_path / "recipe.toml"
    copy.write_text(to_toml(recipe), encoding="utf-8")
    assert load_recipe(copy) == recipe


OF_ALL_LAYOUTS = """train_split = "train_aug"
num_images = 240
image_size_px = 128
synthetic_seed = 0
test_num_images = 0
"""
"""What tagseg 0.1 wrote into the data section of any recipe beside what was set."""


@pytest.mark.parametrize(
    ("own", "section"),
    [
        ({"format": "folder", "root": "photos", "masks": "photos/masks"}, {}),
        ({"format": "voc", "root": "VOC2012", "eval_split": "train"}, {}),
        ({"format": "coco", "train_images": "train", "train_annotations": "train.json"}, {}),
        ({"format": "synthetic", "root": "drawn"}, {}),
        # what other layouts have was read by none
        ({"format": "folder", "root": "photos"}, {"eval_split": "val", "eval_images": "images"}),
    ],
)
def test_the_recipe_of_a_run_of_tagseg_0_1_is_read(own, section, tmp_path):
    written = "".join(f"{key} = {json.dumps(value)}\n" for key, value in {**own, **section}.items())
    path = tmp_path / "recipe.toml"
    path.write_text(f'name = "old"\n[data]\n{written}{OF_ALL_LAYOUTS}\n[training]\nepochs = 4\n', encoding="utf-8")
    recipe = make_recipe({"name": "old", "data": own, "training": {"epochs": 4}})
    assert load_run_recipe(path) == recipe
    path.write_text(to_toml(recipe), encoding="utf-8")
    assert load_run_recipe(path) == load_recipe(path) == recipe


@pytest.mark.parametrize(
    ("line", "overrides", "problem"),
    [
        ("test_splt = 1", [], "data.test_splt is not a key of a recipe"),
        ("", ["data.train_split=val"], "data.train_split belongs to format 'voc', got format 'folder'"),
        ("classes = 3", [], "data.classes: input should be a valid array, got 3"),
    ],
)
def test_the_recipe_of_a_run_is_checked_like_any_other(line, overrides, problem, tmp_path):
    path = tmp_path / "recipe.toml"
    text = f'name = "old"\n[data]\nformat = "folder"\nroot = "photos"\n{OF_ALL_LAYOUTS}{line}\n'
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RecipeError, match=re.escape(problem)):
        load_run_recipe(path, overrides)


def test_the_recipe_of_a_run_may_be_changed_by_settings(tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_text(f'name = "old"\n[data]\nformat = "folder"\nroot = "photos"\n{OF_ALL_LAYOUTS}', encoding="utf-8")
    assert load_run_recipe(path, ["training.epochs=7"]).training.epochs == 7


def test_several_mistakes_are_named_at_once():
    values = {"name": "x", "data": {"format": "voc"}, "training": {"epoch": 3, "lr": "fast"}, "cam": {}}
    with pytest.raises(RecipeError) as caught:
        make_recipe(values, source="mine.toml")
    assert str(caught.value).startswith("mine.toml has 4 problems: ")
    for part in ("needs data.root", "did you mean 'epochs'?", "training.lr", "did you mean 'cams'?"):
        assert part in str(caught.value)


def test_the_upper_bound_has_the_same_network_and_budget_and_needs_no_maps():
    recipe = make_recipe(MINIMAL, ["segmenter.strategy=cotrain", "segmenter.epochs=7", "segmenter.backbone=resnet18"])
    full = recipe.supervised()
    assert (recipe.needs_masks, recipe.needs_affinity) == (True, True)
    assert (full.needs_masks, full.needs_affinity) == (False, False)
    changed = {"labels": "truth", "strategy": "all"}
    assert full.segmenter.model_dump() == {**recipe.segmenter.model_dump(), **changed}
    assert full.name == "mine-full"
    assert make_recipe(full.model_dump(mode="json", exclude_none=True)) == full


def test_without_a_segmenter_maps_and_masks_are_needed_whatever_its_labels():
    assert make_recipe(MINIMAL, ["segmenter.enabled=false", "segmenter.labels=truth"]).needs_masks


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_recipe_may_start_with_a_byte_order_mark(tmp_path: Path, encoding: str, end: str) -> None:
    path = tmp_path / "mine.toml"
    text = end.join(['name = "süß"', "[data]", 'format = "folder"', 'root = "photos"', ""])
    path.write_bytes(text.encode(encoding))
    assert load_recipe(path).name == "süß"


@pytest.mark.parametrize("name", ["2024-01-31", "2024-01-31T10:20:30", "10:20:30", "2024-01-31 10:20:30+01:00"])
def test_a_date_is_a_name(name: str) -> None:
    values = {"name": "mine", "data": {"format": "folder", "root": "photos"}}
    assert make_recipe(values, [f"name={name}"]).name == name
    assert make_recipe(values, [f"data.root={name}"]).data.place == name


def test_the_home_folder_may_be_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    values = {"name": "~", "data": {"format": "folder", "root": "~/photos", "tags": "~/tags.csv", "masks": "a/~/b"}}
    recipe = make_recipe(values, ["classifier.weights=~/w.safetensors", "superpixels.cache=~/cache"])
    assert isinstance(recipe.data, FolderData)
    assert [str(recipe.data.root), str(recipe.data.tags), str(recipe.data.masks)] == [
        "/home/me/photos", "/home/me/tags.csv", "a/~/b",
    ]  # fmt: skip
    assert (recipe.name, recipe.classifier.weights) == ("~", "/home/me/w.safetensors")
    assert str(recipe.superpixels.cache) == "/home/me/cache"


@pytest.mark.parametrize("name", ["größe", "dog \U0001f600", "a\x7fb", 'quote " and \\', "tab\tline\n", "\u2028"])
def test_any_text_of_a_path_is_read_back(tmp_path, name):
    recipe = make_recipe({"name": "mine", "data": {"format": "folder", "root": name}})
    (tmp_path / "recipe.toml").write_text(to_toml(recipe), encoding="utf-8")
    assert load_recipe(tmp_path / "recipe.toml") == recipe


def test_a_path_that_is_no_text_is_refused():
    assert_says(
        lambda: make_recipe({"name": "mine", "data": {"format": "folder", "root": "a/b\udcff.d"}}),
        RecipeError,
        "recipe holds text, got 'a/b\\udcff.d' at 'data.root'",
        "give it a name in UTF-8",
    )
