"""What a layout of a data set hands over: a reader for each of its splits."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from tagseg.data.problems import Problem
from tagseg.types import Split


@runtime_checkable
class SplitReader(Protocol):
    """Reads the images of one split, their tags and where their masks are."""

    def __call__(self, *, problems: list[Problem] | None = None) -> Split:
        """Return the split.

        Args:
            problems: where to collect what is wrong with single rows and files, which are then left out; None raises
                at the first.

        Raises:
            DataError: when the split as a whole cannot be read.
        """
        ...


@dataclass(frozen=True, slots=True)
class SplitReaders:
    """What reads the splits of a data set.

    Args:
        train: reads the images to learn from.
        evaluation: reads those on which seeds and pseudo masks are scored, or is ``train`` itself where they are those
            to learn from; None where no others are named.
        test: reads those on which the segmentation network is scored; None where none are named.
        scores_itself: whether, without ``evaluation``, the images to learn from are scored if any of them has a mask.
    """

    train: SplitReader
    evaluation: SplitReader | None = None
    test: SplitReader | None = None
    scores_itself: bool = False

    def different(self) -> Iterator[SplitReader]:
        """Yield each reader once, in the order train, evaluation, test."""
        yield self.train
        if self.evaluation is not None and self.evaluation is not self.train:
            yield self.evaluation
        if self.test is not None:
            yield self.test


@runtime_checkable
class Layout(Protocol):
    """A data set in one layout: a dataclass whose fields are the keys of the recipe's section of that layout."""

    def readers(self) -> SplitReaders:
        """Return what reads its splits."""
        ...
