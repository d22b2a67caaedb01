"""Named sets of constants that a recipe starts from."""

from typing import Any

# The constants of the SSC release, by name; departures of ours are the defaults of the sections.
# Its SGD gets the weight decay in the place of the momentum, and each group of weights its decay too: both are 1e-4.
# The affinity network is IRN's, whose published code does the same.
RELEASE: dict[str, dict[str, Any]] = {
    "suppression": {"delta": 0.55, "positions": ["last_stage", "after_stage_2"]},
    "reconstruction": {
        "beta": 1.0,
        "balance": False,
        "width": 256,
        "target_stride": 1,
        "pyramid": "vgg19",
        "pyramid_weights": "pretrained",
        "normalize": False,
    },
    "self_modulation": {"target": "self", "beta": 1.0, "normalizer": "region", "contrast": 0.0},
    "training": {"batch_size": 6, "momentum": 1e-4, "weight_decay": 1e-4},
    "affinity": {"momentum": 1e-4},
}
PRESETS: dict[str, dict[str, dict[str, Any]]] = {"corrected": {}, "release": RELEASE}
