"""Labels of any photographs: ``tagseg predict``."""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tagseg.artifacts.area_csv import area_writer
from tagseg.artifacts.mask_file import read_mask
from tagseg.classes import ClassTable, nearest_name_help
from tagseg.data.input_files import STDIN, InputImage, LeftOut, expand_home, find_inputs
from tagseg.errors import ArtifactError, RecipeError
from tagseg.progress import Progress
from tagseg.system.atomic import remove_leftovers
from tagseg.system.lock import folder_lock, require_free
from tagseg.types import LabelMap
from tagseg.use.label_files import LABEL_FORMATS, FormatChoice, LabelExport
from tagseg.use.predict_folder import OutputFolder, files_made, keep_photographs, open_record, write_record
from tagseg.use.predict_formats import format_choices, format_files, require_names, require_places, write_formats
from tagseg.use.predict_tags import PhotographTags, read_photograph_tags, require_tags

LabelWriter = Callable[[Path, ClassTable], AbstractContextManager[Callable[[str, LabelMap], None]]]
"""Given a path and the classes, lends a function that adds the label map of one photograph to the file."""

SUMMARIES: Mapping[str, tuple[str, LabelWriter]] = {
    "csv": ("areas.csv", area_writer),
}
"""Formats of one file for all photographs together: its name, and its writer."""

FORMATS = ("png", "overlay", "probability", *SUMMARIES, *LABEL_FORMATS)


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
        progress: reports what happens.

    Raises:
        TagsegError: when the segmenter cannot be loaded, no image is named, or the folder holds other results. A single
            file that cannot be used raises nothing: it is in the summary.
    """
    left_out: list[LeftOut] = []
    lines = sys.stdin if STDIN in inputs else ()
    images = find_inputs(inputs, lines=lines, without=files_made(out) | format_files(out), left_out=left_out)
    folder = OutputFolder(out, choice.formats)
    _keep_apart(images, inputs, out, progress=progress)
    keep_photographs(images, folder)
    require_free(folder.lock_path)
    require_places(out, images, choice.exports, redo=choice.redo)
    if choice.tags is not None:
        require_tags(choice.tags, images)
    # Slow to import: what is wrong with words, files and folders is said before.
    from tagseg.use.label_photographs import describe, label_photographs, open_segmenter

    segmenter = open_segmenter(source, device=choice.device, settings=dict(choice.settings))
    classes = segmenter.classes
    require_names(choice.exports, classes)
    tags = read_photograph_tags(choice.tags, images, classes) if choice.tags else PhotographTags()
    described = describe(segmenter, crf=choice.crf, tags=choice.tags is not None)
    with folder_lock(folder.lock_path):
        remove_leftovers(out)
        possible = {name: tags.label_ids(name, classes) for name in tags.by_name}
        record = open_record(folder, described, images=images, labels=possible, redo=choice.redo)
        missing = [image for image in images if not folder.is_done(image, since_ns=record["since_ns"])]
        kept = len(images) - len(missing)
        groups = tags.groups(missing)
        reasons = label_photographs(segmenter, groups, folder, crf=choice.crf, kept=kept, progress=progress)
        failed = [(image.path, reasons[image.path]) for image in missing if image.path in reasons]
        made = [image for image in images if image.path not in reasons]
        unread = [(other.path, other.reason) for other in left_out if other.is_failure]
        _summarize(folder, made, classes)
        exports = write_formats(folder, made, choice.exports, classes, progress=progress)
        bad = [{"path": str(path), "reason": reason} for path, reason in failed + unread]
        write_record(folder, {**record, "images": len(made), "bad_files": bad})
    notes = [other.reason for other in left_out if not other.is_failure]
    return PredictSummary(len(missing) - len(failed), kept, failed + unread, notes, exports, tags)


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
