"""What a page of several runs shows: the report of each, and in what their recipes differ."""

from dataclasses import dataclass

from tagseg.report.content import Report


@dataclass(frozen=True, slots=True)
class Change:
    """A recipe value in which compared runs differ, such as ``self_modulation.enabled``; one text a run."""

    key: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Several runs side by side; the first one is what the others are compared with.

    Args:
        reports: of the runs, left to right; their titles differ, and their galleries hold the same images in the same
            order (the data set is the same), or are all empty.
        changes: in what the recipes differ.
    """

    reports: tuple[Report, ...]
    changes: tuple[Change, ...] = ()
