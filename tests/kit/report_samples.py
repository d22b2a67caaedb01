"""Reports that look like real ones, made of numbers alone, for the tests of pages.

Axes: h w pixels, K labels.
"""

from collections.abc import Mapping
from dataclasses import replace
from io import BytesIO

import numpy as np
from PIL import Image

from tagseg.report.comparison import Change, Comparison, ScoreDifference
from tagseg.report.content import (
    Activation,
    ActivationShare,
    Beside,
    Curve,
    Fact,
    GalleryImage,
    Problem,
    Report,
    ScoreSet,
    StageRow,
    Sweep,
    SweepPoint,
)

LABELS = ("background", "bird", "cat", "cow", "dog", "horse", "sheep")
SWEPT = tuple(round(0.05 * step, 2) for step in range(1, 20))
HOSTILE = (
    "<img src=x onerror=\"console.error('ran')\">",
    "</script><script>console.error('ran')</script>",
    "\"quoted\" & 'quoted'",
    "\u202eright to left \u05d0\u05d1\u05d2",
    "{{ 7 * 7 }} \u732b",
)


def grey_png(values: np.ndarray) -> bytes:
    """Return a grey PNG of bytes."""
    buffer = BytesIO()
    Image.fromarray(values.astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def ellipse(size: tuple[int, int], centre: tuple[float, float], radii: tuple[float, float]) -> np.ndarray:
    """Return a distance that is below 1 inside."""
    y, x = np.mgrid[: size[0], : size[1]]
    return np.hypot((y - centre[0]) / radii[0], (x - centre[1]) / radii[1])


def scene(seed: int, tags: tuple[int, ...], size: tuple[int, int]) -> dict[str, np.ndarray]:
    """Return photo, truth and one map a tag of a drawn scene."""
    rng = np.random.default_rng(seed)
    height, width = size
    slope = np.linspace(0.0, 1.0, height)[:, None, None]
    sky, ground = rng.integers(120, 210, 3), rng.integers(60, 120, 3)
    photo = sky * (1 - slope) + ground * slope + rng.normal(0, 8, (height, width, 3))
    truth = np.zeros(size, np.uint8)
    maps = []
    for position, tag in enumerate(tags):
        centre = (height * rng.uniform(0.4, 0.65), width * (position + 1) / (len(tags) + 1))
        radii = (height * rng.uniform(0.2, 0.32), width * rng.uniform(0.14, 0.22))
        body = ellipse(size, centre, radii)
        photo[body < 1] = rng.integers(40, 230, 3) + rng.normal(0, 10, (int((body < 1).sum()), 3))
        truth[body < 1] = tag
        truth[(body >= 1) & (body < 1.08)] = 255
        peak = ellipse(size, (centre[0] - radii[0] * 0.3, centre[1]), (radii[0] * 1.3, radii[1] * 1.3))
        maps.append(np.clip(1.05 - 0.62 * peak + rng.normal(0, 0.01, size), 0, 1))
    return {"photo": np.clip(photo, 0, 255), "truth": truth, "maps": np.stack(maps)}


def seeds(maps: Mapping[int, np.ndarray], background_score: float) -> np.ndarray:
    """Return seeds by the rule of CamFile.labels, from maps stored as bytes."""
    stack = np.stack([maps[tag].astype(np.float32) / np.float32(255) for tag in sorted(maps)])
    winners = np.array(sorted(maps), np.uint8)[stack.argmax(axis=0)]
    return np.where(stack.max(axis=0) > np.float32(background_score), winners, np.uint8(0))


def confusion(pairs: list[tuple[np.ndarray, np.ndarray]], num_labels: int) -> np.ndarray:
    """Return pixels by true and found label, void left out."""
    counts = np.zeros((num_labels, num_labels), np.int64)
    for truth, found in pairs:
        known = truth != 255
        np.add.at(counts, (truth[known], found[known]), 1)
    return counts


def score_values(counts: np.ndarray) -> dict[str, object]:
    """Return the scores of a confusion matrix by their definitions."""
    right, union = counts.diagonal(), counts.sum(0) + counts.sum(1) - counts.diagonal()
    iou = [float(r / u) if u else None for r, u in zip(right, union, strict=True)]
    present = [value for value in iou if value is not None]

    def ratio(part: int, whole: int) -> float | None:
        return float(part / whole) if whole else None

    return {
        "mean_iou": sum(present) / len(present) if present else None,
        "precision": ratio(right[1:].sum(), counts[:, 1:].sum()),
        "recall": ratio(right[1:].sum(), counts[1:].sum()),
        "pixel_accuracy": ratio(right.sum(), counts.sum()),
        "iou": iou,
    }


def score_set(key: str, title: str, counts: np.ndarray, *, images: int, note: str = "") -> ScoreSet:
    """Return scores with their matrix, label names in order."""
    values = score_values(counts)
    iou = dict(zip(LABELS, values.pop("iou"), strict=False))
    matrix = tuple(tuple(int(count) for count in row) for row in counts)
    return ScoreSet(key, title, "val", images, iou=iou, confusion=matrix, note=note, **values)  # type: ignore[arg-type]


class SampleData:
    """Scenes with maps, and all that a report says of them."""

    def __init__(self, count: int = 12, size: tuple[int, int] = (96, 128), shift: float = 0.0) -> None:
        self.tags = [((index % 6) + 1,) if index % 3 else (min((index % 6) + 1, 5), 6) for index in range(count)]
        self.ids = [f"2008_{index:06d}" for index in range(count)]
        self.photos, self.truths, self.cams = [], [], []
        for index, tags in enumerate(self.tags):
            flipped = size[::-1] if index % 5 == 4 else size
            drawn = scene(index, tags, flipped)
            maps = np.clip(drawn["maps"] + shift, 0, 1)
            averaged = np.clip(maps * 1.15 - 0.05, 0, 1)
            self.photos.append(drawn["photo"])
            self.truths.append(drawn["truth"])
            self.cams.append(
                {
                    "network": {tag: np.rint(255 * cam).astype(np.uint8) for tag, cam in zip(tags, maps, strict=True)},
                    "averaged": {
                        tag: np.rint(255 * cam).astype(np.uint8) for tag, cam in zip(tags, averaged, strict=True)
                    },
                }
            )

    def pairs(self, kind: str, background_score: float) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return truth and seeds of every image."""
        return [
            (truth, seeds(cams[kind], background_score)) for truth, cams in zip(self.truths, self.cams, strict=True)
        ]

    def sweep(self, kind: str) -> Sweep:
        """Return the scores of the seeds at every background score."""
        points = []
        for score in SWEPT:
            values = score_values(confusion(self.pairs(kind, score), len(LABELS)))
            points.append(SweepPoint(score, values["mean_iou"], values["precision"], values["recall"]))  # type: ignore[arg-type]
        best = max(points, key=lambda point: (point.mean_iou or 0, -point.background_score))
        return Sweep(kind, f"Seeds, {kind} maps", tuple(points), best.background_score)

    def image(self, index: int) -> GalleryImage:
        """Return one image of the gallery."""
        truth, cams = self.truths[index], self.cams[index]
        mask = seeds(cams["averaged"], 0.3)
        confident = np.where(np.stack(list(cams["averaged"].values())).max(axis=0) > 180, mask, 255)
        sure = np.where(np.abs(np.stack(list(cams["network"].values())).max(axis=0).astype(int) - 70) < 25, 255, mask)
        photo = BytesIO()
        Image.fromarray(self.photos[index].astype(np.uint8)).save(photo, "JPEG", quality=80)
        labels = {"sure": sure, "mask": mask, "confident": confident, "prediction": seeds(cams["averaged"], 0.4)}
        values = score_values(confusion([(truth, mask)], len(LABELS)))
        return GalleryImage(
            self.ids[index],
            self.tags[index],
            truth.shape,  # type: ignore[arg-type]
            photo.getvalue(),
            {kind: {tag: grey_png(cam) for tag, cam in maps.items()} for kind, maps in cams.items()},
            {name: grey_png(picture) for name, picture in {**labels, "truth": truth}.items()},
            mean_iou=values["mean_iou"],  # type: ignore[arg-type]
            uncertainty=round(float(np.mean(sure == 255)), 4),
            why=(("worst", "best", "uncertain", "random")[index % 4],),  # type: ignore[arg-type]
        )


def curves(shift: float = 0.0) -> tuple[Curve, ...]:
    """Return curves that fall, rise and span decades."""
    steps = tuple(range(20, 2020, 20))
    rng = np.random.default_rng(abs(int(shift * 100)))

    def falling(start: float, end: float) -> tuple[float, ...]:
        ramp = np.linspace(0, 1, len(steps))
        return tuple((end + (start - end) * np.exp(-4 * ramp) + rng.normal(0, end * 0.05, len(steps))).tolist())

    found = [
        Curve("train_classifier", "loss", steps, falling(2.4 + shift, 0.7 + shift)),
        Curve("train_classifier", "loss_classification", steps, falling(0.7, 0.06 + shift / 4)),
        Curve("train_classifier", "loss_reconstruction", steps, falling(1.4, 0.6)),
        Curve("train_classifier", "loss_self_modulation", steps[20:], falling(0.12, 0.04)[20:]),
        Curve("train_classifier", "grad_classification", steps, tuple(10.0 ** -(1 + 3 * s / 2000) for s in steps)),
        Curve("train_classifier", "grad_reconstruction", steps, falling(0.02, 0.01)),
        Curve("train_classifier", "lr", steps, tuple(0.1 * (1 - s / 2100) ** 0.9 for s in steps)),
        Curve("train_classifier", "val_seed_miou", steps[19::20], (0.21, 0.35, 0.41, 0.44, 0.46)),
        Curve("train_segmenter", "loss", steps, falling(1.8, 0.3 + shift)),
        Curve("train_segmenter", "val_miou", steps[-1:], (0.512,)),
    ]
    return tuple(found)


def make_report(*, count: int = 12, title: str = "voc-animals", shift: float = 0.0) -> Report:
    """Return a finished run's report over drawn scenes; ``shift`` is added to the maps, so that runs differ."""
    data = SampleData(count, shift=shift)
    network, averaged = data.sweep("network"), data.sweep("averaged")
    counts = {name: confusion(data.pairs(*at), len(LABELS)) for name, at in {
        "seeds_network": ("network", network.best), "seeds_averaged": ("averaged", averaged.best),
        "pseudo_masks": ("averaged", 0.3), "segmenter": ("averaged", 0.4),
    }.items()}  # fmt: skip
    titles = {
        "seeds_network": "Seeds",
        "seeds_averaged": "Seeds, averaged maps",
        "pseudo_masks": "Pseudo masks",
        "segmenter": "Segmentation network",
    }
    notes = {
        "seeds_network": f"background score {network.best:g}",
        "seeds_averaged": f"background score {averaged.best:g}",
    }
    scores = tuple(
        score_set(key, titles[key], matrix, images=count, note=notes.get(key, "")) for key, matrix in counts.items()
    )
    full = replace(scores[-1], mean_iou=min(1.0, (scores[-1].mean_iou or 0) + 0.06))
    plain = tuple(replace(one, mean_iou=(one.mean_iou or 0) - 0.05) for one in scores)
    return Report(
        title=title,
        folder=f"runs/{title}",
        written="2026-01-02T03:04:05+00:00",
        label_names=LABELS,
        facts=FACTS,
        stages=STAGES,
        scores=scores,
        sweeps=(network, averaged),
        activation=tuple(
            Activation(kind, f"Maps, {kind}", 0.25, activation_shares(shift)) for kind in ("network", "averaged")
        ),
        curves=curves(shift),
        gallery=tuple(data.image(index) for index in range(count)),
        gallery_rule="Of 1,449 images, the 3 worst, 3 best and 3 most uncertain pseudo masks and 3 at random (seed 0).",
        gallery_score="pseudo mask",
        problems=(
            Problem("bad image", "JPEGImages/2009_001234.jpg", "it ends in the middle of the picture"),
            Problem("warning", "train_classifier", "the loss was no number at step 12"),
        ),
        beside=(Beside("plain CAM", plain), Beside("ground truth as labels", (full,), upper_bound=True)),
        recipe=f'name = "{title}"\n\n[training]\nepochs = 10\n',
    )


def activation_shares(shift: float = 0.0) -> tuple[ActivationShare, ...]:
    """Return shares of all classes and of each."""
    rng = np.random.default_rng(7)
    each = [
        ActivationShare(name, float(rng.uniform(0.4, 0.9)), float(min(1, rng.uniform(0.3, 0.8) + shift)))
        for name in LABELS[1:]
    ]
    return (ActivationShare("all classes", 0.61 - shift, 0.58 + shift), *each)


STAGES = (
    StageRow("train_classifier", "done", "2026-01-01T10:00:00", 5412.3, 5000, 9.2, 3_221_225_472, "cpu", "f125732"),
    StageRow("extract_cams", "done", "2026-01-01T11:31:00", 902.0, 1449, 1.6, 1_610_612_736, "cpu", "f125732"),
    StageRow("train_affinity", "not needed", note="masks.refine has no random walk"),
    StageRow("make_masks", "done", "2026-01-01T11:47:00", 411.5, 1449, 3.5, 805_306_368, "cpu", "f125732"),
    StageRow("train_segmenter", "started", "2026-01-01T11:55:00", None, 1449, None, None, "cpu", "f125732"),
    StageRow("evaluate", "missing"),
)
FACTS = (
    Fact("data", "format", "voc"),
    Fact("data", "images to learn from", "5,000"),
    Fact("data", "images to score", "1,449"),
    Fact("recipe", "backbone", "mobilenetv2_100"),
    Fact("recipe", "seed", "0"),
    Fact("versions", "tagseg", "0.1.0"),
    Fact("versions", "torch", "2.10.0"),
    Fact("machine", "device", "cpu, 2 threads"),
)


def empty_report() -> Report:
    """Return the report of a run that has only just started."""
    return Report("empty", "runs/empty", "2026-01-02T03:04:05", ("background", "cat"))


def hostile_report() -> Report:
    """Return a report in which every text tries to be more than text."""
    report = make_report(count=len(HOSTILE))
    renamed = dict(zip(LABELS, ("background", *HOSTILE, "sheep"), strict=True))
    evil = HOSTILE[0] + HOSTILE[1]
    return replace(
        report,
        title=evil,
        folder=evil,
        label_names=tuple(renamed.values()),
        facts=tuple(replace(fact, group=evil, name=evil, value=evil) for fact in report.facts),
        stages=tuple(replace(stage, name=evil, note=evil, device=evil) for stage in report.stages),
        scores=tuple(
            replace(one, title=evil, note=evil, iou={renamed[name]: value for name, value in one.iou.items()})
            for one in report.scores
        ),
        sweeps=tuple(replace(sweep, title=evil) for sweep in report.sweeps),
        activation=tuple(
            replace(one, title=evil, shares=tuple(replace(share, name=evil) for share in one.shares))
            for one in report.activation
        ),
        curves=tuple(replace(curve, name=evil) for curve in report.curves),
        gallery=tuple(replace(image, image_id=name) for image, name in zip(report.gallery, HOSTILE, strict=True)),
        gallery_rule=evil,
        gallery_score=evil,
        problems=(Problem(evil, evil, evil),),
        beside=(Beside(evil, report.scores),),
        recipe=evil,
    )


def make_comparison(*, count: int = 6) -> Comparison:
    """Return three runs of an ablation."""
    reports = tuple(
        make_report(count=count, title=title, shift=shift)
        for title, shift in (("plain CAM", -0.12), ("suppression", 0.1), ("SSC", 0.0))
    )
    changes = (
        Change("suppression.enabled", ("false", "true", "true")),
        Change("self_modulation.enabled", ("false", "false", "true")),
    )
    differences = (
        ScoreDifference("pseudo_masks", 1, 200, 0.22, 0.18, 0.262),
        ScoreDifference("pseudo_masks", 2, 200, 0.012, -0.003, 0.027),
    )
    return Comparison(reports, changes, differences, resamples=2000)
