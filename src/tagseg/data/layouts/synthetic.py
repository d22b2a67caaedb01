"""The embedded data set: drawn where it is missing, then read as any folder."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tagseg.data.drawn_pictures import write_dataset
from tagseg.data.layouts.folder import read_folder
from tagseg.data.split_readers import SplitReader, SplitReaders


@dataclass(frozen=True, slots=True)
class SyntheticLayout:
    """Pictures drawn from a seed, in a folder of their own below ``root``; those to test on follow those to learn from.

    Args:
        root: folder below which they are drawn, made when missing.
        num_images: how many pictures to learn from, at least 1.
        image_size_px: side of the square pictures, px.
        synthetic_seed: of the drawing.
        test_num_images: how many more pictures to test on; none for 0.
        classes: names to learn, in label order, or None for all.
        tags: CSV or JSON file of tags, in the place of those that the pictures show.
    """

    root: Path
    num_images: int
    image_size_px: int
    synthetic_seed: int = 0
    test_num_images: int = 0
    classes: Sequence[str] | None = None
    tags: Path | None = None

    def readers(self) -> SplitReaders:
        """Draw the pictures that are missing, and return what reads them."""
        name = f"seed{self.synthetic_seed}-{self.num_images}x{self.image_size_px}px"
        test = None
        train = self._drawn(name, first=0, count=self.num_images, split_name="all")
        if count := self.test_num_images:
            test = self._drawn(f"{name}-test{count}", first=self.num_images, count=count, split_name="test")
        return SplitReaders(train, test=test, scores_itself=True)

    def _drawn(self, name: str, *, first: int, count: int, split_name: str) -> SplitReader:
        """Draw pictures into a folder below the root where they are missing, and return what reads them."""
        folder, size = self.root / name, (self.image_size_px, self.image_size_px)
        if not (folder / "tags.csv").exists():  # the tags come last: with them the data set is whole
            write_dataset(folder, num_images=count, size=size, seed=self.synthetic_seed, first_index=first)
        masks = folder / "masks"
        return partial(read_folder, folder, tags=self.tags, masks=masks, classes=self.classes, split_name=split_name)
