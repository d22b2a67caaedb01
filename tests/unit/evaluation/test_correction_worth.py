"""Which photographs are corrected first: the stated rule against a slow reference, and its laws."""

import random

import pytest

from tagseg.evaluation.correction_worth import Candidate, Choice, choose_for_review


def candidates(count: int = 40, seed: int = 0) -> list[Candidate]:
    numbers = random.Random(seed)
    tags = [(1,), (2,), (1, 2), ()]
    return [Candidate(f"{index:03}", numbers.random(), numbers.choice(tags)) for index in range(count)]


def names(choices: list[Choice]) -> list[str]:
    return [choice.candidate.name for choice in choices]


def slow(left: list[Candidate], count: int) -> list[tuple[str, float]]:
    """Look at all that are left at each step, as the rule is said."""
    left, taken, found = list(left), [], []
    for _ in range(min(count, len(left))):
        scored = [(-c.doubt / (1 + taken.count(c.tags)), c.name, c) for c in left]
        worth, name, best = min(scored)
        left.remove(best)
        taken.append(best.tags)
        found.append((name, -worth))
    return found


@pytest.mark.parametrize("seed", range(5))
def test_it_is_the_greedy_choice_of_doubt_by_how_often_the_tags_were_chosen(seed: int) -> None:
    found = choose_for_review(candidates(seed=seed), count=25)
    expected = slow(candidates(seed=seed), 25)
    assert names(found) == [name for name, _ in expected]
    assert [choice.worth for choice in found] == pytest.approx([worth for _, worth in expected])


def test_the_order_of_the_photographs_changes_nothing_and_more_contains_fewer() -> None:
    shuffled = candidates()
    random.Random(1).shuffle(shuffled)
    few, many = choose_for_review(candidates(), count=7), choose_for_review(shuffled, count=20)
    assert names(many)[:7] == names(few)


def test_equal_photographs_come_by_name_and_other_tags_first() -> None:
    same = [Candidate(name, 0.5, tags) for name, tags in (("d", (1,)), ("b", (1,)), ("a", (1,)), ("c", (2,)))]
    assert names(choose_for_review(same, count=4)) == ["a", "c", "b", "d"]
    assert [choice.chosen_before for choice in choose_for_review(same, count=4)] == [0, 0, 1, 2]


def test_photographs_without_doubt_come_last_by_name() -> None:
    known = [Candidate("b", 0.0, (1,)), Candidate("a", 0.0, (2,)), Candidate("c", 0.01, (1,))]
    assert names(choose_for_review(known, count=3)) == ["c", "a", "b"]


def test_there_may_be_fewer_photographs_than_are_asked_for() -> None:
    assert len(choose_for_review(candidates(3), count=9)) == 3
    assert choose_for_review([], count=9) == []
    assert choose_for_review(candidates(3), count=0) == []
