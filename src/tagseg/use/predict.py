"""Labels of any photographs: ``tagseg predict``."""

import errno
import hashlib
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from PIL import Image as PillowImage

from tagseg.artifacts.area_csv import area_writer
from tagseg.artifacts.mask_file import read_mask, write_mask
from tagseg.artifacts.probability_file import write_probabilities
from tagseg.classes import ClassTable, nearest_name_help
from tagseg.data.input_files import STDIN, InputImage, LeftOut, find_inputs
from tagseg.errors import ArtifactError, RecipeError, TagsegError
from tagseg.prediction.many_images import predict_many
from tagseg.prediction.segment import limit_labels
from tagseg.prediction.segmenter import Prediction, Segmenter
from tagseg.progress import Progress
from tagseg.refine.crf import CrfRefiner
from tagseg.refine.dense_crf import FINAL_CRF
from tagseg.system.atomic import atomic_path, remove_leftovers
from tagseg.system.lock import folder_lock
from tagseg.types import Image, LabelMap
from tagseg.use.label_files import LABEL_FORMATS, FormatChoice, LabelExport
from tagseg.use.load import load
from tagseg.use.predict_folder import OutputFolder, files_made, keep_photographs, open_record, write_record
from tagseg.use.predict_formats import format_choices, format_files, require_places, write_formats
from tagseg.use.predict_tags import PhotographTags, read_photograph_tags

LabelWriter = Callable[[Path, ClassTable], AbstractContextManager[Callable[[str, LabelMap], None]]]
"""Given a path and the classes, lends a function that adds the label map of one photograph to the file."""

SUMMARIES: Mapping[str, tuple[str, LabelWriter]] = {
    "csv": ("areas.csv", area_writer),
}
"""Formats of one file for all photographs together: its name, and its writer."""

FORMATS = ("png", "overlay", "probability", *SUMMARIES, *LABEL_FORMATS)
_BAD_NAMES = (errno.ENAMETOOLONG, errno.EEXIST, errno.ENOTDIR, errno.EISDIR)
"""Errors that a photograph's name brings about; others, such as a full disk, end the work."""


@dataclass(frozen=True, slots=True)
class PredictChoice:
    """What to make of each photograph, and how.

    Args:
        formats: names of :data:`FORMATS`; masks are written in any case.
        settings: what differs from the settings that the segmenter was trained with, by name.
        crf: whether the dense CRF refines the labels.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        redo: label the photographs again, whatever the folder holds.
        min_area_px: see :class:`~tagseg.use.label_files.FormatChoice`, as the next two.
        tolerance_px: how far polygons may be from the border between pixels.
        images_at: what Label Studio finds photographs under.
        tags: file of tags; a photograph has labels of its tags only.

    Raises:
        RecipeError: for an unknown format, or an option that none of the formats has.
    """

    formats: tuple[str, ...] = ("png",)
    settings: tuple[tuple[str, Any], ...] = ()
    crf: bool = False
    device: str = "auto"
    redo: bool = False
    min_area_px: int | None = None
    tolerance_px: float | None = None
    images_at: str | None = None
    tags: Path | None = None

    def __post_init__(self) -> None:
        for name in self.formats:
            if name not in FORMATS:
                raise RecipeError(f"--format '{name}' is unknown", help=nearest_name_help(name, FORMATS))
        _ = self.exports

    @property
    def exports(self) -> tuple[FormatChoice, ...]:
        """The formats of annotation tools and trainers among the formats, and how labels are cleaned for each."""
        return format_choices(
            self.formats, min_area_px=self.min_area_px, tolerance_px=self.tolerance_px, images_at=self.images_at
        )

    @classmethod
    def parse(
        cls, *, formats: str, scales: str | None, flip: bool | None, crf: bool, max_side: str | None
    ) -> "PredictChoice":
        """Read what was asked for on the command line.

        Args:
            formats: names of :data:`FORMATS`, with commas between.
            scales: numbers with commas between, or None for those of the segmenter.
            flip: whether to look at the mirrored image, or None for what the segmenter does.
            crf: whether the dense CRF refines the labels.
            max_side: a whole number, ``none``, or None for that of the segmenter.

        Raises:
            RecipeError: for an unknown format, or a number that is none.
        """
        names = tuple(dict.fromkeys(name.strip() for name in formats.split(",")))
        settings: dict[str, Any] = {} if flip is None else {"flip": flip}
        if scales is not None:
            settings["scales"] = tuple(_number(scale, float, word=scales) for scale in scales.split(","))
        if max_side is not None:
            settings["max_side_px"] = None if max_side == "none" else _number(max_side, int, word=max_side)
        return cls(names, tuple(sorted(settings.items())), crf)


@dataclass(frozen=True, slots=True)
class PredictSummary:
    """What came of the photographs.

    Args:
        predicted: labelled by this call.
        kept: labelled by an earlier call with the same segmenter and settings.
        failed: files that could not be used, and why.
        notes: what lies in the named folders and was not meant, such as masks; a sentence each.
        exports: formats of annotation tools and trainers, and what each holds.
        tags: which classes the photographs may have, and what is to be said of the file of tags.
    """

    predicted: int
    kept: int
    failed: list[tuple[Path, str]]
    notes: list[str] = field(default_factory=list)
    exports: list[tuple[FormatChoice, LabelExport]] = field(default_factory=list)
    tags: PhotographTags = field(default_factory=PhotographTags)


def predict_files(
    source: str | Path,
    inputs: Sequence[str],
    out: Path,
    *,
    choice: PredictChoice,
    progress: Progress,
) -> PredictSummary:
    """Label photographs with a trained segmenter; those that an earlier call has labelled are left as they are.

    Leaves ``<name>.png`` of each photograph, what else the formats ask for, and ``predictions.json``, which names the
    segmenter, its settings and the files that could not be used.

    Args:
        source: a run folder, an exported folder, or ``owner/name`` on the hub.
        inputs: files, folders, patterns, or ``-`` for a list on standard input.
        out: the folder for the results, made when missing.
        choice: what to make.
        progress: told what happens.

    Raises:
        TagsegError: when the segmenter cannot be loaded, no image is named, or the folder holds other results. A single
            file that cannot be used raises nothing: it is in the summary.
    """
    left_out: list[LeftOut] = []
    lines = sys.stdin if STDIN in inputs else ()
    images = find_inputs(inputs, lines=lines, without=files_made(out) | format_files(out), left_out=left_out)
    loaded = load(source, device=choice.device)
    segmenter = loaded.with_settings(replace(loaded.settings, **dict(choice.settings)))
    tags = read_photograph_tags(choice.tags, images, loaded.classes) if choice.tags else PhotographTags()
    possible = {name: tags.label_ids(name, loaded.classes) for name in tags.by_name}
    folder = OutputFolder(out, choice.formats)
    keep_photographs(images, folder)
    with folder_lock(folder.lock_path):
        remove_leftovers(out)
        require_places(out, images, choice.exports, segmenter.classes, redo=choice.redo)
        record = open_record(
            folder,
            _describe(segmenter, choice),
            images=images,
            labels=possible,
            redo=choice.redo,
        )
        missing = [image for image in images if not folder.is_done(image, since_ns=record["since_ns"])]
        work = _Work(folder, choice, tags)
        failed = _label(segmenter, missing, work, kept=len(images) - len(missing), progress=progress)
        made = [image for image in images if image.path not in dict(failed)]
        unread = [(other.path, other.reason) for other in left_out if other.is_failure]
        _summarize(folder, made, segmenter.classes)
        exports = write_formats(folder, made, choice.exports, segmenter.classes, progress=progress)
        bad = [{"path": str(path), "reason": reason} for path, reason in failed + unread]
        write_record(folder, {**record, "images": len(made), "bad_files": bad})
    notes = [other.reason for other in left_out if not other.is_failure]
    return PredictSummary(len(missing) - len(failed), len(images) - len(missing), failed + unread, notes, exports, tags)


def _number(text: str, kind: type[int] | type[float], *, word: str) -> int | float:
    """Return a number of an option's word."""
    try:
        return kind(text)
    except ValueError as error:
        raise RecipeError(
            f"--scales takes numbers and --max-side a whole number or 'none', got '{word}'",
            help="write --scales 0.5,1,1.5 and --max-side 1024",
        ) from error


@dataclass(frozen=True, slots=True)
class _Work:
    """Where labels go, what is made, and which classes a photograph may have."""

    folder: OutputFolder
    choice: PredictChoice
    tags: PhotographTags


def _label(
    segmenter: Segmenter, images: Sequence[InputImage], work: _Work, *, kept: int, progress: Progress
) -> list[tuple[Path, str]]:
    """Label the photographs and return those that could not be read, in their order."""
    failed: dict[Path, str] = {}
    refiner = CrfRefiner(FINAL_CRF, unary="scores") if work.choice.crf else None
    paths = {image.name: image.path for image in images}

    def handle(name: str, image: Image, prediction: Prediction, *, possible: tuple[int, ...] | None) -> None:
        if refiner is not None:
            assert prediction.probabilities is not None
            refined = refiner(image, prediction.probabilities)
            prediction = prediction.refined(refined if possible is None else limit_labels(refined, possible))
        try:
            _write(work.folder, name, image, prediction, classes=segmenter.classes)
        except ArtifactError as error:
            if getattr(error.__cause__, "errno", None) not in _BAD_NAMES:
                raise
            failed[paths[name]] = error.problem
        task.advance()

    def note(name: str, error: TagsegError) -> None:
        failed[paths[name]] = error.problem
        task.advance()

    with progress.task("Predicting", total=len(images) + kept, done=kept) as task:
        wanted = refiner is not None or "probability" in work.choice.formats
        for tags, items in work.tags.groups(images).items():
            limited = segmenter if tags is None else segmenter.with_tags(tags)
            each = partial(handle, possible=limited.possible)
            predict_many(limited, items, handle=each, failed=note, probabilities=wanted)
    return [(image.path, failed[image.path]) for image in images if image.path in failed]


def _write(folder: OutputFolder, name: str, image: Image, prediction: Prediction, *, classes: ClassTable) -> None:
    """Write what the formats ask for of one photograph, its mask last: with it all is there."""
    if "overlay" in folder.formats:
        with atomic_path(folder.overlay(name)) as temporary:
            PillowImage.fromarray(prediction.overlay(image)).save(temporary, format="JPEG", quality=90)
    if "probability" in folder.formats:
        assert prediction.probabilities is not None
        write_probabilities(folder.probabilities(name), prediction.probabilities.cpu().numpy(), classes)
    write_mask(folder.mask(name), prediction.labels, classes)


def _summarize(folder: OutputFolder, images: Sequence[InputImage], classes: ClassTable) -> None:
    """Write the files that tell of all photographs together, from their masks, each read once."""
    with ExitStack() as files:
        writers = [
            files.enter_context(open_writer(folder.root / name, classes))
            for format, (name, open_writer) in SUMMARIES.items()
            if format in folder.formats
        ]
        if not writers:
            return
        for image in images:
            labels = read_mask(folder.mask(image.name))
            for write in writers:
                write(image.file_name, labels)


def _describe(segmenter: Segmenter, choice: PredictChoice) -> dict[str, Any]:
    """Return what decides the labels of a photograph, as JSON values."""
    return {
        "format": 1,
        "labels": list(segmenter.classes.label_names),
        "settings": {**asdict(segmenter.settings), "crf": choice.crf, **({"tags": True} if choice.tags else {})},
        "weights": _weights_name(segmenter),
    }


def _weights_name(segmenter: Segmenter) -> str:
    """Return a short name of the network's values: the same for a run and for what was exported of it."""
    digest = hashlib.sha256()
    for name, tensor in sorted(segmenter.network.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()[:16]
