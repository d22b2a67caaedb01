"""The images of a run that a report can show: how good and how sure the run is about each, and its pictures.

Axes: H W pixels of the image, h w pixels of its pictures, K labels with background.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Int64
from numpy import ndarray

from tagseg.artifacts.cam_file import read_cam
from tagseg.artifacts.run_scores import NETWORK
from tagseg.artifacts.scores_file import read_scores
from tagseg.assemble.maps import chosen_records
from tagseg.data.seen_files import read_photograph, read_truth
from tagseg.evaluation.confusion import ConfusionMatrix, joint_counts
from tagseg.evaluation.scores import compute_scores
from tagseg.report.content import GalleryImage, Why
from tagseg.report.pictures import encode_labels, encode_map, encode_photo, sampled_pixels
from tagseg.results.image_results import ImageResults, of_image_size
from tagseg.results.open_run import best_background_score, tested_images
from tagseg.results.source import ReportSource
from tagseg.types import ImageRecord, LabelMap

RESULTS = {"prediction": "prediction", "mask": "pseudo mask", "seed": "seeds"}
"""What an image's own score may be of, the latest stage first, and its name for people."""

_LABELS = ("sure", "mask", "confident", "prediction")


@dataclass(frozen=True, slots=True)
class Measured:
    """An image that a gallery may show.

    Args:
        image_id: of the run.
        mean_iou: of its result alone, in [0, 1]; None without ground truth or result.
        uncertainty: in [0, 1]; None without maps.
    """

    image_id: str
    mean_iou: float | None = None
    uncertainty: float | None = None


@dataclass(frozen=True, slots=True)
class ReportImages:
    """The images of a run that a report can show, each with how good and how sure the run is about it.

    Args:
        source: the run.
        results: what the run made of its images, by id.
        network_score: best background score of the network's own maps.
        mapped: ids of the images with maps.
        predicted: ids of the images with a prediction.
        scored: ids of the images whose ground truth the run scores something with; that of others is not looked at.
    """

    source: ReportSource
    results: ImageResults
    network_score: float
    mapped: frozenset[str] = field(repr=False)
    predicted: frozenset[str] = field(repr=False)
    scored: frozenset[str] = field(repr=False)

    def record(self, image_id: str) -> ImageRecord:
        """Return the image of an id."""
        return self.results.images[image_id]

    def latest_result(self, image_ids: Iterable[str]) -> str:
        """Return the result that the run has of most of the images, the latest of equal ones."""
        image_ids = tuple(image_ids)
        counts = {kind: sum(self.results.has(kind, image_id) for image_id in image_ids) for kind in RESULTS}
        return max(RESULTS, key=counts.__getitem__)  # the first of equal ones

    def measure(self, image_id: str, kind: str) -> Measured:
        """Return how good an image's result of a kind is, and how sure the network's maps are.

        The score is the mIoU of the image alone: the mean over the labels in its truth or in its result. The
        uncertainty is ``mean of 1 - |a - s| / max(s, 1 - s)`` over the pixels of its pictures, with ``a`` the strongest
        map of the network and ``s`` the background score: 1 where every pixel lies on the score.

        Raises:
            ArtifactError: when a map or mask is damaged or of another size.
            DataError: when ground truth cannot be read or is of another size.
        """
        record, unsure, mean_iou = self.record(image_id), None, None
        if record.tags and image_id in self.mapped:
            maps = read_cam(self.source.folder.cam(record))
            unsure = uncertainty(_sampled(maps.strongest()[1]), self.network_score)
        truth = self._truth(image_id)
        if truth is not None:
            labels = self._result(kind, image_id, size=(truth.shape[0], truth.shape[1]))
            mean_iou = None if labels is None else self._mean_iou(labels, truth, name=image_id)
        return Measured(image_id, mean_iou, unsure)

    def confusion(self, image_id: str, kind: str) -> Int64[ndarray, "K K"]:
        """Return how often each true label meets each label of a result, in pixels of one scored image that has it.

        Raises:
            ArtifactError: when a mask is damaged or of another size.
            DataError: when ground truth cannot be read.
        """
        truth = self._truth(image_id)
        assert truth is not None
        labels = self._result(kind, image_id, size=(truth.shape[0], truth.shape[1]))
        assert labels is not None
        return joint_counts(truth, labels, num_labels=self.source.classes.num_labels, name=image_id)

    def draw(self, measured: Measured, *, why: tuple[Why, ...]) -> GalleryImage:
        """Return an image with its pictures, all of the same pixels.

        Raises:
            ArtifactError: when a map or mask is damaged or of another size than the image.
            DataError: when the image or its ground truth cannot be read.
        """
        image_id = measured.image_id
        record = self.record(image_id)
        image = read_photograph(record)
        size = (image.shape[0], image.shape[1])
        shown = tuple(len(places) for places in sampled_pixels(size))
        made = {name: self._result(name, image_id, size=size) for name in _LABELS}
        truth = self._truth(image_id)
        if truth is not None:
            made["truth"] = of_image_size(truth, size, path=record.image_path)
        return GalleryImage(
            image_id=image_id,
            tags=record.tags,
            size=(shown[0], shown[1]),
            photo=encode_photo(image, (shown[0], shown[1])),
            cams=self._cams(image_id, size=size),
            labels={name: encode_labels(_sampled(labels)) for name, labels in made.items() if labels is not None},
            mean_iou=measured.mean_iou,
            uncertainty=measured.uncertainty,
            why=why,
        )

    def _cams(self, image_id: str, *, size: tuple[int, int]) -> Mapping[str, Mapping[int, bytes]]:
        if image_id not in self.mapped:
            return {}
        cams = {}
        for kind in self.source.recipe.cams.kinds:
            maps = self.results.maps(image_id, size=size, kind=kind)
            cams[kind] = {label: encode_map(_sampled(cam)) for label, cam in zip(maps.label_ids, maps.cam, strict=True)}
        return cams

    def _result(self, kind: str, image_id: str, *, size: tuple[int, int]) -> LabelMap | None:
        if kind != "prediction" and image_id not in self.mapped:
            return None
        return self.results.labels(kind, image_id, size=size)

    def _truth(self, image_id: str) -> LabelMap | None:
        """Return the ground truth of an image that is scored."""
        record = self.record(image_id)
        return read_truth(record) if record.mask is not None and image_id in self.scored else None

    def _mean_iou(self, labels: LabelMap, truth: LabelMap, *, name: str) -> float | None:
        names = self.source.classes.label_names
        matrix = ConfusionMatrix(len(names))
        matrix.update(labels, truth, name=name)
        value = compute_scores(matrix, names).mean_iou
        return None if math.isnan(value) else value


def report_images(source: ReportSource) -> ReportImages:
    """Look up what the run has made so far."""
    recipe, splits, folder = source.recipe, source.splits, source.folder
    records: dict[str, ImageRecord] = {}
    tested: dict[str, ImageRecord] = {}
    if splits:
        chosen = chosen_records(recipe.cams.splits, splits.train, splits.evaluation)
        records = {record.image_id: record for record in chosen}
        tested = tested_images(splits, records)
    best, _ = best_background_score(folder, recipe)
    results = ImageResults(folder, recipe, source.classes, records, best, recipe.name, tested)
    mapped = [name for name, record in records.items() if recipe.needs_masks and folder.cam(record).exists()]
    predicted = [name for name in tested if results.has("prediction", name)]
    scores = read_scores(folder.scores_path)
    network = scores.seeds.get(NETWORK) if scores else None
    network_score = network.best.background_score if network else recipe.evaluation.background_score
    scored = {record.image_id for record in _evaluated(source) if record.mask is not None}
    scored = {name for name in records if name in scored}
    if splits and splits.segmenter_test:  # else the network labels images that it learned from, for people to look at
        scored |= {name for name, record in tested.items() if record.mask is not None}
    return ReportImages(source, results, network_score, frozenset(mapped), frozenset(predicted), frozenset(scored))


def _evaluated(source: ReportSource) -> tuple[ImageRecord, ...]:
    """Return the images on which seeds and pseudo masks are scored."""
    evaluation = source.splits.evaluation if source.splits else None
    return evaluation.records if evaluation else ()


def uncertainty(strongest: np.ndarray, background_score: float) -> float:
    """Return how close the strongest map comes to the background score, in [0, 1]: ``1 - |a - s| / max(s, 1 - s)``.

    >>> uncertainty(np.array([[0.25, 0.25]]), 0.25), uncertainty(np.array([[1.0]]), 0.25)
    (1.0, 0.0)
    >>> uncertainty(np.array([[1.0, 0.5]]), 0.5)
    0.5
    """
    return float(1 - np.abs(strongest - background_score).mean() / max(background_score, 1 - background_score))


def _sampled(pixels: np.ndarray) -> np.ndarray:
    """Return the pixels that the pictures of an image show."""
    rows, columns = sampled_pixels((pixels.shape[0], pixels.shape[1]))
    return pixels[rows[:, None], columns]
