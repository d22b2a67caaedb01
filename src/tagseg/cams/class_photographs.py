"""Some photographs of each class, or without it, for what is measured of its maps."""

from collections.abc import Sequence

from tagseg.ops.spacing import evenly_spaced
from tagseg.types import ImageRecord


def photographs_by_class(
    records: Sequence[ImageRecord], *, num_classes: int, shown: bool, most: int
) -> list[tuple[ImageRecord, ...]]:
    """Return for each class some photographs that show it, or some that do not, evenly spaced over all of those.

    Args:
        records: the training images.
        num_classes: C.
        shown: whether the photographs show the class.
        most: how many of a class, if there are as many.

    Returns:
        C tuples of at most ``most`` records; an empty one for a class without such photographs.
    """
    found = [[record for record in records if (label in record.tags) == shown] for label in range(1, num_classes + 1)]
    return [evenly_spaced(each, most) for each in found]
