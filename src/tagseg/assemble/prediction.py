"""From recipe values to how a trained segmentation network is used."""

from tagseg.assemble.settings import settings_from
from tagseg.prediction.segmenter import PredictionSettings
from tagseg.recipe import Recipe


def prediction_settings(recipe: Recipe) -> PredictionSettings:
    """Return how the network is used, from the recipe's section."""
    tiles = ["tile_px", "overlap_px"]
    return settings_from(recipe.prediction, PredictionSettings, fixed=tiles, max_side_px=max_side(recipe)[0])


def max_side(recipe: Recipe) -> tuple[int, str]:
    """Return the longest side at which images are shown to the network, px, and why."""
    asked, trained = recipe.prediction.max_side_px, recipe.segmenter.long_side_px[1]
    if asked == "auto":
        return trained, "auto: the longest side that the network is trained on"
    return asked, "asked for"
