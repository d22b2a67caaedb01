"""``scores.json``: what stage 7 counted, and its only reader and writer."""

import json
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar

from tagseg.artifacts.run_scores import (
    AFFINITY,
    AVERAGED,
    NETWORK,
    ActivationCut,
    ActivationScores,
    BackgroundRule,
    Confusion,
    LabelScores,
    MaskScores,
    PartScores,
    RunScores,
    ScoredCut,
    SeedScores,
    SegmenterScores,
    SureSeedScores,
)
from tagseg.errors import ArtifactError
from tagseg.system.atomic import atomic_write

Json = Any
"""A value as ``json`` reads it."""

_LEVEL_UP = ("scores", "labelled")  # the keys of these stand beside those of the part that holds them

_Part = TypeVar("_Part")


def write_scores(path: Path, scores: RunScores) -> None:
    """Write the scores of a run, atomically."""
    text = json.dumps(scores_content(scores), indent=2, ensure_ascii=False, allow_nan=False)
    atomic_write(path, f"{text}\n".encode())


def read_scores(path: Path) -> RunScores | None:
    """Return the scores of a run, or None when nothing is scored yet; an older file has less in it.

    Raises:
        ArtifactError: when the file is not one that tagseg wrote.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "scores.json"
    >>> read_scores(path) is None
    True
    >>> write_scores(path, RunScores(reason="the data set has no masks"))
    >>> read_scores(path).reason
    'the data set has no masks'
    """
    if not path.exists():
        return None
    try:
        return _read_run(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArtifactError(
            f"{path} must be scores that tagseg wrote, got a file that cannot be read as such",
            help="delete it and run the stage evaluate again",
        ) from error


def scores_content(scores: RunScores) -> dict[str, Json]:
    """Return what the file holds, as JSON values.

    >>> scores_content(RunScores(reason="no masks"))
    {'format': 2, 'seeds': None, 'reason': 'no masks', 'segmenter': None, 'warnings': []}
    """
    content = _content(scores)
    if scores.seeds:
        del content["reason"]
        return content
    return {**{key: content[key] for key in ("format", "seeds", "reason", "segmenter", "warnings")}, "seeds": None}


def _content(part: Json) -> Json:
    """Return a part of the scores as JSON values."""
    if isinstance(part, Mapping):
        return {key: _content(value) for key, value in part.items()}
    if isinstance(part, tuple):
        return [_content(value) for value in part]
    if not is_dataclass(part):
        return part
    content: dict[str, Json] = {}
    for entry in fields(part):
        value = _content(getattr(part, entry.name))
        content |= value if entry.name in _LEVEL_UP else {entry.name: value}
    return content


def _read_run(content: Json) -> RunScores:
    seeds = {kind: _read_seeds(of) for kind, of in (content["seeds"] or {}).items()}
    if not seeds.keys() <= {NETWORK, AVERAGED, AFFINITY}:
        raise ValueError("seeds are of another kind of maps")
    return RunScores(
        split=content.get("split", ""),
        images=content.get("images", 0),
        classes=tuple(content.get("classes", ())),
        seeds=seeds,
        sure_seeds=_optional(_read_sure, content.get("sure_seeds")),
        pseudo_masks=_optional(_read_masks, content.get("pseudo_masks")),
        segmenter=_optional(_read_segmenter, content.get("segmenter")),
        reason=content.get("reason", ""),
        warnings=tuple(content.get("warnings", ())),
        format=content.get("format", 1),
    )


def _read_seeds(content: Json) -> SeedScores:
    return SeedScores(
        best=_read_cut(content["best"]),
        at_recipe=_optional(_read_cut, content.get("at_recipe")),
        sweep=tuple(_read_cut(cut) for cut in content.get("sweep", ())),
        activation=_optional(_read_activation, content.get("activation")),
        confusion=_read_confusion(content),
    )


def _read_sure(content: Json) -> SureSeedScores:
    return SureSeedScores(content.get("images"), _read_part(content))


def _read_masks(content: Json) -> MaskScores:
    return MaskScores(
        images=content.get("images"),
        refine=tuple(content.get("refine", ())),
        background_rule=_read_rule(content.get("background_rule", "fixed")),
        background_score=_number(content["background_score"]),
        masks=_read_part(content["masks"]),
        confident=_read_part(content["confident"]),
        best=_read_cut(content["best"]),
        sweep=tuple(_read_cut(cut) for cut in content.get("sweep", ())),
    )


def _read_rule(name: Json) -> BackgroundRule:
    if name not in ("fixed", "auto"):
        raise ValueError("masks are cut by another rule")
    return name


def _read_segmenter(content: Json) -> SegmenterScores:
    return SegmenterScores(
        split=content.get("split", ""),
        images=content.get("images", 0),
        scores=_read_labels(content),
        classes=tuple(content.get("classes", ())),
        labels=content.get("labels", ""),
        strategy=content.get("strategy", ""),
        architecture=content.get("architecture", ""),
        learned_from_them=content.get("learned_from_them", False),
        confusion=_read_confusion(content),
    )


def _read_part(content: Json) -> PartScores:
    return PartScores(_number(content["coverage"]), _read_labels(content), _read_confusion(content))


def _read_cut(content: Json) -> ScoredCut:
    return ScoredCut(_number(content["background_score"]), _read_labels(content))


def _read_labels(content: Json) -> LabelScores:
    return LabelScores(
        mean_iou=_share(content.get("mean_iou")),
        precision=_share(content.get("precision")),
        recall=_share(content.get("recall")),
        pixel_accuracy=_share(content.get("pixel_accuracy")),
        iou={name: _share(value) for name, value in content.get("iou", {}).items()},
    )


def _read_activation(content: Json) -> ActivationCut:
    def shares(of: Json) -> ActivationScores:
        return ActivationScores(_share(of["inside"]), _share(of["covered"]))

    classes = {name: shares(of) for name, of in content["classes"].items()}
    return ActivationCut(_number(content["background_score"]), shares(content["overall"]), classes)


def _read_confusion(content: Json) -> Confusion | None:
    counts = content.get("confusion")
    return None if counts is None else tuple(tuple(int(count) for count in row) for row in counts)


def _optional(read: Callable[[Json], _Part], content: Json) -> _Part | None:
    """Return a part that a run need not have."""
    return None if content is None else read(content)


def _share(value: Json) -> float | None:
    return None if value is None else _number(value)


def _number(value: Json) -> float:
    """Return a number as such: JSON may hold 0 or 1 without a point."""
    if not isinstance(value, int | float):
        raise TypeError("a score is a number")
    return float(value)
