"""What a recipe's errors say, word for word."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from kit.files import write
from kit.messages import ROW, assert_says, row
from pydantic import ValidationError

from tagseg.errors import RecipeError
from tagseg.recipe import Recipe, load_recipe, make_recipe
from tagseg.recipe.mistakes import sentences

MINIMAL = {"name": "mine", "data": {"format": "folder", "root": "photos"}}
VOC = {"name": "mine", "data": {"format": "voc", "root": "VOC", "eval_split": "val"}}
CORRECT = "correct the recipe or the --set that names it"


def assert_mistakes(values: dict[str, Any], settings: Sequence[str], *mistakes: str) -> None:
    """Assert that a recipe with some settings has these mistakes, and says nothing else."""
    count = f"{len(mistakes)} problem{'s' if len(mistakes) > 1 else ''}"
    assert_says(
        lambda: make_recipe(values, list(settings), source="mine.toml"),
        RecipeError,
        f"mine.toml has {count}: {'; '.join(mistakes)}",
        CORRECT,
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
                "data.train_splt is not a key of a recipe (did you mean 'train_split'?)",
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
def test_the_data_section(data: Any, problems: list[str]) -> None:
    assert_mistakes({"name": "mine", "data": data}, [], *problems)


@pytest.mark.parametrize(
    ("values", "settings", "problem"),
    [
        pytest.param(
            {**MINIMAL, "training": {"epoch": 3}},
            [],
            "training.epoch is not a key of a recipe (did you mean 'epochs'?)",
            id="an_unknown_key",
        ),
        pytest.param({"name": "mine", "data": {"format": "voc"}}, [], "format 'voc' needs data.root", id="no_path"),
        pytest.param({"name": "mine"}, [], "data is required", id="no_data_section"),
        pytest.param(
            VOC,
            ["data.format=folder"],
            "data.eval_split belongs to format 'voc', got format 'folder'",
            id="another_format_by_a_setting",
        ),
    ],
)
def test_values(values: dict[str, Any], settings: list[str], problem: str) -> None:
    assert_mistakes(values, settings, problem)


def test_a_key_that_has_another_name_now() -> None:
    values = {**MINIMAL, "training": {"rate": 0.1, "epoch": 3}}
    with pytest.raises(ValidationError) as caught:
        Recipe.model_validate_json(json.dumps(values))
    assert sentences(caught.value, renamed={"training.rate": "training.lr"}) == [
        "training.rate is called training.lr now",
        "training.epoch is not a key of a recipe (did you mean 'epochs'?)",
    ]


def batch(section: str, size: int, processes: int, *engine: str) -> Any:
    return (
        [f"{section}.batch_size={size}", *engine],
        f"{section}.batch_size ({size}) is the batch of all processes together and must be a multiple of "
        f"engine.devices x engine.nodes ({processes})",
    )


def masks_of(masks: str, *, maps_of: str) -> Any:
    return (
        [f'cams.splits=["{maps_of}"]', f'masks.splits=["{masks}"]', "masks.refine=[]"],
        f"masks.splits names '{masks}', of which cams.splits makes no maps; add it there",
    )


def out_of_range(setting: str, rule: str) -> Any:
    return [setting], f"{setting.partition('=')[0]}: {rule}"


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        out_of_range("training.epochs=many", 'input should be a valid integer, got "many"'),
        out_of_range("crf.iterations=-1", "input should be greater than or equal to 0, got -1"),
        out_of_range("crf.certainty=1.0", "input should be less than 1, got 1.0"),
        out_of_range("crf.bilateral_sigma_rgb=0", "input should be greater than 0, got 0"),
        out_of_range("masks.keep_fraction=50", "input should be less than or equal to 1, got 50"),
        out_of_range("masks.background_score=1.5", "input should be less than or equal to 1, got 1.5"),
        out_of_range("masks.background_rule=yen", "input should be 'fixed', 'otsu' or 'auto', got \"yen\""),
        out_of_range("masks.walk_doublings=17", "input should be less than or equal to 16, got 17"),
        out_of_range("masks.walk_share=0", "input should be greater than 0, got 0"),
        out_of_range("affinity.output_stride=4", "input should be 8, 16 or 32, got 4"),
        out_of_range("seeds.foreground_score=1", "input should be less than 1, got 1"),
        batch("training", 5, 2, "engine.devices=2"),
        batch("affinity", 5, 2, "engine.devices=2"),
        batch("affinity", 10, 4, "engine.devices=2", "engine.nodes=2"),
        batch("segmenter", 6, 4, "engine.devices=4"),
        masks_of("eval", maps_of="train"),
        masks_of("train", maps_of="eval"),
        (
            ["affinity.corrections=true"],
            "affinity.corrections learns from the masks of segmenter.corrections, which names none; "
            "set segmenter.corrections, or leave affinity.corrections out",
        ),
        (
            ["training.epochs=2", "self_modulation.warmup_epochs=2"],
            "self_modulation.warmup_epochs (2) leaves none of training.epochs (2) for the term; "
            "lower it or set self_modulation.enabled=false",
        ),
        (
            ["classifier.absent_quantile=0.9"],
            "classifier.absent_quantile measures a level after the training, which self_modulation would need in it; "
            "set self_modulation.enabled=false",
        ),
        (
            ["classifier.feature_layer=middle"],
            "classifier.feature_layer 'middle' computes no last stage that suppression.positions names; "
            "set suppression.enabled=false",
        ),
        (
            ["self_modulation.target_refine=['crf','region_affinity']"],
            "self_modulation target_refine names 'region_affinity' and 'crf' at most once and in this order, "
            "got ['crf', 'region_affinity']",
        ),
        (
            ["self_modulation.target=self", "self_modulation.midpoint=auto"],
            "self_modulation target_refine, target_run and midpoint 'auto' need a target that is measured once; "
            "set self_modulation.target='warmup'",
        ),
        (
            ["self_modulation.target_refine=['region_affinity']", "region_affinity.weights=trained"],
            "self_modulation.target_refine has 'region_affinity', and the target is made before the classifier is "
            "trained; set region_affinity.weights='same', or leave the step out",
        ),
        (
            ["region_affinity.features=vit_tiny_patch16_224"],
            "region_affinity weights 'same' are the classifier's, got features 'vit_tiny_patch16_224'; set "
            "region_affinity.weights to a file, or to 'pretrained'",
        ),
        (
            ["affinity.backbone=resnet18", "affinity.weights=trained"],  # the default recipe walks
            "affinity.weights 'trained' are the classifier's, got affinity.backbone 'resnet18'; set "
            "affinity.weights to a file, or to 'pretrained'",
        ),
        (
            ['cams.splits=["eval"]', 'masks.splits=["eval"]'],
            "masks.refine walks, and the affinity network learns from the maps of the training images; "
            "add 'train' to cams.splits, or leave 'walk' out of masks.refine",
        ),
        *(
            (
                [f"masks.refine={steps}"],
                "masks.refine names each step at most once, and 'region_affinity' and 'walk' first",
            )
            for steps in ('["crf", "crf"]', '["crf", "walk"]', '["walk", "walk"]', '["walk", "crf", "walk"]')
        ),
        (
            ['masks.refine=["sam"]'],
            "masks.refine.0: input should be 'walk', 'region_affinity', 'crf', 'superpixels' or 'pixel_adaptive', "
            'got "sam"',
        ),
        *(
            (
                [f"masks.refine={steps}", "masks.instances=true"],
                "masks instances need the affinity network; add 'walk' to refine, or set instances=false",
            )
            for steps in ("[]", '["crf"]')
        ),
        *(
            (
                [f"seeds.background_score={low}", f"seeds.foreground_score={high}"],
                f"seeds background_score ({low}) must lie below foreground_score ({high})",
            )
            for low, high in [(0.3, 0.3), (0.4, 0.2)]
        ),
        *(
            (
                [f"affinity.radius={radius}", f"affinity.crop_size_px={crop}"],
                f"affinity radius ({radius}) needs crops of at least {least} px, got crop_size_px ({crop})",
            )
            for radius, crop, least in [(10, 72, 76), (17, 128, 132)]
        ),
        (
            ["affinity.long_side_px=[300, 200]"],
            "affinity.long_side_px is [shortest, longest] with 16 <= shortest <= longest",
        ),
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
        (["data.test_split=val"], "data.test_split belongs to format 'voc', got format 'folder'"),
        (["data.test_num_images=3"], "data.test_num_images belongs to format 'synthetic', got format 'folder'"),
        (["prediction.scales=[1.0, 9.0]"], "prediction.scales holds at least one scale, each above 0 and at most 8"),
    ],
    ids=lambda value: "_".join(value) if isinstance(value, list) else "",
)
def test_settings(settings: list[str], problem: str) -> None:
    assert_mistakes(MINIMAL, settings, problem)


def with_small_set(path: Path, setting: str) -> Path:
    values = f'name = "mine"\n[data]\nformat = "folder"\nroot = "photos"\n[small_set]\nbelow = 9\nset = ["{setting}"]\n'
    return write(path, values)


def load_broken(path: Path) -> object:
    path.write_text("name = \n", encoding="utf-8")
    return load_recipe(path)


@pytest.mark.parametrize(
    ROW,
    [
        row("no_file", load_recipe, "recipe PATH must exist, got no such file", "check the path"),
        row(
            "broken_toml",
            load_broken,
            "recipe PATH is a TOML file, got: Invalid value (at line 1, column 8)",
            "correct that line",
        ),
        row(
            "a_setting_without_a_value",
            lambda path: make_recipe(MINIMAL, ["training.epochs"], source="mine.toml"),
            "--set takes key=value, got 'training.epochs'",
            "write for example --set training.epochs=5",
        ),
        row(
            "a_setting_of_small_sets_without_a_value",
            lambda path: load_recipe(with_small_set(path, "training.epochs")),
            "small_set.set of PATH takes key=value, got 'training.epochs'",
            "write for example training.epochs=5",
        ),
        row(
            "a_setting_of_small_sets_behind_a_value",
            lambda path: load_recipe(with_small_set(path, "name.epochs=5")),
            "small_set.set of PATH name.epochs names a section, got the value 'name'",
            "check the key's path",
        ),
        row(
            "a_setting_of_sections_without_end",
            lambda path: make_recipe(MINIMAL, ["a." * 30_000 + "a=1"], source="mine.toml"),
            "--set names a section and a key, got 30001 names that begin with '" + f"{'a.' * 20}'",
            "check the key's path",
        ),
        row(
            "tables_without_end",
            lambda path: load_recipe(write(path, "a." * 30_000 + "a = 1\n")),
            "recipe PATH is a TOML file, got: lists or tables that lie too deep in each other",
            "correct that line",
        ),
        row(
            "tables_without_end_in_another_table",
            lambda path: load_recipe(write(path, "a = { " + "a . " * 30_000 + "a = 1 }\n")),
            "recipe PATH is a TOML file, got: lists or tables that lie too deep in each other",
            "correct that line",
        ),
        row(
            "lists_in_lists",
            lambda path: load_recipe(write(path, "a = " + "[" * 60 + "]" * 60 + "\n")),
            "recipe PATH is a TOML file, got: lists or tables that lie too deep in each other",
            "correct that line",
        ),
    ],
)
def test_files(tmp_path: Path, call: Callable[[Path], object], problem: str, help: str) -> None:
    path = tmp_path / "mine.toml"
    assert_says(lambda: call(path), RecipeError, problem, help, PATH=path)


NAME = "name is a name that a folder can have, of 1 to 200 bytes without NUL"


@pytest.mark.parametrize(
    ("setting", "mistake"),
    [
        (f"name={'é' * 150}", f"{NAME}, got 300 bytes"),
        ("name=", f"{NAME}, got 0 bytes"),
        ("training.lr=nan", "training.lr: input should be a finite number, got NaN"),
        (f"seed={'9' * 5000}", f'seed: input should be a valid integer, got "{"9" * 119}...'),
        (f"seed={10**18 + 1}", f"seed: input should be less than or equal to {10**18}, got {10**18 + 1}"),
    ],
)
def test_values_that_no_run_can_have(setting: str, mistake: str) -> None:
    assert_mistakes(MINIMAL, [setting], mistake)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"seed = " + b"9" * 5000, "a number of too many digits"),
        (b"seed = " + b"[" * 100_000, "lists or tables that lie too deep in each other"),
    ],
)
def test_a_recipe_without_bounds(tmp_path: Path, content: bytes, found: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(content)
    assert_says(
        lambda: load_recipe(path), RecipeError, f"recipe {path} is a TOML file, got: {found}", "correct that line"
    )


@pytest.mark.parametrize(
    ("setting", "problem"),
    [
        ('data.root="a\\u0000b"', 'data.root is text without NUL, got "a\\u0000b"'),
        ('data.classes=["a\\u0000"]', 'data.classes is text without NUL, got "a\\u0000"'),
        (f"data.tags={'x' * 300}.csv", "data.tags is a path whose names have at most 255 bytes, got one of 304"),
    ],
)
def test_a_path_that_no_file_can_have(setting: str, problem: str) -> None:
    assert_mistakes(MINIMAL, [setting], problem)


@pytest.mark.parametrize(
    ("setting", "found"),
    [
        ("data.root=gr\udcf6\udcdfe", r"'gr\udcf6\udcdfe' at 'data.root'"),
        ('data.classes=["cat", "\udcff"]', r"'\udcff' at 'data.classes'"),
        ("data.\udcff=1", r"'data.\udcff' at 'data.\udcff'"),
    ],
)
def test_bytes_of_a_command_line_that_are_no_text(setting: str, found: str) -> None:
    assert_says(
        lambda: make_recipe(MINIMAL, [setting], source="mine.toml"),
        RecipeError,
        f"mine.toml holds text, got {found}",
        "give it a name in UTF-8",
    )
