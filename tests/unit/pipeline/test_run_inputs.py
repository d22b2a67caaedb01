"""What a run hands its stages."""

from pathlib import Path

from kit.contexts import stage_context

from tagseg.classes import ClassTable
from tagseg.pipeline.order import PIPELINE
from tagseg.recipe import make_recipe
from tagseg.types import Split

PLACES = [
    "classifier.weights=/home/anna/acme/first.safetensors",
    "reconstruction.pyramid=test_resnet",
    "reconstruction.pyramid_weights=/home/anna/acme/judge.safetensors",
    "region_affinity.features=test_vit",
    "region_affinity.weights=/home/anna/acme/vit.safetensors",
    "affinity.backbone=test_resnet",
    "affinity.weights=/home/anna/acme/affinity.safetensors",
    "segmenter.weights=/home/anna/acme/encoder.safetensors",
    "segmenter.corrections=/home/anna/acme/corrected",
    "superpixels.cache=/home/anna/acme/regions",
]


def test_loggers_get_no_place_of_the_user_s_files(tmp_path: Path) -> None:
    recipe = make_recipe({"name": "mine", "data": {"format": "folder", "root": "/home/anna/acme/photos"}}, PLACES)
    empty = Split("train", ClassTable(("cat",)), ())
    trained = [stage.name for stage in PIPELINE if stage.name.startswith("train")]
    assert trained == ["train_classifier", "train_affinity", "train_segmenter"]
    for name in trained:
        logged = stage_context(name, recipe, tmp_path / "photos", empty).logged
        assert logged.name.startswith("photos/") and logged.values["classifier.weights"] == "file"
        assert not [key for key, value in logged.values.items() if "anna" in str(value)]
    assert logged.values["segmenter.weights"] == logged.values["region_affinity.weights"] == "file"
