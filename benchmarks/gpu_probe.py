"""What ``on_gpu.py`` measures of a device: agreement with the CPU, speed and memory, by the package's own pieces."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor
from training_step import make_batch

from tagseg.assemble.data import read_splits
from tagseg.assemble.map_methods import build_map_method
from tagseg.assemble.networks import build_classifier, build_classifier_learner, crf_settings
from tagseg.assemble.prediction import prediction_settings
from tagseg.assemble.segmenter import build_segmentation_network, build_segmenter_learner, segmenter_step
from tagseg.assemble.terms import build_terms
from tagseg.cams.batches import batch_cams, batches_by_shape, read_ahead
from tagseg.cams.map_method import MapMethod
from tagseg.data.images import read_image
from tagseg.ops.spacing import evenly_spaced
from tagseg.prediction.segmenter import Segmenter
from tagseg.recipe import Recipe
from tagseg.refine.crf import CrfRefiner
from tagseg.refine.pseudo_mask import PseudoMask, label_scores
from tagseg.system.memory import peak_memory, restart_peak_memory
from tagseg.training.classifier_step import ClassifierStep
from tagseg.training.loop import Learner
from tagseg.training.seed import seed_everything
from tagseg.training.step import TrainingStep
from tagseg.types import ImageRecord, LabelMap, Split

AGREEING, EXTRACTED = 8, 96  # photographs
WARM_UP, MOST_ROUNDS, MOST_S = 3, 30, 4.0
MIB = 2**20

Maps = list[np.ndarray]


def training_split(recipe: Recipe, *, count: int) -> Split:
    """Return some images of the training split, evenly spaced."""
    split = read_splits(recipe.data, drawn=Path()).train
    return Split(split.name, split.classes, evenly_spaced(split.records, count))


def measure_agreement(recipe: Recipe, *, device: str) -> dict[str, Any]:
    """Return how far maps and masks of the same photographs and weights on a device are from those on the CPU.

    The networks have the recipe's initial weights in what is pretrained and seeded random ones elsewhere: the maps are
    as varied as those of a trained network, the segmenter's labels closer to each other, so that it differs sooner.
    """
    split = training_split(recipe, count=AGREEING)
    seed_everything(recipe.seed)
    classifier = build_classifier(recipe, num_classes=split.classes.num_classes).eval()
    segmenter = Segmenter(
        build_segmentation_network(recipe, num_labels=split.classes.num_labels),
        split.classes,
        settings=prediction_settings(recipe),
    )
    maps, masks, labels = [], [], []
    for place in ("cpu", device):
        method = build_map_method(recipe, classifier.to(place))
        maps.append(_maps(recipe, method, split.records))
        masks.append(_masks(recipe, maps[-1], split.records, place))
        segmenter.to(place)
        labels.append([segmenter.predict(record.image_path).labels for record in split.records])
    apart = [np.abs(one - other).max(initial=0.0) for one, other in zip(*maps, strict=True)]
    return {
        "photographs": len(split),
        "largest_difference_of_maps": float(max(apart)),
        "equal_mask_pixels": _equal_share(*masks),
        "equal_segmenter_pixels": _equal_share(*labels),
        "tf32": {"convolutions": torch.backends.cudnn.allow_tf32, "products": torch.backends.cuda.matmul.allow_tf32},
    }


def _maps(recipe: Recipe, method: MapMethod, records: tuple[ImageRecord, ...]) -> Maps:
    """Return the maps of each image, as stage 2 makes them."""
    found = {}
    for batch, images in read_ahead(batches_by_shape(records, batch_size=recipe.cams.batch_size)):
        cams = batch_cams(method, batch, images, scales=recipe.cams.scales, flip=recipe.cams.flip)
        found |= {record.image_id: cam for record, cam in zip(batch, cams, strict=True)}
    return [found[record.image_id] for record in records]


def _masks(recipe: Recipe, maps: Maps, records: tuple[ImageRecord, ...], place: str) -> list[LabelMap]:
    """Return masks of maps by the dense CRF, as stage 4 makes them."""
    refine = CrfRefiner(crf_settings(recipe), certainty=recipe.crf.certainty)
    found = []
    for cam, record in zip(maps, records, strict=True):
        scores = label_scores(torch.from_numpy(cam).to(place), recipe.masks.background_score)
        refined = refine(read_image(record.image_path), scores)
        found.append(PseudoMask.from_scores(refined, record.tags).labels)
    return found


def _equal_share(one: list[LabelMap], other: list[LabelMap]) -> float:
    equal = [np.count_nonzero(first == second) for first, second in zip(one, other, strict=True)]
    return sum(equal) / sum(labels.size for labels in one)


def measure_speed(recipe: Recipe, *, device: str) -> dict[str, Any]:
    """Return images a second and peak memory of a classifier step, of extraction, of a segmenter step.

    On a GPU in both precisions of the engine. Batches are on the device already; extraction reads its photographs.
    """
    precisions = ("32-true", "bf16-mixed") if device != "cpu" else ("32-true",)
    return {precision: _speed(recipe, device, precision) for precision in precisions}


def _speed(recipe: Recipe, device: str, precision: Any) -> dict[str, Any]:
    fabric = Fabric(accelerator=device, devices=1, precision=precision)
    fabric.launch()
    seed_everything(recipe.seed)  # with it come the kernels that trainings run with
    return {
        "classifier_step": _classifier_speed(recipe, fabric),
        "extraction": _extraction_speed(recipe, fabric),
        "segmenter_step": _segmenter_speed(recipe, fabric),
    }


def _classifier_speed(recipe: Recipe, fabric: Fabric) -> dict[str, Any]:
    num_classes = len(recipe.data.classes or ())
    classifier, learner = build_classifier_learner(recipe, num_classes=num_classes)
    learner = learner.set_up(fabric)
    terms = build_terms(recipe, learner, classifier.backbone, device=fabric.device)
    step = ClassifierStep(fabric, learner.networks["classifier"], terms)
    batch = fabric.to_device(make_batch(recipe, num_classes=num_classes))
    after_warm_up = recipe.self_modulation.warmup_epochs
    return _timed(lambda: _step(fabric, learner, step, batch, epoch=after_warm_up), fabric, len(batch["image"]))


def _extraction_speed(recipe: Recipe, fabric: Fabric) -> dict[str, Any]:
    split = training_split(recipe, count=EXTRACTED)
    classifier = build_classifier(recipe, num_classes=split.classes.num_classes).eval().to(fabric.device)
    method = build_map_method(recipe, classifier)

    def extract() -> None:
        with fabric.autocast():
            _maps(recipe, method, split.records)

    return _timed(extract, fabric, len(split), warm_up=1, most_rounds=3)


def _segmenter_speed(recipe: Recipe, fabric: Fabric) -> dict[str, Any]:
    values, num_labels = recipe.segmenter, len(recipe.data.classes or ()) + 1
    _, learner = build_segmenter_learner(recipe, num_labels=num_labels)
    learner = learner.set_up(fabric)
    step = segmenter_step(recipe, fabric, learner, class_weights=None)
    generator = torch.Generator().manual_seed(0)
    shape = (values.batch_size, values.crop_size_px, values.crop_size_px)
    batch = fabric.to_device(
        {
            "image": torch.randn(shape[0], 3, *shape[1:], generator=generator),
            "mask": torch.randint(num_labels, shape, generator=generator),
            "confidence": torch.ones(shape, dtype=torch.bool),
        }
    )
    return _timed(lambda: _step(fabric, learner, step, batch, epoch=0), fabric, values.batch_size)


def _step(
    fabric: Fabric, learner: Learner, training_step: TrainingStep[Any], batch: dict[str, Tensor], *, epoch: int
) -> None:
    """Take one step as the loop takes it."""
    for network in learner.networks.values():
        network.train()
    for optimizer in learner.optimizers.values():
        optimizer.zero_grad()
    loss = training_step.loss(training_step.forward(batch), batch, epoch=epoch)
    fabric.backward(loss.value)
    for optimizer in learner.optimizers.values():
        optimizer.step()
    for name, average in learner.averages.items():
        average.update(learner.networks[name])


def _timed(
    work: Callable[[], None],
    fabric: Fabric,
    images: int,
    *,
    warm_up: int = WARM_UP,
    most_rounds: int = MOST_ROUNDS,
) -> dict[str, Any]:
    """Return images a second and the peak of memory: of the GPU as torch took it, on a CPU of the process."""
    on_gpu = fabric.device.type == "cuda"
    restart_peak_memory()
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
    for _ in range(warm_up):
        work()
    _wait(fabric)
    started, rounds = time.perf_counter(), 0
    while rounds < most_rounds and (not rounds or time.perf_counter() - started < MOST_S):
        work()
        _wait(fabric)
        rounds += 1
    seconds = time.perf_counter() - started
    peak = torch.cuda.max_memory_allocated() if on_gpu else peak_memory()
    return {
        "images_per_s": round(rounds * images / seconds, 2),
        "rounds": rounds,
        "images": images,
        "peak_mib": None if peak is None else round(peak / MIB),
    }


def _wait(fabric: Fabric) -> None:
    if fabric.device.type == "cuda":
        torch.cuda.synchronize()
