"""Which images a validation or a count looks at."""

from tagseg.types import ImageRecord


def spread(records: tuple[ImageRecord, ...], count: int) -> list[ImageRecord]:
    """Return at most ``count`` records, evenly spaced.

    >>> [record.image_id for record in spread((), 3)]
    []
    """
    if count <= 0 or not records:
        return []
    step = max(1, -(-len(records) // count))
    return list(records[::step])
