"""``scores.json``: what stage 7 counted, and its only reader and writer."""

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import TypeVar

from tagseg.artifacts.background_cut import rule_of
from tagseg.artifacts.json_file import (
    Json,
    count_of,
    flag_of,
    json_bytes,
    list_of,
    mapping_of,
    read_json,
    share_of,
    text_of,
)
from tagseg.artifacts.run_scores import (
    AFFINITY,
    AVERAGED,
    NETWORK,
    ActivationCut,
    ActivationScores,
    Confusion,
    CorrectionScores,
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

Object = dict[str, Json]
"""Values of a part of the file, by name."""

_LEVEL_UP = ("scores", "labelled")  # the keys of these stand beside those of the part that holds them

_Part = TypeVar("_Part")


def write_scores(path: Path, scores: RunScores) -> None:
    """Write the scores of a run, atomically."""
    atomic_write(path, json_bytes(scores_content(scores)))


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
        return _read_run(mapping_of(read_json(path)))
    except (ValueError, KeyError) as error:
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
    if scores.corrections is None:
        del content["corrections"]
    if scores.seeds:
        del content["reason"]
        return content
    keys = ("format", "seeds", "reason", "segmenter", "corrections", "warnings")
    return {**{key: content[key] for key in keys if key in content}, "seeds": None}


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


def _read_run(content: Object) -> RunScores:
    seeds = {kind: _read_seeds(mapping_of(of)) for kind, of in (_optional(dict, content["seeds"]) or {}).items()}
    if not seeds.keys() <= {NETWORK, AVERAGED, AFFINITY}:
        raise ValueError("seeds are of another kind of maps")
    scores = RunScores(
        split=text_of(content.get("split", "")),
        images=count_of(content.get("images", 0)),
        classes=_names(content.get("classes", [])),
        seeds=seeds,
        sure_seeds=_optional(_read_sure, content.get("sure_seeds")),
        pseudo_masks=_optional(_read_masks, content.get("pseudo_masks")),
        segmenter=_optional(_read_segmenter, content.get("segmenter")),
        corrections=_optional(_read_corrections, content.get("corrections")),
        reason=text_of(content.get("reason", "")),
        warnings=_names(content.get("warnings", [])),
        format=count_of(content.get("format", 1)),
    )
    made = scores.pseudo_masks
    parts = [*seeds.values(), *([made.masks, made.confident] if made else [])]
    parts += [scores.sure_seeds.labelled] if scores.sure_seeds else []
    _require_counts_of(scores.classes, [part.confusion for part in parts])
    if scores.segmenter:
        _require_counts_of(scores.segmenter.classes, [scores.segmenter.confusion])
    return scores


def _read_seeds(content: Object) -> SeedScores:
    return SeedScores(
        best=_read_cut(mapping_of(content["best"])),
        at_recipe=_optional(_read_cut, content.get("at_recipe")),
        sweep=_read_sweep(content),
        activation=_optional(_read_activation, content.get("activation")),
        confusion=_read_confusion(content),
    )


def _read_sure(content: Object) -> SureSeedScores:
    return SureSeedScores(_optional_count(content.get("images")), _read_part(content))


def _read_masks(content: Object) -> MaskScores:
    return MaskScores(
        images=_optional_count(content.get("images")),
        refine=_names(content.get("refine", [])),
        background_rule=rule_of(content.get("background_rule", "fixed")),
        background_score=share_of(content["background_score"]),
        masks=_read_part(mapping_of(content["masks"])),
        confident=_read_part(mapping_of(content["confident"])),
        best=_read_cut(mapping_of(content["best"])),
        sweep=_read_sweep(content),
    )


def _read_segmenter(content: Object) -> SegmenterScores:
    return SegmenterScores(
        split=text_of(content.get("split", "")),
        images=count_of(content.get("images", 0)),
        scores=_read_labels(content),
        classes=_names(content.get("classes", [])),
        labels=text_of(content.get("labels", "")),
        strategy=text_of(content.get("strategy", "")),
        architecture=text_of(content.get("architecture", "")),
        corrected=count_of(content.get("corrected", 0)),
        learned_from_them=flag_of(content.get("learned_from_them", False)),
        confusion=_read_confusion(content),
    )


def _read_corrections(content: Object) -> CorrectionScores:
    scores, confusion = _read_labels(content), _read_confusion(content)
    if confusion is not None and len(confusion) != len(scores.iou):
        raise ValueError("there are counts of other labels than those that have an IoU")
    return CorrectionScores(
        images=count_of(content["images"]),
        changed=share_of(content["changed"]),
        scores=scores,
        confusion=confusion,
    )


def _read_part(content: Object) -> PartScores:
    return PartScores(share_of(content["coverage"]), _read_labels(content), _read_confusion(content))


def _read_cut(content: Object) -> ScoredCut:
    return ScoredCut(share_of(content["background_score"]), _read_labels(content))


def _read_sweep(content: Object) -> tuple[ScoredCut, ...]:
    return tuple(_read_cut(mapping_of(cut)) for cut in list_of(content.get("sweep", [])))


def _read_labels(content: Object) -> LabelScores:
    return LabelScores(
        mean_iou=_share(content.get("mean_iou")),
        precision=_share(content.get("precision")),
        recall=_share(content.get("recall")),
        pixel_accuracy=_share(content.get("pixel_accuracy")),
        iou={name: _share(value) for name, value in mapping_of(content.get("iou", {})).items()},
    )


def _read_activation(content: Object) -> ActivationCut:
    def shares(of: Json) -> ActivationScores:
        known = mapping_of(of)
        return ActivationScores(_share(known["inside"]), _share(known["covered"]))

    classes = {name: shares(of) for name, of in mapping_of(content["classes"]).items()}
    return ActivationCut(share_of(content["background_score"]), shares(content["overall"]), classes)


def _read_confusion(content: Object) -> Confusion | None:
    counts = content.get("confusion")
    if counts is None:
        return None
    rows = tuple(tuple(count_of(count) for count in list_of(row)) for row in list_of(counts))
    if {len(row) for row in rows} != {len(rows)}:
        raise ValueError("counts of labels are a square")
    return rows


def _require_counts_of(classes: tuple[str, ...], found: list[Confusion | None]) -> None:
    """Require counts of as many labels as there are names; an older file has no names."""
    if classes and any(counts is not None and len(counts) != len(classes) for counts in found):
        raise ValueError("there are counts of other labels than those that are named")


def _optional(read: Callable[[Object], _Part], content: Json) -> _Part | None:
    """Return a part that a run need not have."""
    return None if content is None else read(mapping_of(content))


def _share(value: Json) -> float | None:
    return None if value is None else share_of(value)


def _names(value: Json) -> tuple[str, ...]:
    return tuple(text_of(name) for name in list_of(value))


def _optional_count(value: Json) -> int | None:
    return None if value is None else count_of(value)
