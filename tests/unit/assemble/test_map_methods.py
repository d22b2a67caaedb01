"""Every word of ``cams.method`` gives a map method."""

from typing import get_args

import pytest

from tagseg.assemble.map_methods import build_map_method
from tagseg.cams.map_method import MapMethod
from tagseg.models.backbone import build_backbone
from tagseg.models.classifier import TagClassifier
from tagseg.recipe import make_recipe
from tagseg.recipe.mapping import Cams


@pytest.mark.parametrize("name", get_args(Cams.model_fields["method"].annotation))
def test_a_method_of_the_recipe(name: str) -> None:
    recipe = make_recipe({"name": "small", "data": {"format": "synthetic"}, "cams": {"method": name}})
    classifier = TagClassifier(build_backbone("test_resnet", weights=None), num_classes=2)
    method = build_map_method(recipe, classifier)
    assert isinstance(method, MapMethod)
    assert method.classifier is classifier
