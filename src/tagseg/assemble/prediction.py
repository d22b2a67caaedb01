"""From recipe values to how a trained segmentation network is used."""

from tagseg.prediction.segmenter import PredictionSettings
from tagseg.recipe import Recipe


def prediction_settings(recipe: Recipe) -> PredictionSettings:
    """Return how the network is used, from the recipe's section."""
    values = recipe.prediction
    return PredictionSettings(
        scales=values.scales, flip=values.flip, max_side_px=max_side(recipe)[0], batch_size=values.batch_size
    )


def max_side(recipe: Recipe) -> tuple[int, str]:
    """Return the longest side at which images are shown to the network, px, and why."""
    asked, trained = recipe.prediction.max_side_px, recipe.segmenter.long_side_px[1]
    if asked == "auto":
        return trained, "auto: the longest side that the network is trained on"
    return asked, "asked for"
