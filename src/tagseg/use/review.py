"""The photographs of a run whose correction probably teaches most, for a person to correct: ``tagseg review``."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from tagseg.artifacts.label_formats.photographs import copy_photograph
from tagseg.artifacts.review_csv import REVIEW_NAME, ReviewRow, write_review
from tagseg.artifacts.run_folder import RunFolder
from tagseg.assemble.data import superpixel_cache
from tagseg.assemble.maps import read_mask_maps
from tagseg.classes import ClassTable
from tagseg.data.corrections import corrected_photographs
from tagseg.errors import ArtifactError, RecipeError
from tagseg.evaluation.correction_worth import Candidate, Choice, choose_for_review
from tagseg.progress import Progress
from tagseg.recipe import Recipe
from tagseg.refine.pseudo_mask import doubtful_pixels
from tagseg.results.open_run import read_run_recipe, readable_splits
from tagseg.types import ImageRecord
from tagseg.use.export_folder import export_folder
from tagseg.use.export_labels import LabelChoice, LabelledRun, described, require_labels, write_labels
from tagseg.use.label_files import WITH_PHOTOGRAPHS, LabelExport

PHOTOGRAPHS = "photographs"
"""Sub-folder of the photographs, for formats that have none of their own."""


_REMOVED = {
    "coco": "the images of annotations.json",
    "coco-rle": "the images of annotations.json",
    "coco-rle-plain": "the images of annotations.json",
    "cvat": "the masks of the unpacked archive",
    "yolo": "the files in labels",
    "labelme": "the JSON files",
    "huggingface": "the lines of metadata.jsonl",
}
"""By format, what a person removes that was not corrected, where these are not masks."""


@dataclass(frozen=True, slots=True)
class Review:
    """What was written for a person to correct.

    Args:
        rows: the photographs in the order in which they were chosen, with their numbers.
        already: photographs that were left out since the run has their corrections.
        labels: what their present masks hold.
    """

    rows: tuple[ReviewRow, ...]
    already: int
    labels: LabelExport


def review_run(source: Path, out: Path, *, count: int, choice: LabelChoice, progress: Progress) -> Review:
    """Choose training photographs to correct, and write them with their pseudo masks; the folder appears whole.

    Args:
        source: a run folder with pseudo masks.
        out: the new folder; missing parents are made.
        count: how many photographs, at least 1; all where there are fewer.
        choice: how masks are written; of ``what`` there is ``masks`` alone.
        progress: reports what happens.

    Raises:
        RecipeError: when the number is out of range.
        ArtifactError: when the run has no masks, or none that is not corrected, or the folder holds something else.
        DataError: when the data set, a photograph or the folder of corrections cannot be read.
    """
    if count < 1:
        raise RecipeError(f"--count is 1 or more, got {count}", help="take 20")
    recipe, folder = read_run_recipe(source), RunFolder(source)
    train = readable_splits(folder, recipe).train
    require_labels(folder, train.records, choice.what)
    done = recipe.segmenter.corrections
    already = corrected_photographs(done, train) if done is not None else frozenset()
    left = [record for record in train.records if record.image_id not in already]
    if not left:
        raise ArtifactError(
            f"review takes training photographs that are not corrected yet, got none of {len(train)}",
            help="review a run without segmenter.corrections to begin again",
        )
    choices = choose_for_review(_candidates(folder, recipe, left, progress=progress), count=count)
    rows = tuple(_row(each, train.classes) for each in choices)
    by_id = {record.image_id: record for record in left}
    chosen = [by_id[row.image] for row in rows]
    run = LabelledRun(folder, recipe.name, train.classes)
    with export_folder(out, redo=choice.redo) as (made, note):
        found = write_labels(made, chosen, run=run, choice=choice, progress=progress)
        if choice.format not in WITH_PHOTOGRAPHS:
            for record in chosen:
                copy_photograph(record.image_path, made / PHOTOGRAPHS / record.image_id)
        write_review(made / REVIEW_NAME, rows)
        note(described(run, choice, found))
    return Review(rows, len(already), found)


def what_is_trusted(format: str) -> str:
    """Return what a person does so that a run trusts what was corrected and nothing else.

    >>> what_is_trusted("voc")
    'remove the masks that you do not correct: a run with segmenter.corrections trusts all it finds'
    """
    if format.startswith("label-studio"):
        return (
            "submit the tasks that you correct and export the project as JSON: a run with segmenter.corrections trusts "
            "the annotated tasks of it, and every task of a file without annotations, such as tasks.json"
        )
    what = _REMOVED.get(format, "the masks")
    return f"remove {what} that you do not correct: a run with segmenter.corrections trusts all it finds"


def _candidates(
    folder: RunFolder, recipe: Recipe, records: Sequence[ImageRecord], *, progress: Progress
) -> list[Candidate]:
    """Return what the choice goes by of each photograph."""
    status = folder.stage_status("make_masks")
    background_score = status.details.get("background_score", recipe.masks.background_score)
    regions, found = superpixel_cache(recipe), []
    with progress.task("Looking at masks", total=len(records)) as task:
        for record in records:
            maps = read_mask_maps(folder, record, recipe, regions=regions)
            doubtful = doubtful_pixels(torch.from_numpy(maps.cam), background_score)
            found.append(Candidate(record.image_id, float(doubtful.float().mean()), tuple(record.tags)))
            task.advance()
    return found


def _row(choice: Choice, classes: ClassTable) -> ReviewRow:
    found = choice.candidate
    tags = tuple(classes.name(tag) for tag in found.tags)
    return ReviewRow(found.name, tags, found.doubt, choice.chosen_before, choice.worth)
