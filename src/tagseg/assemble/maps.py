"""The maps that a run keeps, as its recipe has them read: of which images, as they are or averaged over regions."""

from collections.abc import Iterable

from tagseg.artifacts.cam_file import CamFile, read_cam
from tagseg.artifacts.layout import RunLayout
from tagseg.data.superpixel_cache import SuperpixelCache
from tagseg.recipe import Recipe
from tagseg.types import ImageRecord, Split


def chosen_records(names: Iterable[str], train: Split, evaluation: Split | None) -> tuple[ImageRecord, ...]:
    """Return the images of the named splits (``train``, ``eval``), each once, by id."""
    splits = {"train": train, "eval": evaluation}
    chosen = [splits[name] for name in names]
    records = {record.image_id: record for split in chosen if split for record in split.records}
    return tuple(records[image_id] for image_id in sorted(records))


def read_maps(layout: RunLayout, record: ImageRecord, *, regions: SuperpixelCache | None) -> CamFile:
    """Read an image's maps as the network gave them, or averaged over its regions.

    Stage 2 keeps the network's own maps; averaging costs a few milliseconds and is done by whoever reads them, so that
    both can be scored.

    Args:
        layout: of the run folder.
        record: the image.
        regions: over which each map is averaged; None for the network's own maps.

    Raises:
        ArtifactError: when the file is missing or damaged.
    """
    stored = read_cam(layout.cam(record))
    if regions is None or not len(stored.cam):
        return stored
    import torch  # a figure of the maps as they are needs none of it

    from tagseg.cams.extract import average_over_regions

    cams = average_over_regions(torch.from_numpy(stored.cam), torch.from_numpy(regions.read(record.image_path)).long())
    return CamFile(cams.numpy(), stored.label_ids)


def read_seed_maps(layout: RunLayout, record: ImageRecord, recipe: Recipe, *, regions: SuperpixelCache) -> CamFile:
    """Read the maps that the seeds are cut from, see :func:`read_maps`."""
    return read_maps(layout, record, regions=regions if recipe.cams.average_over_regions else None)


def read_unrefined_maps(layout: RunLayout, record: ImageRecord, recipe: Recipe, *, regions: SuperpixelCache) -> CamFile:
    """Read the maps that the refinement of an image's pseudo mask starts from, see :func:`read_maps`."""
    averaged = recipe.cams.average_over_regions and recipe.masks.maps == "seeds"
    return read_maps(layout, record, regions=regions if averaged else None)


def read_mask_maps(layout: RunLayout, record: ImageRecord, recipe: Recipe, *, regions: SuperpixelCache) -> CamFile:
    """Read the maps that an image's pseudo mask is cut from: refined ones, or the seeds' where nothing refines them."""
    if recipe.masks.before_cut:
        return read_cam(layout.refined_cam(record))
    return read_unrefined_maps(layout, record, recipe, regions=regions)
