"""Labels of any photographs: ``tagseg predict``."""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from tagseg.artifacts.area_csv import area_writer
from tagseg.artifacts.coco_file import coco_writer
from tagseg.artifacts.mask_file import read_mask
from tagseg.classes import ClassTable, nearest_name_help
from tagseg.data.input_files import STDIN, InputImage, LeftOut, expand_home, find_inputs
from tagseg.errors import ArtifactError, RecipeError
from tagseg.progress import Progress
from tagseg.system.atomic import remove_leftovers
from tagseg.system.lock import folder_lock, require_free
from tagseg.types import LabelMap
from tagseg.use.predict_folder import OutputFolder, files_made, open_record, write_record

LabelWriter = Callable[[Path, ClassTable], AbstractContextManager[Callable[[str, LabelMap], None]]]
"""Given a path and the classes, lends a function that adds the label map of one photograph to the file."""

SUMMARIES: Mapping[str, tuple[str, LabelWriter]] = {
    "coco": ("coco_polygons.json", partial(coco_writer, kind="polygons")),
    "coco-rle": ("coco_rle.json", partial(coco_writer, kind="rle")),
    "csv": ("areas.csv", area_writer),
}
"""Formats of one file for all photographs together: its name, and its writer."""

FORMATS = ("png", "overlay", "probability", *SUMMARIES)


@dataclass(frozen=True, slots=True)
class PredictChoice:
    """What to make of each photograph, and how.

    Args:
        formats: names of :data:`FORMATS`; masks are written in any case.
        settings: what differs from the settings that the segmenter was trained with, by name.
        crf: whether the dense CRF refines the labels.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        redo: label the photographs again, whatever the folder holds.
    """

    formats: tuple[str, ...] = ("png",)
    settings: tuple[tuple[str, Any], ...] = ()
    crf: bool = False
    device: str = "auto"
    redo: bool = False

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
        for name in names:
            if name not in FORMATS:
                raise RecipeError(f"--format '{name}' is unknown", help=nearest_name_help(name, FORMATS))
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
    """

    predicted: int
    kept: int
    failed: list[tuple[Path, str]]
    notes: list[str] = field(default_factory=list)


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
        progress: reports what happens.

    Raises:
        TagsegError: when the segmenter cannot be loaded, no image is named, or the folder holds other results. A single
            file that cannot be used raises nothing: it is in the summary.
    """
    left_out: list[LeftOut] = []
    lines = sys.stdin if STDIN in inputs else ()
    images = find_inputs(inputs, lines=lines, without=files_made(out), left_out=left_out)
    folder = OutputFolder(out, choice.formats)
    _keep_apart(images, inputs, out, progress=progress)
    _keep_photographs(images, folder)
    require_free(folder.lock_path)
    # Slow to import: what is wrong with words, files and folders is said before.
    from tagseg.use.label_photographs import describe, label_photographs, open_segmenter

    segmenter = open_segmenter(source, device=choice.device, settings=dict(choice.settings))
    with folder_lock(folder.lock_path):
        remove_leftovers(out)
        record = open_record(folder, describe(segmenter, crf=choice.crf), images=images, redo=choice.redo)
        missing = [image for image in images if not folder.is_done(image, since_ns=record["since_ns"])]
        kept = len(images) - len(missing)
        failed = label_photographs(segmenter, missing, folder, crf=choice.crf, kept=kept, progress=progress)
        made = [image for image in images if image.path not in dict(failed)]
        unread = [(other.path, other.reason) for other in left_out if other.is_failure]
        _summarize(folder, made, segmenter.classes)
        bad = [{"path": str(path), "reason": reason} for path, reason in failed + unread]
        write_record(folder, {**record, "images": len(made), "bad_files": bad})
    notes = [other.reason for other in left_out if not other.is_failure]
    return PredictSummary(len(missing) - len(failed), kept, failed + unread, notes)


def _number(text: str, kind: type[int] | type[float], *, word: str) -> int | float:
    """Return a number of an option's word."""
    try:
        return kind(text)
    except ValueError as error:
        raise RecipeError(
            f"--scales takes numbers and --max-side a whole number or 'none', got '{word}'",
            help="write --scales 0.5,1,1.5 and --max-side 1024",
        ) from error


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


def _keep_photographs(images: Sequence[InputImage], folder: OutputFolder) -> None:
    """Refuse to write a result over a photograph."""
    paths = {os.path.realpath(image.path) for image in images}
    for path in (path for image in images for path in folder.files(image.name)):
        if os.path.realpath(path) in paths:
            kind = "mask" if path.suffix == ".png" else "result"
            raise ArtifactError(
                f"{kind} {path} is another file than the photographs, got one of them", help="choose another --out"
            )


def _keep_apart(images: Sequence[InputImage], inputs: Sequence[str], out: Path, *, progress: Progress) -> None:
    """Refuse to put masks between photographs, and warn of a folder for them inside one that is labelled."""
    place = Path(os.path.realpath(out))
    words = {word: Path(os.path.realpath(expand_home(word))) for word in inputs if word != STDIN}
    named = {word: path for word, path in words.items() if os.path.isdir(path)}  # noqa: PTH112 (Path's raises for long names)
    if place in {*named.values(), *(Path(os.path.realpath(image.path)).parent for image in images)}:
        raise ArtifactError(
            f"--out must be another folder than that of the photographs, got {out}: masks there would be taken for "
            "photographs later",
            help=f"choose a folder of their own, such as --out {place.with_name(f'{place.name}_masks')}",
        )
    around = next((word for word, path in named.items() if path in place.parents), None)
    if around is not None:
        progress.warn(
            f"--out {out} should lie outside {around}, got a folder inside it: a later command that is given {around} "
            "takes the masks for photographs"
        )
