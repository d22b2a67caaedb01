"""Class activation maps of a photograph, by the classifier of any run or by a network of one's own.

Axes: T tags, H W image pixels, 3 RGB.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32
from numpy import ndarray
from torch import nn

from tagseg.artifacts.shown_picture import picture_html, show_picture
from tagseg.cams.extract import add_views, view_maps
from tagseg.cams.own_maps import ClassMaps, OwnClassMaps
from tagseg.classes import nearest_name_help
from tagseg.errors import ArtifactError, DataError
from tagseg.models.perceptual import IMAGENET_MEAN, IMAGENET_STD
from tagseg.ops.resize import resize_maps
from tagseg.prediction.inputs import Picture, to_image
from tagseg.prediction.segment import normalize_images
from tagseg.prediction.segmenter import MAX_SIDE_PX
from tagseg.prediction.shrunk import shrink
from tagseg.report.figures import overlay_cam
from tagseg.system.near_paths import near_path_help
from tagseg.types import Image
from tagseg.use.cams import CamPredictor, find_run_folder, load_cam_predictor


@dataclass(frozen=True, slots=True, eq=False)
class ActivationMaps:
    """Where the tags of one photograph are, as far as a classifier tells.

    Args:
        names: of the tags.
        maps: (T, H, W) float32 in [0, 1], the map of each; its peak is about 1, or it is 0 everywhere.
        image: (H, W, 3) uint8, the photograph, upright RGB.

    >>> image = np.zeros((2, 3, 3), np.uint8)
    >>> found = ActivationMaps(("cat",), np.ones((1, 2, 3), np.float32), image)
    >>> found, found["cat"].shape, found.overlay("cat").shape
    (ActivationMaps(2 x 3 px: cat), (2, 3), (2, 3, 3))
    """

    names: tuple[str, ...]
    maps: Float32[ndarray, "T H W"]
    image: Image = field(repr=False)

    def __getitem__(self, name: str) -> Float32[ndarray, "H W"]:
        """Return the map of one tag.

        Raises:
            DataError: when there is none.
        """
        if name not in self.names:
            raise DataError(f"'{name}' is not a tag of these maps", help=nearest_name_help(name, self.names))
        return self.maps[self.names.index(name)]

    def overlay(self, name: str, *, opacity: float = 0.65) -> Image:
        """Return the photograph with the map of one tag laid over it, from black (0) over red to pale yellow (1).

        Args:
            name: of the tag.
            opacity: of the map, in [0, 1].

        Raises:
            DataError: when there is no such tag, or the opacity is out of range.
        """
        if not 0 <= opacity <= 1:
            raise DataError(f"opacity of an overlay lies in [0, 1], got {opacity}", help="take 0.65")
        return overlay_cam(self.image, self[name], opacity=opacity)

    def show(self) -> None:
        """Show the photograph and each of its maps: below the cell of a notebook, elsewhere in a viewer."""
        show_picture(self._side_by_side(), shown=self)

    def __repr__(self) -> str:
        """Return the size and the tags, in one line."""
        height, width = self.image.shape[:2]
        return f"ActivationMaps({height} x {width} px: {', '.join(self.names)})"

    def _repr_html_(self) -> str:
        """Return the photograph and its maps side by side, for a notebook."""
        return picture_html(
            self._side_by_side(), alt=repr(self), lines=[(None, ", ".join(("photograph", *self.names)))]
        )

    def _side_by_side(self) -> Image:
        return np.concatenate([self.image, *(self.overlay(name) for name in self.names)], axis=1)


def activation_maps(
    photo: Picture,
    tags: Sequence[str] = (),
    *,
    classifier: str | Path | CamPredictor | ClassMaps,
    classes: Sequence[str] = (),
    scales: Sequence[float] = (1.0,),
    flip: bool = False,
) -> ActivationMaps:
    """Return the class activation maps of one photograph.

    Args:
        photo: what :meth:`tagseg.Segmenter.predict` takes. A long side above 1024 px is shrunk to that, and the maps
            are brought back to full size.
        tags: names of the classes to look for; none: those that the classifier of a run finds likely, and of a network
            of one's own the one with the greatest mean.
        classifier: a run folder, what :func:`load_classifier` returned, or a network of one's own: a module or a
            function from images (N, 3, H, W), normalised by ImageNet's mean and standard deviation, to class maps
            (N, C, h, w).
        classes: names of the C classes of a network of one's own, in their order.
        scales: factors of the photograph's height and width whose maps are added up, each above 0.
        flip: also look at the mirrored photograph.

    Returns:
        The maps of the tags, each in [0, 1], at the size of the photograph.

    Raises:
        ArtifactError: when there is no run, or it holds no trained classifier.
        DataError: when the photograph cannot be read, or a tag is no class.
        ModelError: when the network does not give finite class maps of these classes.

    >>> network = nn.Conv2d(3, 2, kernel_size=8, stride=8)
    >>> photo = np.zeros((32, 48, 3), np.uint8)
    >>> activation_maps(photo, ["dog"], classifier=network, classes=("cat", "dog"))
    ActivationMaps(32 x 48 px: dog)
    """
    if not scales or not all(math.isfinite(scale) and scale > 0 for scale in scales):
        raise DataError(f"scales are one or more numbers above 0, got {list(scales)}", help="take [1.0]")
    image = to_image(photo)
    if isinstance(classifier, str | Path):
        classifier = load_classifier(classifier)
    if not isinstance(classifier, CamPredictor):
        return _own_maps(image, tags, classifier, classes, scales=scales, flip=flip)
    if classes:
        raise DataError(
            "names of classes go with a network of your own, got the classifier of a run", help="leave classes out"
        )
    table = classifier.classes
    found = classifier.look(image, tags=[table.label_id(tag) for tag in tags], scales=scales, flip=flip).maps
    known = {table.name(label): cam for label, cam in zip(found.label_ids, found.cam, strict=True)}
    names = tuple(dict.fromkeys(tags)) or tuple(known)
    return ActivationMaps(names, np.stack([known[name] for name in names]), image)


def load_classifier(run: str | Path, *, device: str = "auto") -> CamPredictor:
    """Load the tag classifier of a run once, for :func:`activation_maps` of many photographs.

    Args:
        run: a run folder; the data set that it learned from may be gone.
        device: ``auto``, or a device of torch such as ``cpu``, ``cuda:1`` or ``mps``.

    Raises:
        ArtifactError: when there is no run, or it holds no trained classifier.
        DeviceError: when torch cannot use the device.
        RecipeError: when the recipe of the run cannot be read.
    """
    folder = find_run_folder(str(run))
    if folder is None:
        help = "give the folder that 'tagseg run' printed"
        raise ArtifactError(
            f"classifier {run} must be the folder of a run, got none",
            help=help if Path(run).exists() else near_path_help(Path(run), help),
        )
    return load_cam_predictor(folder, device=device)


def _own_maps(
    image: Image,
    tags: Sequence[str],
    network: ClassMaps,
    classes: Sequence[str],
    *,
    scales: Sequence[float],
    flip: bool,
) -> ActivationMaps:
    """Return the maps of a network of one's own."""
    if not classes:
        raise DataError(
            "a network of your own takes the names of its classes, got none", help='add classes=("cat", "dog")'
        )
    for tag in tags:
        if tag not in classes:
            raise DataError(f"'{tag}' is not a class of the network", help=nearest_name_help(tag, classes))
        if (count := list(classes).count(tag)) > 1:
            raise DataError(f"'{tag}' is the name of one class, got {count}", help="give classes different names")
    shown = shrink(image, MAX_SIDE_PX) if max(image.shape[:2]) > MAX_SIDE_PX else image
    pixels = normalize_images([shown], mean=IMAGENET_MEAN, std=IMAGENET_STD, device=_device_of(network))
    method = OwnClassMaps(network, len(classes))
    wanted = torch.zeros(1, len(classes))
    names = list(dict.fromkeys(tags))
    if not names:
        names = [classes[int(method(pixels, wanted).tag_logits[0].argmax())]]
    ascending = sorted(names, key=classes.index)
    wanted[0, [classes.index(name) for name in names]] = 1
    views = [view_maps(method, pixels, wanted, scale=scale, flip=flip) for scale in scales]
    maps = resize_maps(add_views(views, shown.shape[:2])[:, None], image.shape[:2])[:, 0].cpu().numpy()
    return ActivationMaps(tuple(names), maps[[ascending.index(name) for name in names]], image)


def _device_of(network: ClassMaps) -> torch.device:
    """Return where the weights of a module are; a function is given images on the CPU."""
    weights = network.parameters() if isinstance(network, nn.Module) else iter(())
    return next((weight.device for weight in weights), torch.device("cpu"))
