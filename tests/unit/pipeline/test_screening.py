"""What a run knows of its images before the first stage: every record is looked at, and again when its mask changes."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from kit.files import save, write
from kit.heard import Heard

from tagseg.artifacts.run_folder import RunFolder
from tagseg.data.image_formats import ENDINGS_BY_FORMAT
from tagseg.pipeline.screening import LoadedData, load_splits
from tagseg.recipe import make_recipe

BOX = [[0, 0, 9, 0, 9, 9, 0, 9]]
PICTURE = np.zeros((40, 40, 3), np.uint8)
ADVICE = "add images that do not show it, with empty tags or of another class: nothing else tells it from its scene"


def load(folder: Path, **data: Any) -> tuple[LoadedData, list[str]]:
    """Return the data of a run in a folder, and what was warned of."""
    heard = Heard()
    values = {key: str(value) for key, value in data.items()}
    loaded = load_splits(make_recipe({"name": "a", "data": values}), RunFolder(folder), progress=heard)
    return loaded, heard.warnings


def write_coco(path: Path, *shapes: Any, category: int = 1) -> Path:
    """Write a file of one image for each shape, with an object of that shape."""
    numbered = list(enumerate(shapes))
    images = [{"id": key, "file_name": f"{key}.png", "height": 40, "width": 40} for key, _ in numbered]
    for image in images:
        save(path.parent / str(image["file_name"]), PICTURE)
    drawn = [{"id": key, "image_id": key, "category_id": category, "segmentation": shape} for key, shape in numbered]
    categories = [{"id": 1, "name": "dog"}, {"id": 2, "name": "cat"}]
    return write(path, json.dumps({"images": images, "annotations": drawn, "categories": categories}))


def load_coco(folder: Path) -> tuple[LoadedData, list[str]]:
    files = {"train_annotations": folder / "train.json", "eval_annotations": folder / "eval.json"}
    return load(folder / "run", format="coco", train_images=folder, eval_images=folder, **files)


def test_images_with_objects_without_a_shape_are_counted_and_not_scored(tmp_path: Path) -> None:
    write_coco(tmp_path / "train.json", BOX, BOX, BOX)
    write_coco(tmp_path / "eval.json", BOX, [], None)
    loaded, warnings = load_coco(tmp_path)
    assert loaded.splits.evaluation is not None
    assert [record.mask is not None for record in loaded.splits.evaluation.records] == [True, False, False]
    assert warnings == [
        "2 masks cannot be used and their images are not scored; see manifest.json",
        f"class 'dog' should be absent from some images of train, got it in each of 3; {ADVICE}",
    ]


def test_classes_that_only_the_file_to_score_lists_are_warned_of(tmp_path: Path) -> None:
    write_coco(tmp_path / "train.json", BOX)
    path = write_coco(tmp_path / "eval.json", BOX)
    content = json.loads(path.read_text())
    content["categories"] += [{"id": 3, "name": "cow"}, {"id": 4, "name": "owl"}]
    path.write_text(json.dumps(content))
    assert load_coco(tmp_path)[1] == [
        f"{path} should list the classes to learn only, got 'cow', and 1 more; "
        "learn the class too; until then its objects are scored as background",
        f"class 'dog' should be absent from some images of train, got it in each of 1; {ADVICE}",
    ]


def test_classes_that_nearly_every_image_shows_are_named_before_any_training(tmp_path: Path) -> None:
    shown = ["person;dog", *["person;dog"] * 9, "person"]
    for number in range(len(shown)):
        save(tmp_path / f"{number}.png", PICTURE)
    write(tmp_path / "bad.png", "no picture")
    rows = ["image,tags", *(f"{number}.png,{tags}" for number, tags in enumerate(shown)), "bad.png,cat"]
    write(tmp_path / "tags.csv", "\n".join(rows))
    warnings = load(tmp_path / "run", format="folder", root=tmp_path)[1]
    assert [warning for warning in warnings if "absent" in warning] == [
        f"class 'dog' should be absent from more images of all, got it in 10 of 11; {ADVICE}".replace(
            "nothing else", "too little else"
        ),
        f"class 'person' should be absent from some images of all, got it in each of 11; {ADVICE}",
    ]


def test_tags_of_both_files_that_show_one_image_name_the_data(tmp_path: Path) -> None:
    write_coco(tmp_path / "train.json", BOX)
    write_coco(tmp_path / "eval.json", BOX)
    same = load_coco(tmp_path)[0].fingerprint
    assert load_coco(tmp_path)[0].fingerprint == same
    write_coco(tmp_path / "train.json", BOX, category=2)
    assert load_coco(tmp_path)[0].fingerprint != same


def test_masks_are_looked_at_again_when_they_or_their_meaning_change(tmp_path: Path) -> None:
    save(tmp_path / "a.png", PICTURE)
    save(tmp_path / "b.png", PICTURE)
    write(tmp_path / "tags.csv", "image,tags\na.png,scratch\nb.png,scratch\n")
    for name in ("a", "b"):
        save(tmp_path / "masks" / f"{name}.png", np.full((40, 40), 255, np.uint8))

    def usable(**data: Any) -> list[bool]:
        loaded, _ = load(tmp_path / "run", format="folder", root=tmp_path, **data)
        return [record.mask is not None for record in loaded.splits.train.records]

    assert usable() == [False, False]
    save(tmp_path / "masks" / "a.png", np.full((40, 40), 1, np.uint8))
    assert usable() == [True, False]
    assert usable(mask_255="object") == [True, True]


def test_pictures_that_are_not_read_and_guessed_encodings_are_told(tmp_path: Path) -> None:
    save(tmp_path / "a.png", PICTURE)
    for name in ("b.psd", "c.psd"):
        (tmp_path / name).write_bytes(b"8BPS")
    path = tmp_path / "tags.csv"
    path.write_bytes("image,tags\na.png,Kühe\n".encode("cp1252"))
    assert load(tmp_path / "run", format="folder", root=tmp_path)[1] == [
        f"{path} should be UTF-8 text, got other bytes, read as Windows-1252: Kühe; "
        "save it as UTF-8 if these words are wrong",
        f"image {tmp_path / 'b.psd'} must be one of {', '.join(ENDINGS_BY_FORMAT)}, got a .psd file, and 1 more; "
        "convert it to JPEG or PNG",
        f"class 'Kühe' should be absent from some images of all, got it in each of 1; {ADVICE}",
    ]
