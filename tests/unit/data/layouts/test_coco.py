"""The COCO reader: tags, semantic masks from polygons and run lengths, and broken annotations."""

import json
import pickle
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as PillowImage

from tagseg.data.coco_shapes import IncompleteMaskError
from tagseg.data.layouts.coco import CocoLayout, read_coco
from tagseg.data.preflight import check_split
from tagseg.data.problems import Problem, ProblemKind
from tagseg.errors import DataError
from tagseg.types import MaskSource, Split

HEIGHT, WIDTH = 6, 8
CATEGORIES = [{"id": 3, "name": "dog"}, {"id": 1, "name": "cat"}, {"id": 90, "name": "café"}]


def box(x: int, y: int, width: int, height: int) -> list[list[float]]:
    return [[x, y, x + width, y, x + width, y + height, x, y + height]]


def counts(mask: np.ndarray) -> list[int]:
    """Return COCO's uncompressed run lengths: column by column, from a run of zeros."""
    runs, value = [0], 0
    for pixel in mask.T.ravel().tolist():
        if pixel != value:
            runs.append(0)
            value = pixel
        runs[-1] += 1
    return runs


def annotation(category: object, shape: object, *, image: int = 7, crowd: int = 0, key: int = 1) -> dict[str, object]:
    return {"id": key, "image_id": image, "category_id": category, "segmentation": shape, "iscrowd": crowd}


def write(folder: Path, annotations: list[Any], **changes: object) -> Path:
    images = [
        {"id": 7, "file_name": "a.jpg", "height": HEIGHT, "width": WIDTH},
        {"id": 8, "file_name": "deep/b.jpg", "height": HEIGHT, "width": WIDTH},
    ]
    for name in ("a.jpg", "deep/b.jpg"):
        (folder / name).parent.mkdir(exist_ok=True)
        PillowImage.new("RGB", (WIDTH, HEIGHT)).save(folder / name)
    content = {"info": {"year": 2017}, "images": images, "annotations": annotations, "categories": CATEGORIES}
    path = folder / "instances.json"
    path.write_text(json.dumps(content | changes, ensure_ascii=False), encoding="utf-8")
    return path


def read(folder: Path, annotations: list[Any], **options: Any) -> Split:
    return read_coco(folder, write(folder, annotations), **options)


def mask_of(split: Split, index: int = 0) -> np.ndarray:
    source = split.records[index].mask
    assert isinstance(source, MaskSource)
    return source.read()


def test_classes_are_the_categories_in_order_of_their_ids(tmp_path: Path) -> None:
    split = read(tmp_path, [])
    assert split.classes.names == ("cat", "dog", "café")
    assert [(record.image_id, record.tags) for record in split.records] == [("a", ()), ("deep/b", ())]
    assert split.records[1].image_path == tmp_path / "deep" / "b.jpg"


def test_tags_are_the_annotated_categories_with_crowds(tmp_path: Path) -> None:
    crowd = {"size": [HEIGHT, WIDTH], "counts": [0, HEIGHT * WIDTH]}
    split = read(tmp_path, [annotation(90, crowd, crowd=1), annotation(1, box(0, 0, 1, 1)), annotation(1, [], key=5)])
    assert [record.tags for record in split.records] == [(1, 3), ()]


def test_polygon_covers_its_pixels(tmp_path: Path) -> None:
    expected = np.zeros((HEIGHT, WIDTH), np.uint8)
    expected[1:4, 2:7] = 2
    np.testing.assert_array_equal(mask_of(read(tmp_path, [annotation(3, box(2, 1, 5, 3))])), expected)


def test_several_polygons_of_one_object_are_joined(tmp_path: Path) -> None:
    labels = mask_of(read(tmp_path, [annotation(3, [*box(0, 0, 2, 2), *box(5, 3, 2, 2)])]))
    assert np.argwhere(labels == 2).tolist() == [[0, 0], [0, 1], [1, 0], [1, 1], [3, 5], [3, 6], [4, 5], [4, 6]]


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**31), objects=st.integers(0, 4))
def test_smaller_objects_lie_on_top_of_larger_ones(
    tmp_path_factory: pytest.TempPathFactory, seed: int, objects: int
) -> None:
    rng = np.random.default_rng(seed)
    shapes = [rng.random((HEIGHT, WIDTH)) < rng.random() for _ in range(objects)]
    categories = rng.choice([1, 3, 90], objects).tolist()
    run_lengths = [{"size": [HEIGHT, WIDTH], "counts": counts(shape)} for shape in shapes]
    folder = tmp_path_factory.mktemp("coco")
    split = read(folder, [annotation(*pair, crowd=1) for pair in zip(categories, run_lengths, strict=True)])
    expected = np.zeros((HEIGHT, WIDTH), np.uint8)
    for row in range(HEIGHT):
        for column in range(WIDTH):
            here = [(shape.sum(), -index) for index, shape in enumerate(shapes) if shape[row, column]]
            if here:
                expected[row, column] = {1: 1, 3: 2, 90: 3}[categories[-min(here)[1]]]
    np.testing.assert_array_equal(mask_of(split), expected)


def test_compressed_run_lengths_are_understood(tmp_path: Path) -> None:
    # 6 zeros, 2 ones, 40 zeros: five bits a character above '0', the sixth bit says that another one follows.
    shape = {"size": [HEIGHT, WIDTH], "counts": chr(48 + 6) + chr(48 + 2) + chr(48 + 32 + 8) + chr(48 + 1)}
    labels = mask_of(read(tmp_path, [annotation(1, shape)]))
    assert np.argwhere(labels == 1).tolist() == [[0, 1], [1, 1]]


@pytest.mark.parametrize(
    "shape",
    [[], None, {}, "", [2, 1, 5, 3], [[1.0, 1.0, 4.0, 4.0]], [[[0, 0], [4, 0], [4, 4]]], [[0, 0], [4, 0], [4, 4]], ...],
)
def test_image_with_an_object_without_a_shape_is_tagged_and_has_no_mask(tmp_path: Path, shape: object) -> None:
    lacking = annotation(1, shape)
    if shape is ...:
        del lacking["segmentation"]
    split = read(tmp_path, [lacking, annotation(3, box(0, 0, 2, 2))])
    assert split.records[0].tags == (1, 2)
    with pytest.raises(IncompleteMaskError, match="got 1 of 2 without"):
        mask_of(split)


def test_image_without_annotations_is_background_beside_one_that_lacks_a_shape(tmp_path: Path) -> None:
    assert not mask_of(read(tmp_path, [annotation(1, [])]), index=1).any()


def test_check_warns_of_images_with_objects_without_a_shape(tmp_path: Path) -> None:
    problems = check_split(read(tmp_path, [annotation(1, [])])).problems
    found = [problem.image_id for problem in problems if problem.kind is ProblemKind.INCOMPLETE_MASK]
    assert found == ["a"] and not ProblemKind.INCOMPLETE_MASK.is_error


def test_subset_makes_other_categories_background(tmp_path: Path) -> None:
    split = read(tmp_path, [annotation(1, box(0, 0, 8, 6)), annotation(3, box(2, 2, 2, 2))], classes=["cat"])
    assert split.records[0].tags == (1,)
    assert np.argwhere(mask_of(split) == 0).tolist() == [[2, 2], [2, 3], [3, 2], [3, 3]]


def test_masks_are_small_and_survive_pickling(tmp_path: Path) -> None:
    polygon = [[float(value % 6) for value in range(4000)]]
    small = read(tmp_path, [annotation(1, box(0, 0, 2, 2))]).records[0]
    large = read(tmp_path, [annotation(1, polygon)]).records[0]
    assert len(pickle.dumps(large)) <= len(pickle.dumps(small)) + 4
    again = pickle.loads(pickle.dumps(large))
    np.testing.assert_array_equal(again.mask.read(), large.mask.read())
    assert hash(again) == hash(large)


def test_changed_file_is_noticed(tmp_path: Path) -> None:
    split = read(tmp_path, [annotation(1, box(0, 0, 2, 2))])
    write(tmp_path, [annotation(1, box(0, 0, 2, 2), image=8)])
    with pytest.raises(DataError, match="must stay as it is"):
        mask_of(split)


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        ({"size": [2, 2], "counts": [0, 4]}, "another size"),
        ({"size": [WIDTH, HEIGHT], "counts": [0, 48]}, "turned size"),
        ({"size": [HEIGHT, WIDTH], "counts": [0, 47]}, "early end"),
        ([[0, 0, 1e9, 0, 1e9, 1e9]], "far away"),
        ({"size": [HEIGHT, WIDTH]}, "no counts"),
        ("text", "no shape"),
        ([[1, 2, "x", 4, 5, 6]], "no numbers"),
    ],
)
def test_shape_that_cannot_be_drawn_is_a_data_error(tmp_path: Path, shape: object, reason: str) -> None:
    split = read(tmp_path, [annotation(1, shape, key=41)])
    with pytest.raises(DataError, match="annotation 41 of"):
        mask_of(split)


def test_problems_of_single_elements_are_collected(tmp_path: Path) -> None:
    bad = [annotation(1, [], image=99), annotation(55, []), annotation("cat", []), {"id": 4}, 17]
    size = {"height": HEIGHT, "width": WIDTH}
    images = [
        {"id": 7, "file_name": "a.jpg", **size},
        {"id": 7, "file_name": "again.jpg", **size},
        {"id": 9, "file_name": "missing.jpg", **size},
        {"id": 10, "file_name": "../outside.jpg", **size},
        {"id": 11, "file_name": "no_size.jpg"},
        {"id": 12, "file_name": "empty.jpg", "height": 0, "width": 4},
        {"id": 13, "file_name": "size.jpg", "height": "tall", "width": 4},
        {"id": 14, "file_name": 5, **size},
    ]
    path = write(tmp_path, [annotation(1, box(0, 0, 1, 1)), *bad], images=images)
    problems: list[Problem] = []
    split = read_coco(tmp_path, path, problems=problems)
    assert [(record.image_id, record.tags) for record in split.records] == [("a", (1,))]
    assert [problem.kind for problem in problems] == [
        *[ProblemKind.BAD_ANNOTATION] * 6,  # the second image 7, and images 10 to 14
        *[ProblemKind.BAD_ANNOTATION] * 2,  # the annotation without values, and the number
        ProblemKind.BAD_ANNOTATION,  # of image 99
        *[ProblemKind.UNKNOWN_TAG] * 2,
        ProblemKind.MISSING_IMAGE,
    ]


def test_order_of_the_sections_does_not_matter(tmp_path: Path) -> None:
    path = write(tmp_path, [annotation(3, box(0, 0, 2, 2))])
    expected = mask_of(read_coco(tmp_path, path))
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(dict(reversed(content.items())), indent=1))
    np.testing.assert_array_equal(mask_of(read_coco(tmp_path, path)), expected)


@pytest.mark.parametrize("classes", [None, ["dog", "cat"]])
def test_file_to_score_is_read_by_the_names_of_the_classes(tmp_path: Path, classes: list[str] | None) -> None:
    """Its ids and their order are others, and it lists a class that the run does not know."""
    numbered = {3: "dog", 1: "cat", 90: "café"}
    again = {1: "dog", 2: "bird", 7: "café", 90: "cat"}
    shapes = [(1, box(0, 0, 2, 2)), (3, box(4, 0, 2, 2)), (90, box(0, 3, 2, 2))]
    train = write(tmp_path, [annotation(*shape) for shape in shapes])
    renumbered = {name: key for key, name in again.items()}
    drawn = [annotation(renumbered[numbered[key]], shape) for key, shape in shapes]
    categories = [{"id": key, "name": name} for key, name in again.items()]
    (tmp_path / "eval").mkdir()
    evaluation = write(tmp_path / "eval", [*drawn, annotation(2, box(4, 3, 2, 2))], categories=categories)
    readers = CocoLayout(tmp_path, train, tmp_path / "eval", evaluation, classes).readers()
    assert readers.evaluation is not None
    learned, scored = readers.train(), readers.evaluation()
    assert learned.classes == scored.classes
    assert [record.tags for record in learned.records] == [record.tags for record in scored.records]
    np.testing.assert_array_equal(mask_of(scored), mask_of(learned))


def test_ids_may_be_texts(tmp_path: Path) -> None:
    images = [{"id": "x1", "file_name": "a.jpg", "height": HEIGHT, "width": WIDTH}]
    categories = [{"id": "d9", "name": "dog"}, {"id": "1", "name": "cat"}, {"id": 2, "name": "cow"}]
    drawn = {"image_id": "x1", "category_id": "d9", "segmentation": box(2, 1, 5, 3)}
    split = read_coco(tmp_path, write(tmp_path, [drawn], images=images, categories=categories))
    assert split.classes.names == ("cow", "cat", "dog")
    assert split.records[0].tags == (3,)
    assert (mask_of(split) == 3).sum() == 15


def test_second_entry_of_a_file_is_left_out_with_its_annotations(tmp_path: Path) -> None:
    size = {"height": HEIGHT, "width": WIDTH}
    images = [{"id": 7, "file_name": "a.jpg", **size}, {"id": 8, "file_name": "./a.jpg", **size}]
    problems: list[Problem] = []
    split = read_coco(tmp_path, write(tmp_path, [annotation(1, [], image=8)], images=images), problems=problems)
    assert [record.image_id for record in split.records] == ["a"]
    assert [problem.kind for problem in problems] == [ProblemKind.REPEATED_IMAGE]


def test_name_that_is_too_long_for_a_file_is_a_missing_image(tmp_path: Path) -> None:
    images = [{"id": 7, "file_name": "a" * 300 + ".jpg", "height": HEIGHT, "width": WIDTH}]
    problems: list[Problem] = []
    read_coco(tmp_path, write(tmp_path, [], images=images), problems=problems)
    assert [problem.kind for problem in problems] == [ProblemKind.MISSING_IMAGE]


@pytest.mark.parametrize("forms", [("NFC", "NFD"), ("NFD", "NFC")])
def test_names_match_however_their_accents_are_composed(tmp_path: Path, forms: tuple[str, str]) -> None:
    on_disk, written = (unicodedata.normalize(form, "café") for form in forms)
    PillowImage.new("RGB", (3, 2)).save(tmp_path / f"{on_disk}.jpg")
    images = [{"id": 1, "file_name": f"{written}.jpg", "height": 2, "width": 3}]
    images += [{"id": 2, "file_name": f"{'é' * 300}.jpg", "height": 2, "width": 3}]
    content = {"images": images, "categories": [{"id": 1, "name": written}], "annotations": []}
    (tmp_path / "a.json").write_text(json.dumps(content))
    problems: list[Problem] = []
    split = read_coco(tmp_path, tmp_path / "a.json", classes=[on_disk], problems=problems)
    assert [record.image_path.name for record in split.records] == [f"{on_disk}.jpg"]
    assert split.classes.names == ("café",)
    assert [problem.kind for problem in problems] == [ProblemKind.MISSING_IMAGE]


def test_one_file_written_in_both_forms_of_its_accents_is_a_second_entry(tmp_path: Path) -> None:
    names = [f"{unicodedata.normalize(form, 'café')}.jpg" for form in ("NFC", "NFD")]
    PillowImage.new("RGB", (3, 2)).save(tmp_path / names[0])
    images = [{"id": key, "file_name": name, "height": 2, "width": 3} for key, name in enumerate(names)]
    problems: list[Problem] = []
    split = read_coco(tmp_path, write(tmp_path, [], images=images), problems=problems)
    assert [record.image_path.name for record in split.records] == names[:1]
    assert [problem.kind for problem in problems] == [ProblemKind.REPEATED_IMAGE]


@pytest.mark.parametrize("lists_it", [(True, False), (False, True), (True, True)])
def test_background_is_no_class_in_which_two_files_differ(tmp_path: Path, lists_it: tuple[bool, bool]) -> None:
    paths = []
    for number, lists_background in enumerate(lists_it):
        folder = tmp_path / str(number)
        folder.mkdir()
        categories = [{"id": 1, "name": "background"}] * lists_background + [{"id": 2, "name": "dog"}]
        drawn = [annotation(category["id"], box(0, 0, 2, 2)) for category in categories]
        paths.append(write(folder, drawn, categories=categories))
    readers = CocoLayout(tmp_path / "0", paths[0], tmp_path / "1", paths[1]).readers()
    assert readers.evaluation is not None
    problems: list[Problem] = []
    split = readers.evaluation(problems=problems)
    assert (split.classes.names, split.records[0].tags, problems) == (("dog",), (1,), [])


@pytest.mark.parametrize("forms", [("NFC", "NFD"), ("NFD", "NFC")])
def test_classes_of_two_files_match_however_their_accents_are_composed(tmp_path: Path, forms: tuple[str, str]) -> None:
    one, other = (unicodedata.normalize(form, "café") for form in forms)
    paths = []
    for number, name in enumerate((one, other)):
        folder = tmp_path / str(number)
        folder.mkdir()
        categories = [{"id": number + 1, "name": name}]
        paths.append(write(folder, [annotation(number + 1, box(0, 0, 2, 2))], categories=categories))
    readers = CocoLayout(tmp_path / "0", paths[0], tmp_path / "1", paths[1], classes=[one]).readers()
    assert readers.evaluation is not None
    problems: list[Problem] = []
    split = readers.evaluation(problems=problems)
    assert (split.classes.names, split.records[0].tags, problems) == (("café",), (1,), [])
