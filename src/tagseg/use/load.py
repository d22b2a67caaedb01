"""A trained segmenter from wherever it is: a run, an exported folder, one of its files, or a model hub."""

import re
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch

from tagseg.artifacts.layout import RunLayout
from tagseg.artifacts.segmenter_file import DESCRIPTION_NAME, WEIGHTS_NAME, LoadedSegmenter, load_segmenter
from tagseg.artifacts.settings_file import read_prediction_settings
from tagseg.classes import nearest_name_help
from tagseg.errors import ArtifactError, DeviceError, RecipeError
from tagseg.prediction.segmenter import MAX_SIDE_PX, PredictionSettings, Segmenter
from tagseg.system.home import with_home
from tagseg.system.near_paths import near_path_help
from tagseg.training.accelerator import choose_accelerator

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


def load(source: str | Path, *, device: str = "auto", revision: str | None = None) -> Segmenter:
    """Load a segmenter that predicts masks of photographs.

    Args:
        source: a run folder, a folder with ``segmenter.json``, one of its two files, or, when there is no such path,
            ``owner/name`` on the model hub.
        device: ``auto``, or a device of torch such as ``cpu``, ``cuda:1`` or ``mps``.
        revision: branch, tag or commit on the hub.

    Returns:
        The segmenter, with the prediction settings that it was saved with.

    Raises:
        ArtifactError: when there is no segmenter, or it is damaged.
        DeviceError: when torch cannot use the device.
    """
    place = choose_device(device)
    found = find_segmenter(source, revision=revision)
    loaded = load_segmenter(found)
    return Segmenter(loaded.network.to(place), loaded.classes, settings=settings_of(found, loaded))


def find_segmenter(
    source: str | Path, *, revision: str | None = None, fetch: Callable[..., Path] | None = None
) -> Path:
    """Return the folder that holds ``segmenter.json``, fetched from the hub when ``source`` is not a path here.

    Args:
        source: see :func:`load`.
        revision: on the hub.
        fetch: brings a segmenter of the hub here; called with its name and ``revision``; None for the hub itself.

    Raises:
        ArtifactError: when there is none.
    """
    path = Path(with_home(str(source)))
    if path.exists():
        if revision is not None:
            raise ArtifactError(
                f"a revision belongs to a segmenter on the hub, got '{revision}' with the local path {path}",
                help="leave the revision out",
            )
        return _in_folder(path) if path.is_dir() else _beside_file(path)
    if isinstance(source, Path) or not _HUB_ID.fullmatch(source):
        raise ArtifactError(
            f"segmenter {source} must be a run folder, a folder with {DESCRIPTION_NAME}, or 'owner/name' on the hub, "
            "got no such path",
            help=near_path_help(path, "correct the path"),
        )
    if fetch is None:
        from tagseg.use.hub import load_from_hub  # a local folder needs nothing of it

        fetch = load_from_hub
    return fetch(source, revision=revision)


def settings_of(folder: Path, loaded: LoadedSegmenter) -> PredictionSettings:
    """Return how a segmenter is to be used.

    That of a run is used as stage 6 used it, or, before that stage, as the run's recipe says; an exported one as its
    description says. A run of version 0.1 has its settings in the description, too.

    Args:
        folder: that holds ``segmenter.json``.
        loaded: what was read there.

    Raises:
        ArtifactError: when a setting is unknown or out of range.
        RecipeError: when the recipe of the run cannot be read.
    """
    run = RunLayout(folder.parent)
    if folder.name == run.segmenter.name:
        if run.prediction_settings.is_file():
            return _checked(read_prediction_settings(run.prediction_settings), path=run.prediction_settings)
        if not loaded.prediction and run.recipe_path.is_file():
            # Only a run without stage 6 is asked: recipes take as long to import as a small network to load.
            from tagseg.assemble.prediction import prediction_settings
            from tagseg.recipe import load_recipe

            return prediction_settings(load_recipe(run.recipe_path))
    return _checked(loaded.prediction, path=folder / DESCRIPTION_NAME)


def _checked(settings: Mapping[str, Any], *, path: Path) -> PredictionSettings:
    """Return settings that a file gave by name, or raise :class:`ArtifactError` when one is unknown or out of range."""
    names = [field.name for field in fields(PredictionSettings)]
    for name in settings:
        if name not in names:
            raise ArtifactError(
                f"prediction settings in {path} are {', '.join(names)}, got '{name}'",
                help=nearest_name_help(name, names),
            )
        if not _fits(name, settings[name]):
            raise _unusable(path, f"{name} = {str(settings[name])[:50]!r}, a value of another type")
    values: dict[str, Any] = {"max_side_px": MAX_SIDE_PX}
    values |= {name: tuple(value) if isinstance(value, list) else value for name, value in settings.items()}
    try:
        return PredictionSettings(**values)
    except RecipeError as error:
        raise _unusable(path, error.problem) from error


def _unusable(path: Path, found: str) -> ArtifactError:
    return ArtifactError(
        f"prediction settings in {path} must be usable, got {found}", help="correct the file or export it again"
    )


def _fits(name: str, value: Any) -> bool:  # noqa: ANN401 (what JSON gave)
    """Return whether a setting is of the type that Python would not ask for: ``flip = "no"`` is true to it."""
    if name == "scales":
        return isinstance(value, list) and all(type(scale) in (int, float) for scale in value)
    if name == "flip":
        return isinstance(value, bool)
    return type(value) is int or (name == "max_side_px" and value is None)


def _in_folder(folder: Path) -> Path:
    """Return a folder itself, or its part, that holds a segmenter."""
    stage = RunLayout(folder).segmenter
    for candidate in (folder, stage):
        if (candidate / DESCRIPTION_NAME).is_file():
            return candidate
    if RunLayout(folder).manifest_path.is_file():
        raise ArtifactError(
            f"run folder {folder} must hold a finished segmenter, got none in {stage.name}",
            help="run 'tagseg run' or 'tagseg train-segmenter' first",
        )
    raise ArtifactError(
        f"folder {folder} must be that of a run or hold {DESCRIPTION_NAME}, got neither",
        help="name the folder that tagseg wrote",
    )


def _beside_file(path: Path) -> Path:
    """Return the folder of one of a segmenter's two files."""
    if path.name in (DESCRIPTION_NAME, WEIGHTS_NAME):
        return path.parent
    help = f"name its folder with {DESCRIPTION_NAME} and {WEIGHTS_NAME}"
    if path.suffix == ".onnx":
        help = "run it with onnxruntime, or name the folder that it was exported from"
    raise ArtifactError(f"file of a segmenter is {DESCRIPTION_NAME} or {WEIGHTS_NAME}, got {path}", help=help)


def choose_device(device: str) -> torch.device:
    """Resolve ``auto``, and check that torch can use a named device."""
    try:
        wanted = None if device == "auto" else torch.device(device)
    except RuntimeError as error:
        raise _unknown_device(device) from error
    kind = "auto" if wanted is None else wanted.type
    if kind not in ("auto", "cpu", "cuda", "mps"):
        raise _unknown_device(device)
    try:
        accelerator, _ = choose_accelerator(kind)
    except DeviceError as error:
        raise DeviceError(
            f"device '{device}' must be one that torch can use, got none of that kind",
            help="take cpu, or auto to have one chosen",
        ) from error
    if wanted is not None and kind == "cuda" and (wanted.index or 0) >= torch.cuda.device_count():
        raise DeviceError(
            f"device '{device}' must be there, got {torch.cuda.device_count()} CUDA devices", help="count from cuda:0"
        )
    return wanted or torch.device(accelerator)


def _unknown_device(device: str) -> DeviceError:
    return DeviceError(
        f"device is auto, cpu, cuda, cuda:<number> or mps, got '{device}'", help="take auto to have one chosen"
    )
