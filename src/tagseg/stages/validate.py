"""Figures for the curves after every epoch: they inform and decide nothing."""

import numpy as np
import torch

from tagseg.artifacts.cam_file import CamFile
from tagseg.data.augment import normalize_image
from tagseg.data.datasets import tag_vector
from tagseg.data.images import read_image
from tagseg.evaluation.tag_precision import mean_average_precision, tag_average_precision
from tagseg.evaluation.threshold import BackgroundSweep, best
from tagseg.models.classifier import TagClassifier, tag_logits
from tagseg.ops.activation import max_normalize
from tagseg.ops.resize import resize_maps
from tagseg.ops.spacing import evenly_spaced
from tagseg.recipe import Recipe
from tagseg.types import Split


@torch.no_grad()
def validate_classifier(
    classifier: TagClassifier, split: Split, *, recipe: Recipe, device: torch.device
) -> dict[str, float]:
    """Score the classifier on up to ``training.validation_images`` images of ``split`` at one scale.

    Returns:
        ``val_tag_map`` (mean average precision of the tags) and, where masks exist, ``val_seed_miou`` (the best of the
        sweep over background scores), each in 0..1. Empty when no image is to be looked at.
    """
    records = evenly_spaced(split.records, recipe.training.validation_images)
    if not records:
        return {}
    sweep = BackgroundSweep(split.classes.label_names, recipe.training.validation_scores)
    scores, truth = [], []
    classifier.eval()
    for record in records:
        pixels = read_image(record.image_path)
        image = normalize_image(pixels, mean=classifier.backbone.mean, std=classifier.backbone.std)[None].to(device)
        tags = tag_vector(record.tags, num_classes=split.classes.num_classes)
        class_maps = classifier(image)
        scores.append(tag_logits(class_maps)[0].float().cpu().numpy())
        truth.append(tags.numpy())
        if record.mask is not None:
            tagged = class_maps[0, tags.to(device) > 0][:, None].float().relu()
            cam = max_normalize(resize_maps(tagged, pixels.shape[:2]))[:, 0]
            sweep.update(CamFile(cam.cpu().numpy(), record.tags), record.mask.read(), name=record.image_id)
    figures = {"val_tag_map": mean_average_precision(tag_average_precision(np.stack(scores), np.stack(truth)))}
    if split.has_masks:
        figures["val_seed_miou"] = best(sweep.points()).scores.mean_iou
    return {name: value for name, value in figures.items() if np.isfinite(value)}
