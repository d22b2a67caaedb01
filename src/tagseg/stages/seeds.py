"""First part of stage 3: seeds, the pixels of the training images whose label the maps are sure of."""

from dataclasses import dataclass
from pathlib import Path

from tagseg.artifacts.mask_file import read_mask, write_mask
from tagseg.assemble.networks import crf_settings
from tagseg.data.images import read_image
from tagseg.errors import ArtifactError
from tagseg.refine.dense_crf import DenseCrf
from tagseg.refine.seeds import seed_labels
from tagseg.stages.context import RunContext
from tagseg.stages.extract_cams import read_seed_maps
from tagseg.stages.work import do_missing
from tagseg.types import ImageRecord, LabelMap

FOLDER_NAME = "seeds"


@dataclass(frozen=True, slots=True)
class SeedFolder:
    """The seeds of a run, as the labels that the affinity network learns from.

    Args:
        root: the folder that holds them.
    """

    root: Path

    def path(self, record: ImageRecord) -> Path:
        """Return where the seeds of an image are."""
        return self.root / f"{record.image_id}.png"

    def read(self, record: ImageRecord) -> LabelMap:
        """Return the seeds of an image, 255 where nothing is sure.

        Raises:
            ArtifactError: when the file is missing or damaged.
        """
        return read_mask(self.path(record))


def seed_folder(context: RunContext) -> SeedFolder:
    """Return the seeds of the run."""
    return SeedFolder(context.folder.output("train_affinity") / FOLDER_NAME)


def write_seeds(context: RunContext) -> SeedFolder:
    """Write the seeds of all training images that have none yet; each process takes its share."""
    seeds = seed_folder(context)

    def work(record: ImageRecord) -> None:
        write_mask(seeds.path(record), make_seeds(context, record), context.train.classes)

    records = context.train.records
    do_missing(context, "Making seeds", records=records, outputs=lambda record: [seeds.path(record)], work=work)
    return seeds


def make_seeds(context: RunContext, record: ImageRecord) -> LabelMap:
    """Cut one image's seeds from its maps, through the dense CRF where the recipe says so."""
    recipe = context.recipe
    maps = read_seed_maps(
        context.folder.output("extract_cams"), record, recipe, averaged=recipe.cams.average_over_regions
    )
    image = read_image(record.image_path)
    if maps.size != image.shape[:2]:
        raise ArtifactError(
            f"maps of {record.image_path} have the image's size {image.shape[:2]}, got {maps.size}",
            help="the image changed since they were made: run the stage extract-cams again with --redo",
        )
    crf = None
    if recipe.seeds.crf and maps.label_ids:
        crf = DenseCrf(image, settings=crf_settings(recipe), device=context.fabric.device)
    return seed_labels(
        maps.cam,
        maps.label_ids,
        foreground_score=recipe.seeds.foreground_score,
        background_score=recipe.seeds.background_score,
        crf=crf,
        certainty=recipe.crf.certainty,
    )
