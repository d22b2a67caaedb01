"""Which images of a run are chosen, and with which tags."""

from pathlib import Path

from tagseg.assemble.maps import chosen_records
from tagseg.classes import ClassTable
from tagseg.types import ImageRecord, Split

CLASSES = ClassTable(("cat", "dog"))


def split(name: str, **tags: tuple[int, ...]) -> Split:
    return Split(name, CLASSES, tuple(ImageRecord(key, Path(f"{key}.jpg"), tags=each) for key, each in tags.items()))


def test_an_image_of_both_splits_is_chosen_once_with_the_tags_to_learn_from() -> None:
    train, scored = split("train", b=(1,), a=(2,)), split("val", b=(1, 2), c=(2,))
    for names in (("train", "eval"), ("eval", "train")):
        found = chosen_records(names, train, scored)
        assert [(record.image_id, record.tags) for record in found] == [("a", (2,)), ("b", (1,)), ("c", (2,))]
    assert [(record.image_id, record.tags) for record in chosen_records(("eval",), train, scored)] == [
        ("b", (1,)),
        ("c", (2,)),
    ]
    assert chosen_records(("train", "eval"), train, None) == (train.records[1], train.records[0])
