"""Photographs through a segmenter into the folder of ``tagseg predict``: what needs torch of that command."""

import errno
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from PIL import Image as PillowImage

from tagseg.artifacts.mask_file import write_mask
from tagseg.artifacts.probability_file import write_probabilities
from tagseg.classes import ClassTable
from tagseg.errors import ArtifactError, TagsegError
from tagseg.prediction.many_images import Item, predict_many
from tagseg.prediction.segment import limit_labels
from tagseg.prediction.segmenter import Prediction, Segmenter
from tagseg.progress import Progress
from tagseg.refine.crf import CrfRefiner
from tagseg.refine.dense_crf import FINAL_CRF
from tagseg.system.atomic import atomic_path
from tagseg.types import Image
from tagseg.use.load import load
from tagseg.use.predict_folder import OutputFolder

_BAD_NAMES = (errno.ENAMETOOLONG, errno.EEXIST, errno.ENOTDIR, errno.EISDIR)
"""Errors that a photograph's name brings about; others, such as a full disk, end the work."""


def open_segmenter(source: str | Path, *, device: str, settings: Mapping[str, Any]) -> Segmenter:
    """Load a segmenter, and let some of its settings differ from those that it was trained with.

    Raises:
        TagsegError: when it cannot be loaded, or a setting is out of range.
    """
    loaded = load(source, device=device)
    return loaded.with_settings(replace(loaded.settings, **settings))


def describe(segmenter: Segmenter, *, crf: bool, tags: bool) -> dict[str, Any]:
    """Return what decides the labels of a photograph besides its own tags, as JSON values.

    Args:
        segmenter: labels photographs.
        crf: whether the dense CRF refines the labels.
        tags: whether tags limit the labels.
    """
    return {
        "format": 1,
        "labels": list(segmenter.classes.label_names),
        "settings": {**asdict(segmenter.settings), "crf": crf, **({"tags": True} if tags else {})},
        "weights": _weights_name(segmenter),
    }


def label_photographs(
    segmenter: Segmenter,
    groups: Mapping[tuple[str, ...] | None, Sequence[Item]],
    folder: OutputFolder,
    *,
    crf: bool,
    kept: int,
    progress: Progress,
) -> dict[Path, str]:
    """Label photographs and return those that could not be read, and why.

    Args:
        segmenter: labels them.
        groups: photographs that have no labels yet, by their tags, which limit the labels; those of None may show any
            class.
        folder: where labels go, locked by the caller.
        crf: whether the dense CRF refines the labels.
        kept: photographs that have theirs, which count as done.
        progress: notified of each photograph.
    """
    failed: dict[Path, str] = {}
    refiner = CrfRefiner(FINAL_CRF, unary="scores") if crf else None
    paths = dict(chain.from_iterable(groups.values()))

    def handle(name: str, image: Image, prediction: Prediction, *, possible: tuple[int, ...] | None) -> None:
        if refiner is not None:
            assert prediction.probabilities is not None
            refined = refiner(image, prediction.probabilities)
            prediction = prediction.refined(refined if possible is None else limit_labels(refined, possible))
        try:
            _write(folder, name, image, prediction, classes=segmenter.classes)
        except ArtifactError as error:
            if getattr(error.__cause__, "errno", None) not in _BAD_NAMES:
                raise
            failed[paths[name]] = error.problem
        task.advance()

    def note(name: str, error: TagsegError) -> None:
        failed[paths[name]] = error.problem
        task.advance()

    with progress.task("Predicting", total=len(paths) + kept, done=kept) as task:
        wanted = refiner is not None or "probability" in folder.formats
        for tags, items in groups.items():
            limited = segmenter if tags is None else segmenter.with_tags(tags)
            each = partial(handle, possible=limited.possible)
            predict_many(limited, items, handle=each, failed=note, probabilities=wanted)
    return failed


def _write(folder: OutputFolder, name: str, image: Image, prediction: Prediction, *, classes: ClassTable) -> None:
    """Write what the formats ask for of one photograph, its mask last: with it all is there."""
    if "overlay" in folder.formats:
        with atomic_path(folder.overlay(name)) as temporary:
            PillowImage.fromarray(prediction.overlay(image)).save(temporary, format="JPEG", quality=90)
    if "probability" in folder.formats:
        assert prediction.probabilities is not None
        write_probabilities(folder.probabilities(name), prediction.probabilities.cpu().numpy(), classes)
    write_mask(folder.mask(name), prediction.labels, classes)


def _weights_name(segmenter: Segmenter) -> str:
    """Return a short name of the network's values: the same for a run and for what was exported of it."""
    digest = hashlib.sha256()
    for name, tensor in sorted(segmenter.network.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()[:16]
