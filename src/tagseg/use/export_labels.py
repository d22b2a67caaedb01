"""What a run made of its photographs, for annotation tools and other trainers: ``tagseg export --what``."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tagseg.artifacts.instance_file import read_instances
from tagseg.artifacts.mask_file import read_confidence, read_mask
from tagseg.artifacts.run_folder import RunFolder
from tagseg.assemble.maps import chosen_records
from tagseg.classes import VOID, ClassTable, nearest_name_help
from tagseg.data.images import image_size
from tagseg.errors import ArtifactError, RecipeError
from tagseg.progress import Progress
from tagseg.results.image_results import of_image_size
from tagseg.results.open_run import read_run_recipe, readable_splits
from tagseg.system.own_version import own_version
from tagseg.types import ImageRecord, LabelMap
from tagseg.use.export_folder import export_folder
from tagseg.use.label_files import OF_PREDICTIONS, FormatChoice, LabelExport, label_files

WHAT = ("masks", "predictions")


@dataclass(frozen=True, slots=True)
class LabelChoice:
    """What is exported, and how.

    Args:
        what: ``masks``, the pseudo masks of the images that the run learned from, or ``predictions``, what its
            segmenter says of the images to test on.
        format: see :class:`~tagseg.use.label_files.FormatChoice`, as the next two and ``images_at``.
        min_area_px: smaller connected parts join what is around them.
        tolerance_px: how far polygons may be from the border between pixels.
        ignore_doubtful: whether pixels that the confidence mask does not trust become void, 255.
        images_at: what Label Studio finds photographs under.
        redo: whether an earlier export may be replaced.

    Raises:
        RecipeError: for an unknown name, a number out of range, or a setting that the format does not have.
    """

    what: str
    format: str
    min_area_px: int | None = None
    tolerance_px: float | None = None
    ignore_doubtful: bool = False
    images_at: str | None = None
    redo: bool = False

    def __post_init__(self) -> None:
        if self.what not in WHAT:
            raise RecipeError(f"--what '{self.what}' is unknown", help=nearest_name_help(self.what, WHAT))
        _ = self.shape
        if self.format in OF_PREDICTIONS and self.what != "predictions":
            raise RecipeError(
                f"--format {self.format} goes with --what predictions, got {self.what}",
                help="VOC's test server scores a segmenter: export its predictions",
            )
        if self.ignore_doubtful and self.what != "masks":
            raise RecipeError(
                "--ignore-doubtful goes with --what masks, got predictions",
                help="leave it out: predictions have no confidence mask",
            )

    @property
    def shape(self) -> FormatChoice:
        """The format, and how labels are cleaned for it."""
        return FormatChoice(self.format, self.min_area_px, self.tolerance_px, self.images_at)


@dataclass(frozen=True, slots=True)
class LabelledRun:
    """The run that labels are of.

    Args:
        folder: where it is.
        name: of its recipe.
        classes: names of the labels.
    """

    folder: RunFolder
    name: str
    classes: ClassTable


def export_labels(source: Path, out: Path, *, choice: LabelChoice, progress: Progress) -> LabelExport:
    """Write masks or predictions of a run for another program; the folder appears when all is written.

    Args:
        source: a run folder.
        out: the new folder; missing parents are made.
        choice: what is written.
        progress: reports what happens.

    Raises:
        ArtifactError: when the run has none, a file of it is damaged, or the folder holds something else.
        DataError: when the data set or a photograph cannot be read.
    """
    recipe = read_run_recipe(source)
    folder = RunFolder(source)
    splits = readable_splits(folder, recipe)
    run = LabelledRun(folder, recipe.name, splits.train.classes)
    if choice.what == "masks":
        records = chosen_records(recipe.masks.splits, splits.train, splits.evaluation)
    else:
        records = splits.segmenter_test.records if splits.segmenter_test else ()
    require_labels(folder, records, choice.what)
    with export_folder(out, redo=choice.redo) as (made, note):
        found = write_labels(made, records, run=run, choice=choice, progress=progress)
        note(described(run, choice, found))
    return found


def write_labels(
    made: Path, records: Sequence[ImageRecord], *, run: LabelledRun, choice: LabelChoice, progress: Progress
) -> LabelExport:
    """Write the labels of some photographs into an empty folder.

    Args:
        made: the folder.
        records: the photographs.
        run: that the labels are of.
        choice: what is written.
        progress: reports what happens.

    Raises:
        ArtifactError: when labels are missing or damaged.
        DataError: when a photograph cannot be read.
    """
    split = "train" if choice.what == "masks" else "test"
    with (
        progress.task("Exporting", total=len(records)) as task,
        label_files(made, choice.shape, run.classes, title=run.name, split=split) as (files, found),
    ):
        for record in records:
            labels, trusted = read_labels(run.folder, record, choice)
            height, width = labels.shape
            objects = read_objects(run.folder, record, choice, size=(height, width))
            files.add(record.image_id, record.image_path, labels, trusted=trusted, objects=objects)
            task.advance()
    return found


def require_labels(folder: RunFolder, records: Sequence[ImageRecord], what: str) -> None:
    """Refuse a run that has labels of none of the photographs.

    Raises:
        ArtifactError: saying what makes them.
    """
    if any(_label_path(folder, record, what).exists() for record in records):
        return
    help = {
        "masks": "let 'tagseg run' come to the end of its stage make_masks",
        "predictions": "let 'tagseg run' come to its end with images to test on, or label photographs with "
        "'tagseg predict'",
    }
    raise ArtifactError(f"export of {what} takes a run that has them, got {folder.root} without any", help=help[what])


def _label_path(folder: RunFolder, record: ImageRecord, what: str) -> Path:
    return folder.pseudo_mask(record) if what == "masks" else folder.prediction(record)


def read_labels(folder: RunFolder, record: ImageRecord, choice: LabelChoice) -> tuple[LabelMap, np.ndarray | None]:
    """Return the labels of a photograph, and which are to be trusted where the run says that."""
    size = image_size(record.image_path)
    path = _label_path(folder, record, choice.what)
    labels = of_image_size(read_mask(path), size, path=path)
    if choice.what != "masks":
        return labels, None
    path = folder.confidence(record)
    trusted = of_image_size(read_confidence(path), size, path=path)
    return (np.where(trusted, labels, np.uint8(VOID)) if choice.ignore_doubtful else labels), trusted


def read_objects(
    folder: RunFolder, record: ImageRecord, choice: LabelChoice, *, size: tuple[int, int]
) -> list[tuple[int, np.ndarray]]:
    """Return label and pixels of the objects of a photograph of (H, W) px, none where the run tells none apart."""
    path = folder.instances(record)
    if choice.what != "masks" or not path.exists():
        return []
    return [(each.label_id, of_image_size(each.mask, size, path=path)) for each in read_instances(path)]


def described(run: LabelledRun, choice: LabelChoice, found: LabelExport) -> dict[str, object]:
    """Return what ``export.json`` says of the export."""
    return {
        "tagseg": own_version(),
        "run": run.folder.root.resolve().name,
        "what": choice.what,
        **choice.shape.described(),
        "ignore_doubtful": choice.ignore_doubtful,
        "labels": list(run.classes.label_names),
        **found.described(choice.shape),
    }
