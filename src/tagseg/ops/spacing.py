"""A few of many things, evenly spaced over them in their order."""

from collections.abc import Sequence
from typing import TypeVar

Item = TypeVar("Item")


def evenly_spaced(items: Sequence[Item], count: int) -> tuple[Item, ...]:
    """Return ``count`` of n items, evenly spaced over all of them, or all of them when there are fewer.

    The items are parted into ``count`` runs of the same length, to within one, and of each run the middle one is
    taken: item p (0 to ``count`` - 1) is at position floor((2p + 1) n / (2 count)). The order stays.

    Args:
        items: in the order over which they are spaced.
        count: how many are wanted; none for 0 or less.

    >>> evenly_spaced("abcdefghi", 3)
    ('b', 'e', 'h')
    >>> evenly_spaced("ab", 3)
    ('a', 'b')
    """
    total, count = len(items), min(count, len(items))
    return tuple(items[(2 * position + 1) * total // (2 * count)] for position in range(count))
