"""The data section: one for each layout of a data set, which ``format`` names.

A layout has its section here, a line in :data:`Data`, its reader in ``data/layouts/`` and a line in
``assemble/data.py``. Nothing else asks what the format is: what differs between layouts, their sections answer.
"""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Annotated, Generic, Literal, TypeVar

from pydantic import Field

from tagseg.recipe.section import Section

Format = TypeVar("Format", bound=str)


class DataLayout(Section, ABC, Generic[Format]):
    """What the sections of all layouts have.

    ``classes`` are those to learn, in label order; None learns all. Seeds and pseudo masks are scored on images that
    the run makes maps of, the segmentation network on images apart, where they are named: keys that begin with
    ``test_`` name them, and no stage before the predictions reads those.
    """

    format: Format
    """Layout of the data set. A key of another layout is an error."""
    classes: tuple[str, ...] | None = None
    """Classes to learn, in label order; none learns all. Every other class is background."""

    @property
    @abstractmethod
    def place(self) -> str:
        """Where the data set is, for people; empty where it is made in the run folder."""

    def with_drawn(self, drawn: Path) -> "DataLayout":
        """Return the section with its pictures in ``drawn`` where it draws some and names no place for them."""
        return self


class VocData(DataLayout[Literal["voc"]]):
    """PASCAL VOC's layout.

    A run learns from the list ``train_split`` and scores seeds and pseudo masks on ``eval_split``, the segmentation
    network on ``test_split``, else on ``eval_split`` too.
    """

    root: Path
    """Folder of the data set."""
    train_split: str = "train_aug"
    """The list in `ImageSets/Segmentation` to train on."""
    eval_split: str | None = None
    """The list on which seeds and pseudo masks are scored; none scores neither."""
    test_split: str | None = None
    """The list on which the segmentation network is scored; none takes `data.eval_split`."""
    tags: Path | None = None
    """File of tags, instead of those in the data set: a table, JSON, or what an annotation tool exports."""
    mask_255: Literal["void", "object"] | None = None
    """What 255 is in the masks: `void` (not scored) or `object` (the one class). With none it is void, and a mask of 0
    and 255 only is not scored.
    """

    @property
    def place(self) -> str:
        """The folder of the data set."""
        return str(self.root)


class CocoData(DataLayout[Literal["coco"]]):
    """COCO's layout: each split is a folder of images with a JSON file; without both of ``eval`` nothing is scored."""

    train_images: Path
    """Folder of the images to train on."""
    train_annotations: Path
    """JSON file of the images to train on."""
    eval_images: Path | None = None
    """Folder of the images to score."""
    eval_annotations: Path | None = None
    """JSON file of the images to score; without folder and file nothing is scored."""

    @property
    def place(self) -> str:
        """The folder of the images to train on."""
        return str(self.train_images)


class FolderData(DataLayout[Literal["folder"]]):
    """A folder of one's own; the images to train on are scored as far as they have masks.

    The segmentation network is scored on the images of ``test_root`` where it is named, else on the same.
    """

    root: Path
    """Folder of the data set."""
    tags: Path | None = None
    """File of tags, instead of those in the data set: a table, JSON, or what an annotation tool exports."""
    masks: Path | None = None
    """Folder of masks, or a file of COCO, Label Studio or CVAT, instead of `root/masks`."""
    test_root: Path | None = None
    """Another folder of the same layout on which the segmentation network is scored; none takes the images to train
    on.
    """
    test_masks: Path | None = None
    """Folder or file of its masks, instead of `test_root/masks`."""
    mask_255: Literal["void", "object"] | None = None
    """What 255 is in the masks: `void` (not scored) or `object` (the one class). With none it is void, and a mask of 0
    and 255 only is not scored.
    """

    @property
    def place(self) -> str:
        """The folder of the data set."""
        return str(self.root)


class SyntheticData(DataLayout[Literal["synthetic"]]):
    """The embedded data set: ``num_images`` pictures of ``image_size_px``, drawn from ``synthetic_seed``.

    They are drawn into ``root``, or into the run folder where that is None. Seeds and pseudo masks are scored on them,
    the segmentation network on ``test_num_images`` more pictures, or on the same where that is 0.
    """

    root: Path | None = None
    """Folder to draw the pictures into; none is the run folder."""
    tags: Path | None = None
    """File of tags, instead of those in the data set: a table, JSON, or what an annotation tool exports."""
    num_images: int = Field(default=240, ge=1)
    """Number of pictures to draw."""
    image_size_px: int = Field(default=128, ge=32)
    """Side of the square pictures."""
    synthetic_seed: int = 0
    """Seed of the drawing, apart from `seed`."""
    test_num_images: int = Field(default=0, ge=0)
    """Number of further pictures, on which the segmentation network is scored; 0 takes the others."""

    @property
    def place(self) -> str:
        """The folder that was named for the pictures."""
        return str(self.root or "")

    def with_drawn(self, drawn: Path) -> "SyntheticData":
        """Return the section with its pictures in ``drawn``, unless a folder is named for them."""
        return self if self.root is not None else self.model_copy(update={"root": drawn})


Data = Annotated[VocData | CocoData | FolderData | SyntheticData, Field(discriminator="format")]
"""The data section of a recipe."""
