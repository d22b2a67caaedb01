"""A finished segmenter for use elsewhere: one ONNX file that is checked, or safetensors and JSON."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tagseg.artifacts.layout import RunLayout
from tagseg.artifacts.onnx_file import OnnxCheck, export_onnx
from tagseg.artifacts.scores_file import read_scores
from tagseg.artifacts.segmenter_file import DESCRIPTION_NAME, WEIGHTS_NAME, load_segmenter, save_segmenter
from tagseg.data.images import read_image
from tagseg.errors import ArtifactError, RecipeError
from tagseg.progress import Progress
from tagseg.types import Image
from tagseg.use.hub import HubClient, push_to_hub
from tagseg.use.load import find_segmenter, settings_of

FORMATS = ("onnx", "safetensors")
ONNX_NAME = "segmenter.onnx"

_CHECK_SIDE_PX = 1024  # a photograph of a camera would take gigabytes to compare
_NOISE_SIZES = ((96, 128), (75, 50), (33, 101))


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export left.

    Args:
        files: the written files.
        check: the comparison with torch, of ``onnx`` only.
    """

    files: tuple[Path, ...]
    check: OnnxCheck | None


def export_segmenter(
    source: str | Path,
    out: Path,
    *,
    format: str,
    check_images: Sequence[Path],
    progress: Progress,
    write_onnx: Callable[..., OnnxCheck] = export_onnx,
) -> Exported:
    """Export a segmenter, and check an ONNX file against torch before it appears.

    Args:
        source: see :func:`tagseg.use.load.load`.
        out: for ``onnx`` the ``.onnx`` file, or a folder for ``segmenter.onnx``; for ``safetensors`` a folder.
        format: ``onnx``, or ``safetensors`` for :func:`tagseg.load` and plain smp or timm.
        check_images: photographs, best of several sizes, to compare logits on; their upper left 1024 px are taken.
            Without any, noise of three sizes is compared.
        progress: says what the check saw.
        write_onnx: takes the place of :func:`tagseg.artifacts.onnx_file.export_onnx`.

    Raises:
        ArtifactError: when there is no segmenter, the exported one computes something else, or it cannot be written.
        DataError: when an image cannot be read.
        ModelError: when the network cannot be exported, or the extra ``onnx`` is not installed.
        RecipeError: for another format.
    """
    if format not in FORMATS:
        raise RecipeError(f"export format is {' or '.join(FORMATS)}, got '{format}'", help="take one of the two")
    folder = find_segmenter(source)
    if format == "safetensors":
        return _export_safetensors(folder, out, scores=segmenter_scores(source))
    path = out if out.suffix == ".onnx" else out / ONNX_NAME
    loaded = load_segmenter(folder)
    images = _check_images(check_images)
    if not check_images:
        progress.warn("the ONNX file is compared with torch on noise, since no images are given")
    check = write_onnx(path, loaded.network, loaded.classes, check_images=images, notes=loaded.notes)
    progress.note(
        f"the ONNX file agrees with torch on {100 * check.equal_labels:.3f} % of the labels of {check.images} images, "
        f"logits within {check.max_difference:.1g}"
    )
    return Exported((path,), check)


def segmenter_scores(source: str | Path) -> dict[str, float]:
    """Return what a run's segmenter scored, named with the split, for people; nothing for any other source.

    Args:
        source: see :func:`tagseg.use.load.load`.

    Raises:
        ArtifactError: when the scores of the run cannot be read.

    >>> segmenter_scores("owner/name")
    {}
    """
    scores = read_scores(RunLayout(Path(source)).scores_path)
    tested = scores.segmenter if scores else None
    if tested is None:
        return {}
    found = tested.scores
    named = {"mean IoU": found.mean_iou, "precision": found.precision, "recall": found.recall}
    return {f"{title} on {tested.split}": value for title, value in named.items() if value is not None}


def publish_segmenter(
    source: str | Path, repo_id: str, *, private: bool = True, client: HubClient | None = None
) -> str:
    """Publish a segmenter on the hub as its safetensors export, with the settings and scores of its run.

    Args:
        source: see :func:`tagseg.use.load.load`.
        repo_id: ``owner/name``.
        private: whether only its owner sees it.
        client: takes the place of ``huggingface_hub.HfApi``.

    Returns:
        The address of the repository.

    Raises:
        ArtifactError: when there is no segmenter, or the hub refuses.
    """
    with tempfile.TemporaryDirectory(prefix="tagseg-publish-") as folder:
        _export_safetensors(find_segmenter(source), Path(folder), scores=segmenter_scores(source))
        return push_to_hub(Path(folder), repo_id, private=private, client=client)


def _export_safetensors(folder: Path, out: Path, *, scores: dict[str, float]) -> Exported:
    if out.exists() and out.resolve() == folder.resolve():
        raise ArtifactError(
            f"export to {out} must go to another folder than it comes from, got the same", help="choose another --out"
        )
    loaded = load_segmenter(folder)
    notes: dict[str, Any] = {**loaded.notes}
    if scores:
        notes["scores"] = scores
    settings = asdict(settings_of(folder, loaded))
    save_segmenter(out, loaded.network, loaded.classes, prediction=settings, notes=notes)
    return Exported((out / WEIGHTS_NAME, out / DESCRIPTION_NAME), None)


def _check_images(paths: Sequence[Path]) -> list[Image]:
    """Read photographs, or make noise when there are none."""
    if paths:
        return [read_image(path)[:_CHECK_SIDE_PX, :_CHECK_SIDE_PX] for path in paths]
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (*size, 3), dtype=np.uint8) for size in _NOISE_SIZES]
