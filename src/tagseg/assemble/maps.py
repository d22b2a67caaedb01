"""The maps that a run keeps, as its recipe has them read: of which images, and which kind of maps."""

from collections.abc import Iterable

from tagseg.artifacts.cam_file import CamFile, read_cam
from tagseg.artifacts.layout import RunLayout
from tagseg.artifacts.run_scores import AVERAGED, NETWORK
from tagseg.data.seen_files import read_regions
from tagseg.data.superpixel_cache import SuperpixelCache
from tagseg.recipe import Recipe
from tagseg.types import ImageRecord, Split


def chosen_records(names: Iterable[str], train: Split, evaluation: Split | None) -> tuple[ImageRecord, ...]:
    """Return the images of the named splits (``train``, ``eval``), each once, by id.

    An image of both has the tags of the training split: other tags may come from its ground truth.
    """
    splits = {"train": train, "eval": evaluation}
    chosen = [splits[name] for name in names]
    records = {record.image_id: record for split in chosen if split for record in split.records}
    records |= {record.image_id: record for record in train.records if record.image_id in records}
    return tuple(records[image_id] for image_id in sorted(records))


def read_maps(layout: RunLayout, record: ImageRecord, *, kind: str, regions: SuperpixelCache) -> CamFile:
    """Read one kind of an image's maps: the network's own, averaged over its regions, or shared by those alike.

    Stage 2 keeps the network's own maps and, for region affinity, a number a region; averaging and painting cost a few
    milliseconds and are done by whoever reads them, so that all kinds can be scored.

    Args:
        layout: of the run folder.
        record: the image.
        kind: one of ``cams.kinds``.
        regions: superpixels of images; not read for the network's own maps.

    Raises:
        ArtifactError: when the file is missing or damaged, or was made without region affinity.
    """
    path = layout.cam(record)
    stored = read_cam(path)
    if kind == NETWORK or not len(stored.cam):
        return stored
    import torch  # a figure of the maps as they are needs none of it

    from tagseg.cams.extract import average_over_regions
    from tagseg.ops.regions import paint_regions

    labels = torch.from_numpy(read_regions(record, regions.read)).long()
    if kind == AVERAGED:
        cams = average_over_regions(torch.from_numpy(stored.cam), labels)
    else:
        scores = stored.scores_of(int(labels.max()) + 1, path=path)
        cams = paint_regions(torch.from_numpy(scores)[None], labels[None])[0]
    return CamFile(cams.numpy(), stored.label_ids)


def read_seed_maps(layout: RunLayout, record: ImageRecord, recipe: Recipe, *, regions: SuperpixelCache) -> CamFile:
    """Read the maps that the seeds are cut from, see :func:`read_maps`."""
    return read_maps(layout, record, kind=recipe.cams.kinds[-1], regions=regions)


def read_unrefined_maps(layout: RunLayout, record: ImageRecord, recipe: Recipe, *, regions: SuperpixelCache) -> CamFile:
    """Read the maps that the refinement of an image's pseudo mask starts from, see :func:`read_maps`."""
    kind = recipe.cams.kinds[-1] if recipe.masks.maps == "seeds" else NETWORK
    return read_maps(layout, record, kind=kind, regions=regions)


def read_mask_maps(layout: RunLayout, record: ImageRecord, recipe: Recipe, *, regions: SuperpixelCache) -> CamFile:
    """Read the maps that an image's pseudo mask is cut from: refined ones, or the seeds' where nothing refines them."""
    if recipe.masks.before_cut:
        return read_cam(layout.refined_cam(record))
    return read_unrefined_maps(layout, record, recipe, regions=regions)
