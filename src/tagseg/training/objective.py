"""The objective of the tag classifier, and the gradient of each of its terms on the class maps.

Axis legend: N images, C classes, h w class-map cells.

Every term reaches the backbone through the class maps ``F`` alone. So each term's gradient on ``F`` is computed by
itself, measured, weighted and added up, and the sum goes through the backbone once: the norms cost nothing extra, and a
term that drowns the others is seen in the first lines of the log.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from lightning_fabric import Fabric
from torch import Tensor

from tagseg.losses.term import Term


@dataclass(frozen=True, slots=True)
class Evaluated:
    """One evaluation of the objective.

    Args:
        gradient: (N, C, h, w) weighted sum of the terms' gradients on the class maps.
        figures: per term its value (``loss_*``) and the L2 norm of its unweighted gradient (``grad_*``), and ``loss``.
    """

    gradient: Float[Tensor, "N C h w"]
    figures: dict[str, Tensor]


def evaluate_objective(
    terms: Sequence[Term],
    class_maps: Float[Tensor, "N C h w"],
    batch: Mapping[str, Tensor],
    *,
    epoch: int,
    fabric: Fabric,
) -> Evaluated:
    """Evaluate every active term on ``class_maps``; networks that learn with a term get their gradients on the way.

    ``G = sum_t w_t g_t``, where ``g_t = dL_t/dF`` and ``w_t = beta_t``, or, balanced, ``w_t = beta_t |g_1| / |g_t|``,
    with norms over the whole batch of all processes; ``g_1`` is that of the first term, the classification.

    Source: SSC section III, ``L = L_cls + beta_p L_p + beta_a L_a``, has fixed weights. Departure: balanced, a ``beta``
    means the same for every backbone, crop size and perceptual network, since it is the size of the term's pull
    compared with the classification's.

    A network that learns with a term, such as the decoder of ``L_p``, does so at weight 1 whatever the term's ``beta``
    is: it has its own optimizer, and the weight is a matter between the terms that meet on the class maps.

    Args:
        terms: the classification first.
        class_maps: the classifier's output ``F``; its graph is not touched.
        batch: what the terms take, see :class:`tagseg.losses.term.Term`.
        epoch: the current epoch, from 0.
        fabric: processes and precision.

    Returns:
        The summed gradient on the class maps, and the figures to log.
    """
    active = [term for term in terms if epoch >= term.first_epoch]
    values: list[Tensor] = []
    gradients: list[Tensor] = []
    for term in active:
        maps = class_maps.detach().float().requires_grad_()
        # As it arrives: maps.grad has the layout of the maps, and a sum in another order rounds differently.
        maps.register_hook(gradients.append)
        value = term(maps, batch)
        fabric.backward(value)
        values.append(value.detach())
    squares = torch.stack([gradient.square().sum() for gradient in gradients])
    # The gradient of the whole batch is the mean over processes of each one's: that of its share of the images.
    norms = torch.as_tensor(fabric.all_reduce(squares, reduce_op="sum")).sqrt() / fabric.world_size
    weights = [_weight(term, norm, reference=norms[0]) for term, norm in zip(active, norms, strict=True)]
    total = torch.stack([weight * value for weight, value in zip(weights, values, strict=True)]).sum()
    gradient = torch.stack([weight * one for weight, one in zip(weights, gradients, strict=True)]).sum(dim=0)
    figures = {"loss": total}
    figures |= {f"loss_{term.name}": value for term, value in zip(active, values, strict=True)}
    figures |= {f"grad_{term.name}": norm for term, norm in zip(active, norms, strict=True)}
    return Evaluated(gradient=gradient, figures=figures)


def _weight(term: Term, norm: Float[Tensor, ""], *, reference: Float[Tensor, ""]) -> Float[Tensor, ""]:
    """Return the factor on a term's gradient.

    Args:
        term: whose gradient it is.
        norm: of that gradient.
        reference: norm of the first term's gradient.
    """
    if not term.balance:
        return torch.full_like(reference, term.beta)
    # A term without gradient, such as self-modulation of images without tags, stays without.
    return term.beta * torch.where(norm > 0, reference / norm, 0.0)
