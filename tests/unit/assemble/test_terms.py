"""Which terms a recipe has, in which order, and what they are given."""

import pytest
import torch
from lightning_fabric import Fabric

from tagseg.assemble.networks import build_classifier_learner
from tagseg.assemble.terms import build_terms
from tagseg.losses.reconstruction import ReconstructionTerm
from tagseg.losses.self_modulation import SelfModulationTerm
from tagseg.recipe import Recipe, make_recipe

VALUES = {
    "name": "small",
    "data": {"format": "synthetic"},
    "classifier": {"backbone": "test_resnet", "weights": "random"},
    "suppression": {"positions": ["last_stage"]},
    "reconstruction": {"width": 8, "pyramid_levels": [0, 1]},
}


def terms_of(recipe: Recipe):
    torch.manual_seed(0)
    classifier, learner = build_classifier_learner(recipe, num_classes=3)
    learner = learner.set_up(Fabric(accelerator="cpu", devices=1))
    return build_terms(recipe, learner, classifier.backbone, device=torch.device("cpu")), learner


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ([], ["classification", "self_modulation", "reconstruction"]),
        (["reconstruction.enabled=false"], ["classification", "self_modulation"]),
        (["self_modulation.enabled=false"], ["classification", "reconstruction"]),
        (["self_modulation.enabled=false", "reconstruction.enabled=false"], ["classification"]),
    ],
)
def test_the_classification_comes_first_and_the_recipe_switches_the_others(settings, names):
    recipe = make_recipe(VALUES, settings)
    terms, learner = terms_of(recipe)
    assert [term.name for term in terms] == names
    assert set(names) - {"classification"} == set(recipe.constraints) - {"suppression"}
    assert ("decoder" in learner.networks) == ("reconstruction" in names)


def test_terms_have_the_values_of_their_sections():
    settings = ["self_modulation.beta=3.0", "self_modulation.balance=true", "self_modulation.warmup_epochs=4"]
    settings += ["reconstruction.beta=0.25", "reconstruction.balance=false", "self_modulation.contrast=7.0"]
    (classification, modulation, reconstruction), learner = terms_of(make_recipe(VALUES, settings))
    assert (classification.beta, classification.balance, classification.first_epoch) == (1.0, False, 0)
    assert isinstance(modulation, SelfModulationTerm)
    assert (modulation.beta, modulation.balance, modulation.first_epoch) == (3.0, True, 4)
    assert modulation.settings.contrast == 7.0
    assert isinstance(reconstruction, ReconstructionTerm)
    assert (reconstruction.beta, reconstruction.balance, reconstruction.first_epoch) == (0.25, False, 0)
    # The decoder that Fabric has set up, so that its gradients meet those of other processes.
    assert reconstruction.decoder is learner.networks["decoder"]


def test_a_shorter_pyramid_has_the_last_of_the_papers_weights():
    (*_, reconstruction), _ = terms_of(make_recipe(VALUES))
    assert isinstance(reconstruction, ReconstructionTerm)
    assert reconstruction.level_weights == (1 / 4, 1.0)


def test_the_decoder_may_see_the_tagged_maps_and_the_background():
    terms, _ = terms_of(make_recipe(VALUES, ["reconstruction.maps='tagged'"]))
    reconstruction = terms[-1]
    assert isinstance(reconstruction, ReconstructionTerm)
    maps = torch.randn(2, 3, 2, 2, requires_grad=True)
    batch = {"image": torch.randn(2, 3, 32, 32), "tags": torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]])}
    reconstruction(maps, batch).backward()
    assert maps.grad is not None
    assert maps.grad[batch["tags"] == 1].any()
    assert not maps.grad[batch["tags"] == 0].any()
