"""The loop over terms gives the bits of the equations written out, one term after the other on one tensor.

This is how the objective was computed before its terms were objects: the gradient of a term that has no network of its
own by ``torch.autograd.grad``, that of the reconstruction by ``backward``.
"""

import copy
import random
from dataclasses import replace

import pytest
import torch
from lightning_fabric import Fabric

from tagseg.losses.classification import ClassificationTerm, classification_loss
from tagseg.losses.reconstruction import ReconstructionTerm, perceptual_loss
from tagseg.losses.self_modulation import SelfModulationSettings, SelfModulationTerm, self_modulation_loss
from tagseg.models.perceptual import timm_pyramid
from tagseg.models.reconstructor import Reconstructor
from tagseg.ops.activation import tag_logits
from tagseg.ops.resize import reconstruction_target
from tagseg.training.objective import evaluate_objective

PYRAMID = timm_pyramid("test_resnet", None, (0, 1))


def reference(class_maps, batch, modulation, reconstruction):
    """Return the summed gradient and the figures; a term that is None is switched off."""
    maps = class_maps.detach().float().requires_grad_()
    losses = {"classification": classification_loss(tag_logits(maps), batch["tags"])}
    gradients = {"classification": torch.autograd.grad(losses["classification"], maps)[0]}
    if modulation is not None:
        losses["self_modulation"] = self_modulation_loss(
            maps,
            batch["tags"],
            batch["regions"],
            settings=modulation.settings,
            region_scores=batch.get("region_scores"),
        )
        gradients["self_modulation"] = torch.autograd.grad(losses["self_modulation"], maps)[0]
    if reconstruction is not None:
        target = reconstruction_target(batch["image"], target_stride=reconstruction.target_stride)
        rebuilt = PYRAMID(reconstruction.decoder(maps, size=tuple(target.shape[-2:])))
        losses["reconstruction"] = perceptual_loss(
            rebuilt, PYRAMID(target), weights=(0.5, 1.0), normalize=reconstruction.normalize
        )
        losses["reconstruction"].backward()
        gradients["reconstruction"] = maps.grad
    norms = {name: gradient.square().sum().sqrt() for name, gradient in gradients.items()}
    weights = {"classification": torch.tensor(1.0)}
    for name, term in (("self_modulation", modulation), ("reconstruction", reconstruction)):
        if term is not None and term.balance:
            ratio = norms["classification"] / norms[name] if norms[name] > 0 else torch.tensor(0.0)
            weights[name] = term.beta * ratio
        elif term is not None:
            weights[name] = torch.tensor(term.beta)
    total = torch.stack([weights[name] * value.detach() for name, value in losses.items()]).sum()
    gradient = torch.stack([weights[name] * one for name, one in gradients.items()]).sum(dim=0)
    figures = {"loss": total, **{f"loss_{name}": value.detach() for name, value in losses.items()}}
    return gradient, figures | {f"grad_{name}": norm for name, norm in norms.items()}


def same_bits(one: torch.Tensor, other: torch.Tensor) -> bool:
    return one.dtype == other.dtype and one.numpy().tobytes() == other.numpy().tobytes()


@pytest.mark.parametrize("seed", range(60))
def test_the_terms_give_the_bits_of_the_equations(seed):
    draw, generator = random.Random(seed), torch.Generator().manual_seed(seed)
    images, classes, rows, columns = draw.randint(1, 4), draw.randint(1, 6), draw.randint(2, 9), draw.randint(2, 9)
    side, regions = draw.choice([24, 32, 48]), draw.randint(1, 9)
    class_maps = draw.choice([0.01, 1.0, 10.0]) * torch.randn(images, classes, rows, columns, generator=generator)
    class_maps = class_maps.to(draw.choice([torch.float32, torch.bfloat16]))
    class_maps = class_maps.to(memory_format=draw.choice([torch.contiguous_format, torch.channels_last]))
    batch = {
        "image": torch.randn(images, 3, side, side, generator=generator),
        "tags": (torch.rand(images, classes, generator=generator) > draw.choice([0.3, 0.7, 1.0])).float(),
        "regions": torch.randint(-1, regions, (images, side // 2, side // 2), generator=generator),
    }
    if draw.random() < 0.5:
        batch["region_scores"] = torch.rand(images, classes, regions, generator=generator) * batch["tags"][..., None]
    settings = SelfModulationSettings(erosion_px=draw.randint(1, 4), contrast=draw.choice([0.0, 10.0]))
    modulation = SelfModulationTerm(settings, 3 * draw.random(), balance=draw.random() < 0.5, first_epoch=0)
    decoder = Reconstructor(classes, width=8, target_stride=draw.choice([1, 2, 4]))
    reconstruction = ReconstructionTerm(
        decoder,
        PYRAMID,
        (0.5, 1.0),
        target_stride=decoder.target_stride,
        normalize=draw.random() < 0.5,
        maps="raw",
        beta=draw.random(),
        balance=draw.random() < 0.5,
    )
    again = replace(reconstruction, decoder=copy.deepcopy(decoder))
    with_modulation, with_reconstruction = draw.choice([(True, True), (True, False), (False, True), (False, False)])
    gradient, figures = reference(
        class_maps, batch, modulation if with_modulation else None, reconstruction if with_reconstruction else None
    )
    terms = [ClassificationTerm()]
    if with_modulation:
        terms.append(modulation)
    if with_reconstruction:
        terms.append(again)
    fabric = Fabric(accelerator="cpu", devices=1)
    result = evaluate_objective(terms, class_maps, batch, epoch=0, fabric=fabric)
    assert same_bits(result.gradient, gradient)
    assert list(result.figures) == list(figures)
    assert all(same_bits(result.figures[name], value) for name, value in figures.items())
    for one, other in zip(decoder.parameters(), again.decoder.parameters(), strict=True):
        assert (one.grad is None) == (other.grad is None)
        assert one.grad is None or same_bits(one.grad, other.grad)
