"""Stage 6: labels of the images to test on, by the segmentation network; leaves ``6_predictions/``.

Without such images it labels some that the network learned from, for people to look at; nothing is scored on them.
"""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from tagseg.artifacts.mask_file import write_mask
from tagseg.artifacts.segmenter_file import load_segmenter
from tagseg.artifacts.settings_file import write_prediction_settings
from tagseg.assemble.data import predicted_records
from tagseg.assemble.prediction import max_side, prediction_settings
from tagseg.cams.batches import Batch
from tagseg.prediction.segmenter import Segmenter
from tagseg.refine.crf import CrfRefiner
from tagseg.refine.dense_crf import FINAL_CRF
from tagseg.stages.context import StageContext
from tagseg.stages.work import count_gone, do_missing_batches
from tagseg.types import Image, ImageRecord


def run(context: StageContext) -> dict[str, Any]:
    """Predict the images to test on of which no mask is there yet; each process takes its share."""
    layout, fabric, recipe = context.folder, context.fabric, context.recipe.prediction
    settings = prediction_settings(context.recipe)
    if fabric.is_global_zero:
        write_prediction_settings(layout.prediction_settings, asdict(settings))
        layout.seals.note([layout.prediction_settings])
    records = _records(context)
    if not context.test:
        context.progress.note(
            f"there are no images to test on: {len(records)} that the network learned from are labelled for the report"
        )
    loaded = load_segmenter(layout.segmenter)
    segmenter = Segmenter(loaded.network.to(fabric.device), loaded.classes, settings=settings)
    side, reason = max_side(context.recipe)
    context.progress.note(f"images are shown to the network at up to {side} px a side ({reason})")
    refiner = CrfRefiner(FINAL_CRF, unary="scores") if recipe.crf else None

    def work(batch: Batch, images: list[Image]) -> Callable[[], None]:
        predicted = segmenter.predict_batch(images, probabilities=refiner is not None)

        def write() -> None:
            for record, image, prediction in zip(batch, images, predicted, strict=True):
                if refiner is not None:
                    assert prediction.probabilities is not None
                    prediction = prediction.refined(refiner(image, prediction.probabilities))
                write_mask(layout.prediction(record), prediction.labels, segmenter.classes)

        return write

    do_missing_batches(
        context, "Predicting", records=records, batch_size=recipe.batch_size, output=layout.prediction, work=work
    )
    return {"images": len(records)}


def count_missing(context: StageContext) -> int:
    """Return how many files of a finished stage are gone."""
    made = [context.folder.prediction(record) for record in _records(context)]
    return count_gone([context.folder.prediction_settings, *made])


def _records(context: StageContext) -> tuple[ImageRecord, ...]:
    """Return the images to test on, or some that the network learned from when the data set has no others."""
    return predicted_records(context.train, context.test)
