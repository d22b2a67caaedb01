"""Tags in the files of annotation tools: known answers, and files found by what they hold."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kit.files import save, write

from tagseg.data.layouts.folder import read_folder
from tagseg.data.names import composed_path
from tagseg.data.problems import Problem, ProblemKind
from tagseg.data.tag_formats.fiftyone_tags import fiftyone_rows
from tagseg.data.tag_formats.label_studio_tags import label_studio_rows
from tagseg.data.tags import read_tags
from tagseg.data.tool_names import name_spellings
from tagseg.types import Split

IMAGES = {"a.jpg": ("cat", "traffic light"), "b.jpg": ("dog",), "c.jpg": ()}
UPLOADS = {name: f"/data/upload/7/0a1b2c{number}d-{name}" for number, name in enumerate(IMAGES)}


def choices(names: Sequence[str], **more: object) -> dict[str, object]:
    entry = {"type": "choices", "from_name": "seen", "to_name": "image", "value": {"choices": list(names)}}
    return {"result": [entry] if names else [], **more}


def task(image: str, *annotations: object) -> dict[str, object]:
    return {"id": 1, "annotations": list(annotations), "data": {"note": "x", "image": image}, "predictions": []}


def label_studio(root: Path) -> Path:
    tasks = [task(UPLOADS[name], choices(names)) for name, names in IMAGES.items()]
    return write(root / "project-1-at-noon.json", json.dumps(tasks))


def label_studio_min(root: Path) -> Path:
    several: object = {"choices": ["cat", "traffic light"]}
    rows = [("a.jpg", several), ("b.jpg", "dog"), ("c.jpg", {"choices": []})]
    entries = [{"id": 1, "image": UPLOADS[name], "choice": found, "annotator": 1} for name, found in rows]
    return write(root / "project-1-at-noon.json", json.dumps(entries))


def cvat(root: Path) -> Path:
    rows = "".join(
        f'<image id="{number}" name="{name}" width="8" height="8">'
        + "".join(f'<tag label="{label}" source="manual"><attribute name="x">1</attribute></tag>' for label in names)
        + '<box label="other" xtl="0" ytl="0" xbr="1" ybr="1"/></image>'
        for number, (name, names) in enumerate(IMAGES.items())
    )
    text = f'<?xml version="1.0" encoding="utf-8"?>\n<annotations><version>1.1</version><meta/>{rows}</annotations>\n'
    return write(root / "annotations.xml", text)


def fiftyone_labels(root: Path) -> Path:
    classes = ["dog", "traffic light", "cat"]
    labels = {"a": [{"label": 2, "confidence": 0.5}, {"label": "traffic light"}], "b": 0, "c": []}
    return write(root / "labels.json", json.dumps({"classes": classes, "labels": labels}))


def fiftyone_samples(root: Path) -> Path:
    def field(names: Sequence[str]) -> object:
        found = [{"_cls": "Classification", "label": name} for name in names]
        return found[0] if len(found) == 1 else {"_cls": "Classifications", "classifications": found}

    samples = [
        {"filepath": name, "tags": ["train"], "ground_truth": field(names), "guess": field(["cow"])}
        for name, names in IMAGES.items()
    ]
    write(root / "metadata.json", "{}")
    return write(root / "samples.json", json.dumps({"samples": samples}))


def metadata_lines(root: Path) -> Path:
    lines = [json.dumps({"file_name": name, "labels": list(names)}) for name, names in IMAGES.items()]
    return write(root / "metadata.jsonl", "\n".join(lines) + "\n")


def metadata_table(root: Path) -> Path:
    rows = "".join(f"{name},{';'.join(names)}\n" for name, names in IMAGES.items())
    return write(root / "metadata.csv", f"file_name,label\n{rows}")


TOOLS = [label_studio, label_studio_min, cvat, fiftyone_labels, fiftyone_samples, metadata_lines, metadata_table]


def tags_of(split: Split) -> dict[str, tuple[str, ...]]:
    return {record.image_path.name: tuple(map(split.classes.name, record.tags)) for record in split.records}


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.__name__)
def test_a_folder_with_a_file_of_a_tool_is_read(tmp_path: Path, tool: Callable[[Path], Path]) -> None:
    tool(tmp_path)
    for name in IMAGES:
        save(tmp_path / ("data" if "fiftyone" in tool.__name__ else ".") / name)
    if tool is fiftyone_samples:
        text = (tmp_path / "samples.json").read_text()
        write(tmp_path / "samples.json", text.replace('"filepath": "', '"filepath": "data/'))
    problems: list[Problem] = []
    assert tags_of(read_folder(tmp_path, problems=problems)) == IMAGES
    assert {problem.kind for problem in problems} <= {ProblemKind.UNUSED_FILE}


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.__name__)
def test_a_file_of_a_tool_may_lie_elsewhere(tmp_path: Path, tool: Callable[[Path], Path]) -> None:
    (tmp_path / "photos").mkdir()
    for name in IMAGES:
        save(tmp_path / "photos" / name)
    assert tags_of(read_folder(tmp_path / "photos", tags=tool(tmp_path))) == IMAGES


def test_without_tags_of_whole_images_the_labels_of_shapes_are_tags(tmp_path: Path) -> None:
    boxes = '<image name="a.jpg"><box label="cat"/><mask label="dog"/><box label="cat"/></image><image name="b.jpg"/>'
    path = write(tmp_path / "a.xml", f"<annotations>{boxes}</annotations>")
    assert read_tags(path) == {"a.jpg": ("cat", "dog"), "b.jpg": ()}
    region = {"type": "brushlabels", "from_name": "l", "value": {"format": "rle", "rle": [], "brushlabels": ["cat"]}}
    relation = {"type": "relation", "from_id": "x", "to_id": "y"}
    (row,) = label_studio_rows(path, [task("a.jpg", {"result": [region, relation, region]})], None)
    assert row == ("task 1", "a.jpg", ("cat",))
    field = {"_cls": "Detections", "detections": [{"label": "cat", "bounding_box": [0, 0, 1, 1]}]}
    (row,) = fiftyone_rows(path, {"samples": [{"filepath": "a.jpg", "found": field}, {"filepath": "b.jpg"}]}, None)
    assert row == ("sample 1", "a.jpg", ("cat",))


def test_annotations_that_were_cancelled_or_overruled_do_not_count() -> None:
    tasks = [
        task("a.jpg", choices(["cat"], was_cancelled=True), choices(["dog"])),
        task("b.jpg", choices(["cat"]), choices(["dog"], ground_truth=True)),
        task("c.jpg", choices(["cat", "dog"]), choices(["dog", "cat"])),
        task("d.jpg"),
    ]
    rows = [(image, names) for _, image, names in label_studio_rows(Path("x.json"), tasks, None)]
    assert rows == [("a.jpg", ("dog",)), ("b.jpg", ("dog",)), ("c.jpg", ("cat", "dog"))]


def test_what_is_left_of_uploads_and_addresses_names_a_photograph(tmp_path: Path) -> None:
    rows = {
        "my dog (1).jpg": "/data/upload/1/0a1b2c3d-my_dog_1.jpg",
        "deep/b.jpg": "/data/local-files/?d=disk/photos/deep/b.jpg",
        "c é.jpg": "https://x.org/set/c%20%C3%A9.jpg?size=3",
        "0a1b2c3d-d.jpg": "/data/upload/1/0a1b2c3d-d.jpg",
        "e.jpg": "s3://bucket/deep/e.jpg",
    }
    for name in rows:
        save(tmp_path / name)
    write(tmp_path / "project.json", json.dumps([task(row, choices(["cat"])) for row in rows.values()]))
    split = read_folder(tmp_path)
    assert {record.image_path.relative_to(tmp_path).as_posix() for record in split.records} == set(rows)


@given(st.text(min_size=1).filter(lambda name: "://" not in name and not name.startswith("/data/")))
def test_a_name_that_is_no_address_is_spelt_in_one_way(name: str) -> None:
    assert list(name_spellings(name)) == [composed_path(name)]
