"""Tags of a run's photographs that are probably wrong or missing: ``tagseg tags``.

Axes: N images, C classes, D features, h w cells.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32
from numpy import ndarray

from tagseg.artifacts.run_folder import RunFolder
from tagseg.artifacts.tag_doubts_csv import MISSING, WRONG, TagDoubt
from tagseg.assemble.first_weights import require_first_weights
from tagseg.assemble.settings import initial_weights
from tagseg.data.datasets import tag_vector
from tagseg.data.seen_files import read_photograph
from tagseg.errors import DataError, RecipeError
from tagseg.evaluation.tag_doubt import HeldOut, doubts, held_out
from tagseg.evaluation.tag_precision import tag_average_precision
from tagseg.models.backbone import Backbone, build_backbone
from tagseg.models.mode import evaluation_mode
from tagseg.prediction.segment import normalize_images
from tagseg.prediction.shrunk import shrink
from tagseg.progress import Progress
from tagseg.results.open_run import read_run_recipe, readable_splits
from tagseg.types import ImageRecord
from tagseg.use.load import choose_device

FOLDS = 5
LIKELY = 0.5
"""A tag that is doubted more is listed."""

SIDE_PX = 320
"""Longest side at which photographs are looked at."""

LEAST_OF_CLASS = 3
"""Photographs with a tag, and without it, below which nothing is said of the class."""


@dataclass(frozen=True, slots=True)
class TagCheck:
    """What was found.

    Args:
        doubts: tags that are probably wrong or missing, the most doubted first.
        images: photographs that were looked at.
        average_precision: of tags that the classifiers had not seen, in [0, 1], by the name of the class.
        left_out: classes with too few photographs with or without the tag.
        warning: what the user should look at, or an empty string.
    """

    doubts: tuple[TagDoubt, ...]
    images: int
    average_precision: dict[str, float]
    left_out: tuple[str, ...]
    warning: str = ""

    @property
    def mean_average_precision(self) -> float:
        """The mean over the classes."""
        return sum(self.average_precision.values()) / len(self.average_precision)


def find_wrong_tags(root: Path, *, folds: int = FOLDS, device: str = "auto", progress: Progress) -> TagCheck:
    """Look for tags that classifiers doubt which did not see the photograph.

    The features are means over the photograph of what the classifier's network puts out with its first weights, which
    know nothing of these tags. On them, one logistic regression a class learns from all folds but one, and is asked
    about that one. A tag with ``p < 0.5`` is listed as wrong, a class without tag and with ``p > 0.5`` as missing, by
    ``doubt`` (:func:`tagseg.evaluation.tag_doubt.doubts`). The peak of a missing tag is the cell of the features for
    which the same classifier has its highest value.

    Args:
        root: the run folder.
        folds: into which the photographs are dealt.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        progress: reports what happens.

    Raises:
        ArtifactError: when the folder holds no run.
        DataError: when the data set cannot be read or is too small.
        ModelError: when the first weights cannot be had.
        RecipeError: for a number of folds out of range.
    """
    recipe = read_run_recipe(root)
    split = readable_splits(RunFolder(root), recipe).train
    records, names = split.records, split.classes.names
    if not 2 <= folds <= len(records):
        raise RecipeError(f"--folds is 2 to the number of photographs, {len(records)}, got {folds}", help="take 5")
    tags = np.stack([tag_vector(record.tags, num_classes=len(names)).numpy() > 0 for record in records])
    judged = [c for c in range(len(names)) if LEAST_OF_CLASS <= tags[:, c].sum() <= len(records) - LEAST_OF_CLASS]
    if not judged:
        raise DataError(
            f"tags are doubted of classes that {LEAST_OF_CLASS} photographs show and {LEAST_OF_CLASS} do not, got none",
            help="add photographs, also some without the class",
        )
    require_first_weights(recipe, ["train_classifier"])
    values, place = recipe.classifier, choose_device(device)
    torch.manual_seed(recipe.seed)
    backbone = build_backbone(values.backbone, weights=initial_weights(values.weights), output_stride=None)
    looked = FrozenFeatures(backbone.to(place))
    features = looked.pooled(records, progress=progress)
    found = held_out(features, tags[:, judged], folds=folds, seed=recipe.seed)
    precision = tag_average_precision(found.probabilities, tags[:, judged])
    listed = _listed(records, [names[c] for c in judged], tags[:, judged], found, looked)
    random = "the first weights are random: with pretrained ones the list is far better"
    return TagCheck(
        tuple(listed),
        len(records),
        dict(zip((names[c] for c in judged), precision.tolist(), strict=True)),
        tuple(name for c, name in enumerate(names) if c not in judged),
        random if values.weights == "random" else "",
    )


@dataclass(frozen=True, slots=True, eq=False)
class FrozenFeatures:
    """What a frozen network puts out for photographs."""

    backbone: Backbone

    def of(self, record: ImageRecord) -> tuple[Float32[ndarray, "D h w"], tuple[int, int]]:
        """Return the features of a photograph, and its height and width."""
        image = read_photograph(record)
        shown = shrink(image, SIDE_PX) if max(image.shape[:2]) > SIDE_PX else image
        backbone = self.backbone
        device = next(backbone.parameters()).device
        pixels = normalize_images([shown], mean=backbone.mean, std=backbone.std, device=device)
        with torch.no_grad(), evaluation_mode(backbone):
            return backbone(pixels)[0].float().cpu().numpy(), (image.shape[0], image.shape[1])

    def pooled(self, records: Sequence[ImageRecord], *, progress: Progress) -> Float32[ndarray, "N D"]:
        """Return the means over each photograph."""
        rows = []
        with progress.task("Looking at photographs", total=len(records)) as task:
            for record in records:
                rows.append(self.of(record)[0].mean(axis=(1, 2)))
                task.advance()
        return np.stack(rows)


def _listed(
    records: Sequence[ImageRecord], names: Sequence[str], tags: ndarray, found: HeldOut, looked: FrozenFeatures
) -> list[TagDoubt]:
    doubt = doubts(found.probabilities, tags)
    rows, columns = np.nonzero(doubt > LIKELY)
    order = np.lexsort((columns, rows, -doubt[rows, columns]))
    listed = []
    for n, c in zip(map(int, rows[order]), map(int, columns[order]), strict=True):
        is_missing, peak = not tags[n, c], None
        if is_missing:
            peak = peak_of(*looked.of(records[n]), weights=found.weights[found.folds[n], c])
        kind = MISSING if is_missing else WRONG
        listed.append(TagDoubt(records[n].image_id, names[c], kind, float(doubt[n, c]), peak))
    return listed


def peak_of(
    features: Float32[ndarray, "D h w"], size: tuple[int, int], *, weights: Float32[ndarray, " D"]
) -> tuple[int, int]:
    """Return the pixel (x, y) at the centre of the cell with the highest value of a linear classifier.

    >>> peak_of(np.array([[[0.0, 1.0]]], np.float32), (10, 40), weights=np.ones(1, np.float32))
    (30, 5)
    """
    scores = np.tensordot(weights, features, axes=1)
    row, column = np.unravel_index(scores.argmax(), scores.shape)
    (height, width), (rows, columns) = size, scores.shape
    return int((column + 0.5) * width / columns), int((row + 0.5) * height / rows)
