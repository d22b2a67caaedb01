"""A trained segmentation network as two files: safetensors under smp's or timm's names, and JSON that explains them."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

from tagseg.artifacts.json_file import count_of, json_bytes, list_of, mapping_of, read_json, text_of
from tagseg.classes import ClassTable
from tagseg.errors import ArtifactError, DataError, ModelError
from tagseg.models.segmentation_network import SegmentationNetwork, SegmenterDesign, build_segmenter
from tagseg.models.weights import fit_weights
from tagseg.system.atomic import atomic_path, atomic_write
from tagseg.system.own_version import own_version

FORMAT = 1
DESCRIPTION_NAME = "segmenter.json"
WEIGHTS_NAME = "segmenter.safetensors"

_FAR = 1000.0
"""Means and standard deviations of RGB in [0, 1] are far below."""

Rgb = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class SegmenterDescription:
    """What ``segmenter.json`` says.

    Args:
        folder: where the two files are.
        design: what the network is built from.
        classes: the names of labels 1..C.
        mean: of RGB in [0, 1], to be subtracted from images.
        std: of RGB in [0, 1], to divide images by.
        prediction: settings of prediction by name, such as ``scales``.
        notes: any JSON about where the network comes from; ``scores`` maps names to fractions in [0, 1].
        sha256: of the weights file, 64 hexadecimal digits.
    """

    folder: Path
    design: SegmenterDesign
    classes: ClassTable
    mean: Rgb
    std: Rgb
    prediction: dict[str, Any]
    notes: dict[str, Any]
    sha256: str

    @property
    def weights_path(self) -> Path:
        """The weights file."""
        return self.folder / WEIGHTS_NAME


@dataclass(frozen=True, slots=True)
class LoadedSegmenter:
    """A segmentation network read from its folder.

    Args:
        network: with its weights, in evaluation mode, on the CPU.
        classes: the names of labels 1..C.
        prediction: settings of prediction by name.
        notes: as they were saved.
    """

    network: SegmentationNetwork
    classes: ClassTable
    prediction: dict[str, Any]
    notes: dict[str, Any]


def save_segmenter(
    folder: Path,
    network: SegmentationNetwork,
    classes: ClassTable,
    *,
    prediction: Mapping[str, Any],
    notes: Mapping[str, Any],
) -> None:
    """Write ``segmenter.safetensors``, then ``segmenter.json``, each atomically; the second says that both are there.

    Args:
        folder: made when missing; files of these two names are replaced.
        network: its tensors are written under the names of ``network.network``, as plain smp or timm users have them.
        classes: as many as the network has labels besides background.
        prediction: settings of prediction by name, any JSON.
        notes: where the network comes from, any JSON; ``scores`` maps names to fractions in [0, 1].

    Raises:
        ArtifactError: when names and network disagree, or a file cannot be written.

    >>> import tempfile
    >>> design = SegmenterDesign("segformer", "test_resnet", num_labels=3, output_stride=32)
    >>> network = build_segmenter(design, weights=None)
    >>> folder = Path(tempfile.mkdtemp())
    >>> save_segmenter(folder, network, ClassTable(("cat", "dog")), prediction={"flip": True}, notes={})
    >>> sorted(file.name for file in folder.iterdir()), load_segmenter(folder).prediction
    (['segmenter.json', 'segmenter.safetensors'], {'flip': True})
    """
    if classes.num_labels != network.design.num_labels:
        raise ArtifactError(
            f"segmenter {folder} has one name a label, "
            f"got {network.design.num_labels} labels and {classes.num_labels} names",
            help="save it with the class table that it was trained with",
        )
    weights_path = folder / WEIGHTS_NAME
    with atomic_path(weights_path) as temporary:
        _write_tensors(network.network.state_dict(), temporary)
        seal = file_sha256(temporary)
    description = {
        "format": FORMAT,
        "tagseg": own_version(),
        "design": network.design.to_dict(),
        "labels": classes.label_names,
        "palette": label_colors(classes),
        "mean": network.mean,
        "std": network.std,
        "prediction": dict(prediction),
        "notes": dict(notes),
        "weights": {"file": WEIGHTS_NAME, "sha256": seal},
    }
    atomic_write(folder / DESCRIPTION_NAME, json_bytes(description))


def read_description(folder: Path) -> SegmenterDescription:
    """Read ``segmenter.json`` and check that the weights in its folder are those it was written with.

    Raises:
        ArtifactError: when a file is missing, damaged, of another format, or the two do not belong together.
    """
    path = folder / DESCRIPTION_NAME
    if not path.is_file():
        raise ArtifactError(
            f"segmenter {path} must exist, got no such file", help="run 'tagseg train-segmenter' or 'tagseg run' first"
        )
    description = _parse(path)
    if not description.weights_path.is_file():
        raise ArtifactError(
            f"weights {description.weights_path} must exist, got no such file",
            help="copy them into the folder of segmenter.json, or export the network again",
        )
    if file_sha256(description.weights_path) != description.sha256:
        raise ArtifactError(
            f"weights {description.weights_path} must be those that segmenter.json was written with, got other bytes",
            help="copy both files again, or export the network again",
        )
    return description


def load_segmenter(folder: Path) -> LoadedSegmenter:
    """Read what :func:`save_segmenter` wrote; no code in the files can run, nothing is downloaded.

    Raises:
        ArtifactError: when a file is missing, damaged, of another format, or the two do not belong together.
    """
    described = read_description(folder)
    path = folder / DESCRIPTION_NAME
    try:
        tensors = safetensors.torch.load_file(described.weights_path)
    except Exception as error:  # safetensors and torch raise many kinds at types and shapes that they do not know
        raise _damaged(path, "weights that are not a safetensors file") from error
    try:
        network = build_segmenter(described.design, weights=None)
        fit_weights(network.network, tensors, network_name=described.design.backbone, source=described.weights_path)
    except ModelError as error:
        raise ArtifactError(
            f"segmenter {path} must describe the network whose weights are in its folder, got a design where "
            f"{error.problem}",
            help="copy both files again, or install the versions of tagseg and timm that wrote them",
        ) from error
    except (RuntimeError, MemoryError) as error:  # numbers of a design that no machine has the memory for
        raise _damaged(path, "a design that cannot be built here") from error
    network.mean, network.std = described.mean, described.std  # timm's may change from version to version
    network.eval()
    return LoadedSegmenter(network, described.classes, described.prediction, described.notes)


def label_colors(classes: ClassTable) -> list[list[int]]:
    """Return RGB of labels 0..C, each 0..255.

    >>> label_colors(ClassTable(("cat",)))
    [[0, 0, 0], [128, 0, 0]]
    """
    palette = classes.palette()
    return [palette[3 * label : 3 * label + 3] for label in range(classes.num_labels)]


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file, 64 hexadecimal digits.

    Raises:
        ArtifactError: when it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ArtifactError(
            f"{path} must be readable, got '{error.strerror or error}'", help="correct the file's permissions"
        ) from error


def _parse(path: Path) -> SegmenterDescription:
    """Read a description; every value is checked, since people edit JSON."""
    try:
        content = mapping_of(read_json(path))
        found = count_of(content["format"])
    except (ValueError, KeyError) as error:
        raise _damaged(path, "a file that cannot be read as one") from error
    if found != FORMAT:
        raise ArtifactError(
            f"segmenter {path} must have format {FORMAT}, got {found}",
            help="read it with the version of tagseg that wrote it, or export the network again",
        )
    try:
        design = SegmenterDesign.from_dict(mapping_of(content["design"]))
        labels = [text_of(name) for name in list_of(content["labels"])]
        classes = ClassTable(tuple(labels[1:]))
        mean, std = _rgb(content["mean"]), _rgb(content["std"])
        if min(std) <= 0:
            raise ValueError("images are divided by std")
        prediction, notes = mapping_of(content["prediction"]), mapping_of(content["notes"])
        seal = text_of(mapping_of(content["weights"])["sha256"])
    except (KeyError, ValueError) as error:
        raise _damaged(path, "missing or misshapen values") from error
    except (ArtifactError, DataError) as error:
        raise _damaged(path, f"one whose {error.problem}") from error
    if tuple(labels) != classes.label_names or len(labels) != design.num_labels:
        raise _damaged(path, f"{len(labels)} label names from '{labels[0]}' on for {design.num_labels} labels")
    return SegmenterDescription(path.parent, design, classes, mean, std, prediction, notes, seal)


def _rgb(values: Any) -> Rgb:  # noqa: ANN401 (what JSON gave)
    red, green, blue = list_of(values)
    if not all(type(value) in (int, float) and abs(value) < _FAR for value in (red, green, blue)):
        raise ValueError("numbers are expected")
    return float(red), float(green), float(blue)


def _write_tensors(tensors: Mapping[str, Tensor], path: Path) -> None:
    # Copies: safetensors refuses strides (channels_last) and shared memory. The metadata tells readers whose tensors.
    plain = {name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in tensors.items()}
    try:
        safetensors.torch.save_file(plain, path, metadata={"format": "pt"})
    except SafetensorError as error:
        raise OSError(str(error)) from error  # its only cause here is the disk; atomic_path words it


def _damaged(path: Path, found: str) -> ArtifactError:
    return ArtifactError(
        f"segmenter {path} must be a whole file written by tagseg, got {found}",
        help="copy it again, or export the network again",
    )
