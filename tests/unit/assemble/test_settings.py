"""Settings take their values from a recipe by name, and no default of theirs differs from the recipe's."""

from dataclasses import MISSING, dataclass, fields
from typing import Any

import pytest

from tagseg.assemble.networks import build_transform, crf_settings, engine_settings, loop_settings, optimizer_settings
from tagseg.assemble.prediction import prediction_settings
from tagseg.assemble.refinements import walk_settings
from tagseg.assemble.settings import settings_from
from tagseg.data.augment import TrainTransform
from tagseg.data.superpixel_cache import SuperpixelSettings
from tagseg.losses.reconstruction import ReconstructionTerm
from tagseg.losses.self_modulation import SelfModulationSettings, SelfModulationTerm
from tagseg.models.backbone import build_backbone
from tagseg.models.segmentation_network import SegmenterDesign
from tagseg.prediction.segmenter import PredictionSettings
from tagseg.recipe import make_recipe
from tagseg.recipe.learning import Reconstruction, SelfModulation, Training
from tagseg.recipe.refining import Affinity, Crf, Masks
from tagseg.recipe.schema import Engine, Superpixels
from tagseg.recipe.section import Section
from tagseg.recipe.segmenting import Predicting, Segmenter
from tagseg.refine.dense_crf import CrfSettings
from tagseg.refine.instances import InstanceSettings
from tagseg.refine.walk import WalkSettings
from tagseg.training.engine import EngineSettings
from tagseg.training.loop import LoopSettings
from tagseg.training.optimizer import OptimizerSettings
from tagseg.training.segmenter_steps import UnsureSettings

WALK = {"radius": "walk_radius", "beta": "walk_beta", "doublings": "walk_doublings"}
CROP = {"crop_size": "crop_size_px", "long_side_range": "long_side_px"}
# Settings, the section that they are made from, and the fields whose key has another name.
PAIRS: list[tuple[type[Any], type[Section], dict[str, str]]] = [
    (EngineSettings, Engine, {}),
    (SuperpixelSettings, Superpixels, {}),
    (OptimizerSettings, Training, {}),
    (OptimizerSettings, Affinity, {"head_lr_factor": "displacement_lr_factor"}),
    (OptimizerSettings, Segmenter, {}),
    (LoopSettings, Training, {}),
    (LoopSettings, Affinity, {}),
    (LoopSettings, Segmenter, {}),
    (TrainTransform, Training, CROP),
    (TrainTransform, Affinity, CROP),
    (TrainTransform, Segmenter, CROP),
    (SelfModulationSettings, SelfModulation, {}),
    (SelfModulationTerm, SelfModulation, {"first_epoch": "warmup_epochs"}),
    (ReconstructionTerm, Reconstruction, {}),
    (CrfSettings, Crf, {}),
    (WalkSettings, Masks, {**WALK, "share": "walk_share"}),
    (InstanceSettings, Masks, {**WALK, "share": "walk_share"}),
    (UnsureSettings, Segmenter, {"weight": "unsure_weight"}),
    (SegmenterDesign, Segmenter, {}),
    (PredictionSettings, Predicting, {}),
]
RECIPE = make_recipe({"name": "mine", "data": {"format": "synthetic"}})


@dataclass(frozen=True)
class Lens:
    """Settings of a test."""

    delta: float
    enabled: bool = False
    sharpness: int = 3


def test_every_field_has_the_value_of_its_name_and_what_is_given_wins():
    suppression = RECIPE.suppression
    assert settings_from(suppression, Lens, fixed=["sharpness"]) == Lens(suppression.delta, True, 3)
    assert settings_from(suppression, Lens, enabled=False, sharpness=5) == Lens(suppression.delta, False, 5)


def test_a_field_that_no_section_has_is_named_although_it_has_a_default():
    with pytest.raises(TypeError) as caught:
        settings_from(RECIPE.suppression, Lens)
    assert str(caught.value) == (
        "Lens takes its fields from section Suppression or from the call, got none for sharpness"
    )


def test_a_value_for_no_field_is_an_error():
    with pytest.raises(TypeError, match="unexpected keyword argument 'colour'"):
        settings_from(RECIPE.suppression, Lens, fixed=["sharpness"], colour=1)


@pytest.mark.parametrize(
    ("kind", "section", "renamed"), PAIRS, ids=[f"{kind.__name__}-{section.__name__}" for kind, section, _ in PAIRS]
)
def test_where_both_have_a_default_it_is_one(kind, section, renamed):
    keys = section.model_fields
    own = {field.name: field.default for field in fields(kind) if field.default is not MISSING}
    both = {name: renamed.get(name, name) for name in own if renamed.get(name, name) in keys}
    assert {name: own[name] for name in both} == {name: keys[key].default for name, key in both.items()}
    # A name that differs must be one of both sides, or the comparison above says nothing.
    assert set(renamed) <= {field.name for field in fields(kind)}
    assert set(renamed.values()) <= set(keys)


def test_settings_of_a_recipe_without_values_of_its_own():
    backbone = build_backbone("test_resnet", weights=None)
    transform = build_transform(RECIPE.affinity, backbone)
    assert transform == TrainTransform(512, (250, 750), backbone.mean, backbone.std, color_jitter=0.0)
    assert engine_settings(RECIPE) == EngineSettings()
    assert crf_settings(RECIPE) == CrfSettings()
    assert walk_settings(RECIPE) == WalkSettings()
    assert optimizer_settings(RECIPE.segmenter, head_lr_factor=4.0) == OptimizerSettings("sgd", 0.01, 4.0, 0.9, 5e-4)
    assert loop_settings(RECIPE.training) == LoopSettings(10, 0.9, None, checkpoint_every_steps=100)
    # The longest side that the network is trained on.
    assert prediction_settings(RECIPE) == PredictionSettings(max_side_px=960)
