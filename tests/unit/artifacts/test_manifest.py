"""What of a manifest is read again, and so has to be of the type that it is written with."""

import pytest

from tagseg.artifacts.manifest import WrongEntryError, check_manifest


def manifest_with(details: dict[str, object]) -> dict[str, object]:
    return {"format": 1, "stages": {"make_masks": {"state": "done", "details": details}}}


@pytest.mark.parametrize("name", ["loss_warnings", "mask_warnings", "floods"])
def test_sentences_and_ids_of_a_stage_are_texts(name: str) -> None:
    check_manifest(manifest_with({name: ["a", "b"]}))
    check_manifest(manifest_with({name: []}))
    for value, place in (("a", ""), (None, ""), ({"a": "b"}, ""), ([3], ".0"), (["a", None], ".1")):
        with pytest.raises(WrongEntryError) as caught:
            check_manifest(manifest_with({name: value}))
        assert str(caught.value) == f"stages.make_masks.details.{name}{place}"


@pytest.mark.parametrize(
    ("name", "right", "wrong"), [("corrected", 0, ["1", True, -1, None]), ("background_rule", "auto", [0, True, None])]
)
def test_numbers_and_flags_of_a_stage_are_such(name: str, right: object, wrong: list[object]) -> None:
    check_manifest(manifest_with({name: right}))
    for value in wrong:
        with pytest.raises(WrongEntryError) as caught:
            check_manifest(manifest_with({name: value}))
        assert str(caught.value) == f"stages.make_masks.details.{name}"
