"""The content of a scores.json with everything that a run can score."""

from typing import Any

SCORES: dict[str, Any] = {
    "mean_iou": 0.5,
    "precision": 0.25,
    "recall": None,
    "pixel_accuracy": 0.75,
    "iou": {"background": 0.5, "bullseye": None},
}

POINTS = [{"background_score": score, **SCORES, "mean_iou": score + 0.1} for score in (0.2, 0.4)]

SEEDS = {
    "best": POINTS[1],
    "at_recipe": POINTS[0],
    "sweep": POINTS,
    "activation": {
        "background_score": 0.4,
        "overall": {"inside": 0.5, "covered": 0.25},
        "classes": {"bullseye": {"inside": None, "covered": 0.0}},
    },
    "confusion": [[3, 1], [0, 2]],
}

ALL_SCORES: dict[str, Any] = {
    "format": 2,
    "split": "val",
    "images": 8,
    "classes": ["background", "bullseye"],
    "seeds": {"network": SEEDS, "averaged": {**SEEDS, "best": POINTS[0]}},
    "sure_seeds": {"images": 6, "coverage": 0.625, **SCORES, "confusion": [[1, 0], [0, 1]]},
    "pseudo_masks": {
        "images": 7,
        "refine": ["walk", "crf"],
        "background_rule": "auto",
        "background_score": 0.3,
        "masks": {"coverage": 1.0, **SCORES, "confusion": [[5, 1], [0, 2]]},
        "confident": {"coverage": 0.5, **SCORES, "confusion": [[2, 1], [0, 2]]},
        "best": POINTS[1],
        "sweep": POINTS,
    },
    "segmenter": {
        "split": "test",
        "images": 3,
        "classes": ["background", "bullseye"],
        "labels": "pseudo",
        "strategy": "confident",
        "architecture": "deeplabv3plus",
        "corrected": 0,
        "learned_from_them": False,
        **SCORES,
        "confusion": [[9, 1], [0, 2]],
    },
    "warnings": ["the maps of 'bullseye' are flat"],
}
