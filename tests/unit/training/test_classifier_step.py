"""What goes back through the classifier is the gradient of the objective, bit for bit."""

import pytest
import torch
from lightning_fabric import Fabric
from torch import nn

from tagseg.losses.classification import ClassificationTerm
from tagseg.losses.self_modulation import SelfModulationSettings, SelfModulationTerm
from tagseg.training.classifier_step import ClassifierStep
from tagseg.training.objective import evaluate_objective

FABRIC = Fabric(accelerator="cpu", devices=1)
TERMS = (
    ClassificationTerm(),
    SelfModulationTerm(SelfModulationSettings(erosion_px=2, contrast=0.0), beta=2.0, balance=True, first_epoch=1),
)


def make_batch(seed: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {
        "image": torch.randn(2, 3, 16, 16, generator=generator),
        "tags": torch.tensor([[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]]),
        "regions": torch.randint(0, 4, (2, 8, 8), generator=generator),
    }


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("epoch", [0, 1])
@pytest.mark.parametrize("seed", range(5))
def test_the_class_maps_get_the_summed_gradient_of_the_terms(seed, epoch, dtype):
    torch.manual_seed(seed)
    classifier, batch = nn.Conv2d(3, 3, 4, stride=4, bias=False).to(dtype), make_batch(seed)
    step = ClassifierStep(FABRIC, classifier, TERMS)
    class_maps = step.forward({**batch, "image": batch["image"].to(dtype)})
    class_maps.retain_grad()
    loss = step.loss(class_maps, batch, epoch=epoch)
    loss.value.backward()
    expected = evaluate_objective(TERMS, class_maps, batch, epoch=epoch, fabric=FABRIC)
    assert class_maps.grad is not None
    assert torch.equal(class_maps.grad, expected.gradient.to(dtype))
    assert class_maps.grad.abs().sum() > 0
    assert loss.figures == expected.figures
    assert ("loss_self_modulation" in loss.figures) == (epoch == 1)
