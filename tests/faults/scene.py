"""The tiny whole pipeline that faults happen to: photographs, a cache of superpixels, a recipe and a run folder."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from kit import small_run, small_segmenter_run

from tagseg.data.drawn_pictures import write_dataset
from tagseg.recipe import make_recipe, to_toml

NUM_LEARNED, NUM_TESTED = 5, 3
SIZE_PX = (48, 56)

SHORT = (
    "training.epochs=2",
    "training.crop_size_px=48",
    "training.validation_images=2",
    "affinity.epochs=2",
    "segmenter.epochs=2",
    "segmenter.crop_size_px=48",
    "crf.iterations=2",
    "masks.refine=['walk', 'crf']",
    "reconstruction.pyramid_levels=[0]",
)


@dataclass(frozen=True)
class Scene:
    """Where one disturbed run lies; equal paths in every fault, since results name the paths of photographs.

    Args:
        root: the folder of it all.
    """

    root: Path

    @property
    def photos(self) -> Path:
        return self.root / "photos"

    @property
    def cache(self) -> Path:
        return self.root / "cache"

    @property
    def recipe(self) -> Path:
        return self.root / "recipe.toml"

    @property
    def run(self) -> Path:
        return self.root / "run"

    def set_up(self, photos: Path) -> None:
        """Begin anew: the photographs and the recipe, and no run."""
        shutil.rmtree(self.root, ignore_errors=True)
        self.root.mkdir(mode=0o755, parents=True)
        shutil.copytree(photos, self.photos)
        write_recipe(self)

    def artifacts(self) -> list[Path]:
        """Return the files of the run that a user sees, without curves for TensorBoard, in order."""
        found = [path for path in sorted(self.run.rglob("*")) if path.is_file()]
        return [path for path in found if not path.name.startswith(".") and "tensorboard" not in path.parts]

    def words(self, *more: str) -> list[str]:
        return ["run", str(self.recipe), "--out", str(self.run), *more]


def draw_photos(root: Path) -> None:
    """Draw the photographs of every fault: some to learn from, others to test on."""
    write_dataset(root / "learn", num_images=NUM_LEARNED, size=SIZE_PX, seed=3)
    write_dataset(root / "test", num_images=NUM_TESTED, size=SIZE_PX, seed=3, first_index=NUM_LEARNED)


def write_recipe(scene: Scene) -> None:
    """Write the recipe of all stages: the small recipe of maps and walk, with the small recipe's segmenter."""
    learn, test = scene.photos / "learn", scene.photos / "test"
    maps = small_run.small_recipe(learn, scene.cache).model_dump(mode="json", exclude_none=True)
    taught = small_segmenter_run.small_recipe(scene.photos).model_dump(mode="json", exclude_none=True)
    folders = {"root": str(learn), "masks": str(learn / "masks")}
    tested = {"test_root": str(test), "test_masks": str(test / "masks")}
    values = {**maps, "segmenter": taught["segmenter"], "data": {"format": "folder", **folders, **tested}}
    scene.recipe.write_text(to_toml(make_recipe(values, list(SHORT))))
