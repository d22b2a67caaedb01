"""Dense CRF: labels drawn to the edges of the image by comparing every pixel with every other.

Axes: B unaries of one image, L labels, H W pixels, P = H * W.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Integer
from numpy import ndarray
from torch import Tensor

from tagseg.errors import DataError, RecipeError
from tagseg.refine.permutohedral import lattice_filter

PROBABILITY_FLOOR = 1e-5
"""Smaller probabilities count as this one, so that no label is impossible; pydensecrf's value."""


@dataclass(frozen=True, slots=True)
class CrfSettings:
    """Kernels and number of steps; the defaults are IRN's for affinity labels, :data:`FINAL_CRF` is the final test's.

    Args:
        iterations: steps of mean field, at least 0.
        gaussian_sigma_px: standard deviation of the spatial kernel in pixels, above 0.
        gaussian_weight: weight of the spatial kernel, at least 0; 0 leaves it out.
        bilateral_sigma_px: spatial standard deviation of the bilateral kernel in pixels, above 0.
        bilateral_sigma_rgb: colour standard deviation of the bilateral kernel in grey levels, above 0.
        bilateral_weight: weight of the bilateral kernel, at least 0; 0 leaves it out.

    Raises:
        RecipeError: when a number is out of range.

    >>> CrfSettings(iterations=5).bilateral_sigma_px
    50.0
    """

    iterations: int = 10
    gaussian_sigma_px: float = 3.0
    gaussian_weight: float = 3.0
    bilateral_sigma_px: float = 50.0
    bilateral_sigma_rgb: float = 5.0
    bilateral_weight: float = 10.0

    def __post_init__(self) -> None:
        if self.iterations < 0:
            raise RecipeError(f"CRF iterations are at least 0, got {self.iterations}", help="take IRN's 10")
        for name in ("gaussian_weight", "bilateral_weight"):
            if not getattr(self, name) >= 0:
                raise RecipeError(
                    f"CRF {name} is at least 0, got {getattr(self, name)}", help="take 0 to leave the kernel out"
                )
        for name in ("gaussian_sigma_px", "bilateral_sigma_px", "bilateral_sigma_rgb"):
            if not getattr(self, name) > 0:
                raise RecipeError(
                    f"CRF {name} is above 0, got {getattr(self, name)}",
                    help="give it in pixels or grey levels; to leave a kernel out, set its weight to 0",
                )


FINAL_CRF = CrfSettings(
    gaussian_sigma_px=1.0,
    gaussian_weight=3.0,
    bilateral_sigma_px=67.0,
    bilateral_sigma_rgb=3.0,
    bilateral_weight=4.0,
)
"""The kernels with which the segmenter's probabilities are refined at the final test."""


class DenseCrf:
    """The fully connected CRF of one image; its kernels are built once and serve any number of unaries.

    Energy of a labelling ``l``: ``sum_p -log u_p(l_p) + sum_{p<q} (w_g k_g(p, q) + w_b k_b(p, q)) [l_p != l_q]`` with
    ``k_g = n_p n_q exp(-|dx|^2 / 2 sigma_g^2)`` and ``k_b = m_p m_q exp(-|dx|^2 / 2 sigma_b^2 - |drgb|^2 / 2
    sigma_rgb^2)``, where ``n`` and ``m`` normalise each kernel symmetrically.

    Source: Kraehenbuehl and Koltun, "Efficient Inference in Fully Connected CRFs with Gaussian Edge Potentials",
    NIPS 2011: Potts model, mean field, both kernels on the permutohedral lattice; normalised as in the authors' code.
    A pixel counts among its own neighbours, as there.

    Args:
        image: (H, W, 3) uint8 RGB in 0..255, as decoded: no mean subtraction, no scaling.
        settings: kernels and steps.
        device: where the kernels are built.

    Raises:
        DataError: when the image is anything else.
        RecipeError: when a sigma is so small for the image that the lattice has no numbers left.

    >>> image = np.zeros((4, 6, 3), np.uint8)
    >>> image[:, 3:] = 200
    >>> labels = torch.tensor([[0, 0, 0, 1, 1, 1]] * 4)
    >>> labels[1, 1] = 1
    >>> crf = DenseCrf(image, settings=CrfSettings())
    >>> crf.infer(label_probabilities(labels, num_labels=2)).argmax(0)[1].tolist()
    [0, 0, 0, 1, 1, 1]
    """

    def __init__(self, image: ndarray, *, settings: CrfSettings, device: torch.device | str = "cpu") -> None:
        _require_rgb(image)
        self.settings = settings
        self.device = torch.device(device)
        self.size = image.shape[:2]
        pixels = torch.tensor(np.ascontiguousarray(image), device=device)
        colors = pixels.permute(2, 0, 1).flatten(1).float()
        rows, columns = (torch.arange(length, dtype=torch.float32, device=device) for length in self.size)
        places = torch.stack([columns.repeat(len(rows)), rows.repeat_interleave(len(columns))])
        self.kernels = []
        if settings.gaussian_weight:
            spatial = lattice_filter(places / settings.gaussian_sigma_px)
            self.kernels.append(spatial.normalized(gain=settings.gaussian_weight))
        if settings.bilateral_weight:
            features = torch.cat([places / settings.bilateral_sigma_px, colors / settings.bilateral_sigma_rgb])
            self.kernels.append(lattice_filter(features).normalized(gain=settings.bilateral_weight))

    @torch.no_grad()
    def infer(self, probabilities: Float[Tensor, "*B L H W"]) -> Float[Tensor, "*B L H W"]:
        """Return the marginal probability of each label after mean field.

        Args:
            probabilities: of each label before the CRF, at least 0, on any device. Only ratios inside a pixel count,
                above :data:`PROBABILITY_FLOOR`. Several unaries in one call share the work on the lattice.

        Returns:
            Float32 in [0, 1], sums to 1 over L, on the kernels' device. No gradient.

        Raises:
            DataError: when the size is not the image's, or a value is negative or not finite.
        """
        if tuple(probabilities.shape[-2:]) != self.size:
            raise DataError(
                f"CRF probabilities have the image's size {self.size}, got {tuple(probabilities.shape[-2:])}",
                help="resize them to the full image first",
            )
        if not (probabilities.isfinite() & (probabilities >= 0)).all():
            low, high = probabilities.aminmax()
            raise DataError(
                f"CRF probabilities are finite and at least 0, got {low:.4g} to {high:.4g}",
                help="pass probabilities, for example the softmax of scores, not logits",
            )
        unary = probabilities.to(self.device).float().clamp_min(PROBABILITY_FLOOR).log().contiguous()
        unary = unary.view(-1, unary.shape[-3], self.size[0] * self.size[1])
        return mean_field(unary, self.kernels, iterations=self.settings.iterations).view(probabilities.shape)


def mean_field(
    unary: Float[Tensor, "B L P"], kernels: Sequence[Callable[[Tensor], Tensor]], *, iterations: int
) -> Float[Tensor, "B L P"]:
    """Run mean field for Potts potentials, all pixels at once.

    ``Q <- softmax(unary + sum_k K_k Q)``, from ``softmax(unary)``

    Source: Kraehenbuehl and Koltun, NIPS 2011, algorithm 1. The Potts penalty ``sum_{l' != l}`` differs from minus the
    agreement only by what is equal for all labels, which the softmax removes.

    Args:
        unary: log-probabilities, up to a constant a pixel.
        kernels: functions of (P, V) values, weight and normalisation included.
        iterations: steps, at least 0.

    Returns:
        Marginals, sum to 1 over L.

    >>> mean_field(torch.tensor([[[0.0, 2.0], [1.0, 0.0]]]), [], iterations=10).argmax(1).tolist()
    [[1, 0]]
    """
    marginals = unary.softmax(1)
    for _ in range(iterations if kernels else 0):
        # The lattice reads one row a pixel; the softmax over labels is ten times faster with pixels last.
        rows = marginals.flatten(0, 1).t().contiguous()
        agreement = torch.stack([kernel(rows) for kernel in kernels]).sum(0)
        marginals = (unary + agreement.t().view_as(unary)).softmax(1)
    return marginals


def label_probabilities(
    labels: Integer[Tensor, "H W"], *, num_labels: int, certainty: float = 0.7
) -> Float[Tensor, "{num_labels} H W"]:
    """Return the unary of a label map: ``certainty`` for a pixel's label, the rest in equal parts for the others.

    Source: IRN's unaries for affinity labels, certainty 0.7.

    Args:
        labels: 0..L-1, on any device.
        num_labels: L, at least 1; one label alone is certain.
        certainty: above 1 / L, what chance has, and at most 1.

    Returns:
        Float32 that sums to 1 over L, on the labels' device.

    Raises:
        DataError: when a label is out of range.
        RecipeError: when the certainty is.

    >>> label_probabilities(torch.tensor([[0, 2]]), num_labels=3, certainty=0.5).tolist()
    [[[0.5, 0.25]], [[0.25, 0.25]], [[0.25, 0.5]]]
    """
    chance = 1 / num_labels if num_labels > 1 else 0.0
    if not chance < certainty <= 1:
        raise RecipeError(
            f"CRF certainty of {num_labels} labels lies in ({chance:.3g}, 1], got {certainty}", help="take IRN's 0.7"
        )
    if labels.numel() and not 0 <= int(labels.min()) <= int(labels.max()) < num_labels:
        raise DataError(
            f"labels of a CRF are 0..{num_labels - 1}, got {int(labels.min())} to {int(labels.max())}",
            help="give the labels of one image the numbers 0..L-1, and decide unknown pixels after the CRF",
        )
    if num_labels == 1:
        return torch.ones(1, *labels.shape, device=labels.device)
    other = (1 - certainty) / (num_labels - 1)
    unary = torch.full((num_labels, *labels.shape), other, device=labels.device)
    return unary.scatter_(0, labels[None].long(), certainty)


def _require_rgb(image: ndarray) -> None:
    """Refuse what is not an 8-bit RGB photograph: the colour kernel counts grey levels, and a shifted image wraps."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        span = f", {image.min():.4g} to {image.max():.4g}" if image.size and image.dtype != np.uint8 else ""
        raise DataError(
            f"image of a CRF is uint8 RGB in 0..255 of shape (H, W, 3), got {image.dtype} of shape {image.shape}{span}",
            help="pass the decoded photograph; undo mean subtraction and scaling instead of casting them to uint8",
        )
