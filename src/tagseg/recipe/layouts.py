"""The data section: one for each layout of a data set, told apart by ``format``.

A layout has its section here, a line in :data:`Data`, its reader in ``data/layouts/`` and a line in
``assemble/data.py``. Nothing else asks what the format is: what differs between layouts, their sections answer.
"""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Annotated, Generic, Literal, TypeVar, get_args

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
    classes: tuple[str, ...] | None = None

    @property
    @abstractmethod
    def place(self) -> str:
        """Where the data set is, for people; empty where it is made in the run folder."""

    def with_drawn(self, drawn: Path) -> "DataLayout":
        """Return the section with its pictures in ``drawn`` where it draws some and names no place for them."""
        return self

    @classmethod
    def path_keys(cls) -> frozenset[str]:
        """Return the keys that say where files are."""
        fields = cls.model_fields.items()
        return frozenset(key for key, field in fields if Path in (field.annotation, *get_args(field.annotation)))


class VocData(DataLayout[Literal["voc"]]):
    """PASCAL VOC's layout.

    A run learns from the list ``train_split`` and scores seeds and pseudo masks on ``eval_split``, the segmentation
    network on ``test_split``, else on ``eval_split`` too.
    """

    root: Path
    train_split: str = "train_aug"
    eval_split: str | None = None
    test_split: str | None = None
    tags: Path | None = None
    mask_255: Literal["void", "object"] | None = None

    @property
    def place(self) -> str:
        """The folder of the data set."""
        return str(self.root)


class CocoData(DataLayout[Literal["coco"]]):
    """COCO's layout: each split is a folder of images with a JSON file; without both of ``eval`` nothing is scored."""

    train_images: Path
    train_annotations: Path
    eval_images: Path | None = None
    eval_annotations: Path | None = None

    @property
    def place(self) -> str:
        """The folder of the images to train on."""
        return str(self.train_images)


class FolderData(DataLayout[Literal["folder"]]):
    """A folder of one's own; the images to train on are scored as far as they have masks.

    The segmentation network is scored on the images of ``test_root`` where it is named, else on the same.
    """

    root: Path
    tags: Path | None = None
    masks: Path | None = None
    test_root: Path | None = None
    test_masks: Path | None = None
    mask_255: Literal["void", "object"] | None = None

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
    tags: Path | None = None
    num_images: int = Field(default=240, ge=1)
    image_size_px: int = Field(default=128, ge=32)
    synthetic_seed: int = 0
    test_num_images: int = Field(default=0, ge=0)

    @property
    def place(self) -> str:
        """The folder that was named for the pictures."""
        return str(self.root or "")

    def with_drawn(self, drawn: Path) -> "SyntheticData":
        """Return the section with its pictures in ``drawn``, unless a folder is named for them."""
        return self if self.root is not None else self.model_copy(update={"root": drawn})


Data = Annotated[VocData | CocoData | FolderData | SyntheticData, Field(discriminator="format")]
"""The data section of a recipe."""
