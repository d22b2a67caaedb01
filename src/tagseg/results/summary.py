"""What a report says in addition to its pictures: what ran, how long, scores, curves, problems, comparisons."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from tagseg.artifacts.held_out_tags import read_held_out_tags
from tagseg.artifacts.layout import FULL_FOLDER, PLAIN_FOLDER, STAGE_OUTPUTS, RunLayout
from tagseg.artifacts.scores_file import read_scores
from tagseg.artifacts.tag_doubts_csv import read_tag_doubts
from tagseg.errors import ArtifactError
from tagseg.recipe import to_toml
from tagseg.recipe.needs import why_unneeded
from tagseg.report.content import Beside, Curve, Problem, Report, StageRow
from tagseg.results.class_shares import class_shares
from tagseg.results.facts import facts
from tagseg.results.gallery import Gallery
from tagseg.results.open_run import best_background_score
from tagseg.results.score_sets import activation, corrected_labels, correction_set, score_sets, sweeps
from tagseg.results.source import ReportSource
from tagseg.training.curves import lost_points, read_curves

CURVE_POINTS = 300
"""Most points of a curve; of a longer one, each point is the mean of a stretch."""

MOST_TAGS = 50
"""Doubtful tags on a page; the file of the run folder has all."""

_LEARNING = ("train_classifier", "train_affinity", "train_segmenter")
_BESIDE = {PLAIN_FOLDER: "plain CAM", FULL_FOLDER: "ground truth as labels"}


def gather_report(source: ReportSource, gallery: Gallery) -> Report:
    """Gather all that a page shows of one run.

    Raises:
        ArtifactError: when a file of the run is not as tagseg wrote it.
    """
    manifest, scores = source.folder.read_manifest(), read_scores(source.folder.scores_path)
    found, truth = score_sets(scores), _has_truth(source)
    curves, broken = _curves(source, manifest)
    held_out, unread = _held_out_tags(source.folder)
    return Report(
        title=source.recipe.name,
        folder=str(source.folder.root),
        written=datetime.now(UTC).isoformat(timespec="seconds"),
        label_names=source.classes.label_names,
        facts=facts(source, manifest),
        stages=tuple(_stage_rows(source, manifest)),
        scores=found,
        sweeps=sweeps(scores),
        activation=activation(scores),
        curves=curves,
        gallery=gallery.images,
        gallery_rule=gallery.rule,
        gallery_score=gallery.score,
        problems=(*_problems(source, manifest), *broken, *gallery.problems, *unread, *_doubtful_tags(source.folder)),
        beside=tuple(_beside(source.folder)),
        recipe=to_toml(source.recipe),
        background_score=best_background_score(source.folder, source.recipe)[0],
        has_truth=bool(found) or truth,
        class_shares=() if truth else class_shares(source, held_out),
        corrections=correction_set(scores),
        corrected_labels=corrected_labels(scores),
    )


def _has_truth(source: ReportSource) -> bool:
    """Return whether any image has ground truth that is scored; a data set that is gone may have had some."""
    if not source.splits:
        return True
    splits = (source.splits.evaluation, source.splits.test)
    return any(record.mask is not None for split in splits if split for record in split.records)


def _stage_rows(source: ReportSource, manifest: Mapping[str, Any]) -> Iterator[StageRow]:
    """Return one row a stage in order, without the page's own."""
    for name in STAGE_OUTPUTS:
        if name == "report":
            continue
        entry = manifest["stages"].get(name, {})
        details, reason = entry.get("details", {}), why_unneeded(name, source.recipe)
        if reason:
            yield StageRow(name, "not needed", note=reason)
            continue
        yield StageRow(
            name,
            entry.get("state", "missing"),
            started=entry.get("started", ""),
            time_s=details.get("time_s"),
            images=details.get("images", details.get("scored")),
            images_per_s=details.get("images_per_s"),
            peak_memory_bytes=details.get("peak_memory_bytes"),
            device=details.get("device", ""),
            commit=details.get("commit") or "",
            note="; ".join(_stage_notes(entry, details)),
        )


def _stage_notes(entry: Mapping[str, Any], details: Mapping[str, Any]) -> Iterator[str]:
    if entry.get("state") == "started" and "spent_s" in entry:
        yield f"{entry['spent_s']:.0f} s so far"
    if details.get("processes", 1) > 1:
        yield f"{details['processes']} processes"
    if "counted" in details:
        yield f"throughput of '{details['counted']}', {details['counted_images']} images"
    if "total_time_s" in details and details["total_time_s"] > details["time_s"] + 0.5:
        yield f"{details['total_time_s']:.0f} s with all sittings"
    if gpu := details.get("peak_gpu_memory_bytes"):
        yield f"{gpu / 2**30:.1f} GiB of the GPU's memory"


def _curves(source: ReportSource, manifest: Mapping[str, Any]) -> tuple[tuple[Curve, ...], tuple[Problem, ...]]:
    """Return the curves of every training that the recipe needs, and what is wrong with their files."""
    found: list[Curve] = []
    broken: list[Problem] = []
    for stage in _LEARNING:
        path = source.folder.curves(stage)
        if why_unneeded(stage, source.recipe) or not path.exists():
            continue
        try:
            rows = read_curves(path)
        except ArtifactError:
            broken.append(Problem("warning", str(path), "it holds no curves that tagseg wrote, and none are shown"))
            continue
        steps = manifest["stages"].get(stage, {}).get("details", {}).get("steps")
        if steps is not None and (lost := lost_points(path, steps=steps)):
            broken.append(Problem("warning", str(path), lost))
        by_name: dict[str, list[tuple[int, float]]] = {}
        for step, name, value in rows:
            by_name.setdefault(name, []).append((step, value))
        for name, points in by_name.items():
            thinned = thin(points)
            steps, values = tuple(step for step, _ in thinned), tuple(value for _, value in thinned)
            found.append(Curve(stage, name, steps, values))
    return tuple(found), tuple(broken)


def thin(points: Sequence[tuple[int, float]], *, count: int = CURVE_POINTS) -> list[tuple[int, float]]:
    """Return at most ``count`` points: the last step of each of as many stretches, with the mean of its values.

    >>> thin([(1, 0.5), (2, 1.5), (3, 2.0), (4, 4.0)], count=2)
    [(2, 1.0), (4, 3.0)]
    """
    if len(points) <= count:
        return list(points)
    bounds = [position * len(points) // count for position in range(count + 1)]
    stretches = [points[start:end] for start, end in pairwise(bounds)]
    return [(part[-1][0], sum(value for _, value in part) / len(part)) for part in stretches]


def _problems(source: ReportSource, manifest: Mapping[str, Any]) -> Iterator[Problem]:
    """Return the files that the run left out, and what it warned of."""
    seen: set[Problem] = set()
    for section in ("data", "test_data"):
        known = manifest.get(section, {})
        for kind, key in (("bad image", "bad_files"), ("bad mask", "bad_masks")):
            for item in known.get(key, []):
                problem = Problem(kind, item["path"], item["reason"])
                if problem not in seen:
                    yield problem
                seen.add(problem)
    if source.without_pictures:
        yield Problem("warning", "the data set", source.without_pictures)
    yield from (Problem("warning", "data", text) for text in manifest.get("warnings", []))
    for name in STAGE_OUTPUTS:
        yield from (Problem("warning", name, text) for text in manifest["stages"].get(name, {}).get("warnings", []))


def _doubtful_tags(folder: RunLayout) -> Iterator[Problem]:
    """Return the tags that are doubted most, where `tagseg tags` has looked for them."""
    if not folder.wrong_tags.is_file():
        return
    try:
        found = read_tag_doubts(folder.wrong_tags)
    except ArtifactError as error:
        yield Problem("warning", folder.wrong_tags.name, str(error))
        return
    yield from (Problem("tag", each.image, each.sentence()) for each in found[:MOST_TAGS])


def _held_out_tags(folder: RunLayout) -> tuple[Mapping[str, float], tuple[Problem, ...]]:
    """Return how well `tagseg tags` found tags that its classifiers had not seen, and what is wrong with the file."""
    if not folder.held_out_tags.is_file():
        return {}, ()
    try:
        return read_held_out_tags(folder.held_out_tags), ()
    except ArtifactError as error:
        return {}, (Problem("warning", folder.held_out_tags.name, str(error)),)


def _beside(folder: RunLayout) -> Iterator[Beside]:
    """Return the scored runs inside the run folder."""
    for name, title in _BESIDE.items():
        scores = score_sets(read_scores(RunLayout(folder.root / name).scores_path))
        if scores:
            yield Beside(title, scores, upper_bound=name == FULL_FOLDER)
