"""The objective of Spatial Structure Constraints, and the gradient of each of its terms on the class maps.

Axis legend: N images, C classes, h w class-map cells, S crop side, s = S // 2.

Every term reaches the backbone through the class maps ``F`` alone. So each term's gradient on ``F`` is computed by
itself, measured, weighted and added up, and the sum goes through the backbone once: the norms cost nothing extra, and a
term that drowns the others is seen in the first lines of the log.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from lightning_fabric import Fabric
from torch import Tensor, nn

from tagseg.losses.classification import classification_loss
from tagseg.losses.reconstruction import perceptual_loss
from tagseg.losses.self_modulation import SelfModulationSettings, self_modulation_loss
from tagseg.models.classifier import tag_logits
from tagseg.models.reconstructor import reconstruction_target
from tagseg.training.loop import TakeGradients


@dataclass(frozen=True, slots=True)
class ReconstructionTerm:
    """What ``L_p`` needs: the decoder that learns, the frozen pyramid that judges, and the term's constants.

    Args:
        decoder: class maps (N, C, h, w) and an image size to an image (N, 3, H, W), normalised as the input is.
        pyramid: image (N, 3, H, W) to a list of feature maps, frozen.
        level_weights: one weight a level of the pyramid.
        target_stride: the decoder rebuilds the image at ``1 / target_stride`` of its size.
        normalize: whether each level's distance is relative to its target's own spread.
        beta: weight of the term's gradient on the class maps, 0 or more.
        balance: whether ``beta`` is relative to the classification's gradient, see :func:`evaluate_objective`.
    """

    decoder: nn.Module
    pyramid: nn.Module
    level_weights: tuple[float, ...]
    target_stride: int
    normalize: bool
    beta: float
    balance: bool = False


@dataclass(frozen=True, slots=True)
class SelfModulationTerm:
    """What ``L_a`` needs.

    Args:
        settings: its constants.
        beta: weight of the term's gradient on the class maps, 0 or more.
        warmup_epochs: the epoch (from 0) at which it starts.
        balance: whether ``beta`` is relative to the classification's gradient, see :func:`evaluate_objective`.
    """

    settings: SelfModulationSettings
    beta: float
    warmup_epochs: int
    balance: bool = False


@dataclass(frozen=True, slots=True)
class Objective:
    """``L = L_cls + beta_p L_p + beta_a L_a``; a term that is None is switched off.

    Source: SSC section III.
    """

    reconstruction: ReconstructionTerm | None = None
    self_modulation: SelfModulationTerm | None = None


@dataclass(frozen=True, slots=True)
class Evaluated:
    """One evaluation of the objective.

    Args:
        gradient: (N, C, h, w) weighted sum of the terms' gradients on the class maps.
        figures: per term its value (``loss_*``) and the L2 norm of its unweighted gradient (``grad_*``), and ``loss``.
    """

    gradient: Float[Tensor, "N C h w"]
    figures: dict[str, Tensor] = field(default_factory=dict)


def classifier_gradients(fabric: Fabric, classifier: nn.Module, objective: Objective) -> TakeGradients:
    """Return what the loop does with a batch of the tag classifier: evaluate all terms, then one backward pass."""

    def take(batch: Mapping[str, Tensor], epoch: int) -> dict[str, Tensor]:
        class_maps = classifier(batch["image"])
        result = evaluate_objective(
            objective, class_maps, batch, epoch=epoch, backward=fabric.backward, sum_over_processes=total
        )
        fabric.backward(class_maps, gradient=result.gradient.to(class_maps.dtype))
        return result.figures

    def total(values: Tensor) -> Tensor:
        return torch.as_tensor(fabric.all_reduce(values, reduce_op="sum"))

    return take


def evaluate_objective(
    objective: Objective,
    class_maps: Float[Tensor, "N C h w"],
    batch: Mapping[str, Tensor],
    *,
    epoch: int,
    backward: Callable[[Tensor], object] = Tensor.backward,
    sum_over_processes: Callable[[Tensor], Tensor] = torch.clone,
) -> Evaluated:
    """Evaluate every active term on ``class_maps`` and leave the decoder's gradients in its parameters.

    ``G = g_cls + sum_t w_t g_t``, where ``g_t = dL_t/dF`` and ``w_t = beta_t``, or, balanced,
    ``w_t = beta_t |g_cls| / |g_t|``, with norms over the whole batch of all processes.

    Source: SSC section III has fixed weights. Departure: balanced, a ``beta`` means the same for every backbone, crop
    size and perceptual network, since it is the size of the term's pull compared with the classification's.

    The decoder learns from ``L_p`` at weight 1 whatever its ``beta`` is: it has its own optimizer, and the weight is a
    matter between the terms that meet on the class maps.

    Args:
        objective: the terms.
        class_maps: the classifier's output ``F``; its graph is not touched.
        batch: ``tags`` (N, C), ``image`` (N, 3, S, S); for self-modulation ``regions`` (N, s, s) and, for the
            target of the warm-up, ``region_scores`` (N, C, R).
        epoch: the current epoch, from 0.
        backward: called on ``L_p``; Fabric's, when there are several processes.
        sum_over_processes: sums a tensor over the processes.

    Returns:
        The summed gradient on the class maps, and the figures to log.
    """
    maps = class_maps.detach().float().requires_grad_()
    classification = classification_loss(tag_logits(maps), batch["tags"])
    losses = {"classification": classification}
    gradients = {"classification": torch.autograd.grad(classification, maps)[0]}
    modulation, reconstruction = objective.self_modulation, objective.reconstruction
    if modulation is not None and epoch >= modulation.warmup_epochs:
        value = self_modulation_loss(
            maps,
            batch["tags"],
            batch["regions"],
            settings=modulation.settings,
            region_scores=batch.get("region_scores"),
        )
        losses["self_modulation"] = value
        gradients["self_modulation"] = torch.autograd.grad(value, maps)[0]
    if reconstruction is not None:
        value = reconstruction_loss(reconstruction, maps, batch["image"])
        backward(value)  # reaches the decoder's parameters too
        assert maps.grad is not None
        losses["reconstruction"], gradients["reconstruction"] = value, maps.grad
    norms = sum_over_processes(torch.stack([gradient.square().sum() for gradient in gradients.values()])).sqrt()
    weights = _weights(objective, dict(zip(gradients, norms, strict=True)))
    figures = {f"loss_{name}": value.detach() for name, value in losses.items()}
    figures |= {f"grad_{name}": norm for name, norm in zip(gradients, norms, strict=True)}
    total = torch.stack([weights[name] * value.detach() for name, value in losses.items()]).sum()
    gradient = torch.stack([weights[name] * gradient for name, gradient in gradients.items()]).sum(dim=0)
    return Evaluated(gradient=gradient, figures={"loss": total, **figures})


def _weights(objective: Objective, norms: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the factor on each active term's gradient."""
    reference = norms["classification"]
    weights = {"classification": torch.ones_like(reference)}
    terms = {"reconstruction": objective.reconstruction, "self_modulation": objective.self_modulation}
    for name, term in terms.items():
        if term is not None and name in norms:
            one = torch.ones_like(reference)
            # A term without gradient, such as self-modulation of images without tags, stays without.
            balanced = torch.where(norms[name] > 0, reference / norms[name], 0.0)
            weights[name] = term.beta * (balanced if term.balance else one)
    return weights


def reconstruction_loss(
    term: ReconstructionTerm, class_maps: Float[Tensor, "N C h w"], images: Float[Tensor, "N 3 S S"]
) -> Float[Tensor, ""]:
    """Return ``L_p``: how far the image rebuilt from ``class_maps`` is from the image, in the pyramid's features.

    Departures from SSC, which the ``release`` preset takes back: the image is rebuilt at ``1 / target_stride`` of its
    size, since class maps of stride 16 hold no finer structure than that; distances are relative.
    """
    target = reconstruction_target(images, target_stride=term.target_stride)
    rebuilt = term.decoder(class_maps, size=(target.shape[-2], target.shape[-1]))
    with torch.no_grad():
        target_features = term.pyramid(target)
    return perceptual_loss(term.pyramid(rebuilt), target_features, weights=term.level_weights, normalize=term.normalize)
