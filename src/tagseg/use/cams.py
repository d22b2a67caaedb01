"""A trained tag classifier from the folder of its run: any photograph in, tags and class activation maps out.

Axes: N images, C classes, C_t those that are asked for, H W image pixels, h w cells of the class maps.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32
from numpy import ndarray

from tagseg.artifacts.array_file import from_steps, to_steps
from tagseg.artifacts.cam_file import CamFile
from tagseg.artifacts.checkpoint import load_checkpoint
from tagseg.artifacts.map_medians import read_map_medians
from tagseg.artifacts.run_folder import RunFolder
from tagseg.artifacts.run_scores import NETWORK
from tagseg.artifacts.scores_file import read_scores
from tagseg.artifacts.segmenter_file import DESCRIPTION_NAME
from tagseg.assemble.map_methods import build_map_method
from tagseg.assemble.networks import load_classifier
from tagseg.cams.extract import add_views, view_maps
from tagseg.cams.flatness import flat_classes, lower_by_median
from tagseg.cams.map_method import MapMethod
from tagseg.classes import MAX_CLASSES, ClassTable
from tagseg.data.datasets import tag_vector
from tagseg.errors import ArtifactError, ModelError
from tagseg.models.classifier import TagClassifier
from tagseg.ops.resize import resize_maps
from tagseg.prediction.segment import normalize_images
from tagseg.prediction.segmenter import MAX_SIDE_PX, Segmenter
from tagseg.prediction.shrunk import shrink
from tagseg.recipe import load_run_recipe
from tagseg.system.home import with_home
from tagseg.types import Image
from tagseg.use.load import choose_device, load

LIKELY = 0.5
"""Probability above which a class counts as a tag of the image when nobody names any."""


@dataclass(frozen=True, slots=True, eq=False)
class TagsAndCams:
    """What a classifier says of one image.

    Args:
        probabilities: of each class being in the image, each in [0, 1].
        maps: the maps of the tags, at the size of the image, in the 256 steps that a run stores.
    """

    probabilities: Float32[ndarray, " C"]
    maps: CamFile


class CamPredictor:
    """Finds tags and where they are.

    Args:
        method: makes maps with a trained classifier, on the device that it is on.
        classes: the class of each map.
        background_score: what a map has to exceed for a pixel to be no background, in [0, 1].
        flat: label ids whose maps are lowered, see :func:`tagseg.cams.flatness.lower_by_median`.
        title: for people, such as the name of its backbone.

    Raises:
        ModelError: when the classifier has another number of classes.

    >>> from tagseg.cams.methods.cam import ClassActivation
    >>> from tagseg.models.backbone import build_backbone
    >>> classifier = TagClassifier(build_backbone("test_resnet", weights=None), num_classes=2)
    >>> predictor = CamPredictor(ClassActivation(classifier), ClassTable(("cat", "dog")))
    >>> found = predictor.look(np.zeros((30, 40, 3), np.uint8), tags=(2,))
    >>> found.probabilities.shape, found.maps.size, found.maps.label_ids
    ((2,), (30, 40), (2,))
    """

    def __init__(
        self,
        method: MapMethod,
        classes: ClassTable,
        *,
        background_score: float = 0.2,
        flat: Collection[int] = (),
        title: str = "classifier",
    ) -> None:
        num_maps = method.classifier.head.out_channels
        if num_maps != classes.num_classes:
            raise ModelError(
                f"classifier has one map a class, {classes.num_classes}, got {num_maps}",
                help="pass the class table that it was trained with",
            )
        self.method = method
        self.classes = classes
        self.background_score = background_score
        self.flat = frozenset(flat)
        self.title = title

    @property
    def classifier(self) -> TagClassifier:
        """The network that finds the tags."""
        return self.method.classifier

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return self.classifier.head.weight.device

    def look(
        self,
        image: Image,
        *,
        tags: Sequence[int] = (),
        scales: Sequence[float] = (1.0,),
        flip: bool = False,
        most_tags: int = MAX_CLASSES,
    ) -> TagsAndCams:
        """Return the probability of every class, and the maps of some.

        Args:
            image: upright RGB. A long side above 1024 px is shrunk to that, and the maps are brought back to full size.
            tags: label ids (1..C) of the maps to make; none: the classes with a probability above 0.5, or the most
                probable one when there is none.
            scales: factors of the image's height and width, each above 0.
            flip: also look at the mirrored image.
            most_tags: when nobody names tags, take the most probable ones up to this number, at least 1.

        Raises:
            ModelError: when the network's values are not finite.
        """
        backbone = self.classifier.backbone
        shown = shrink(image, MAX_SIDE_PX) if max(image.shape[:2]) > MAX_SIDE_PX else image
        pixels = normalize_images([shown], mean=backbone.mean, std=backbone.std, device=self.device)
        seen = self.method(pixels, torch.ones(1, self.classes.num_classes))
        probabilities = seen.tag_logits[0].sigmoid().cpu().numpy()
        if not np.isfinite(probabilities).all():
            raise ModelError(
                "classifier gives finite class maps, got NaN", help="train it again with a lower learning rate"
            )
        label_ids = tuple(sorted(set(tags))) or likely_tags(probabilities, most=most_tags)
        wanted = tag_vector(label_ids, num_classes=self.classes.num_classes)
        views = [
            # The image has been seen once: at one scale there is no second forward pass.
            seen.maps[wanted > 0]
            if scale == 1 and not flip
            else view_maps(self.method, pixels, wanted[None], scale=scale, flip=flip)
            for scale in scales
        ]
        cam = add_views(views, shown.shape[:2])
        if self.flat:
            cam = torch.from_numpy(lower_by_median(cam.cpu().numpy(), [label in self.flat for label in label_ids]))
        # One map at a time: only its steps are kept at the size of a large photograph.
        steps = [to_steps(resize_maps(each[None, None], image.shape[:2])[0, 0].cpu().numpy()) for each in cam]
        return TagsAndCams(probabilities, CamFile(from_steps(np.stack(steps)), label_ids))


@dataclass(frozen=True, slots=True, eq=False)
class Networks:
    """The trained networks of a run or of an exported folder; at least one is there.

    Args:
        segmenter: None when it is not trained yet.
        cams: None when there is only a segmenter.
    """

    segmenter: Segmenter | None
    cams: CamPredictor | None


def load_networks(source: str, *, device: str = "auto") -> Networks:
    """Load what can label photographs.

    Args:
        source: a run folder, with whatever is trained of it; an exported folder; ``owner/name`` on the hub.
        device: ``auto``, or a device of torch such as ``cpu``, ``cuda:1`` or ``mps``.

    Raises:
        ArtifactError: when nothing is trained there, or it is damaged.
        DeviceError: when torch cannot use the device.
        RecipeError: when the recipe of the run cannot be read.
    """
    folder = find_run_folder(source)
    if folder is None:
        return Networks(load(source, device=device), None)
    has_segmenter = (folder.segmenter / DESCRIPTION_NAME).is_file()
    has_classifier = folder.classifier_weights.is_file()
    if not has_segmenter and not has_classifier:
        raise ArtifactError(
            f"run folder {folder.root} must hold a trained classifier or segmenter, got neither",
            help="run 'tagseg run' or 'tagseg train-classifier' first",
        )
    return Networks(
        load(source, device=device) if has_segmenter else None,
        load_cam_predictor(folder, device=device) if has_classifier else None,
    )


def find_run_folder(source: str) -> RunFolder | None:
    """Return the run folder that ``source`` names, None when it is something else."""
    folder = RunFolder(Path(with_home(source)))
    return folder if folder.recipe_path.is_file() else None


def load_cam_predictor(folder: RunFolder, *, device: str = "auto") -> CamPredictor:
    """Load the classifier of a run; the data set that it learned from may be gone.

    Raises:
        ArtifactError: when the weights are missing, damaged or of another recipe.
        DeviceError: when torch cannot use the device.
        RecipeError: when the recipe cannot be read.
    """
    place = choose_device(device)
    recipe, weights = load_run_recipe(folder.recipe_path), folder.classifier_weights
    classes = ClassTable(tuple(load_checkpoint(weights).state["classes"]))
    classifier = load_classifier(recipe, weights, num_classes=classes.num_classes)
    method = build_map_method(recipe, classifier.to(place))
    scores = read_scores(folder.scores_path)
    network = scores.seeds.get(NETWORK) if scores else None
    score = network.best.background_score if network else recipe.evaluation.background_score
    # Without stage 2 nobody has looked for flat maps yet.
    known = recipe.cams.flat_maps == "lower" and folder.map_medians.exists()
    flat = flat_classes(read_map_medians(folder.map_medians), classes) if known else ()
    return CamPredictor(method, classes, background_score=score, flat=flat, title=recipe.classifier.backbone)


def likely_tags(probabilities: Float32[ndarray, " C"], *, most: int = MAX_CLASSES) -> tuple[int, ...]:
    """Return the label ids with a probability above 0.5, or the most probable one when there is none, ascending.

    >>> likely_tags(np.array([0.7, 0.1, 0.6], np.float32)), likely_tags(np.array([0.1, 0.3], np.float32))
    ((1, 3), (2,))
    >>> likely_tags(np.array([0.7, 0.9, 0.6], np.float32), most=2)
    (1, 2)
    """
    likely = max(1, np.count_nonzero(probabilities > LIKELY))
    best_first = np.argsort(-probabilities, kind="stable")[: min(likely, most)]
    return tuple(sorted((best_first + 1).tolist()))
