"""Several runs of the same data on one page: scores, curves and the same images side by side, and what differs.

It is not a stage of the pipeline: it reads run folders and leaves one HTML file where it is asked to.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from tagseg.errors import ArtifactError, DataError
from tagseg.evaluation.bootstrap import RESAMPLES, SEED
from tagseg.ops.spacing import evenly_spaced
from tagseg.progress import Progress, SilentProgress
from tagseg.recipe import Recipe, flat_values
from tagseg.report.comparison import Change, Comparison
from tagseg.report.content import GalleryImage, Problem
from tagseg.results.differences import score_differences
from tagseg.results.gallery import Gallery, draw_all
from tagseg.results.open_run import run_titles
from tagseg.results.page import require_page
from tagseg.results.report_images import RESULTS, Measured, ReportImages, report_images
from tagseg.results.source import ReportSource, open_source
from tagseg.results.summary import gather_report
from tagseg.system.atomic import atomic_write

DEFAULT_COUNT = 12
"""Images that are shown unless they are named."""


def write_comparison(
    roots: Sequence[Path],
    out: Path,
    *,
    image_ids: Sequence[str] = (),
    count: int = DEFAULT_COUNT,
    resamples: int = RESAMPLES,
    progress: Progress | None = None,
) -> Comparison:
    """Compare runs of the same data and write the page.

    Args:
        roots: run folders, finished or not; the others are compared with the first one.
        out: the HTML file.
        image_ids: the images to show; none for ``count`` of those that all runs made something of, evenly spaced by id
            over the scored ones (over all when none is scored).
        count: at least 1.
        resamples: of images, for the intervals of differences in mIoU; 0 for none.
        progress: moves on after every image.

    Returns:
        What the page shows.

    Raises:
        ArtifactError: when there are fewer than two folders, one holds no run, the runs are of different data, or the
            file has another ending.
        DataError: when an image does not exist.
    """
    from tagseg.report.compare_page import render_comparison  # a template engine that no other stage needs

    require_page(out)
    progress = progress or SilentProgress()
    comparison = gather_comparison(roots, image_ids=image_ids, count=count, resamples=resamples, progress=progress)
    atomic_write(out, render_comparison(comparison).encode("utf-8", "backslashreplace"))
    return comparison


def gather_comparison(
    roots: Sequence[Path], *, image_ids: Sequence[str], count: int, resamples: int = RESAMPLES, progress: Progress
) -> Comparison:
    """Gather what the page of :func:`write_comparison` shows."""
    if len(roots) < 2:
        raise ArtifactError(
            f"compare takes two or more run folders, got {len(roots)}",
            help="name another one; 'tagseg report' shows a single run",
        )
    sources = [open_source(root) for root in roots]
    _require_same_data(sources)
    runs = [report_images(source) for source in sources]
    chosen = _require_images(runs, image_ids) if image_ids else evenly_spaced(sorted(_common_images(runs)), count)
    galleries = _galleries(runs, chosen, rule=_rule(runs, chosen, named=bool(image_ids)), progress=progress)
    recipes = [source.recipe for source in sources]
    reports = [
        replace(gather_report(source, gallery), title=title)
        for source, gallery, title in zip(sources, galleries, run_titles(roots, recipes), strict=True)
    ]
    differences = score_differences(runs, resamples=resamples, progress=progress)
    return Comparison(tuple(reports), recipe_changes(recipes), differences, resamples, SEED)


def _require_same_data(sources: Sequence[ReportSource]) -> None:
    """Require runs of the same classes, images and tags, as far as the runs have looked at them."""
    first = sources[0]
    manifests = [source.folder.read_manifest() for source in sources]
    for source, manifest in zip(sources[1:], manifests[1:], strict=True):
        if source.classes != first.classes:
            raise ArtifactError(
                f"{source.folder.root} has the classes of {first.folder.root} ({', '.join(first.classes.names)}), "
                f"got {', '.join(source.classes.names)}",
                help="compare runs of the same data",
            )
        for section, what in (("data", "images and tags"), ("test_data", "images to test on")):
            names = [each.get(section, {}).get("fingerprint") for each in (manifests[0], manifest)]
            if all(names) and names[0] != names[1]:
                raise ArtifactError(
                    f"{source.folder.root} has the {what} of {first.folder.root}, got others",
                    help="compare runs of the same data",
                )


def _made(run: ReportImages) -> frozenset[str]:
    """Return the images that a run made something of."""
    return run.mapped | run.predicted


def _common_images(runs: Sequence[ReportImages]) -> tuple[str, ...]:
    """Return the images that all runs made something of: the scored ones, or all when none is scored."""
    common = frozenset.intersection(*(_made(run) for run in runs))
    return tuple(common & runs[0].scored) or tuple(common)


def _require_images(runs: Sequence[ReportImages], image_ids: Sequence[str]) -> tuple[str, ...]:
    """Return the named images, each once, or raise when a run made nothing of one."""
    for image_id in image_ids:
        for run in runs:
            if image_id not in _made(run):
                near = get_close_matches(image_id, _common_images(runs), n=1, cutoff=0.6)
                raise DataError(
                    f"'{image_id}' is an image that all runs made something of, got none in {run.source.folder.root}",
                    help=f"did you mean '{near[0]}'?" if near else "leave out --images to see some that are",
                )
    return tuple(dict.fromkeys(image_ids))


def _galleries(runs: Sequence[ReportImages], chosen: Sequence[str], *, rule: str, progress: Progress) -> list[Gallery]:
    """Draw the chosen images of every run; an image that one run cannot show is left out of all."""
    problems: list[Problem] = []
    drawn: list[dict[str, GalleryImage]] = []
    for run in runs:
        measured = [_measured(run, image_id, _shared_result(runs, image_id)) for image_id in chosen]
        images = draw_all(run, [(each, ()) for each in measured], progress=progress, problems=problems)
        drawn.append({image.image_id: image for image in images})
    shown = [image_id for image_id in chosen if all(image_id in images for images in drawn)]
    scored = [image_id for image_id in shown if image_id in runs[0].scored]
    score = " or ".join(dict.fromkeys(RESULTS[_shared_result(runs, image_id)] for image_id in scored))
    return [Gallery(tuple(images[name] for name in shown), rule, score, tuple(problems)) for images in drawn]


def _measured(run: ReportImages, image_id: str, kind: str) -> Measured:
    """Return an image with its score; drawing it says what is wrong when it has none."""
    try:
        return run.measure(image_id, kind)
    except (ArtifactError, DataError):
        return Measured(image_id)


def _shared_result(runs: Sequence[ReportImages], image_id: str) -> str:
    """Return the latest result that all runs have of an image."""
    shared = (kind for kind in RESULTS if all(run.results.has(kind, image_id) for run in runs))
    return next(shared, "seed")


def _rule(runs: Sequence[ReportImages], chosen: Sequence[str], *, named: bool) -> str:
    if named:
        return "The images that were named."
    if not chosen:
        return "The runs have made nothing of a common image yet."
    scored = " and that are scored" if chosen[0] in runs[0].scored else ""
    total = len(_common_images(runs))
    return f"{len(chosen)} of {total} images that all runs made something of{scored}, evenly spaced by id."


def recipe_changes(recipes: Sequence[Recipe]) -> tuple[Change, ...]:
    """Return the recipe values in which runs differ, but for their names and for where files are.

    >>> from tagseg.recipe import make_recipe
    >>> recipe = make_recipe({"name": "a", "data": {"format": "folder", "root": "photos"}})
    >>> other = make_recipe({"name": "b", "data": {"format": "folder", "root": "copy"}, "training": {"epochs": 5}})
    >>> recipe_changes([recipe, other])
    (Change(key='training.epochs', values=('10', '5')),)
    """
    flat = [flat_values(recipe) for recipe in recipes]
    paths = {f"data.{key}" for recipe in recipes for key in recipe.data.path_keys()}
    keys = dict.fromkeys(key for values in flat for key in values if key not in {"name", "superpixels.cache", *paths})
    # Runs of different layouts do not have the same keys.
    found = {key: [values.get(key) for values in flat] for key in keys}
    changed = [key for key, values in found.items() if any(value != values[0] for value in values)]
    return tuple(Change(key, tuple(_text(value) for value in found[key])) for key in changed)


def _text(value: Any) -> str:  # noqa: ANN401 (any JSON)
    if value is None:
        return "not set"
    return value if isinstance(value, str) else json.dumps(value)
