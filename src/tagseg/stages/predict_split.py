"""Stage 6: labels of the images to test on, by the segmentation network; leaves ``6_predictions/``."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tagseg.artifacts.mask_file import write_mask
from tagseg.artifacts.segmenter_file import load_segmenter, save_segmenter
from tagseg.assemble.segmenter import prediction_settings, shown_side
from tagseg.cams.batches import Batch
from tagseg.prediction.segmenter import Segmenter
from tagseg.refine.dense_crf import FINAL_CRF
from tagseg.refine.refiner import CrfRefiner
from tagseg.stages.context import RunContext
from tagseg.stages.work import do_missing_batches
from tagseg.types import Image, ImageRecord


@dataclass(frozen=True, slots=True)
class PredictionFolder:
    """Where stage 6 keeps what it makes of each image.

    Args:
        root: the stage's folder.
    """

    root: Path

    def labels(self, record: ImageRecord) -> Path:
        """Return the predicted mask, a palette PNG of label ids."""
        return self.root / "labels" / f"{record.image_id}.png"


def run(context: RunContext) -> dict[str, Any]:
    """Predict the images to test on of which no mask is there yet; each process takes its share."""
    folder = PredictionFolder(context.folder.output("predict"))
    folder.root.mkdir(parents=True, exist_ok=True)
    records = test_records(context)
    if not records:
        context.progress.note("nothing is predicted: the data set has no images to test on (see 'tagseg predict')")
        return {"images": 0}
    recipe = context.recipe.prediction
    segmenter = _load(context)
    side, reason = shown_side(context.recipe)
    context.progress.note(f"images are shown to the network at up to {side} px a side ({reason})")
    refiner = CrfRefiner(FINAL_CRF, unary="scores") if recipe.crf else None

    def work(batch: Batch, images: list[Image]) -> None:
        predicted = segmenter.predict_batch(images, probabilities=refiner is not None)
        for record, image, prediction in zip(batch, images, predicted, strict=True):
            if refiner is not None:
                assert prediction.probabilities is not None
                prediction = prediction.refined(refiner(image, prediction.probabilities))
            write_mask(folder.labels(record), prediction.labels, segmenter.classes)

    do_missing_batches(
        context, "Predicting", records=records, batch_size=recipe.batch_size, output=folder.labels, work=work
    )
    return {"images": len(records)}


def _load(context: RunContext) -> Segmenter:
    """Return the trained segmenter with the recipe's settings, which its files hold from now on."""
    folder, fabric = context.folder.output("train_segmenter"), context.fabric
    settings = prediction_settings(context.recipe)
    loaded = load_segmenter(folder)
    fabric.barrier()  # every process has read them before the first one writes
    wanted = json.loads(json.dumps(asdict(settings)))
    if fabric.is_global_zero and loaded.prediction != wanted:
        save_segmenter(folder, loaded.network, loaded.classes, prediction=wanted, notes=loaded.notes)
    return Segmenter(loaded.network.to(fabric.device), loaded.classes, settings=settings)


def count_missing(context: RunContext) -> int:
    """Return how many predictions of a finished stage are gone."""
    folder = PredictionFolder(context.folder.output("predict"))
    return sum(not folder.labels(record).exists() for record in test_records(context))


def test_records(context: RunContext) -> tuple[ImageRecord, ...]:
    """Return the images on which the segmentation network is tested, none when the data set has no such split."""
    return context.test.records if context.test else ()
