"""What a page of several runs shows: the report of each, and in what their recipes differ."""

from dataclasses import dataclass

from tagseg.report.content import Report


@dataclass(frozen=True, slots=True)
class Change:
    """A recipe value in which compared runs differ, such as ``self_modulation.enabled``; one text a run."""

    key: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ScoreDifference:
    """A difference of two mIoU, and what the choice of images explains of it.

    Args:
        key: of the result, see :class:`~tagseg.report.content.ScoreSet`.
        run: position of the run that is compared with the first, at least 1.
        images: how many are resampled.
        difference: over these images, in [-1, 1].
        low: where its 95 % interval begins.
        high: where that ends.
    """

    key: str
    run: int
    images: int
    difference: float
    low: float
    high: float

    @property
    def is_beyond_chance(self) -> bool:
        """Whether 0 lies outside of the interval."""
        return self.low > 0 or self.high < 0

    @property
    def verdict(self) -> str:
        """What that means, in a few words."""
        return "more than chance" if self.is_beyond_chance else "may be chance"


@dataclass(frozen=True, slots=True)
class Comparison:
    """Several runs side by side; the first one is what the others are compared with.

    Args:
        reports: of the runs, left to right; their titles differ, and their galleries hold the same images in the same
            order (the data set is the same), or are all empty.
        changes: in what the recipes differ.
        differences: of results that are label images, with their intervals.
        resamples: that the intervals are of.
        seed: with which the resamples were drawn.
    """

    reports: tuple[Report, ...]
    changes: tuple[Change, ...] = ()
    differences: tuple[ScoreDifference, ...] = ()
    resamples: int = 0
    seed: int = 0

    def differences_of(self, key: str) -> dict[int, ScoreDifference]:
        """Return the differences of one result by the position of the run."""
        return {each.run: each for each in self.differences if each.key == key}
