"""One function a program and format: the folder of an export in, and the label maps that the program finds there.

Only the documented interface of each program is called. Axes: H W pixels of the upright image, V corners of a polygon.
"""

import io
import json
import os
import zipfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np

from tagseg.classes import VOID, ClassTable
from tagseg.types import LabelMap

Polygons = list[tuple[int, np.ndarray]]
"""Label id and (V, 2) corners in pixels of each object."""


@dataclass(frozen=True)
class Export:
    """What a program is given.

    Args:
        folder: of the export.
        classes: whose names the export has.
        photographs: folder of the photographs, for formats that do not copy them.
        sizes: height and width of each photograph by its name without the ending.
        scratch: an empty folder.
    """

    folder: Path
    classes: ClassTable
    photographs: Path
    sizes: Mapping[str, tuple[int, int]]
    scratch: Path

    def label(self, name: str) -> int:
        return VOID if name == "void" else 0 if name == "background" else self.classes.label_id(name)

    def blank(self, name: str) -> LabelMap:
        return np.zeros(self.sizes[name], np.uint8)


@dataclass(frozen=True)
class Found:
    """What a program found.

    Args:
        labels: as the program draws them, by the name of the photograph; empty where it draws nothing itself.
        polygons: as the program hands them on; empty where it hands on pixels.
    """

    labels: dict[str, LabelMap]
    polygons: dict[str, Polygons]


def stem(path: str) -> str:
    """Return the name of a photograph from its address or path; the tools here know one folder of photographs."""
    return Path(unquote(path.rpartition("?d=")[2])).stem


def pairs(values: Sequence[float]) -> np.ndarray:
    return np.asarray(values, np.float64).reshape(-1, 2)


def pycocotools(export: Export) -> Found:
    return _coco(export, export.folder / "annotations.json")


def _coco(export: Export, path: Path) -> Found:
    from pycocotools.coco import COCO

    with redirect_stdout(io.StringIO()):
        coco = COCO(str(path))
    labels, polygons = {}, {}
    for image in coco.loadImgs(coco.getImgIds()):
        name = stem(image["file_name"])
        labels[name], polygons[name] = export.blank(name), []
        for annotation in coco.loadAnns(coco.getAnnIds(image["id"])):
            (category,) = coco.loadCats(annotation["category_id"])
            label = export.label(category["name"])
            labels[name][coco.annToMask(annotation) == 1] = label
            if isinstance(annotation["segmentation"], list):
                polygons[name] += [(label, pairs(each)) for each in annotation["segmentation"]]
    return Found(labels, polygons if any(polygons.values()) else {})


def supervision_coco(export: Export) -> Found:
    import supervision

    path = str(export.folder / "annotations.json")
    return _detections(export, supervision.DetectionDataset.from_coco(str(export.photographs), path, force_masks=True))


def supervision_yolo(export: Export) -> Found:
    import supervision

    images, labels, config = (str(export.folder / name) for name in ("images/train", "labels/train", "data.yaml"))
    return _detections(export, supervision.DetectionDataset.from_yolo(images, labels, config, force_masks=True))


def _detections(export: Export, dataset: Any) -> Found:
    labels = {}
    for path, _, found in dataset:
        name = stem(path)
        labels[name] = export.blank(name)
        for mask, number in zip(found.mask if len(found) else (), found.class_id, strict=True):
            labels[name][mask] = export.label(dataset.classes[number])
    return Found(labels, {})


def labelformat_coco(export: Export) -> Found:
    from labelformat.formats import COCOInstanceSegmentationInput

    return _multipolygons(export, COCOInstanceSegmentationInput(input_file=export.folder / "annotations.json"))


def labelformat_yolo(export: Export) -> Found:
    from labelformat.formats import YOLOv8InstanceSegmentationInput

    source = YOLOv8InstanceSegmentationInput(input_file=export.folder / "data.yaml", input_split="train")
    return _multipolygons(export, source)


def _multipolygons(export: Export, source: Any) -> Found:
    polygons: dict[str, Polygons] = {stem(image.filename): [] for image in source.get_images()}
    for labelled in source.get_labels():
        for each in labelled.objects:
            found = [(export.label(each.category.name), pairs(ring)) for ring in each.segmentation.polygons]
            polygons[stem(labelled.image.filename)] += found
    return Found({}, polygons)


def labelformat_voc(export: Export) -> Found:
    return _id_masks(export, "SegmentationClass")


def labelformat_ids(export: Export) -> Found:
    return _id_masks(export, "masks")


def _id_masks(export: Export, masks: str) -> Found:
    from labelformat.formats import PascalVOCSemanticSegmentationInput

    names = json.loads((export.folder / "labels.json").read_text(encoding="utf-8"))
    by_id = {int(number): name for number, name in names.items()}
    source = PascalVOCSemanticSegmentationInput.from_dirs(export.photographs, export.folder / masks, by_id)
    labels = {}
    for labelled in source.get_labels():
        name = stem(labelled.image.filename)
        labels[name] = export.blank(name)
        for each in labelled.objects:
            labels[name][each.segmentation.get_binary_mask() == 1] = export.label(each.category.name)
    return Found(labels, {})


def datumaro_cvat(export: Export) -> Found:
    """CVAT imports with a fork of datumaro."""
    from datumaro import AnnotationType, Dataset

    with zipfile.ZipFile(export.folder / "segmentation_mask.zip") as archive:
        archive.extractall(export.scratch)
    dataset = Dataset.import_from(str(export.scratch), "voc_segmentation")
    names = [each.name for each in dataset.categories()[AnnotationType.label].items]
    labels = {}
    for item in dataset:
        labels[item.id] = export.blank(item.id)
        for each in item.annotations:
            labels[item.id][each.image > 0] = export.label(names[each.label])
    return Found(labels, {})


def label_studio_brush(export: Export) -> Found:
    from label_studio_sdk.converter.brush import decode_rle

    labels = {}
    for task in json.loads((export.folder / "tasks.json").read_text()):
        name = stem(task["data"]["image"])
        labels[name] = export.blank(name)
        for region in task["predictions"][0]["result"]:
            pixels = decode_rle(region["value"]["rle"]).reshape(*labels[name].shape, 4)
            labels[name][pixels[..., 3] > 0] = export.label(region["value"]["brushlabels"][0])
    return Found(labels, {})


def label_studio_polygons(export: Export) -> Found:
    """The converter reads what a project exports: predictions become annotations, as a project accepts them."""
    from label_studio_sdk.converter import Converter

    tasks = [
        {
            "id": number,
            "data": task["data"],
            "annotations": [{"id": number, "result": task["predictions"][0]["result"]}],
        }
        for number, task in enumerate(json.loads((export.folder / "tasks.json").read_text()), start=1)
    ]
    (export.scratch / "export.json").write_text(json.dumps(tasks))
    config = (export.folder / "labeling_config.xml").read_text(encoding="utf-8")
    converter = Converter(config=config, project_dir=str(export.scratch), download_resources=False)
    converter.convert_to_coco(str(export.scratch / "export.json"), str(export.scratch / "coco"), is_dir=False)
    return _coco(export, export.scratch / "coco" / "result.json")


def labelme_files(export: Export) -> Found:
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    from labelme import LabelFile
    from labelme.utils import shapes_to_label

    labels, polygons = {}, {}
    for path in sorted(export.folder.glob("*.json")):
        if path.name == "export.json":
            continue
        shapes = LabelFile(str(path)).shapes
        numbers = {shape["label"]: export.label(shape["label"]) for shape in shapes}
        drawn, _ = shapes_to_label(export.sizes[path.stem], shapes, numbers) if shapes else (export.blank(path.stem), 0)
        labels[path.stem] = drawn.astype(np.uint8)
        polygons[path.stem] = [(numbers[shape["label"]], pairs(shape["points"])) for shape in shapes]
    return Found(labels, polygons)


def hugging_face(export: Export) -> Found:
    from datasets import load_dataset

    rows = load_dataset(
        "imagefolder", data_dir=str(export.folder), split="train", cache_dir=str(export.scratch / "cache")
    )
    return Found({stem(row["image"].filename): np.asarray(row["mask"]) for row in rows}, {})


def _ultralytics(export: Export) -> dict[str, Any]:
    os.environ["YOLO_CONFIG_DIR"] = str(export.scratch)
    from ultralytics.data.utils import check_det_dataset

    return check_det_dataset(str(export.folder / "data.yaml"))


def ultralytics_polygons(export: Export) -> Found:
    data = _ultralytics(export)
    from ultralytics.data.dataset import YOLODataset
    from ultralytics.data.utils import polygon2mask

    dataset = YOLODataset(img_path=data["train"], data=data, task="segment", augment=False, imgsz=640)
    labels, polygons = {}, {}
    for row in dataset.labels:
        name = stem(row["im_file"])
        size = export.sizes[name]
        numbers = [export.label(data["names"][int(number)]) for number in row["cls"].ravel()]
        corners = [np.asarray(each, np.float64) * (size[1], size[0]) for each in row["segments"]]
        polygons[name] = list(zip(numbers, corners, strict=True))
        labels[name] = export.blank(name)
        for number, each in polygons[name]:
            labels[name][polygon2mask(size, [each.astype(np.float32).ravel()]) == 1] = number
    return Found(labels, polygons)


def ultralytics_masks(export: Export) -> Found:
    """Ultralytics scales to a square of ``imgsz``: photographs of one long side at a time keep their pixels."""
    data = _ultralytics(export)
    from ultralytics.data.dataset import SemanticDataset

    labels = {}
    for side in {max(size) for size in export.sizes.values()}:
        dataset = SemanticDataset(img_path=data["train"], data=data, augment=False, imgsz=side)
        for number, path in enumerate(dataset.im_files):
            height, width = export.sizes[stem(path)]
            if max(height, width) == side:
                mask = dataset[number]["semantic_mask"].numpy()
                top, left = (mask.shape[0] - height) // 2, (mask.shape[1] - width) // 2
                found = mask[top : top + height, left : left + width]
                labels[stem(path)] = np.where(found < 0, VOID, found).astype(np.uint8)
    return Found(labels, {})


Reader = Callable[[Export], Found]

READERS: tuple[tuple[str, str, Reader], ...] = (
    ("coco", "pycocotools", pycocotools),
    ("coco", "supervision", supervision_coco),
    ("coco", "labelformat", labelformat_coco),
    ("coco-rle", "pycocotools", pycocotools),
    ("coco-rle", "supervision", supervision_coco),
    ("coco-rle-plain", "pycocotools", pycocotools),
    ("coco-rle-plain", "supervision", supervision_coco),
    ("voc", "labelformat", labelformat_voc),
    ("ids", "labelformat", labelformat_ids),
    ("yolo", "ultralytics", ultralytics_polygons),
    ("yolo", "supervision", supervision_yolo),
    ("yolo", "labelformat", labelformat_yolo),
    ("yolo-masks", "ultralytics", ultralytics_masks),
    ("label-studio", "label_studio_sdk", label_studio_brush),
    ("label-studio-polygons", "label_studio_sdk", label_studio_polygons),
    ("cvat", "datumaro", datumaro_cvat),
    ("labelme", "labelme", labelme_files),
    ("huggingface", "datasets", hugging_face),
)
"""Format, module of the program, and what reads the format with it."""
