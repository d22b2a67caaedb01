"""Which photographs to correct first: those whose correction probably teaches a segmentation network most."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Candidate:
    """One photograph whose mask may be corrected.

    Args:
        name: of the photograph, different from all others.
        doubt: share of its pixels of which the pseudo mask is not sure, in [0, 1].
        tags: label ids, ascending.
    """

    name: str
    doubt: float
    tags: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """A photograph to correct.

    Args:
        candidate: the photograph.
        chosen_before: how many photographs with the same tags were chosen before it.
    """

    candidate: Candidate
    chosen_before: int = 0

    @property
    def worth(self) -> float:
        """How much its correction probably teaches: the area in doubt x variety.

        ``doubt / (1 + chosen_before)``

        >>> Choice(Candidate("a", doubt=0.5, tags=(1,)), chosen_before=1).worth
        0.25
        """
        return self.candidate.doubt / (1 + self.chosen_before)


def choose_for_review(candidates: Iterable[Candidate], *, count: int) -> list[Choice]:
    """Choose photographs one after the other, each the one of most worth after those before it.

    Of equal worth the first by name is chosen, so that the order of the candidates changes nothing.

    Args:
        candidates: with different names.
        count: how many are chosen, at least 0; all where there are fewer.

    >>> pairs = [("a", (1,)), ("b", (1,)), ("c", (2,))]
    >>> names = [Candidate(name, doubt=0.5, tags=tags) for name, tags in pairs]
    >>> [choice.candidate.name for choice in choose_for_review(names, count=2)]
    ['a', 'c']
    """
    by_tags: dict[tuple[int, ...], list[Candidate]] = {}
    # Photographs of the same tags are divided by the same number: their order among themselves never changes.
    for candidate in sorted(candidates, key=lambda each: (-Choice(each).worth, each.name)):
        by_tags.setdefault(candidate.tags, []).append(candidate)
    taken = dict.fromkeys(by_tags, 0)
    chosen: list[Choice] = []
    while len(chosen) < count:
        best = [Choice(found[taken[tags]], taken[tags]) for tags, found in by_tags.items() if taken[tags] < len(found)]
        if not best:
            break
        choice = min(best, key=lambda each: (-each.worth, each.candidate.name))
        taken[choice.candidate.tags] += 1
        chosen.append(choice)
    return chosen
