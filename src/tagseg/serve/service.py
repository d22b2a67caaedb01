"""What is computed for one file: everything between its bytes and its answer, in a thread of the worker.

Axes: H W pixels of the upright image.
"""

import threading
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from jaxtyping import Float32
from numpy import ndarray
from PIL import Image as PillowImage

from tagseg.artifacts.array_file import to_steps
from tagseg.classes import BACKGROUND, VOID, ClassTable, voc_color
from tagseg.ops.overlay import overlay_labels
from tagseg.prediction.segmenter import Segmenter
from tagseg.report.colors import VOID_COLORS, safe_color
from tagseg.serve import answers
from tagseg.serve.decoder import Decoders
from tagseg.serve.limits import Limits
from tagseg.serve.options import PALETTES, Options, Palette
from tagseg.serve.refusal import RefusedError
from tagseg.serve.sample import Sample, drawn_sample
from tagseg.serve.uploads import Upload
from tagseg.types import Image, LabelMap
from tagseg.use.cams import CamPredictor, Networks, TagsAndCams

_WARM_UP_SIZE = (375, 500)
_COUNTED_PIXELS = 2**20
_DECODERS = 2  # ready from the start: for the file whose turn it is while another takes long


@dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """An image with its labels.

    Args:
        image: upright.
        labels: label ids.
        score: of each pixel's label, in [0, 1].
        tags: of the classifier, when it made the labels.
        background_score: that cut them, when the classifier made them.
    """

    image: Image
    labels: LabelMap
    score: Float32[ndarray, "H W"]
    tags: list[answers.Tag] | None = None
    background_score: float | None = None


class Service:
    """The networks of a server, and what can be asked of them.

    Args:
        networks: at least one.
        title: where they come from.
        limits: of a request.
        sample: a picture to try; by default a drawn one where the networks know what it shows.
    """

    def __init__(self, networks: Networks, *, title: str, limits: Limits, sample: Sample | None = None) -> None:
        self.networks = networks
        self.title = title
        self.limits = limits
        self.sample = sample or drawn_sample(self.label_classes)
        native = networks.segmenter is not None and networks.segmenter.settings.max_side_px is None
        # What looks at an image tile by tile takes notes in the network, of one image at a time.
        self._segmenting: AbstractContextManager[object] = threading.Lock() if native else nullcontext()
        self.decoders = Decoders(decode_s=limits.decode_s, max_pixels=limits.pixels)

    @property
    def label_classes(self) -> ClassTable:
        """The classes of masks."""
        segmenter, cams = self.networks.segmenter, self.networks.cams
        if segmenter is not None:
            return segmenter.classes
        assert cams is not None
        return cams.classes

    @property
    def tag_classes(self) -> ClassTable:
        """The classes that tags name."""
        return self.label_classes if self.networks.cams is None else self.networks.cams.classes

    def described(self) -> str:
        """Return what answers, in a line."""
        segmenter, cams = self.networks.segmenter, self.networks.cams
        parts = [] if segmenter is None else [f"segmenter of {segmenter.classes.num_classes} classes"]
        parts += [] if cams is None else [f"classifier of {cams.classes.num_classes} classes"]
        return ", ".join(parts)

    def palettes(self) -> dict[str, list[answers.Rgb]]:
        """Return the colours of every label of masks, by name of the palette."""
        return {name: label_rgb(name)[: self.label_classes.num_labels] for name in PALETTES}

    def warm_up(self) -> None:
        """Run the networks once: the first time takes longer, and shows whether the device is up to it."""
        self.decoders.start(_DECODERS)
        noise = np.random.default_rng(0).integers(0, 256, (*_WARM_UP_SIZE, 3), np.uint8)
        if self.networks.segmenter is not None:
            self.networks.segmenter.predict(noise)
        if self.networks.cams is not None:
            self.networks.cams.look(noise)

    def close(self) -> None:
        """End the processes that decode files."""
        self.decoders.close()

    def predict(self, upload: Upload, options: Options) -> answers.PredictedImage:
        """Return labels, areas and pictures of one file.

        Raises:
            TagsegError: when the file or an option cannot be used.
        """
        started_s = time.perf_counter()
        found = self.label(upload, options)
        classes = self.classes_of(options)
        return answers.PredictedImage(
            name=upload.name,
            height=found.labels.shape[0],
            width=found.labels.shape[1],
            network="segmenter" if found.tags is None else "classifier",
            background_score=found.background_score,
            labels=_labels(found, classes),
            tags=found.tags,
            mask_png=answers.base64_text(answers.palette_png(found.labels, label_rgb(options.palette))),
            score_png=_grey(found.score) if options.score else None,
            seconds=time.perf_counter() - started_s,
        )

    def look(self, upload: Upload, options: Options) -> answers.Maps:
        """Return tags and maps of one file.

        Raises:
            TagsegError: when the file or an option cannot be used.
        """
        started_s = time.perf_counter()
        cams = self.require_cams()
        found = self._look(cams, self.read(upload), options, name=upload.name)
        return answers.Maps(
            name=upload.name,
            height=found.maps.size[0],
            width=found.maps.size[1],
            background_score=cams.background_score,
            tags=_tags(found, cams.classes),
            maps=[
                answers.Map(id=label, name=cams.classes.name(label), map_png=_grey(cam))
                for label, cam in zip(found.maps.label_ids, found.maps.cam, strict=True)
            ],
            seconds=time.perf_counter() - started_s,
        )

    def picture(self, upload: Upload, options: Options) -> bytes:
        """Return the mask of one file, or the file with its classes laid over it, as PNG.

        Raises:
            TagsegError: when the file or an option cannot be used.
        """
        found, palette = self.label(upload, options), label_rgb(options.palette)
        if options.format == "png":
            return answers.palette_png(found.labels, palette)
        laid = overlay_labels(found.image, found.labels, np.asarray(palette, np.uint8), opacity=options.opacity)
        return answers.png(PillowImage.fromarray(laid))

    def label(self, upload: Upload, options: Options) -> Labelled:
        """Return the labels of one file.

        Raises:
            TagsegError: when the file or an option cannot be used.
        """
        segmenter, image = self._segmenter(options), self.read(upload)
        if segmenter is not None:
            with self._segmenting:
                prediction = segmenter.predict(image)
            return Labelled(image, prediction.labels, prediction.score)
        cams = self.require_cams()
        found = self._look(cams, image, options, name=upload.name)
        background_score = cams.background_score if options.background_score is None else options.background_score
        _, score = found.maps.strongest()
        return Labelled(image, found.maps.labels(background_score), score, _tags(found, cams.classes), background_score)

    def classes_of(self, options: Options) -> ClassTable:
        """Return the classes of the masks that options ask for."""
        return self.tag_classes if options.network == "classifier" else self.label_classes

    def require_cams(self) -> CamPredictor:
        """Return the classifier.

        Raises:
            RefusedError: when there is none.
        """
        if self.networks.cams is None:
            raise RefusedError(
                f"{self.title} must hold a trained classifier for maps, got a segmenter only",
                help="serve the folder of a run",
            )
        return self.networks.cams

    def require_answerable(self, options: Options) -> None:
        """Check options against the networks that there are.

        Raises:
            DataError: when a tag is none of the segmenter's classes.
            RefusedError: when they ask for a network that is not there, or for a score that a segmenter does not have.
        """
        segmenter = self._segmenter(options)
        if segmenter is None:
            self.require_cams()
        elif options.background_score is not None:
            raise RefusedError(
                "option 'background_score' goes with network=classifier, got it for the segmenter",
                help="send both, or neither",
            )

    def _segmenter(self, options: Options) -> Segmenter | None:
        """Return the segmenter as options want it, None where the classifier is to answer."""
        segmenter = self.networks.segmenter
        if options.network == "classifier":
            return None
        if segmenter is None:
            if options.network == "segmenter":
                raise RefusedError(
                    f"{self.title} must hold a trained segmenter, got a classifier only", help="send network=classifier"
                )
            return None
        if options.tags:
            segmenter = segmenter.with_tags(options.tags)
        settings = segmenter.settings
        scales = settings.scales if options.scales is None else options.scales
        flip = settings.flip if options.flip is None else options.flip
        if (scales, flip) == (settings.scales, settings.flip):
            return segmenter
        return segmenter.with_settings(replace(settings, scales=scales, flip=flip))

    def _look(self, cams: CamPredictor, image: Image, options: Options, *, name: str) -> TagsAndCams:
        height, width = image.shape[:2]
        most = max(1, self.limits.map_values // (height * width))
        if len(options.tags) > most:
            raise RefusedError(
                f"image {name} of {height} x {width} pixels takes {most} tags at most, got {len(options.tags)}",
                help="ask for them in several requests, or send a smaller copy",
                status=413,
            )
        tags = [cams.classes.label_id(tag) for tag in options.tags]
        return cams.look(image, tags=tags, scales=options.scales or (1.0,), flip=bool(options.flip), most_tags=most)

    def read(self, upload: Upload) -> Image:
        """Return the upright image of a file.

        Raises:
            TagsegError: when it is none.
        """
        return self.decoders.read(upload.data, upload.name)


@cache
def label_rgb(palette: Palette) -> list[answers.Rgb]:
    """Return red, green and blue of each of 256 label ids.

    >>> label_rgb("voc")[:2], label_rgb("safe")[:2]
    ([(0, 0, 0), (128, 0, 0)], [(0, 0, 0), (230, 159, 0)])
    """
    color = voc_color if palette == "voc" else safe_color
    return [voc_color(BACKGROUND), *(color(label) for label in range(1, VOID)), VOID_COLORS[palette]]


def _labels(found: Labelled, classes: ClassTable) -> list[answers.Label]:
    pixels, sums = np.zeros(classes.num_labels, np.int64), np.zeros(classes.num_labels)
    rows = max(1, _COUNTED_PIXELS // found.labels.shape[1])  # in parts: counting takes 16 bytes a pixel
    for start in range(0, len(found.labels), rows):
        labels, score = (array[start : start + rows].ravel() for array in (found.labels, found.score))
        pixels += np.bincount(labels, minlength=classes.num_labels)
        sums += np.bincount(labels, weights=score, minlength=classes.num_labels)
    return [
        answers.Label(
            id=label,
            name=classes.name(label),
            pixels=int(pixels[label]),
            share=float(pixels[label] / found.labels.size),
            mean_score=float(sums[label] / pixels[label]),
        )
        for label in np.flatnonzero(pixels).tolist()
    ]


def _tags(found: TagsAndCams, classes: ClassTable) -> list[answers.Tag]:
    order = np.argsort(-found.probabilities, kind="stable").tolist()
    return [
        answers.Tag(id=place + 1, name=classes.names[place], probability=float(found.probabilities[place]))
        for place in order
    ]


def _grey(values: Float32[ndarray, "H W"]) -> str:
    return answers.base64_text(answers.png(PillowImage.fromarray(to_steps(values))))
