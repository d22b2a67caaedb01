"""Masks of Label Studio: what a person draws there, and both kinds of run lengths."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from kit.files import save, write

from tagseg.artifacts.label_formats.label_studio import brush_run_lengths
from tagseg.classes import ClassTable
from tagseg.data.corrections import read_corrections
from tagseg.data.mask_formats.label_studio_masks import unpacked
from tagseg.types import ImageRecord, Split

SIZES = (3, 4, 8, 16)


def packed(runs: list[tuple[bool, int, list[int]]]) -> tuple[bytes, list[int]]:
    """Return the bytes of runs, and their values: a run is of one value, or of values that are written out."""
    values = [value for repeated, length, found in runs for value in (found[:1] * length if repeated else found)]
    bits = [f"{len(values):032b}", f"{7:05b}", *(f"{size - 1:04b}" for size in SIZES)]
    for repeated, length, found in runs:
        count = length if repeated else len(found)
        choice = next(place for place, size in enumerate(SIZES) if count <= 1 << size)
        bits.append(f"{int(repeated)}{choice:02b}{count - 1:0{SIZES[choice]}b}")
        bits += [f"{value:08b}" for value in (found[:1] if repeated else found)]
    text = "".join(bits)
    text += "0" * (-len(text) % 8)
    return bytes(int(text[at : at + 8], 2) for at in range(0, len(text), 8)), values


RUN = st.tuples(st.booleans(), st.integers(1, 600), st.lists(st.integers(0, 255), min_size=1, max_size=20))


@given(st.lists(RUN, min_size=1, max_size=8))
def test_both_kinds_of_runs_are_unpacked(runs: list[tuple[bool, int, list[int]]]) -> None:
    data, values = packed(runs)
    assert unpacked(data, count=len(values)).tolist() == values


def region(kind: str, label: str, **value: object) -> dict[str, Any]:
    size = {"original_width": 10, "original_height": 4, "image_rotation": 0}
    return {"type": kind, "from_name": "label", "to_name": "image", **size, "value": {kind: [label], **value}}


def task(name: str, *results: list[dict[str, Any]], **more: object) -> dict[str, Any]:
    return {
        "data": {"image": f"/data/upload/1/0a1b2c3d-{name}"},
        "annotations": [{"result": r} for r in results],
        **more,
    }


def test_annotated_tasks_alone_are_corrections(tmp_path: Path) -> None:
    names = ("a.jpg", "b.jpg", "c.jpg")
    pixels = np.zeros((4, 10, 3), np.uint8)
    records = tuple(ImageRecord(name[0], save(tmp_path / "photos" / name, pixels), (1,)) for name in names)
    brush = np.zeros((4, 10), bool)
    brush[1:3, 2:5] = True
    first = [
        region("rectanglelabels", "dog", x=0, y=0, width=50, height=100),
        region("brushlabels", "cat", format="rle", rle=brush_run_lengths(brush)),
        region("polygonlabels", "cat", points=[[80, 0], [100, 0], [100, 50], [80, 50]]),
        {"type": "choices", "value": {"choices": ["blurred"]}},
    ]
    guess = [{"result": [region("rectanglelabels", "dog", x=0, y=0, width=100, height=100)]}]
    tasks = [
        task("a.jpg", first, predictions=guess),
        task("b.jpg", [], predictions=guess),
        task("c.jpg", predictions=guess),
    ]
    write(tmp_path / "corrected" / "project-1.json", json.dumps(tasks))
    split = Split("train", ClassTable(("cat", "dog")), records)
    found = read_corrections(tmp_path / "corrected", split).records
    assert [record.image_id for record in found] == ["a", "b"]
    expected = np.zeros((4, 10), np.uint8)
    expected[:, :5] = 2
    expected[brush] = 1
    expected[:2, 8:] = 1
    assert found[0].mask is not None
    assert found[1].mask is not None
    np.testing.assert_array_equal(found[0].mask.read(), expected)
    assert not found[1].mask.read().any()  # annotated, and nothing is there
