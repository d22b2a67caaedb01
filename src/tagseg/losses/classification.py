"""The term that the tags supervise, ``L_cls``.

Axes: N images, C classes.
"""

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional


def classification_loss(tag_logits: Float[Tensor, "N C"], tags: Float[Tensor, "N C"]) -> Float[Tensor, ""]:
    """Measure how badly the tag logits fit the tags: one logistic loss a class, averaged over classes and images.

    ``L_cls = -mean_nc [ t log sigmoid(z) + (1 - t) log sigmoid(-z) ]``

    Source: SSC, the classification loss (multi-label soft margin).

    Args:
        tag_logits: spatial means of the class maps, any sign.
        tags: 1 where the image shows the class, else 0.

    Returns:
        A float32 scalar, at least 0; log 2 for logits of zero.

    >>> import torch
    >>> round(classification_loss(torch.zeros(2, 3), torch.ones(2, 3)).item(), 4)
    0.6931
    """
    # In half precision log(sigmoid) of a confident logit rounds to 0, and its gradient with it.
    return functional.multilabel_soft_margin_loss(tag_logits.float(), tags.float())
