"""The term that the tags supervise, ``L_cls``.

Axes: N images, C classes, h w class-map cells.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from tagseg.ops.activation import top_means


def classification_loss(logits: Float[Tensor, "N C"], tags: Float[Tensor, "N C"]) -> Float[Tensor, ""]:
    """Measure how badly the tag logits fit the tags: one logistic loss a class, averaged over classes and images.

    ``L_cls = -mean_nc [ t log sigmoid(z) + (1 - t) log sigmoid(-z) ]``

    Source: SSC, the classification loss (multi-label soft margin).

    Args:
        logits: tag logits, the spatial means of the class maps, any sign.
        tags: 1 where the image shows the class, else 0.

    Returns:
        A float32 scalar, at least 0; log 2 for logits of zero.

    >>> import torch
    >>> round(classification_loss(torch.zeros(2, 3), torch.ones(2, 3)).item(), 4)
    0.6931
    """
    # In half precision log(sigmoid) of a confident logit rounds to 0, and its gradient with it.
    return functional.multilabel_soft_margin_loss(logits.float(), tags.float())


def tag_entropy(tags: Sequence[Sequence[int]], *, num_classes: int, absence: float = 0.0) -> float:
    """Return the classification loss of the best guess that looks at no image: one value a class in all cells.

    ``mean_c [ -p log q - w log(1 - q) ]``, with ``p`` the share of the images that show the class, ``w = (1 + absence)
    (1 - p)`` and ``q = p / (p + w)``; without absence the entropy of the tag, with ``q = p``.

    Args:
        tags: labels 1..C of each image, at least one image.
        num_classes: C.
        absence: weight of :func:`absence_loss`, 0 or more.

    Returns:
        At least 0; without absence at most ln 2.

    >>> round(tag_entropy([(1,), (1, 2)], num_classes=2), 4)  # the first class tells nothing, the second a coin's toss
    0.3466
    """
    frequencies = [sum(label in each for each in tags) / len(tags) for label in range(1, num_classes + 1)]
    weights = [(p, (1 + absence) * (1 - p)) for p in frequencies if 0 < p < 1]
    return sum(-p * math.log(p / (p + w)) - w * math.log(w / (p + w)) for p, w in weights) / num_classes


def absence_loss(class_maps: Float[Tensor, "N C h w"], tags: Float[Tensor, "N C"]) -> Float[Tensor, ""]:
    """Measure how much the cells of an image claim classes that it does not show.

    ``L_abs = mean_nc [ (1 - t) mean_hw( -log sigmoid(-F) ) ]``

    Source: ours. A tag says of no cell that it shows the class; its absence says of every cell that it does not.

    Args:
        class_maps: F, raw.
        tags: t, 1 where the image shows the class, else 0.

    Returns:
        A float32 scalar, at least 0; log 2 for maps of zero in images without tags.

    >>> round(absence_loss(torch.zeros(1, 2, 3, 3), torch.tensor([[1.0, 0.0]])).item(), 4)
    0.3466
    """
    cells = functional.softplus(class_maps.float()).mean(dim=(2, 3))
    return ((1 - tags.float()) * cells).mean()


@dataclass(frozen=True, slots=True)
class ClassificationTerm:
    """``L_cls`` as a term: the first of every objective, whose gradient the balanced ones are measured against.

    ``L_cls = mean over shares of the logistic loss of the strongest cells' mean, + absence * L_abs``

    Args:
        shares: of a map's strongest cells whose means are its tag logits, see
            :func:`tagseg.ops.activation.top_means`.
        absence: weight of :func:`absence_loss`, 0 or more.
        beta: weight of the term's gradient on the class maps, 0 or more.
        balance: whether ``beta`` is relative to the classification's gradient, that is to its own.
        first_epoch: the epoch, from 0, at which it starts.
    """

    name: ClassVar[str] = "classification"
    shares: tuple[float, ...] = (1.0,)
    absence: float = 0.0
    beta: float = 1.0
    balance: bool = False
    first_epoch: int = 0

    def __call__(self, class_maps: Float[Tensor, "N C h w"], batch: Mapping[str, Tensor]) -> Float[Tensor, ""]:
        """Return ``L_cls`` of ``class_maps`` against ``tags`` (N, C)."""
        tags = batch["tags"]
        losses = [classification_loss(logits, tags) for logits in top_means(class_maps, self.shares)]
        total = torch.stack(losses).mean()
        return total + self.absence * absence_loss(class_maps, tags) if self.absence else total
