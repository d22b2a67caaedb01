"""Labels of photographs in the formats of annotation tools and trainers, a folder each in that of their masks."""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from tagseg.artifacts.mask_file import read_mask
from tagseg.classes import ClassTable
from tagseg.data.input_files import InputImage, absolute
from tagseg.errors import ArtifactError, RecipeError
from tagseg.progress import Progress
from tagseg.system.own_version import own_version
from tagseg.use.export_folder import RECORD_NAME, export_folder, files_listed, files_there
from tagseg.use.label_files import LABEL_FORMATS, POLYGONS, FormatChoice, LabelExport, label_files
from tagseg.use.predict_folder import OutputFolder


def format_choices(
    formats: Sequence[str], *, min_area_px: int | None, tolerance_px: float | None, images_at: str | None
) -> tuple[FormatChoice, ...]:
    """Return how each of the formats that ``tagseg export`` has, too, is made; others are left out.

    An option holds for the formats that have it.

    Raises:
        RecipeError: when none of the formats has an option, or its number is out of range.

    >>> format_choices(("png", "coco"), min_area_px=20, tolerance_px=None, images_at=None)
    (FormatChoice(format='coco', min_area_px=20, tolerance_px=None, images_at=None),)
    """
    wanted = [FormatChoice(name) for name in formats if name in LABEL_FORMATS]
    drawn, served = [each for each in wanted if each.has_polygons], [each for each in wanted if each.has_addresses]
    for option, value, having, names in (
        ("--min-area", min_area_px, wanted, tuple(LABEL_FORMATS)),
        ("--simplify", tolerance_px, drawn, tuple(POLYGONS)),
        ("--images-at", images_at, served, ("label-studio", "label-studio-polygons")),
    ):
        if value is not None and not having:
            raise RecipeError(
                f"{option} goes with --format {', '.join(names)}, got {', '.join(formats)}",
                help=f"leave {option} out, or add one of these formats",
            )
    return tuple(
        FormatChoice(
            each.format,
            min_area_px,
            tolerance_px if each.has_polygons else None,
            images_at if each.has_addresses else None,
        )
        for each in wanted
    )


def require_places(root: Path, images: Sequence[InputImage], choices: Sequence[FormatChoice], *, redo: bool) -> None:
    """Refuse folders that would stop the writing of formats at its end; this needs no network.

    Args:
        root: the folder of the predictions.
        images: the photographs.
        choices: the formats.
        redo: whether changes that somebody made in the files of an earlier call may be written over.

    Raises:
        ArtifactError: when the folder of a format holds what is not of ``tagseg predict`` or was changed, or takes the
            place of results of photographs.
    """
    for choice in choices:
        folder = root / choice.format
        for image in images:
            if PurePosixPath(image.name).parts[0].casefold() == choice.format:
                raise ArtifactError(
                    f"folder {folder} is for --format {choice.format} alone, got the mask of photograph {image.path}",
                    help="name the folder below it as INPUT, or rename that folder",
                )
        _require_untouched(folder, redo=redo)


def require_names(choices: Sequence[FormatChoice], classes: ClassTable) -> None:
    """Refuse names of classes that a format cannot hold, before any photograph is labelled.

    Args:
        choices: the formats.
        classes: names of the labels.

    Raises:
        ArtifactError: for the first of the formats that cannot hold them.
    """
    for choice in choices:
        with TemporaryDirectory() as place, label_files(Path(place), choice, classes, title="", split="test"):
            pass


def write_formats(
    folder: OutputFolder,
    images: Sequence[InputImage],
    choices: Sequence[FormatChoice],
    classes: ClassTable,
    *,
    progress: Progress,
) -> list[tuple[FormatChoice, LabelExport]]:
    """Write the labels of all photographs in each format, from their masks; its folder appears when all is written.

    Args:
        folder: of the predictions; the folder of a format is inside and called like the format.
        images: the photographs.
        choices: the formats.
        classes: names of the labels.
        progress: reports what happens.
    """
    made = []
    for choice in choices:
        with (
            export_folder(folder.root / choice.format, redo=True) as (place, note),
            progress.task(f"Writing {choice.format}", total=len(images)) as task,
        ):
            with label_files(place, choice, classes, title="Predictions", split="test") as (files, found):
                for image in images:
                    files.add(image.name, image.path, read_mask(folder.mask(image.name)))
                    task.advance()
            note(described_predictions(choice, found, classes))
        made.append((choice, found))
    return made


def described_predictions(choice: FormatChoice, found: LabelExport, classes: ClassTable) -> dict[str, object]:
    """Return what ``export.json`` says of labels of photographs in a format."""
    about = {"tagseg": own_version(), "what": "predictions", "labels": list(classes.label_names)}
    return {**about, **choice.described(), **found.described(choice)}


def format_files(root: Path) -> set[Path]:
    """Return the absolute paths of what earlier calls wrote in any format."""
    return {
        absolute(root / format / name)
        for format in LABEL_FORMATS
        for name in files_listed(root / format) or frozenset()
    }


def _require_untouched(folder: Path, *, redo: bool) -> None:
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    listed = files_listed(folder)
    rule = f"folder {folder} holds what tagseg predict wrote and nothing else"
    if listed is None:
        raise ArtifactError(f"{rule}, got something else", help="choose another --out")
    there = files_there(folder)
    if added := [name for name in there if name not in listed]:
        raise ArtifactError(f"{rule}, got {added[0]} besides", help="choose another --out")
    written_ns = (folder / RECORD_NAME).stat().st_mtime_ns
    changed = [name for name in there if (folder / name).stat().st_mtime_ns > written_ns]
    if changed and not redo:
        raise ArtifactError(
            f"folder {folder} is as tagseg predict left it, got {changed[0]} with changes of later",
            help="choose another --out, or add --redo to write over them",
        )
