"""How far the background logit moves for a network to label a given share of pixels as objects."""

from jaxtyping import Float
from torch import Tensor


def matching_offset(margins: Float[Tensor, " P"], *, object_share: float, most: float) -> float:
    """Return what to add to the background logit so that a given share of pixels gets a class.

    A pixel with margin ``m`` gets a class where ``m + offset < 0``, so ``offset = -quantile(m, object_share)``.

    Source: the correction of a classifier's prior probabilities (Saerens, Latinne and Decaestecker, Neural Computation
    14, 2002) for one label against the others. Departure: the share of the labels decides, not that of the
    probabilities.

    Args:
        margins: logit of background minus the best logit of a class, one a pixel.
        object_share: the share wanted, in [0, 1].
        most: bound of the offset's size.

    Returns:
        The offset in [-most, most]; 0 for fewer than two pixels, or when no object or nothing but objects is wanted.

    >>> import torch
    >>> matching_offset(torch.tensor([-1.0, 1.0, 2.0, 3.0]), object_share=0.5, most=5.0)
    -1.5
    """
    if len(margins) < 2 or not 0 < object_share < 1:
        return 0.0
    ordered = margins.sort().values
    # Halfway between the last pixel with a class and the first without one.
    first = min(max(round(object_share * len(ordered)), 1), len(ordered) - 1)
    offset = -float(ordered[first - 1] + ordered[first]) / 2
    return max(-most, min(most, offset))
