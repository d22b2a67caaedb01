"""The sentences of the data layer's errors, word for word."""

import json
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from tagseg.classes import ClassTable
from tagseg.data.images import content_fingerprint, image_size, read_image
from tagseg.data.json_elements import list_elements
from tagseg.data.layouts.coco import read_coco
from tagseg.data.layouts.folder import read_folder
from tagseg.data.layouts.voc import read_voc
from tagseg.data.mask_images import PaletteMask, label_ids
from tagseg.data.names import choose_classes, read_class_names
from tagseg.data.preflight import check_split
from tagseg.data.problems import Problem
from tagseg.data.tags import read_tags
from tagseg.errors import DataError
from tagseg.types import ImageRecord, Split


def said(act: Callable[[], object]) -> str:
    with pytest.raises(DataError) as caught:
        act()
    return str(caught.value)


def write(path: Path, content: bytes | str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def save(path: Path, pixels: object, **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    PillowImage.fromarray(np.asarray(pixels)).save(path, **options)
    return path


GREY = np.zeros((2, 3), np.uint8)
RESTORE = "restore the file or remove it from the data set"
REPLACE = "replace the file or remove it from the data set"


def test_images_that_are_no_file(tmp_path: Path) -> None:
    path, link = tmp_path / "a.jpg", tmp_path / "link.jpg"
    assert said(lambda: read_image(path)) == f"image {path} must be a file, got no such file; {RESTORE}"
    assert said(lambda: content_fingerprint(path)) == f"file {path} must be a file, got no such file; {RESTORE}"
    link.symlink_to(path)
    assert (
        said(lambda: read_image(link))
        == f"image {link} must be a file, got a link to {path}, which does not exist; {RESTORE}"
    )
    path.mkdir()
    assert said(lambda: read_image(path)) == f"image {path} must be a file, got a folder; {RESTORE}"


def test_images_with_bad_content(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jpg", b"")
    assert said(lambda: image_size(path)) == f"image {path} must not be empty, got 0 bytes; {RESTORE}"
    write(path, "hello")
    formats = "JPEG, PNG, WEBP, BMP, TIFF, GIF"
    assert said(lambda: read_image(path)) == f"image {path} must be one of {formats}, got another content; {REPLACE}"
    save(path, np.zeros((64, 64), np.uint8))
    write(path, path.read_bytes()[:-20])
    sentence = f"image {path} must be complete, got a JPEG file that breaks off or is damaged; {RESTORE}"
    assert said(lambda: read_image(path)) == sentence


def test_images_beyond_the_limits(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", GREY)
    sentence = f"image {path} must have at most 5 pixels, got 2 x 3; {REPLACE}"
    assert said(lambda: read_image(path, max_pixels=5)) == sentence
    whole = path.read_bytes()  # a signature of 8 bytes, then length, name, height, width, depth and check sum
    header = b"IHDR" + struct.pack(">II", 65_536, 65_536) + whole[24:29]
    write(path, whole[:12] + header + struct.pack(">I", zlib.crc32(header)) + whole[33:])
    sentence = f"image {path} must have at most 178,956,970 pixels, got more; {REPLACE}"
    assert said(lambda: read_image(path)) == sentence


def test_images_of_other_depths(tmp_path: Path) -> None:
    path = save(tmp_path / "a.tif", np.zeros((2, 2), np.float32))
    rule = f"image {path} must have 8 or 16 bits a channel"
    assert said(lambda: read_image(path)) == f"{rule}, got floating-point values; scale it to 16 bits"
    save(path, np.array([[-4, 70_000]], np.int32))
    assert said(lambda: read_image(path)) == f"{rule}, got values from -4 to 70000; scale it to 16 bits"


def test_image_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(tmp_path / "a.png", GREY)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(PillowImage, "open", refuse)  # the superuser may read every file, so chmod would not do
    sentence = f"image {path} must be readable, got no permission; give this user the right to read it"
    assert said(lambda: read_image(path)) == sentence


def test_masks(tmp_path: Path) -> None:
    mask = PaletteMask(tmp_path / "a.png", label_ids(("cat", "dog"), ClassTable(("cat",))))
    assert said(mask.read) == f"mask {mask.path} must be a file, got no such file; {RESTORE}"
    save(mask.path, GREY, format="JPEG")
    assert said(mask.read) == f"mask {mask.path} must be one of PNG, BMP, TIFF, GIF, got another content; {REPLACE}"
    save(mask.path, np.array([[0, 9, 3, 255]], np.uint8))
    sentence = (
        f"mask {mask.path} must hold ids 0 to 2 or 255, got 3, 9; "
        "draw it again, or name the missing classes in classes.txt"
    )
    assert said(mask.read) == sentence
    palette = "save it as a palette PNG whose indices are the ids"
    save(mask.path, np.full((1, 1, 3), 7, np.uint8))
    assert said(mask.read) == f"mask {mask.path} must hold the colours of VOC's palette, got (7, 7, 7); {palette}"
    save(mask.path, GREY.astype(np.uint16))
    rule = f"mask {mask.path} must be a palette, 8-bit grey or VOC-coloured image"
    assert said(mask.read) == f"{rule}, got Pillow mode I;16; {palette}"
    save(mask.path, np.zeros((64, 64), np.uint8))
    write(mask.path, mask.path.read_bytes()[:-30])
    sentence = f"mask {mask.path} must be complete, got a PNG file that breaks off or is damaged; {RESTORE}"
    assert said(mask.read) == sentence


ROW = "write 'name.jpg,cat;dog', with quotes around a name or tags that hold a comma"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "{} must start with the header 'image,tags', got an empty line; write that line first"),
        ("a.jpg,cat\n", "{} must start with the header 'image,tags', got 'a.jpg,cat'; write that line first"),
        ("image,tags\n\na,cat,dog\n", "{} at line 3 must hold 2 values, got 3; " + ROW),
        ("image,tags\n,cat\n", "{} at line 2 must hold 2 values, got no image name; " + ROW),
        ("image,tags\na,dgo\n", "{} at line 2 must hold known tags, got 'dgo'; did you mean 'dog'?"),
        ("image,tags\na,xyz\n", "{} at line 2 must hold known tags, got 'xyz'; use one of: cat, dog"),
        (
            "image,tags\na,cat\nb,\na,dog\n",
            "{} names an image once, got 'a' at line 2 and at line 4; join both into one row",
        ),
        (
            'image,tags\na,"cat\nb,dog\n',
            "{} must close every quotation mark, got an open one before line 4; mend the quotes",
        ),
        (
            b"image,tags\na,cat\nb,\xff\n",
            "file of tags {} must be UTF-8 text, got other bytes at line 3; save it with the encoding UTF-8",
        ),
    ],
)
def test_tags_csv(tmp_path: Path, content: bytes | str, sentence: str) -> None:
    path = write(tmp_path / "tags.csv", content)
    assert said(lambda: read_tags(path, ("cat", "dog"))) == sentence.format(path)


ENTRY = 'must hold an image name and a list of tag names, got something else; write {"image": "a.jpg", "tags": ["cat"]}'


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ('{"a": ["cat"],\n"b"}', "PATH must be JSON, got a mistake at line 2; mend that line"),
        ("7", 'PATH must hold an object or a list, got 7; write {"a.jpg": ["cat"]}'),
        ('{"a": "cat"}', f"PATH at image 'a' {ENTRY}"),
        ('[{"image": "a", "tags": []}, {"image": "b"}]', f"PATH at entry 2 {ENTRY}"),
        ('{"a": ["dgo"]}', "PATH at image 'a' must hold known tags, got 'dgo'; did you mean 'dog'?"),
        (
            '{"a": [], "a": ["cat"]}',
            "PATH names an image once, got 'a' at image 'a' and at image 'a'; join both into one row",
        ),
    ],
)
def test_tags_json(tmp_path: Path, content: str, sentence: str) -> None:
    path = write(tmp_path / "tags.json", content)
    assert said(lambda: read_tags(path, ("cat", "dog"))) == sentence.replace("PATH", str(path))


def test_files_of_tags_that_cannot_be_opened(tmp_path: Path) -> None:
    path = tmp_path / "tags.csv"
    assert said(lambda: read_tags(path)) == f"file of tags {path} must exist, got no such file; mend the path"
    path.mkdir()
    assert said(lambda: read_tags(path)) == f"file of tags {path} must be readable, got Is a directory; mend the path"


def test_classes(tmp_path: Path) -> None:
    path = tmp_path / "classes.txt"
    rule = f"{path} must be UTF-8 text with a class name a line"
    assert said(lambda: read_class_names(path)) == f"{rule}, got no such file; write it again as plain UTF-8 text"
    write(path, b"caf\xe9\n")
    assert said(lambda: read_class_names(path)) == f"{rule}, got something else; write it again as plain UTF-8 text"
    write(path, "cat\ncat\n")
    sentence = f"{path}: class names are different and not empty, got ['cat']; rename or remove them"
    assert said(lambda: read_class_names(path)) == sentence
    sentence = "class 'dgo' must be one of the data set's classes, got another name; did you mean 'dog'?"
    assert said(lambda: choose_classes(("cat", "dog"), ["dgo"], source="the data set's classes")) == sentence


def test_voc(tmp_path: Path) -> None:
    lists = tmp_path / "ImageSets" / "Segmentation"
    read = lambda: read_voc(tmp_path, split="train")  # noqa: E731
    path = lists / "train.txt"
    assert said(read) == f"list {path} must exist, got no such file; mend the path of the data set"
    write(lists / "trainval.txt", "a\n")
    assert said(read) == f"list {path} must exist, got no such file; did you mean 'trainval'?"
    write(path, "\n")
    assert said(read) == f"list {path} must name images, got none; write one image id a line"
    write(path, b"\xff")
    assert said(read) == f"list {path} must be UTF-8 text, got something else; write it again"
    write(path, "../a\nb\n")
    sentence = f"data set {tmp_path} must hold Annotations or image_tags.csv, got neither; "
    assert said(read) == sentence + "name a CSV or JSON file of tags in the recipe's data.tags"
    write(path, "a\n..\n")
    assert said(read) == f"{path} at line 2 must hold an image id, got '..'; mend the line"
    write(path, "a\nb\na\n")
    assert said(read) == f"{path} names an image once, got 'a' at line 1 and at line 3; remove one of the lines"


def test_voc_images_and_annotations(tmp_path: Path) -> None:
    read = lambda: read_voc(tmp_path, split="train")  # noqa: E731
    write(tmp_path / "ImageSets" / "Segmentation" / "train.txt", "a\n")
    tags = write(tmp_path / "image_tags.csv", "image,tags\nb,cat\n")
    image = tmp_path / "JPEGImages" / "a.jpg"
    sentence = (
        f"image {image} of the list train must exist, got no such file; restore it or remove its line from the list"
    )
    assert said(read) == sentence
    save(image, GREY)
    assert said(read) == "image 'a' must have a row of tags, got none; add the row, with empty tags if none fit"
    tags.unlink()
    (tmp_path / "Annotations").mkdir()
    xml = tmp_path / "Annotations" / "a.xml"
    assert said(read) == f"annotation {xml} must be XML, got no such file; restore it"
    write(xml, "<a>")
    assert said(read) == f"annotation {xml} must be XML, got something else; restore it"
    write(xml, "<a><object><name>hrose</name></object></a>")
    assert said(read) == f"annotation {xml} must hold known classes, got 'hrose'; did you mean 'horse'?"


IMAGE = {"id": 7, "file_name": "a.jpg", "height": 2, "width": 3}
CATEGORY = {"id": 1, "name": "cat"}


@pytest.mark.parametrize(
    ("images", "annotations", "sentence"),
    [
        ([], [], "PATH must hold images and categories, got no images; name an instances file of COCO"),
        (
            [IMAGE, IMAGE],
            [],
            "PATH must hold usable images, got a second image with id 7; mend or remove the element",
        ),
        (
            [IMAGE | {"file_name": "../a.jpg"}],
            [],
            "PATH must hold usable images, got the file_name '../a.jpg' outside the folder of images; "
            "mend or remove the element",
        ),
        (
            [{"id": 7}],
            [],
            "PATH must hold usable images, got an element without the values that it needs at byte 12; "
            "mend or remove the element",
        ),
        (
            [IMAGE],
            [{"image_id": 9, "category_id": 1}],
            "annotation of PATH must belong to a listed image, got image id 9; list the image or remove it",
        ),
        (
            [IMAGE],
            [{"image_id": 7, "category_id": 5}],
            "annotation of PATH must belong to a listed category, got category id 5; list the category or remove it",
        ),
        (
            [IMAGE],
            [],
            "image FOLDER/a.jpg of PATH must exist, got no such file; "
            "mend the folder of images, or remove it from the list",
        ),
    ],
)
def test_coco(tmp_path: Path, images: list[object], annotations: list[object], sentence: str) -> None:
    content = {"images": images, "annotations": annotations, "categories": [CATEGORY]}
    path = write(tmp_path / "instances.json", json.dumps(content))
    expected = sentence.replace("PATH", str(path)).replace("FOLDER", str(tmp_path))
    assert said(lambda: read_coco(tmp_path, path)) == expected


def test_coco_categories(tmp_path: Path) -> None:
    path = write(tmp_path / "a.json", json.dumps({"images": [IMAGE], "categories": []}))
    sentence = f"{path} must hold images and categories, got no categories; name an instances file of COCO"
    assert said(lambda: read_coco(tmp_path, path)) == sentence
    write(path, json.dumps({"images": [IMAGE], "categories": [CATEGORY, CATEGORY]}))
    sentence = f"{path} must hold usable categories, got a second category 1 'cat'; mend or remove the element"
    assert said(lambda: read_coco(tmp_path, path)) == sentence
    write(path, json.dumps({"images": [IMAGE], "categories": [CATEGORY]}))
    sentence = "class 'cta' must be one of the file's categories, got another name; did you mean 'cat'?"
    assert said(lambda: read_coco(tmp_path, path, classes=["cta"])) == sentence


def test_coco_masks(tmp_path: Path) -> None:
    save(tmp_path / "a.jpg", GREY)
    shape = {"id": 4, "image_id": 7, "category_id": 1, "segmentation": {"size": [9, 9], "counts": [0, 81]}}
    content = {"images": [IMAGE], "annotations": [shape], "categories": [CATEGORY]}
    path = write(tmp_path / "a.json", json.dumps(content))
    mask = read_coco(tmp_path, path).records[0].mask
    assert mask is not None
    rule = f"annotation 4 of {path} must be polygons or run lengths of the image's size"
    assert said(mask.read) == f"{rule}, got another shape; mend or remove it"
    path.unlink()
    sentence = f"{path} must stay as it is while it is in use, got a changed file; run the command again"
    assert said(mask.read) == sentence


def test_json_elements(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    read = lambda: list(list_elements(path))  # noqa: E731
    assert said(read) == f"annotations {path} must exist, got no such file; mend the path"
    write(path, '{"a": [\n')
    help = "restore the file or name another"
    assert said(read) == f"annotations {path} must be one JSON object, got a mistake at line 2; {help}"
    path.unlink()
    path.mkdir()
    assert said(read) == f"annotations {path} must be readable, got Is a directory; mend the path"


def test_folder(tmp_path: Path) -> None:
    read = lambda: read_folder(tmp_path)  # noqa: E731
    endings = ".bmp, .gif, .jpeg, .jpg, .png, .tif, .tiff, .webp"
    assert said(read) == f"folder {tmp_path} must hold images, got none; put files there that end in {endings}"
    image = save(tmp_path / "a.jpg", GREY)
    sentence = f"image {image} must lie in the folder of its class, got {tmp_path} itself; "
    assert said(read) == sentence + "move it into a sub-folder, or write tags.csv"
    sentence = f"data set {tmp_path} must have tags, got none; write tags.csv, or a sub-folder for each class"
    assert said(lambda: read_folder(tmp_path, problems=[])) == sentence
    tags = write(tmp_path / "tags.csv", "image,tags\nb,cat\n")
    sentence = f"image 'b' of {tags} must exist below {tmp_path}, got no such file; "
    assert said(read) == sentence + "restore the file, mend the name or remove the row"
    write(tags, "image,tags\na.jpg,cat\na,dog\n")
    sentence = f"{tags} names an image once, got a second spelling 'a' of {image}; join both into one row"
    assert said(read) == sentence
    write(tags, "image,tags\n")
    sentence = f"image {image} must have a row in {tags}, got none; add the row, with empty tags if none fit"
    assert said(read) == sentence
    write(tmp_path / "tags.json", "{}")
    sentence = f"folder {tmp_path} must hold one file of tags, got tags.csv and tags.json; "
    assert said(read) == sentence + "remove one, or name one in the recipe's data.tags"


def test_folders_that_do_not_exist(tmp_path: Path) -> None:
    save(tmp_path / "cat" / "a.jpg", GREY)
    for options in ({"root": tmp_path / "gone"}, {"root": tmp_path, "masks": tmp_path / "gone"}):
        sentence = f"folder {tmp_path / 'gone'} must exist, got no such folder; mend the path in the recipe's data"
        assert said(lambda options=options: read_folder(**options)) == sentence


def test_folder_names_that_fit_twice_or_never(tmp_path: Path) -> None:
    for name in ("x/a.jpg", "y/a.jpg"):
        save(tmp_path / name, GREY)
    tags = write(tmp_path / "tags.csv", "image,tags\na,cat\n")
    sentence = f"image 'a' of {tags} must be one file, got 2; write its whole path with the ending"
    assert said(lambda: read_folder(tmp_path)) == sentence
    tags.unlink()
    write(tmp_path / "classes.txt", "x\n")
    sentence = f"folder {tmp_path / 'y'} must be named like a class of classes.txt, got 'y'; "
    assert said(lambda: read_folder(tmp_path)) == sentence + "rename it or add the name to classes.txt"


def warnings_of(split: Split, reader_problems: list[Problem]) -> list[str]:
    report = check_split(split, reader_problems=reader_problems)
    return [f"{problem.problem}; {problem.help}" for problem in report.problems]


def test_warnings_of_the_folder_reader(tmp_path: Path) -> None:
    save(tmp_path / "cat" / "a.png", np.zeros((32, 32), np.uint8))
    (tmp_path / "b.jpg").mkdir()
    heic = write(tmp_path / "c.heic", "x")
    old = save(tmp_path / "masks" / "old.png", GREY)
    problems: list[Problem] = []
    split = read_folder(tmp_path, problems=problems)
    endings = ".bmp, .gif, .jpeg, .jpg, .png, .tif, .tiff, .webp"
    assert warnings_of(split, problems) == [
        f"image {tmp_path / 'b.jpg'} must be a file, got a folder; rename or remove the folder",
        f"file {heic} is left out, since an image ends in {endings}; convert it if it is an image",
        f"mask {old} must have the path of an image, got none that fits; rename it like its image or remove it",
    ]


def test_warnings_of_the_check(tmp_path: Path) -> None:
    cats, table = np.ones((32, 40), np.uint8), ClassTable(("cat", "dog"))
    one = save(tmp_path / "one.png", cats)
    two = save(tmp_path / "two.png", cats)
    tiny = save(tmp_path / "tiny.jpg", GREY, format="PNG")
    mask = PaletteMask(save(tmp_path / "mask.png", cats), label_ids(table.names, table))
    wrong_size = PaletteMask(save(tmp_path / "small.png", GREY), mask.label_ids)
    records = (
        ImageRecord("one", one, (), mask),
        ImageRecord("tiny", tiny, (2,)),
        ImageRecord("two", two, (2,), wrong_size),
    )
    tag_it = "tag it, or leave it as an image that shows none of the classes"
    assert warnings_of(Split("train", table, records), []) == [
        f"image {one} should show a class, got no tag; {tag_it}",
        f"mask of {one} should show tagged classes only, got cat; add the tag or mend the mask",
        f"image {tiny} should end in .png, got a PNG file; rename it; it is read by its content",
        f"image {tiny} should have sides of 32 px or more, got 2 x 3; remove it if it is a thumbnail",
        f"image {tiny} should have a mask as others do, got none; add it, or leave the image out of the scores",
        f"mask of {two} must have the image's size, got 2 x 3 for an upright image of 32 x 40; "
        "draw it on the upright image",
        f"image {two} should differ from the others, got the content of {one}; remove one of the two",
        "class 'cat' should have images in train, got none; tag some, or leave the class out of data.classes",
    ]
