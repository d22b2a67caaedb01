"""What a run warns of is in the log, in its manifest, in scores.json and on its page."""

import html
import json
from pathlib import Path

from kit.heard import Heard
from kit.small_run import NUM_IMAGES, quick_recipe

from tagseg.data.drawn_pictures import write_dataset
from tagseg.pipeline import run_pipeline


def test_a_loss_that_did_not_move_and_few_images_are_warned_of_everywhere(tmp_path: Path) -> None:
    write_dataset(tmp_path / "photos", num_images=NUM_IMAGES, size=(64, 64), seed=3)
    settings = [
        "training.lr=1e-12",
        "training.epochs=9",
        "self_modulation.enabled=false",
        "reconstruction.enabled=false",
    ]
    recipe = quick_recipe(tmp_path / "photos", tmp_path / "cache", *settings)
    heard, run = Heard(), tmp_path / "run"
    run_pipeline(recipe, run, progress=heard)
    scores = json.loads((run / "scores.json").read_text(encoding="utf-8"))
    stages = json.loads((run / "manifest.json").read_text(encoding="utf-8"))["stages"]
    still, *of_masks = scores["warnings"]
    assert still.startswith("the loss 'classification' did not move: ")
    assert still.endswith("raise training.lr, or give it more steps with training.epochs")
    assert of_masks and of_masks == stages["make_masks"]["details"]["mask_warnings"]
    assert stages["train_classifier"]["details"]["loss_warnings"] == [still]
    page = html.unescape((run / "report.html").read_text(encoding="utf-8"))
    for text in scores["warnings"]:
        assert text in heard.warnings
        assert text in page
