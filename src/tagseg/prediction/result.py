"""What a segmenter says of one image.

Axes: H W image pixels, K labels with background, 3 RGB.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float32
from numpy import ndarray
from torch import Tensor

from tagseg.artifacts.mask_file import write_mask
from tagseg.classes import ClassTable
from tagseg.errors import DataError
from tagseg.ops.overlay import overlay_labels
from tagseg.types import Image, LabelMap


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """The label of every pixel, and how sure the network is of it.

    Args:
        labels: (H, W) uint8 label ids: 0 background, 1..C classes.
        score: (H, W) float32 probability of that label, in [0, 1].
        classes: names and colours of the labels.
        image: (H, W, 3) uint8, the photograph that was looked at, upright RGB.
        probabilities: (K, H, W) of every label, background first, on the CPU; None unless asked for.

    >>> image = np.full((1, 2, 3), 200, np.uint8)
    >>> found = Prediction(np.array([[0, 1]], np.uint8), np.ones((1, 2), np.float32), ClassTable(("cat",)), image)
    >>> found.area(), found.overlay(opacity=0.5).tolist()
    ({'background': 1, 'cat': 1}, [[[200, 200, 200], [164, 100, 100]]])
    """

    labels: LabelMap
    score: Float32[ndarray, "H W"]
    classes: ClassTable
    image: Image = field(repr=False)
    probabilities: Float[Tensor, "K H W"] | None = field(default=None, repr=False)

    @property
    def names(self) -> tuple[str, ...]:
        """The name of each label id, background first."""
        return self.classes.label_names

    @property
    def palette(self) -> list[int]:
        """768 values: red, green, blue of each label id."""
        return self.classes.palette()

    def overlay(self, image: Image | None = None, *, opacity: float = 0.5) -> Image:
        """Return the photograph with every class laid over it in its colour; background stays as it is.

        Args:
            image: (H, W, 3) uint8, another picture of the same height and width, instead of the photograph.
            opacity: of the colours, in [0, 1].

        Returns:
            (H, W, 3) uint8 RGB.

        Raises:
            DataError: when the image has another size, or the opacity is out of range.
        """
        shown = self.image if image is None else image
        if shown.shape != (*self.labels.shape, 3):
            raise DataError(
                f"image of an overlay has the shape of the label map, {(*self.labels.shape, 3)}, got {shown.shape}",
                help="pass the image that was predicted, or none",
            )
        if not 0 <= opacity <= 1:
            raise DataError(f"opacity of an overlay lies in [0, 1], got {opacity}", help="take 0.5")
        palette = np.asarray(self.palette, np.uint8).reshape(256, 3)
        return overlay_labels(shown, self.labels, palette, opacity=opacity)

    def refined(self, probabilities: Float[Tensor, "K H W"]) -> "Prediction":
        """Return the labels of other probabilities of the same image, such as those of a dense CRF.

        Args:
            probabilities: (K, H, W) of every label, background first, in [0, 1], on any device.

        Returns:
            A prediction of the same image: of each pixel the most probable label, and its probability as the score. It
            keeps the probabilities where this one has any.

        >>> image = np.zeros((1, 1, 3), np.uint8)
        >>> found = Prediction(image[..., 0], np.ones((1, 1), np.float32), ClassTable(("cat",)), image)
        >>> found.refined(torch.tensor([[[0.25]], [[0.75]]])).labels.tolist()
        [[1]]
        """
        score, labels = probabilities.cpu().max(dim=0)
        kept = None if self.probabilities is None else probabilities.cpu()
        return replace(self, labels=labels.to(torch.uint8).numpy(), score=score.numpy(), probabilities=kept)

    def area(self) -> dict[str, int]:
        """Return how many pixels each label has, background first; labels that do not occur have 0."""
        counts = np.bincount(self.labels.ravel(), minlength=self.classes.num_labels)
        return dict(zip(self.names, counts.tolist(), strict=True))

    def __repr__(self) -> str:
        """Return the size and the share of each label, in one line."""
        from tagseg.artifacts.shown_picture import shares_text  # what a program that labels does without

        height, width = self.labels.shape
        return f"Prediction({height} x {width} px: {shares_text(self._shares())})"

    def _repr_html_(self) -> str:
        """Return the overlay with its legend, for a notebook."""
        from tagseg.artifacts.shown_picture import Entry, picture_html

        palette = self.palette
        lines: list[Entry] = []
        for label, (name, share) in enumerate(self._shares()):
            red, green, blue = palette[3 * label : 3 * label + 3]
            if share:
                lines.append(((red, green, blue) if label else None, f"{name} {100 * share:.1f} %"))
        return picture_html(self.overlay(), alt=repr(self), lines=lines)

    def show(self) -> None:
        """Show the photograph with its labels: below the cell of a notebook, elsewhere in a viewer."""
        from tagseg.artifacts.shown_picture import show_picture

        show_picture(self.overlay(), shown=self)

    def _shares(self) -> list[tuple[str, float]]:
        return [(name, count / self.labels.size) for name, count in self.area().items()]

    def save(self, path: str | Path) -> None:
        """Write the label map as a palette PNG: every viewer shows colours, every reader gets label ids.

        Raises:
            ArtifactError: when the file cannot be written.
        """
        write_mask(Path(path), self.labels, self.classes)
