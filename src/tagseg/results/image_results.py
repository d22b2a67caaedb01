"""What a run made of its images: maps, seeds, masks and predictions, read by the id of an image."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tagseg.artifacts.cam_file import CamFile, read_cam
from tagseg.artifacts.mask_file import read_confidence, read_mask
from tagseg.artifacts.run_folder import RunFolder
from tagseg.artifacts.run_scores import NETWORK
from tagseg.assemble.data import superpixel_cache
from tagseg.assemble.maps import read_maps
from tagseg.classes import VOID, ClassTable
from tagseg.errors import ArtifactError
from tagseg.recipe import Recipe
from tagseg.types import ImageRecord, LabelMap

MADE = {
    "cam": ("maps", "extract_cams"),
    "seed": ("seeds", "extract_cams"),
    "sure": ("sure seeds", "train_affinity"),
    "mask": ("pseudo masks", "make_masks"),
    "confident": ("confidence masks", "make_masks"),
    "prediction": ("predictions", "predict"),
}
"""What not every run has, nor of every image: what it is, and the stage that leaves it or what it is cut from."""

_IMAGES_OF = {"sure": "training images", "prediction": "images to test on"}

TEST_PREFIX = "test:"
"""Before the id of an image to test on whose id is that of another image, too."""


@dataclass(frozen=True, slots=True)
class ImageResults:
    """What a run made of its images, read from its folder by the id of an image.

    Args:
        folder: where its files are.
        recipe: as it ran.
        classes: its class table.
        records: its images with maps, by id.
        background_score: cuts its seeds.
        title: tells it apart from the others, in a few words.
        tested: its images to test on, by the id of the same image in ``records``, else by their own, behind
            :data:`TEST_PREFIX` where another image has it.
    """

    folder: RunFolder
    recipe: Recipe
    classes: ClassTable
    records: dict[str, ImageRecord]
    background_score: float
    title: str
    tested: dict[str, ImageRecord] = field(default_factory=dict)

    @property
    def images(self) -> dict[str, ImageRecord]:
        """All its images by id: those with maps, then those to test on."""
        return {**self.tested, **self.records}

    def maps(self, image_id: str, *, size: tuple[int, int], kind: str) -> CamFile:
        """Read an image's maps.

        Args:
            image_id: one of ``records``.
            size: (height, width) of the image.
            kind: one of ``cams.kinds`` of the recipe: the last one is that of the seeds.

        Raises:
            ArtifactError: when they are missing, damaged, or of another size.
        """
        record = self.records[image_id]
        maps = read_cam(self.folder.cam(record))
        if maps.size != size:
            raise ArtifactError(
                f"CAM file {self.folder.cam(record)} has the image's size {_text(size)}, got {_text(maps.size)}",
                help="put the image back that it was made from, or delete it and run the stage extract-cams again",
            )
        if kind == NETWORK:
            return maps
        return read_maps(self.folder, record, kind=kind, regions=superpixel_cache(self.recipe))

    def has(self, column: str, image_id: str) -> bool:
        """Return whether the run made what the column ``column``, one of :data:`MADE`, shows of an image."""
        if column in ("cam", "seed"):
            return image_id in self.records  # a map that should be there and is not is an error, no empty cell
        if self._unneeded(column):
            return False  # a folder may keep those of an older recipe
        return image_id in self._records_of(column) and self._made_path(column, image_id).exists()

    def require(self, column: str, image_ids: Sequence[str]) -> None:
        """Require what the column ``column``, one of :data:`MADE`, shows of at least one of the images.

        Raises:
            ArtifactError: when there is none.
        """
        if any(self.has(column, image_id) for image_id in image_ids):
            return
        what, stage = MADE[column]
        found, help = "with none of these images", "name others with --images"
        if unneeded := self._unneeded(column):
            found, help = unneeded
        elif self.folder.stage_status(stage).state != "done" or not self.folder.output(stage).exists():
            found, help = "without any", f"run the stage {stage.replace('_', '-')} first"
            help = "let 'tagseg run' come to its end" if column == "prediction" else help
        elif column in _IMAGES_OF:
            help = f"name {_IMAGES_OF[column]} with --images"
        raise ArtifactError(
            f"column '{column}' shows {what}, got {self.folder.root} {found}",
            help=f"{help}, or leave it out of --columns",
        )

    def labels(self, column: str, image_id: str, *, size: tuple[int, int]) -> LabelMap | None:
        """Read or cut a label map of an image, 255 where the label is not known.

        Args:
            column: ``seed``, all pixels of the maps cut at ``background_score``; ``sure``, the seeds that the affinity
                network learned from; ``mask``, the pseudo mask; ``confident``, the part of it to be trusted;
                ``prediction``, what the segmentation network says of an image to test on.
            image_id: one of ``images``.
            size: (height, width) of the image.

        Returns:
            The label map, or None when the run made none of this image.

        Raises:
            ArtifactError: when a file is missing, damaged, or of another size.
        """
        if not self.has(column, image_id):
            return None
        if column == "seed":
            return self.maps(image_id, size=size, kind=self.recipe.cams.kinds[-1]).labels(self.background_score)
        path = self._made_path(column, image_id)
        if column != "confident":
            return of_image_size(read_mask(path), size, path=path)
        trusted = of_image_size(read_confidence(path), size, path=path)
        path = self._made_path("mask", image_id)
        return np.where(trusted, of_image_size(read_mask(path), size, path=path), np.uint8(VOID))

    def _unneeded(self, column: str) -> tuple[str, str] | None:
        """Return why the recipe does without what a column shows, and the next move; None when it does not."""
        if column == "sure" and not self.recipe.needs_affinity:
            return "whose recipe does not walk", "run it with 'walk' in masks.refine"
        if column == "prediction" and not self.recipe.segmenter.enabled:
            return "whose recipe trains no segmenter", "run it with segmenter.enabled=true"
        return None

    def _records_of(self, column: str) -> dict[str, ImageRecord]:
        return self.tested if column == "prediction" else self.records

    def _made_path(self, column: str, image_id: str) -> Path:
        paths = {
            "sure": self.folder.seeds,
            "mask": self.folder.pseudo_mask,
            "confident": self.folder.confidence,
            "prediction": self.folder.prediction,
        }
        return paths[column](self._records_of(column)[image_id])


def of_image_size(pixels: np.ndarray, size: tuple[int, int], *, path: Path) -> np.ndarray:
    """Return the pixels of a mask, or raise when they are not as many as those of its image."""
    if pixels.shape != size:
        raise ArtifactError(
            f"mask {path} has the image's size {_text(size)}, got {_text(pixels.shape)}",
            help="put the image back that it was made from, or run 'tagseg run' again with --redo",
        )
    return pixels


def _text(size: tuple[int, ...]) -> str:
    return " x ".join(str(side) for side in size)
