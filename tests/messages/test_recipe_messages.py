"""What a recipe's errors say, word for word."""

import json

import pytest
from pydantic import ValidationError

from tagseg.errors import RecipeError
from tagseg.recipe import Recipe, load_recipe, make_recipe
from tagseg.recipe.mistakes import sentences

MINIMAL = {"name": "mine", "data": {"format": "folder", "root": "photos"}}


def message(values, overrides=()):
    with pytest.raises(RecipeError) as caught:
        make_recipe(values, list(overrides), source="mine.toml")
    return str(caught.value)


def test_unknown_key_names_the_nearest():
    assert message({**MINIMAL, "training": {"epoch": 3}}) == (
        "mine.toml has 1 problem: training.epoch is no key of a recipe (did you mean 'epochs'?); "
        "correct the recipe or the --set that names it"
    )


def test_wrong_type():
    assert message(MINIMAL, ["training.epochs=many"]) == (
        'mine.toml has 1 problem: training.epochs: input should be a valid integer, got "many"; '
        "correct the recipe or the --set that names it"
    )


def test_missing_path():
    assert message({"name": "mine", "data": {"format": "voc"}}) == (
        "mine.toml has 1 problem: format 'voc' needs data.root; correct the recipe or the --set that names it"
    )


@pytest.mark.parametrize(
    ("data", "problems"),
    [
        (
            {"format": "coco"},
            ["format 'coco' needs data.train_images", "format 'coco' needs data.train_annotations"],
        ),
        ({"format": "folder"}, ["format 'folder' needs data.root"]),
        (
            {"format": "folder", "root": "photos", "train_split": "train"},
            ["data.train_split belongs to format 'voc', got format 'folder'"],
        ),
        (
            {"format": "synthetic", "masks": "masks", "test_root": "test"},
            [
                "data.masks belongs to format 'folder', got format 'synthetic'",
                "data.test_root belongs to format 'folder', got format 'synthetic'",
            ],
        ),
        (
            {"format": "coco", "train_images": "i", "train_annotations": "a.json", "root": "coco", "tags": "tags.csv"},
            [
                "data.root belongs to format 'voc', 'folder' or 'synthetic', got format 'coco'",
                "data.tags belongs to format 'voc', 'folder' or 'synthetic', got format 'coco'",
            ],
        ),
        (
            {"format": "voc", "train_splt": "train", "num_images": 3, "tags": 3},
            [
                "format 'voc' needs data.root",
                "data.tags: input should be a valid string, got 3",
                "data.train_splt is no key of a recipe (did you mean 'train_split'?)",
                "data.num_images belongs to format 'synthetic', got format 'voc'",
            ],
        ),
        ({"root": "photos"}, ["data.format is required: 'voc', 'coco', 'folder' or 'synthetic'"]),
        ({}, ["data.format is required: 'voc', 'coco', 'folder' or 'synthetic'"]),
        (
            {"format": "vco", "root": "photos"},
            ["data.format: input should be 'voc', 'coco', 'folder' or 'synthetic', got \"vco\""],
        ),
        ({"format": 3}, ["data.format: input should be 'voc', 'coco', 'folder' or 'synthetic', got 3"]),
        ("photos", ['data: input should be an object, got "photos"']),
    ],
)
def test_the_data_section(data, problems):
    count = f"{len(problems)} problem{'s' if len(problems) > 1 else ''}"
    assert message({"name": "mine", "data": data}) == (
        f"mine.toml has {count}: {'; '.join(problems)}; correct the recipe or the --set that names it"
    )


def test_another_format_by_a_setting():
    values = {"name": "mine", "data": {"format": "voc", "root": "VOC", "eval_split": "val"}}
    assert message(values, ["data.format=folder"]) == (
        "mine.toml has 1 problem: data.eval_split belongs to format 'voc', got format 'folder'; "
        "correct the recipe or the --set that names it"
    )


def test_no_data_section():
    assert message({"name": "mine"}) == (
        "mine.toml has 1 problem: data is required; correct the recipe or the --set that names it"
    )


def test_a_key_that_has_another_name_now():
    values = {**MINIMAL, "training": {"rate": 0.1, "epoch": 3}}
    with pytest.raises(ValidationError) as caught:
        Recipe.model_validate_json(json.dumps(values))
    assert sentences(caught.value, renamed={"training.rate": "training.lr"}) == [
        "training.rate is called training.lr now",
        "training.epoch is no key of a recipe (did you mean 'epochs'?)",
    ]


def test_warm_up_longer_than_training():
    assert message(MINIMAL, ["training.epochs=2", "self_modulation.warmup_epochs=2"]) == (
        "mine.toml has 1 problem: self_modulation.warmup_epochs (2) leaves none of training.epochs (2) for the term; "
        "lower it or set self_modulation.enabled=false; correct the recipe or the --set that names it"
    )


def test_batch_that_does_not_divide():
    assert message(MINIMAL, ["training.batch_size=5", "engine.devices=2"]) == (
        "mine.toml has 1 problem: training.batch_size (5) is the batch of all processes together and must be a "
        "multiple of engine.devices x engine.nodes (2); correct the recipe or the --set that names it"
    )


def test_affinity_batch_that_does_not_divide():
    assert message(MINIMAL, ["affinity.batch_size=5", "engine.devices=2"]) == (
        "mine.toml has 1 problem: affinity.batch_size (5) is the batch of all processes together and must be a "
        "multiple of engine.devices x engine.nodes (2); correct the recipe or the --set that names it"
    )


def test_batch_that_does_not_divide_by_devices_and_nodes():
    assert message(MINIMAL, ["affinity.batch_size=10", "engine.devices=2", "engine.nodes=2"]) == (
        "mine.toml has 1 problem: affinity.batch_size (10) is the batch of all processes together and must be a "
        "multiple of engine.devices x engine.nodes (4); correct the recipe or the --set that names it"
    )


@pytest.mark.parametrize(("cams", "masks", "missing"), [("train", "eval", "eval"), ("eval", "train", "train")])
def test_masks_of_a_split_without_maps(cams, masks, missing):
    splits = [f'cams.splits=["{cams}"]', f'masks.splits=["{masks}"]', "masks.refine=[]"]
    assert message(MINIMAL, splits) == (
        f"mine.toml has 1 problem: masks.splits names '{missing}', of which cams.splits makes no maps; add it there; "
        "correct the recipe or the --set that names it"
    )


def test_a_walk_without_maps_of_the_training_images():
    assert message(MINIMAL, ['cams.splits=["eval"]', 'masks.splits=["eval"]']) == (
        "mine.toml has 1 problem: masks.refine walks, and the affinity network learns from the maps of the training "
        "images; add 'train' to cams.splits, or leave 'walk' out of masks.refine; "
        "correct the recipe or the --set that names it"
    )


@pytest.mark.parametrize("steps", ['["crf", "crf"]', '["crf", "walk"]', '["walk", "walk"]', '["walk", "crf", "walk"]'])
def test_refinements_that_come_twice_or_before_the_walk(steps):
    assert message(MINIMAL, [f"masks.refine={steps}"]) == (
        "mine.toml has 1 problem: masks.refine names each step at most once, and 'walk' first; "
        "correct the recipe or the --set that names it"
    )


def test_a_refinement_that_does_not_exist():
    assert message(MINIMAL, ['masks.refine=["sam"]']) == (
        "mine.toml has 1 problem: masks.refine.0: input should be 'walk', 'crf', 'superpixels' or 'pixel_adaptive', "
        'got "sam"; correct the recipe or the --set that names it'
    )


@pytest.mark.parametrize("steps", ["[]", '["crf"]'])
def test_instances_without_a_walk(steps):
    assert message(MINIMAL, [f"masks.refine={steps}", "masks.instances=true"]) == (
        "mine.toml has 1 problem: masks instances need the affinity network; add 'walk' to refine, "
        "or set instances=false; correct the recipe or the --set that names it"
    )


@pytest.mark.parametrize(("low", "high"), [(0.3, 0.3), (0.4, 0.2)])
def test_seed_scores_out_of_order(low, high):
    assert message(MINIMAL, [f"seeds.background_score={low}", f"seeds.foreground_score={high}"]) == (
        f"mine.toml has 1 problem: seeds background_score ({low}) must lie below foreground_score ({high}); "
        "correct the recipe or the --set that names it"
    )


@pytest.mark.parametrize(("radius", "crop", "least"), [(10, 72, 76), (17, 128, 132)])
def test_pairs_that_do_not_fit_in_a_crop(radius, crop, least):
    assert message(MINIMAL, [f"affinity.radius={radius}", f"affinity.crop_size_px={crop}"]) == (
        f"mine.toml has 1 problem: affinity radius ({radius}) needs crops of at least {least} px, "
        f"got crop_size_px ({crop}); correct the recipe or the --set that names it"
    )


def test_long_sides_of_the_affinity_network_out_of_order():
    assert message(MINIMAL, ["affinity.long_side_px=[300, 200]"]) == (
        "mine.toml has 1 problem: affinity.long_side_px is [shortest, longest] with 16 <= shortest <= longest; "
        "correct the recipe or the --set that names it"
    )


@pytest.mark.parametrize(
    ("setting", "rule"),
    [
        ("crf.iterations=-1", "input should be greater than or equal to 0, got -1"),
        ("crf.certainty=1.0", "input should be less than 1, got 1.0"),
        ("crf.bilateral_sigma_rgb=0", "input should be greater than 0, got 0"),
        ("masks.keep_fraction=50", "input should be less than or equal to 1, got 50"),
        ("masks.background_score=1.5", "input should be less than or equal to 1, got 1.5"),
        ("masks.background_rule=otsu", "input should be 'fixed' or 'auto', got \"otsu\""),
        ("masks.walk_doublings=17", "input should be less than or equal to 16, got 17"),
        ("affinity.output_stride=4", "input should be 8, 16 or 32, got 4"),
        ("seeds.foreground_score=1", "input should be less than 1, got 1"),
    ],
)
def test_values_of_stages_3_and_4_out_of_range(setting, rule):
    key, _, _ = setting.partition("=")
    assert message(MINIMAL, [setting]) == (
        f"mine.toml has 1 problem: {key}: {rule}; correct the recipe or the --set that names it"
    )


def test_malformed_override():
    assert message(MINIMAL, ["training.epochs"]) == (
        "--set takes key=value, got 'training.epochs'; write for example --set training.epochs=5"
    )


def test_missing_file(tmp_path):
    path = tmp_path / "none.toml"
    with pytest.raises(RecipeError) as caught:
        load_recipe(path)
    assert str(caught.value) == f"recipe {path} is a file that exists, got none; check the path"


def test_broken_toml(tmp_path):
    path = tmp_path / "broken.toml"
    path.write_text("name = \n", encoding="utf-8")
    with pytest.raises(RecipeError) as caught:
        load_recipe(path)
    assert str(caught.value) == (
        f"recipe {path} is a TOML file, got: Invalid value (at line 1, column 8); correct that line"
    )


@pytest.mark.parametrize(
    ("overrides", "problem"),
    [
        (
            ['masks.splits=["eval"]'],
            "the segmenter learns from the pseudo masks of the training images; add 'train' to masks.splits, or set "
            "segmenter.enabled=false",
        ),
        (
            ["segmenter.labels=truth", "segmenter.strategy=cotrain"],
            "segmenter labels 'truth' leave no pixel unsure; set strategy='all' instead of 'cotrain'",
        ),
        (
            ["segmenter.strategy=consistency", "segmenter.epochs=2", "segmenter.warmup_epochs=2"],
            "segmenter warmup_epochs (2) leaves none of epochs (2) for strategy 'consistency'; lower it",
        ),
        (
            ["segmenter.architecture=segformer"],
            "segmenter output_stride of segformer is 32, got 16; set segmenter.output_stride=32",
        ),
        (
            ["segmenter.output_stride=32"],
            "segmenter output_stride of deeplabv3plus is 8 or 16, got 32; set segmenter.output_stride=16",
        ),
        (
            ["segmenter.batch_size=6", "engine.devices=4"],
            "segmenter.batch_size (6) is the batch of all processes together and must be a multiple of "
            "engine.devices x engine.nodes (4)",
        ),
        (["data.test_split=val"], "data.test_split belongs to format 'voc', got format 'folder'"),
        (["data.test_num_images=3"], "data.test_num_images belongs to format 'synthetic', got format 'folder'"),
        (["prediction.scales=[1.0, 9.0]"], "prediction.scales holds at least one scale, each above 0 and at most 8"),
    ],
)
def test_the_segmentation_network(overrides, problem):
    assert message(MINIMAL, overrides) == (
        f"mine.toml has 1 problem: {problem}; correct the recipe or the --set that names it"
    )
