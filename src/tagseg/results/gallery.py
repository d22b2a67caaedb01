"""Which images a report shows: the worst, the best, the most uncertain and some at random, by a rule that it states."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256

from tagseg.errors import ArtifactError, DataError
from tagseg.ops.spacing import evenly_spaced
from tagseg.progress import Progress
from tagseg.report.content import GalleryImage, Problem, Why
from tagseg.results.report_images import RESULTS, Measured, ReportImages, report_images
from tagseg.results.source import ReportSource

CANDIDATES = 500
"""Most images of a split on which the choice looks, evenly spaced by id."""

LARGE: dict[Why, int] = {"worst": 12, "best": 12, "uncertain": 12, "random": 12}
SMALL: dict[Why, int] = {"random": 8}
"""How many images of each kind a page shows, and one of a run at work."""

BESIDE_TEST: dict[Why, int] = {"worst": 9, "best": 9, "uncertain": 9, "random": 9}
OF_TEST: dict[Why, int] = {"worst": 6, "best": 6}
OF_TEST_WITHOUT_TRUTH: dict[Why, int] = {"random": 12}
"""The same where images that are tested only come in addition to those with maps: 48 at most, in both cases."""


@dataclass(frozen=True, slots=True)
class Gallery:
    """The pictures of a report.

    Args:
        images: in the order of their ids.
        rule: how they were chosen, in a few sentences.
        score: what the score of an image is of; empty without ground truth.
        problems: images that could not be shown.
    """

    images: tuple[GalleryImage, ...] = ()
    rule: str = ""
    score: str = ""
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Pool:
    """Images that one sentence of the rule chooses from.

    Args:
        what: they are, for the rule, such as ``images with maps``.
        image_ids: in any order.
        kind: of result that is scored.
        quota: how many of each kind are shown.
    """

    what: str
    image_ids: tuple[str, ...]
    kind: str
    quota: dict[Why, int]


def gather_gallery(source: ReportSource, *, progress: Progress, search: bool = True) -> Gallery:
    """Choose images and draw them.

    Args:
        source: the run.
        progress: moves on after every image.
        search: whether to look for the worst, the best and the most uncertain, or to take a few at random.
    """
    images, seed = report_images(source), source.recipe.seed
    problems: list[Problem] = []
    chosen: list[tuple[Measured, tuple[Why, ...]]] = []
    rules: list[str] = []
    pools = _pools(images, search=search)
    for pool in pools:
        candidates = evenly_spaced(sorted(pool.image_ids), CANDIDATES) if search else at_random(pool, seed)
        measured = _measure(images, pool, candidates, progress=progress, problems=problems)
        reasons = choose(measured, pool.quota, seed=seed)
        chosen += [(each, reasons[each.image_id]) for each in measured if each.image_id in reasons]
        rules.append(_rule(images, pool, measured))
    if images.predicted and source.splits and not source.splits.segmenter_test:
        rules.append("Predictions are of photographs that the network learned from, since there are no others.")
    drawn = draw_all(images, chosen, progress=progress, problems=problems)
    scored = [RESULTS[pool.kind] for pool in pools if not images.scored.isdisjoint(pool.image_ids)]
    in_order = tuple(sorted(drawn, key=lambda image: image.image_id))
    return Gallery(in_order, " ".join(rules), " or ".join(dict.fromkeys(scored)), tuple(dict.fromkeys(problems)))


def _pools(images: ReportImages, *, search: bool) -> list[Pool]:
    """Return the images with maps and those that are tested only, of either those with ground truth if any have it."""
    mapped, apart = tuple(images.mapped), tuple(images.predicted - images.mapped)
    splits, pools = images.source.splits, []
    if mapped:
        scored = tuple(images.mapped & images.scored)
        quota = LARGE if not apart else BESIDE_TEST
        what = "scored images with maps" if scored else "images with maps"
        chosen = scored or mapped
        pools.append(Pool(what, chosen, images.latest_result(chosen), dict(quota if search else SMALL)))
    if apart and splits and splits.segmenter_test:
        scored = tuple(name for name in apart if name in images.scored)
        quota = LARGE if not mapped else OF_TEST if scored else OF_TEST_WITHOUT_TRUTH
        what = f"images of split '{splits.segmenter_test.name}'"
        pools.append(Pool(what, scored or apart, "prediction", dict(quota if search else SMALL)))
    return pools


def at_random(pool: Pool, seed: int) -> tuple[str, ...]:
    """Return as many of the pool's images as it shows, drawn from the seed."""
    ranked = sorted(pool.image_ids, key=lambda name: draw_rank(name, seed))
    return tuple(sorted(ranked[: sum(pool.quota.values())]))


def draw_rank(image_id: str, seed: int) -> str:
    """Return a text whose order is random over images, and of two images the same whatever the others are.

    >>> draw_rank("a", 0) == draw_rank("a", 0), draw_rank("a", 0) == draw_rank("a", 1)
    (True, False)
    """
    return sha256(f"{seed}:{image_id}".encode(errors="surrogateescape")).hexdigest()


def choose(measured: Iterable[Measured], quota: dict[Why, int], *, seed: int) -> dict[str, tuple[Why, ...]]:
    """Choose images: of each kind the first ones, ties by id; an image that is chosen twice has both reasons.

    Args:
        measured: the candidates, in any order.
        quota: how many of each kind.
        seed: of the random ones.

    Returns:
        The reasons, by id.
    """
    candidates = sorted(measured, key=lambda each: each.image_id)
    scored = [(each.mean_iou, each.image_id) for each in candidates if each.mean_iou is not None]
    doubts = [(-each.uncertainty, each.image_id) for each in candidates if each.uncertainty is not None]
    orders: dict[Why, list[str]] = {
        "worst": [name for _, name in sorted(scored)],
        "best": [name for _, name in sorted((-score, name) for score, name in scored)],
        "uncertain": [name for _, name in sorted(doubts)],
        "random": sorted((each.image_id for each in candidates), key=lambda name: draw_rank(name, seed)),
    }
    chosen: dict[str, tuple[Why, ...]] = {}
    for why, names in orders.items():
        for name in names[: quota.get(why, 0)]:
            chosen[name] = (*chosen.get(name, ()), why)
    return chosen


def _measure(
    images: ReportImages, pool: Pool, candidates: Sequence[str], *, progress: Progress, problems: list[Problem]
) -> list[Measured]:
    """Measure the candidates; those that cannot be read are left out and noted."""
    measured = []
    with progress.task("Choosing images", total=len(candidates)) as task:
        for image_id in candidates:
            try:
                measured.append(images.measure(image_id, pool.kind))
            except (ArtifactError, DataError) as error:
                problems.append(left_out(image_id, error))
            task.advance()
    return measured


def draw_all(
    images: ReportImages,
    chosen: Sequence[tuple[Measured, tuple[Why, ...]]],
    *,
    progress: Progress,
    problems: list[Problem],
) -> list[GalleryImage]:
    """Draw the chosen images; those that cannot be read are left out, and noted in ``problems``."""
    drawn = []
    with progress.task("Drawing images", total=len(chosen)) as task:
        for measured, why in chosen:
            try:
                drawn.append(images.draw(measured, why=why))
            except (ArtifactError, DataError) as error:
                problems.append(left_out(measured.image_id, error))
            task.advance()
    return drawn


def left_out(image_id: str, error: ArtifactError | DataError) -> Problem:
    """Return the note of an image that cannot be shown."""
    return Problem("warning", image_id, f"not shown in the gallery: {error}")


_WORDS: dict[Why, str] = {
    "worst": "{count} with the lowest mIoU of their own {result}",
    "best": "{count} with the highest",
    "uncertain": "{count} whose maps lie closest to the background score {score:.2f}",
    "random": "{count} drawn from seed {seed}",
}


def _rule(images: ReportImages, pool: Pool, measured: Sequence[Measured]) -> str:
    """Return the sentence that says how the images of a pool were chosen."""
    has_scores = any(each.mean_iou is not None for each in measured)
    has_doubts = any(each.uncertainty is not None for each in measured)
    possible = {"worst": has_scores, "best": has_scores, "uncertain": has_doubts, "random": True}
    values = {"result": RESULTS[pool.kind], "score": images.network_score, "seed": images.source.recipe.seed}
    parts = [_WORDS[why].format(count=count, **values) for why, count in pool.quota.items() if possible[why]]
    total = len(pool.image_ids)
    spaced = total > CANDIDATES and set(pool.quota) != {"random"}
    looked = f"{CANDIDATES} of {total} {pool.what}, evenly spaced by id" if spaced else f"{total} {pool.what}"
    listed = ", ".join(parts[:-1]) + f" and {parts[-1]}" if len(parts) > 1 else "".join(parts)
    return f"Of {looked}: {listed or 'none can be read'}."
