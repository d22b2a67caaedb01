"""An earlier run whose maps another one learns from."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from jaxtyping import Float32
from numpy import ndarray

from tagseg.artifacts.run_folder import RunFolder, fingerprint
from tagseg.assemble.data import superpixel_cache
from tagseg.assemble.maps import read_mask_maps
from tagseg.data.superpixel_cache import SuperpixelCache
from tagseg.errors import ArtifactError
from tagseg.recipe import Recipe, load_run_recipe
from tagseg.types import ImageRecord


@dataclass(frozen=True, slots=True)
class EarlierRun:
    """The maps of a run that its pseudo masks are cut from.

    Args:
        folder: of the run.
        recipe: that it was made with.
        regions: superpixels of its photographs.
        made_of: names its maps: what their stage was made of, and which of them the masks start from.
        data: names the photographs and tags of that stage.
    """

    folder: RunFolder
    recipe: Recipe
    regions: SuperpixelCache
    made_of: str
    data: str

    def count_gone(self, records: Iterable[ImageRecord]) -> int:
        """Return of how many images the file of maps is not there."""
        path = self.folder.refined_cam if self.recipe.masks.before_cut else self.folder.cam
        return sum(not path(record).is_file() for record in records)

    def require_unchanged(self) -> None:
        """Refuse a run whose maps were made anew since it was opened.

        Raises:
            ArtifactError: when they are others now.
        """
        if open_earlier_run(self.folder.root).made_of != self.made_of:
            raise ArtifactError(
                f"self_modulation.target_run must stay as it is while its maps are read, got {self.folder.root}, whose "
                "maps were made anew",
                help="run the same command again",
            )

    def maps(self, record: ImageRecord) -> Float32[ndarray, "_ H W"]:
        """Return the maps, in [0, 1], of the tagged classes of an image.

        Raises:
            ArtifactError: when the run has no maps of the image, or has them of other tags.
        """
        found = read_mask_maps(self.folder, record, self.recipe, regions=self.regions)
        if tuple(found.label_ids) != tuple(record.tags):
            raise ArtifactError(
                f"run {self.folder.root} must have maps of the tags {list(record.tags)} of {record.image_id}, got "
                f"{list(found.label_ids)}",
                help="name a run of the same images, tags and classes as self_modulation.target_run",
            )
        return found.cam


def open_earlier_run(root: Path) -> EarlierRun:
    """Open the folder of a run whose maps of the training images are done.

    Raises:
        ArtifactError: when the folder holds no run, or one without these maps.
        RecipeError: when its recipe cannot be read.
    """
    folder = RunFolder(root)
    if not folder.recipe_path.is_file():
        raise ArtifactError(
            f"self_modulation.target_run must be the folder of a run, got {root} without a recipe.toml",
            help="give the folder that 'tagseg run' printed",
        )
    recipe = load_run_recipe(folder.recipe_path)
    stage = "make_masks" if recipe.masks.before_cut else "extract_cams"
    status = folder.stage_status(stage)
    if status.state != "done":
        raise ArtifactError(
            f"self_modulation.target_run must be a run with the stage {stage} done, got {root} where it is "
            f"{status.state}",
            help="run it to its end first",
        )
    splits = recipe.masks.splits if recipe.masks.before_cut else recipe.cams.splits
    if "train" not in splits:
        raise ArtifactError(
            f"self_modulation.target_run must have maps of the training images, got {root} with "
            f"those of {list(splits)}",
            help="run it with 'train' among cams.splits and masks.splits",
        )
    # Refined maps are named by all values of their stage; for the others it matters which ones the masks start from.
    made_of = status.fingerprint if recipe.masks.before_cut else fingerprint(status.fingerprint, recipe.masks.maps)
    # A run of before stages kept it has the name of the images that were looked through last.
    data = status.data or folder.read_manifest().get("data", {}).get("fingerprint", "")
    return EarlierRun(folder, recipe, superpixel_cache(recipe), made_of, data)
