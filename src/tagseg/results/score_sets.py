"""From ``scores.json`` to what a report shows of it; an older file has less in it."""

from collections.abc import Iterator, Mapping
from typing import Any

from tagseg.report.content import Activation, ActivationShare, ScoreSet, Sweep, SweepPoint

Scores = Mapping[str, Any]
"""The content of ``scores.json``, or a part of it."""

SEED_TITLES = {"network": "seeds from the network", "averaged": "seeds averaged over regions"}
MAP_TITLES = {"network": "maps of the network", "averaged": "maps averaged over regions"}


def score_sets(scores: Scores) -> tuple[ScoreSet, ...]:
    """Return what is scored, in the order of the stages."""
    return tuple(_score_sets(scores))


def _score_sets(scores: Scores) -> Iterator[ScoreSet]:
    where = {"split": scores.get("split", ""), "images": scores.get("images", 0)}
    for kind, seeds in (scores.get("seeds") or {}).items():
        best = seeds["best"]
        note = f"cut at {best['background_score']:.2f}, the best background score of the sweep"
        counted = {**best, "confusion": seeds.get("confusion")}
        yield _score_set(f"seeds_{kind}", SEED_TITLES[kind], counted, where, note=note)
    if sure := scores.get("sure_seeds"):
        counted = {**where, "images": sure.get("images", where["images"])}
        note = f"over the {100 * sure['coverage']:.1f} % of the pixels whose label is sure"
        yield _score_set("sure_seeds", "sure seeds", sure, counted, note=note)
    if made := scores.get("pseudo_masks"):
        counted = {**where, "images": made.get("images", where["images"])}
        cut = f"cut at {made['background_score']:.2f} ({_RULES[made.get('background_rule', 'fixed')]})"
        steps = " + ".join(made.get("refine") or ()) or "no refinement"
        yield _score_set("pseudo_masks", "pseudo masks", made["masks"], counted, note=f"{steps}; {cut}")
        confident = made["confident"]
        note = f"over the {100 * confident['coverage']:.1f} % of the pixels that are trusted"
        yield _score_set("confident", "pseudo masks where trusted", confident, counted, note=note)
    if tested := scores.get("segmenter"):
        note = "taught by ground truth" if tested.get("labels") == "truth" else "taught by pseudo masks"
        note += f", strategy {tested['strategy']}" if "strategy" in tested else ""
        note += "; it learned from some of these images" if tested.get("learned_from_them") else ""
        yield _score_set("segmenter", "segmentation network", tested, tested, note=note)


_RULES = {"fixed": "fixed", "auto": "found without masks"}


def _score_set(key: str, title: str, counted: Scores, where: Scores, *, note: str) -> ScoreSet:
    confusion = counted.get("confusion")
    return ScoreSet(
        key=key,
        title=title,
        split=where.get("split", ""),
        images=where.get("images", 0),
        mean_iou=_number(counted.get("mean_iou")),
        precision=_number(counted.get("precision")),
        recall=_number(counted.get("recall")),
        pixel_accuracy=_number(counted.get("pixel_accuracy")),
        iou=_numbers(counted.get("iou") or {}),
        confusion=tuple(tuple(row) for row in confusion) if confusion else None,
        note=note,
    )


def _number(value: float | int | None) -> float | None:
    """Return a share as such: JSON may hold 0 or 1 without a point."""
    return None if value is None else float(value)


def _numbers(values: Mapping[str, float | int | None]) -> dict[str, float | None]:
    return {name: _number(value) for name, value in values.items()}


def sweeps(scores: Scores) -> tuple[Sweep, ...]:
    """Return the sweeps over background scores."""
    swept = [(kind, SEED_TITLES[kind], seeds) for kind, seeds in (scores.get("seeds") or {}).items()]
    made = scores.get("pseudo_masks")
    swept += [("masks", "maps that pseudo masks are cut from", made)] if made else []
    return tuple(
        Sweep(kind, title, tuple(_sweep_point(point) for point in of["sweep"]), of["best"]["background_score"])
        for kind, title, of in swept
        if of.get("sweep")
    )


def _sweep_point(point: Scores) -> SweepPoint:
    return SweepPoint(point["background_score"], point["mean_iou"], point["precision"], point["recall"])


def activation(scores: Scores) -> tuple[Activation, ...]:
    """Return over- and under-activation of the maps."""
    return tuple(
        Activation(
            kind,
            MAP_TITLES[kind],
            found["background_score"],
            (
                ActivationShare("all classes", **_numbers(found["overall"])),
                *(ActivationShare(name, **_numbers(shares)) for name, shares in found["classes"].items()),
            ),
        )
        for kind, seeds in (scores.get("seeds") or {}).items()
        if (found := seeds.get("activation"))
    )
