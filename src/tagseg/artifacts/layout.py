"""Where stage 4 keeps what it makes."""

from dataclasses import dataclass
from pathlib import Path

from tagseg.types import ImageRecord


@dataclass(frozen=True, slots=True)
class MaskFolder:
    """Where stage 4 keeps what it makes of each image.

    Args:
        root: the stage's folder.
    """

    root: Path

    def labels(self, record: ImageRecord) -> Path:
        """Return the pseudo mask, a palette PNG of label ids."""
        return self.root / "labels" / f"{record.image_id}.png"

    def confidence(self, record: ImageRecord) -> Path:
        """Return the confidence mask, a PNG that is white where the pseudo mask is to be trusted."""
        return self.root / "confidence" / f"{record.image_id}.png"

    def scores(self, record: ImageRecord) -> Path:
        """Return the soft scores, where the recipe asks for them."""
        return self.root / "scores" / f"{record.image_id}.npz"

    def instances(self, record: ImageRecord) -> Path:
        """Return the object masks, a JSON file, where the recipe asks for them."""
        return self.root / "instances" / f"{record.image_id}.json"

    @property
    def maps(self) -> Path:
        """The folder of the maps after the random walk."""
        return self.root / "maps"
