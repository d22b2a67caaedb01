"""How well `tagseg tags` finds tags that were spoiled on purpose, and what repairing the first of them gives back.

    python benchmarks/wrong_tags.py find ../shared/data/voc2012_animals --weights mobilenetv2_100_imagenet.safetensors
    python benchmarks/wrong_tags.py repair ../shared/data/voc2012_animals --weights mobilenetv2_100_imagenet.safetensors

A share of the (photograph, class) pairs that are tagged in ``train_aug``, of the six classes of the recipe, is drawn by
seed. Each is dropped or swapped for a class that is not tagged there, with equal chance; the last tag of a photograph
is always swapped. A pair is wrong when it then differs: a swap makes two. ``find`` ranks all pairs by their doubt and
gives the average precision of the wrong ones; chance is their share. ``repair`` turns over as many first-ranked pairs
as are wrong, and fits a plain CAM classifier on frozen features to the true, the spoiled and the repaired tags. Its
seeds are scored on ``train``, a part of ``train_aug``: maps of the classes that the same tags name, and with
``_true_tags`` of those that are true. Truth is read for the scores alone.

Features of a network are kept in ``--out``. Where cleanlab is installed, its rankings of the same probabilities are
scored beside ours.
"""

import argparse
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy import ndarray
from this_machine import this_machine

from tagseg.artifacts.cam_file import CamFile
from tagseg.cli.console import ConsoleProgress
from tagseg.data.datasets import tag_vector
from tagseg.data.layouts.voc import read_voc
from tagseg.evaluation.tag_doubt import doubts, fit, held_out
from tagseg.evaluation.tag_precision import tag_average_precision
from tagseg.evaluation.threshold import BackgroundSweep, best
from tagseg.models.backbone import build_backbone
from tagseg.ops.resize import resize_maps
from tagseg.use.wrong_tags import FrozenFeatures

CLASSES = ("cat", "cow", "dog", "horse", "person", "sheep")
FOLDS = 5
STEP = 4
"""Every so many rows and columns of pixels are scored: cells are far larger."""
BACKGROUND_SCORES = tuple(round(0.05 * step, 2) for step in range(1, 20))


def spoil(tags: ndarray, *, share: float, seed: int) -> ndarray:
    """Return a copy of (N, C) tags in which a share of those that are True was dropped or swapped.

    >>> tags = np.array([[True, True, False], [False, True, False]])
    >>> (spoil(tags, share=1.0, seed=0) & tags).any()
    np.False_
    """
    generator = np.random.default_rng(seed)
    shown, given = np.argwhere(tags), tags.copy()
    for n, c in shown[generator.permutation(len(shown))[: round(share * len(shown))]]:
        swapped = generator.random() < 0.5 or given[n].sum() == 1
        given[n, c] = False
        others = np.flatnonzero(~tags[n] & ~given[n])
        if swapped and others.size:
            given[n, generator.choice(others)] = True
    return given


def repaired(given: ndarray, doubt: ndarray, *, count: int) -> ndarray:
    """Return a copy of (N, C) tags in which the most doubted ones are turned over.

    >>> repaired(np.array([[True, False]]), np.array([[0.2, 0.9]]), count=1).tolist()
    [[True, True]]
    """
    mended = given.copy().reshape(-1)
    first = np.argsort(-doubt.reshape(-1), kind="stable")[:count]
    mended[first] = ~mended[first]
    return mended.reshape(given.shape)


def found_precision(doubt: ndarray, wrong: ndarray) -> float:
    """Return the average precision of the wrong pairs in the order of their doubt."""
    return float(tag_average_precision(doubt.reshape(-1, 1).astype(np.float64), wrong.reshape(-1, 1))[0])


def true_tags(root: Path, split: str = "train_aug") -> tuple[list[str], ndarray]:
    """Return the ids of the photographs and their (N, C) tags."""
    records = read_voc(root, split=split, classes=CLASSES).records
    return [record.image_id for record in records], np.stack(
        [tag_vector(record.tags, num_classes=len(CLASSES)).numpy() > 0 for record in records]
    )


def frozen_features(args: argparse.Namespace) -> tuple[ndarray, dict[str, ndarray]]:
    """Return (N, D) features of all photographs as `tagseg tags` has them, and (D, h, w) of those of `train`."""
    kept, maps = (args.out / f"{args.backbone}{end}.npz" for end in ("", "-maps"))
    if not maps.exists():
        looked = FrozenFeatures(build_backbone(args.backbone, weights=args.weights, output_stride=None))
        records = read_voc(args.root, split="train_aug", classes=CLASSES).records
        scored = {record.image_id for record in read_voc(args.root, split="train", classes=CLASSES).records}
        pooled, cells = [], {}
        with ConsoleProgress().task("Looking at photographs", total=len(records)) as task:
            for record in records:
                found, _ = looked.of(record)
                pooled.append(found.mean(axis=(1, 2)))
                if record.image_id in scored:
                    cells[record.image_id] = found.astype(np.float16)
                task.advance()
        args.out.mkdir(parents=True, exist_ok=True)
        np.savez(kept, mean=np.stack(pooled))
        np.savez(maps, **cells)
    with np.load(kept) as pooled_file, np.load(maps) as maps_file:
        return pooled_file["mean"], dict(maps_file)


def find(args: argparse.Namespace) -> list[dict[str, Any]]:
    """Return a row for each share and seed: how well the wrong tags were found."""
    features, _ = frozen_features(args)
    _, tags = true_tags(args.root)
    rows = []
    for share, seed in itertools.product(args.shares, args.seeds):
        given = spoil(tags, share=share, seed=seed)
        probabilities = held_out(features, given, folds=FOLDS, seed=seed).probabilities
        wrong = given != tags
        row = {"part": "find", "backbone": args.backbone, "share": share, "seed": seed, "wrong": int(wrong.sum())}
        row |= {"chance": float(wrong.mean()), "ours": found_precision(doubts(probabilities, given), wrong)}
        rows.append(row | _cleanlabs(probabilities, given, wrong))
        print(json.dumps(rows[-1]), flush=True)
    return rows


def _cleanlabs(probabilities: ndarray, given: ndarray, wrong: ndarray) -> dict[str, float]:
    """Return the average precision of cleanlab's rankings of the same probabilities; none where it is not installed."""
    try:
        from cleanlab.multilabel_classification.rank import get_label_quality_scores_per_class
    except ModuleNotFoundError:
        return {}
    named, found = [np.flatnonzero(row).tolist() for row in given], {}
    for method in ("self_confidence", "normalized_margin", "confidence_weighted_entropy"):
        quality = get_label_quality_scores_per_class(named, probabilities, method=method)
        found[f"cleanlab_{method}"] = found_precision(-np.asarray(quality), wrong)
    return found


def repair(args: argparse.Namespace) -> list[dict[str, Any]]:
    """Return a row for each share and seed: the seeds of true, spoiled and repaired tags."""
    features, cells = frozen_features(args)
    ids, tags = true_tags(args.root)
    truths = {
        each.image_id: each.mask.read()[::STEP, ::STEP]
        for each in read_voc(args.root, split="train", classes=CLASSES).records
        if each.mask is not None
    }
    scored = {"ids": ids, "cells": cells, "truths": truths}
    clean, rows = seed_score(fit(features, tags)[0], tags, **scored), []
    for share, seed in itertools.product(args.shares, args.seeds):
        given = spoil(tags, share=share, seed=seed)
        count = int((given != tags).sum())
        doubt = doubts(held_out(features, given, folds=FOLDS, seed=seed).probabilities, given)
        mended = repaired(given, doubt, count=count)
        row: dict[str, Any] = {"part": "repair", "backbone": args.backbone, "share": share, "seed": seed}
        row |= {"wrong": count, "still_wrong": int((mended != tags).sum()), "clean": clean}
        for kind, learned in (("noisy", given), ("repaired", mended)):
            weights, _ = fit(features, learned)
            row[kind] = seed_score(weights, learned, **scored)
            row[f"{kind}_true_tags"] = seed_score(weights, tags, **scored)
        rows.append(row | {"gained_back": _gained(row, ""), "gained_back_true_tags": _gained(row, "_true_tags")})
        print(json.dumps(rows[-1]), flush=True)
    return rows


def _gained(row: dict[str, Any], end: str) -> float:
    return (row[f"repaired{end}"] - row[f"noisy{end}"]) / (row["clean"] - row[f"noisy{end}"])


def seed_score(
    weights: ndarray, tags: ndarray, *, ids: list[str], cells: dict[str, ndarray], truths: dict[str, ndarray]
) -> float:
    """Return the best mIoU of the seeds of a linear classifier on frozen features.

    Its maps are those of plain CAM: the weights on the cells, cut at 0, divided by the peak of each class. Only classes
    that a photograph is tagged with have one.
    """
    sweep = BackgroundSweep(("background", *CLASSES), BACKGROUND_SCORES)
    for n, key in enumerate(ids):
        if key not in cells:
            continue
        classes = np.flatnonzero(tags[n])
        if not classes.size:  # all background
            sweep.update(CamFile(np.zeros((0, *truths[key].shape), np.float32), ()), truths[key], name=key)
            continue
        raw = np.tensordot(weights[classes], cells[key].astype(np.float32), axes=1)
        maps = resize_maps(torch.from_numpy(raw)[None], truths[key].shape)[0].clamp(min=0).numpy()
        maps = maps / np.maximum(maps.max(axis=(1, 2), keepdims=True), 1e-6)
        sweep.update(CamFile(maps, tuple(int(c) + 1 for c in classes)), truths[key], name=key)
    return best(sweep.points()).scores.mean_iou


def main() -> None:
    """Do one part and write its rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=("find", "repair"))
    parser.add_argument("root", type=Path, help="voc2012_animals")
    parser.add_argument("--backbone", default="mobilenetv2_100", help="a timm name")
    parser.add_argument("--weights", type=Path, required=True, help="its ImageNet weights")
    parser.add_argument("--shares", type=float, nargs="+", help="of the tags [find: 0.05 0.1 0.2, repair: 0.2]")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--out", type=Path, default=Path("runs/wrong_tags"), help="folder for the features")
    parser.add_argument("--json", type=Path, help="file of rows; those of this part and backbone are replaced")
    args = parser.parse_args()
    args.shares = args.shares or ([0.2] if args.part == "repair" else [0.05, 0.1, 0.2])
    torch.set_num_threads(1)
    rows = (find if args.part == "find" else repair)(args)
    if args.json is not None:
        found = json.loads(args.json.read_text(encoding="utf-8")) if args.json.exists() else []
        kept = [row for row in found if (row["part"], row["backbone"]) != (args.part, args.backbone)]
        args.json.write_text(
            json.dumps(kept + [row | this_machine() for row in rows], indent=2) + "\n", encoding="utf-8"
        )


if __name__ == "__main__":
    main()
