"""The background score of a run's pseudo masks: the recipe's, or one that is found in the maps without masks."""

from collections.abc import Sequence

from tagseg.artifacts.run_scores import BackgroundRule
from tagseg.assemble.maps import read_mask_maps
from tagseg.assemble.networks import build_frozen_backbone
from tagseg.data.seen_files import read_photograph
from tagseg.ops.spacing import evenly_spaced
from tagseg.refine.background import otsu_background
from tagseg.refine.certain_cells import LEAST_IMAGES, image_cells, promised_background
from tagseg.stages.context import StageContext
from tagseg.types import ImageRecord

OTSU_IMAGES = 500
"""Most images, evenly spaced, whose scores Otsu's threshold is found in."""

FEATURE_IMAGES = 250
"""Most images, evenly spaced, that the frozen network looks at."""


def settle_background(context: StageContext, records: Sequence[ImageRecord]) -> tuple[float, BackgroundRule]:
    """Return the background score, and the rule that found it; ``fixed`` where it is the recipe's. The log says which.

    One process finds it for all.
    """
    values = context.recipe.masks
    score, rule = values.background_score, "fixed"
    if values.background_rule != "fixed" and context.fabric.is_global_zero:
        score, rule = _found(context, [record for record in records if record.tags])
    return context.fabric.broadcast((score, rule))


def _found(context: StageContext, tagged: Sequence[ImageRecord]) -> tuple[float, BackgroundRule]:
    values, progress, layout = context.recipe.masks, context.progress, context.folder
    chosen = evenly_spaced(tagged, OTSU_IMAGES)
    otsu = otsu_background(read_mask_maps(layout, record, context.recipe, regions=context.regions) for record in chosen)
    if otsu is None:
        fixed = values.background_score
        progress.warn(f"no map has two different scores: the background score is masks.background_score, {fixed}")
        return fixed, "fixed"
    named, why = f"background score {otsu:.3f} (Otsu's threshold on the maps of {len(chosen)} images", ""
    if values.background_rule == "auto":
        promised = _promised(context, tagged, otsu=otsu) if len(tagged) >= LEAST_IMAGES else None
        if promised is not None:
            progress.note(f"background score {promised:.3f} (auto: frozen features promise the best masks there)")
            return promised, "auto"
        few = len(tagged) < LEAST_IMAGES
        why = (
            f"; auto asks features of {LEAST_IMAGES} images"
            if few
            else "; frozen features say too little of these objects"
        )
    progress.note(f"{named}{why})")
    return otsu, "otsu"  # to the last digit: rounded, it could fall below the step of the stored maps that it names


def _promised(context: StageContext, tagged: Sequence[ImageRecord], *, otsu: float) -> float | None:
    """Return the score that frozen features ask for, None where they tell too little."""
    backbone = build_frozen_backbone(context.recipe, context.folder, device=context.fabric.device)
    looked_at = evenly_spaced(tagged, FEATURE_IMAGES)
    cells = []
    with context.progress.task("Choosing the background score", total=len(looked_at)) as task:
        for record in looked_at:
            maps = read_mask_maps(context.folder, record, context.recipe, regions=context.regions)
            with context.fabric.autocast():
                cells.append(image_cells(backbone, read_photograph(record), maps, otsu=otsu))
            task.advance()
    return promised_background(cells, otsu=otsu)
