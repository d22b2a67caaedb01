"""From recipe values to the refinements of pseudo masks."""

from collections.abc import Callable, Mapping, Sequence

import torch

from tagseg.artifacts.layout import RunLayout
from tagseg.assemble.networks import build_region_affinity, crf_settings, load_affinity_network
from tagseg.assemble.settings import settings_from
from tagseg.data.superpixel_cache import SuperpixelCache
from tagseg.recipe import Recipe
from tagseg.refine.crf import CrfRefiner
from tagseg.refine.pixel_adaptive import PixelAdaptive
from tagseg.refine.refinement import Refinement
from tagseg.refine.shared_regions import SharedRegions
from tagseg.refine.superpixel_snap import SuperpixelMajority
from tagseg.refine.walk import Walk, WalkSettings


def build_refinements(
    recipe: Recipe, names: Sequence[str], *, layout: RunLayout, regions: SuperpixelCache, device: torch.device
) -> tuple[Refinement, ...]:
    """Build steps of ``masks.refine``, in order; a network that one needs is loaded here.

    Args:
        recipe: all values.
        names: of the steps, such as ``recipe.masks.before_cut``.
        layout: of the run folder, for networks that earlier stages trained.
        regions: superpixels of images.
        device: where networks go.

    Raises:
        ArtifactError: when the weights of a network are missing, corrupt or of another one.
    """
    steps: Mapping[str, Callable[[], Refinement]] = {
        "walk": lambda: Walk(load_affinity_network(recipe, layout.affinity_weights).to(device), walk_settings(recipe)),
        "crf": lambda: mask_crf(recipe),
        "region_affinity": lambda: SharedRegions(build_region_affinity(recipe, layout, device=device), regions.read),
        "superpixels": lambda: SuperpixelMajority(regions.read),
        "pixel_adaptive": PixelAdaptive,
    }
    return tuple(steps[name]() for name in names)


def mask_crf(recipe: Recipe) -> CrfRefiner:
    """Return the dense CRF that draws pseudo masks, from the recipe's sections."""
    temperature = recipe.masks.crf_temperature
    if temperature is None:
        return CrfRefiner(crf_settings(recipe), certainty=recipe.crf.certainty)
    return CrfRefiner(crf_settings(recipe), unary="softmax", temperature=temperature)


def walk_settings(recipe: Recipe) -> WalkSettings:
    """Return how maps walk, from the recipe's section."""
    values = recipe.masks
    return settings_from(
        values,
        WalkSettings,
        radius=values.walk_radius,
        beta=values.walk_beta,
        doublings=values.walk_doublings,
        share=values.walk_share,
    )
