"""What is wrong with the masks of annotation tools, word for word."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from kit.files import save, write
from kit.messages import ROW, assert_says, row

from tagseg.classes import ClassTable
from tagseg.data.corrections import read_corrections
from tagseg.data.layouts.folder import read_folder
from tagseg.data.problems import Problem, ProblemKind
from tagseg.errors import DataError
from tagseg.types import ImageRecord, Split

LS_AGAIN = "correct it in Label Studio and export the project again as JSON"
CVAT_AGAIN = "export the task from CVAT again as 'Segmentation mask 1.1'"


def tasks(*regions: dict[str, object], annotations: int = 1, **size: object) -> Callable[[Path], Path]:
    size = {"original_width": 3, "original_height": 2} | size
    results = [{"result": [{**size, **region} for region in regions]}] * annotations
    content = [{"data": {"image": "a.jpg"}, "annotations": results}]
    return lambda folder: write(folder / "tasks.json", json.dumps(content))


def shape(kind: str, **value: object) -> dict[str, object]:
    return {"type": kind, "value": {kind: ["cat"], **value}}


def cvat(label_map: str, color: tuple[int, int, int] = (0, 0, 0)) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        save(folder / "SegmentationClass" / "a.png", np.full((2, 3, 3), color, np.uint8))
        return write(folder / "labelmap.txt", label_map)

    return make


def damaged_archive(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(folder / "a.zip", "w") as archive:
        archive.writestr("labelmap.txt", "background:0,0,0::\n")
        archive.writestr("SegmentationClass/a.png", b"no picture")
    return folder / "a.zip"


def labelme(**entry: object) -> Callable[[Path], Path]:
    content = {"shapes": [{"label": "cat", **entry}], "imagePath": "a.jpg", "imageHeight": 2, "imageWidth": 3}
    return lambda folder: write(folder / "a.json", json.dumps(content))


def yolo(line: str, names: str = "names: [cat]\n") -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        write(folder / "data.yaml", names)
        return write(folder / "labels" / "train" / "a.txt", line)

    return make


def two_tools(folder: Path) -> Path:
    write(folder / "data.yaml", "names: [cat]\n")
    return cvat("background:0,0,0::\n")(folder)


def without_names(folder: Path) -> Path:
    save(folder / "train" / "masks" / "a.png", np.zeros((2, 3), np.uint8))
    return write(folder / "train" / "metadata.jsonl", '{"file_name": "a.jpg", "mask_file_name": "masks/a.png"}\n')


def without_mask(folder: Path) -> Path:
    return write(folder / "metadata.jsonl", '{"file_name": "a.jpg", "mask_file_name": "b.png"}\n')


@pytest.mark.parametrize(
    ROW,
    [
        row(
            "not_annotated",
            tasks(annotations=0),
            "PATH must hold annotated tasks, got 1 without an annotation",
            "annotate them in Label Studio and export them again as JSON",
        ),
        row(
            "annotated_twice",
            tasks(annotations=2),
            "PATH at task 1 must be annotated once, got 2 annotations",
            "mark the right annotation as ground truth",
        ),
        row(
            "ellipse",
            tasks(shape("ellipselabels", x=1, y=1)),
            "PATH at task 1 must hold masks that can be drawn, got a region of type 'ellipselabels'",
            LS_AGAIN,
        ),
        row(
            "line",
            tasks(shape("polygonlabels", points=[[0, 0], [1, 1]])),
            "PATH at task 1 must hold masks that can be drawn, got a polygon of fewer than three points",
            LS_AGAIN,
        ),
        row(
            "turned",
            tasks(shape("polygonlabels", points=[[0, 0], [1, 1], [1, 0]]), image_rotation=90),
            "PATH at task 1 must hold masks that can be drawn, got a photograph that was turned",
            LS_AGAIN,
        ),
        row(
            "brush_of_another_size",
            tasks(shape("brushlabels", format="rle", rle=[0, 0, 0, 4, 57, 27, 252, 127, 224])),
            "PATH at task 1 must hold a brush mask of 2 x 3 pixels, got 4 values of 8 bits",
            LS_AGAIN,
        ),
        row(
            "brush_that_breaks_off",
            tasks(shape("brushlabels", format="rle", rle=[0, 0, 0, 24, 57, 27, 252])),
            "PATH at task 1 must hold a brush mask of 2 x 3 pixels, got run lengths that break off",
            LS_AGAIN,
        ),
        row(
            "another_class",
            tasks({"type": "polygonlabels", "value": {"polygonlabels": ["Cat"], "points": [[0, 0], [99, 0], [0, 99]]}}),
            "correction 'a.jpg' of PATH shows classes of the run (cat, dog), got 'Cat'",
            "correct the name of the class, or draw these pixels as background, id 0",
        ),
        row(
            "line_of_no_class",
            cvat("background:0,0,0::\ncat 1,2,3\n"),
            "PATH at line 2 must name a class and its own colour, got 'cat 1,2,3'",
            CVAT_AGAIN,
        ),
        row(
            "one_colour_twice",
            cvat("cat:1,2,3::\ndog:1,2,3::\n"),
            "PATH at line 2 must name a class and its own colour, got the colour (1, 2, 3) again",
            CVAT_AGAIN,
        ),
        row(
            "colour_of_no_class",
            cvat("background:0,0,0::\ncat:1,2,3::\n", (3, 2, 1)),
            "mask OUT/SegmentationClass/a.png must hold the colours of labelmap.txt, got (3, 2, 1)",
            CVAT_AGAIN,
        ),
        row(
            "damaged_member",
            damaged_archive,
            "mask PATH/SegmentationClass/a.png must be one of PNG, got another content",
            CVAT_AGAIN,
        ),
        row(
            "circle",
            labelme(shape_type="circle", points=[[0, 0], [1, 1]]),
            "shape 1 of PATH must be a polygon or a rectangle, got 'circle'",
            "draw it in LabelMe as a polygon, or remove it",
        ),
        row(
            "two_points",
            labelme(points=[[0, 0], [1, 1]]),
            "shape 1 of PATH must be a polygon or a rectangle, got a polygon without its points",
            "draw it in LabelMe as a polygon, or remove it",
        ),
        row(
            "box",
            yolo("0 0.5 0.5 0.1 0.1\n"),
            "labels PATH at line 1 must be a class and a polygon as shares of the image, got a box",
            "export polygons, YOLO's format of segmentation",
        ),
        row(
            "class_that_is_not_listed",
            yolo("1 0 0 1 0 1 1\n"),
            "labels PATH at line 1 must be of class 0 to 0, got 1",
            "list all classes in data.yaml",
        ),
        row(
            "names_from_one",
            yolo("", "names: {1: cat}\n"),
            "OUT/data.yaml must have names numbered from 0, got others",
            "write the names of the classes",
        ),
        row("no_yaml", yolo("", "names: [\n"), "OUT/data.yaml must be YAML, got something else", "restore it"),
        row(
            "masks_without_background",
            yolo("", "names: [cat]\nmasks_dir: masks\n"),
            "OUT/data.yaml must name the background as 0 for masks, got 'cat'",
            "write the names of the ids in the masks",
        ),
        row(
            "two_tools",
            two_tools,
            "folder OUT must hold masks of one tool, got labelmap.txt and data.yaml",
            "keep one of them there",
        ),
        row(
            "ids_without_names",
            without_names,
            "folder OUT must name the ids of its masks in id2label.json, got no such file",
            'write {"0": "background", "1": ...} there',
        ),
        row(
            "mask_that_is_not_there",
            without_mask,
            "mask OUT/b.png of PATH at line 1 must exist, got no such file",
            "restore the file or correct that line",
        ),
    ],
)
def test_masks_of_tools_that_do_not_fit(tmp_path: Path, call: Callable[[Path], Path], problem: str, help: str) -> None:
    photo = save(tmp_path / "photos" / "a.jpg", np.zeros((2, 3, 3), np.uint8))
    split = Split("train", ClassTable(("cat", "dog")), (ImageRecord("a", photo, (1,)),))
    path = call(tmp_path / "corrected")
    assert_says(
        lambda: read_corrections(tmp_path / "corrected", split),
        DataError,
        problem,
        help,
        PATH=path,
        OUT=tmp_path / "corrected",
    )


def test_a_file_of_no_tool(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", "cat")
    assert_says(
        lambda: read_corrections(path, Split("train", ClassTable(("cat",)), ())),
        DataError,
        f"file of masks {path} must be of COCO, Label Studio (JSON) or CVAT (segmentation mask, ZIP), "
        "got something else",
        "name another file",
    )


@pytest.mark.parametrize(
    ("shown", "kind", "problem", "help"),
    [
        (
            ["Cat"],
            ProblemKind.OTHER_CLASSES,
            "masks OUT must show classes of the data set (cat), got 'Cat'",
            "give a class one name in tags and masks",
        ),
        (
            ["cat", "sofa"],
            ProblemKind.UNLEARNED_CLASS,
            "masks OUT should show classes of the data set only, got 'sofa'",
            "learn the class too; until then its objects are scored as background",
        ),
        (
            ["cat", "b.jpg"],
            ProblemKind.UNUSED_MASK,
            "mask 'b' of OUT/b.json must have the path of an image, got none that fits",
            "rename it like its image or remove it",
        ),
    ],
)
def test_ground_truth_of_tools_that_does_not_fit(
    tmp_path: Path, shown: list[str], kind: ProblemKind, problem: str, help: str
) -> None:
    save(tmp_path / "photos" / "a.jpg", np.zeros((2, 3, 3), np.uint8))
    write(tmp_path / "tags.csv", "image,tags\na.jpg,cat\n")
    out = tmp_path / "labelme"
    for name in ("a", *(["b"] if "b.jpg" in shown else [])):
        labels = [label for label in shown if label != "b.jpg"]
        shapes = [{"label": label, "points": [[0, 0], [2, 0], [2, 2]]} for label in labels]
        write(out / f"{name}.json", json.dumps({"shapes": shapes, "imagePath": f"{name}.jpg"}))
    found: list[Problem] = []
    read_folder(tmp_path / "photos", tags=tmp_path / "tags.csv", masks=out, problems=found)
    (only,) = found
    words = (only.kind, only.problem.replace(str(out), "OUT"), only.help)
    assert words == (kind, problem, help)
