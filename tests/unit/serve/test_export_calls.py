"""Exports over a real socket: the files of the command line, read back, and nothing left."""

import json
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from kit.app_page import opened
from kit.command_line import exit_code
from kit.predict_samples import save_varied_segmenter, write_rough_photographs
from kit.serving import Answer, Client, running
from PIL import Image as PillowImage
from pycocotools.coco import COCO

from tagseg.classes import ClassTable, voc_color
from tagseg.serve.export_formats import EXPORT_FORMATS, ONE_FILE
from tagseg.serve.exporter import FOLDER_PREFIX
from tagseg.serve.options import EXPORT_OPTIONS
from tagseg.use.label_files import LABEL_FORMATS, OF_PREDICTIONS, TOLERANCE_PX, WITH_PHOTOGRAPHS

CLASSES = ClassTable(("cat", "dog"))
SIZES = {"a.png": (40, 56), "a.jpg": (33, 47), "ü b.jpg": (64, 64)}
SHAPES = np.zeros((40, 56), np.uint8)
SHAPES[4:14, 6:26], SHAPES[20:36, 30:50], SHAPES[39, 0] = 1, 2, 2


@pytest.fixture(scope="module")
def segmenter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_varied_segmenter(tmp_path_factory.mktemp("varied"), CLASSES)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_rough_photographs(tmp_path_factory.mktemp("photos"), SIZES)


@pytest.fixture(scope="module")
def predicted(tmp_path_factory: pytest.TempPathFactory, segmenter: Path, photos: Path) -> Path:
    """What `tagseg predict` writes in every format."""
    out = tmp_path_factory.mktemp("predicted") / "masks"
    words = ["predict", segmenter, photos, "--out", out, "--format", ",".join(EXPORT_FORMATS)]
    assert exit_code(*map(str, words)) == 0
    return out


@pytest.fixture(scope="module")
def client(serving: Callable[..., Client], segmenter: Path) -> Client:
    return serving(segmenter)


@pytest.fixture(scope="module", autouse=True)
def own_temporary_files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep temporary files apart from those of tests that run at the same time."""
    folder = str(tmp_path_factory.mktemp("temporary"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", folder)
        patch.setattr(tempfile, "tempdir", folder)
        yield


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    yield
    assert list(Path(tempfile.gettempdir()).glob(f"{FOLDER_PREFIX}*")) == []


def palette_mask(labels: np.ndarray, classes: ClassTable = CLASSES) -> bytes:
    file, image = BytesIO(), PillowImage.fromarray(labels)
    image.putpalette(classes.palette())
    image.save(file, format="PNG")
    return file.getvalue()


def send(client: Client, masks: list[tuple[str, bytes]], photographs: list[tuple[str, bytes]], **fields: object):
    return client.send_files("/export", {"masks": masks, "images": photographs}, **fields)


def files_of(answer: Answer) -> dict[str, bytes]:
    assert answer.status == 200, answer.body
    if answer.headers["content-type"] == "application/json":
        return {"annotations.json": answer.body}
    assert answer.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(BytesIO(answer.body)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def written(folder: Path, format: str) -> dict[str, bytes]:
    found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return {"annotations.json": found["annotations.json"]} if format in ONE_FILE else found


def photographs_of(photos: Path) -> list[tuple[str, bytes]]:
    return [(path.name, path.read_bytes()) for path in sorted(photos.iterdir())]


def test_the_formats_are_those_of_export_but_for_the_test_servers(client: Client) -> None:
    assert set(EXPORT_FORMATS) == set(LABEL_FORMATS) - OF_PREDICTIONS
    exports = client.get("/info").json()["exports"]
    assert [(each["name"], each["title"]) for each in exports] == list(EXPORT_FORMATS.items())
    assert {each["name"] for each in exports if each["photographs"]} == WITH_PHOTOGRAPHS


@pytest.mark.parametrize("format", EXPORT_FORMATS)
class TestFilesOfTheCommandLine:
    def test_photographs_labelled_by_the_network(
        self, client: Client, photos: Path, predicted: Path, format: str
    ) -> None:
        found = client.send(f"/predict?format={format}", *photographs_of(photos))
        assert files_of(found) == written(predicted / format, format)
        ending = "json" if format in ONE_FILE else "zip"
        assert found.headers["content-disposition"] == f'attachment; filename="{format}.{ending}"'

    def test_masks_that_are_sent(self, client: Client, photos: Path, predicted: Path, format: str) -> None:
        photographs = photographs_of(photos)
        names = {"a.png": "a.png.png", "a.jpg": "a.jpg.png", "ü b.jpg": "ü b.png"}
        masks = [(name, (predicted / names[name]).read_bytes()) for name, _ in photographs]
        found = send(client, masks, photographs if format in WITH_PHOTOGRAPHS else [], format=format)
        assert files_of(found) == written(predicted / format, format)


class TestReadBack:
    @pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # in pycocotools
    @pytest.mark.parametrize("format", ["coco", "coco-rle", "coco-rle-plain"])
    def test_coco(self, client: Client, tmp_path: Path, format: str) -> None:
        exact = {"min_area": 0, **({"simplify": 0} if format == "coco" else {})}
        found = files_of(send(client, [("a.jpg", palette_mask(SHAPES))], [], format=format, **exact))
        (tmp_path / "a.json").write_bytes(found["annotations.json"])
        coco, labels = COCO(str(tmp_path / "a.json")), np.zeros_like(SHAPES)
        for annotation in coco.dataset["annotations"]:
            labels[coco.annToMask(annotation) > 0] = annotation["category_id"]
        np.testing.assert_array_equal(labels, SHAPES)
        assert coco.dataset["images"] == [{"id": 1, "file_name": "a.jpg", "width": 56, "height": 40}]

    def test_cvat(self, client: Client) -> None:
        mask = palette_mask(SHAPES)
        found = files_of(send(client, [("a.jpg", mask), ("a.jpg", mask)], [], format="cvat", min_area=0))
        assert set(found) == {"segmentation_mask.zip", "labels.json", "export.json"}
        with zipfile.ZipFile(BytesIO(found["segmentation_mask.zip"])) as archive:
            assert archive.read("labelmap.txt").decode().splitlines()[1:] == [
                "background:0,0,0::",
                "cat:128,0,0::",
                "dog:0,128,0::",
            ]
            colors = np.array([voc_color(label) for label in range(3)])
            for name in ("a", "a (2)"):
                picture = opened(archive.read(f"SegmentationClass/{name}.png"))
                np.testing.assert_array_equal(picture, colors[SHAPES])

    def test_yolo_and_labelme(self, client: Client, photos: Path) -> None:
        photograph = (photos / "a.png").read_bytes()
        sent = ([("photo", palette_mask(SHAPES))], [("photo", photograph)])
        found = files_of(send(client, *sent, format="yolo", simplify=0))
        assert found["images/test/photo.png"] == photograph  # an ending by its content
        rows = [line.split() for line in found["labels/test/photo.txt"].decode().splitlines()]
        assert [row[0] for row in rows] == ["0", "1"]
        corners = np.array(rows[1][1:], float).reshape(-1, 2) * (56, 40)
        assert [corners.min(axis=0).round().tolist(), corners.max(axis=0).round().tolist()] == [[30, 20], [50, 36]]
        found = files_of(send(client, *sent, format="labelme"))
        content = json.loads(found["photo.json"])
        assert [shape["label"] for shape in content["shapes"]] == ["cat", "dog"]
        assert (content["imagePath"], content["imageHeight"]) == ("photo.png", 40)

    def test_a_turned_photograph_is_upright(self, client: Client) -> None:
        exif, file = PillowImage.Exif(), BytesIO()
        exif[0x0112] = 6
        PillowImage.new("RGB", (40, 56)).save(file, format="JPEG", exif=exif)
        sent = ([("a.jpg", palette_mask(SHAPES))], [("a.jpg", file.getvalue())])
        found = files_of(send(client, *sent, format="yolo-masks"))
        assert opened(found["images/test/a.png"]).shape == (40, 56, 3)
        np.testing.assert_array_equal(opened(found["masks/test/a.png"]), SHAPES)

    def test_options_are_those_of_the_command_line(self, client: Client) -> None:
        masks = [("a b.jpg", palette_mask(SHAPES))]
        fields = {"format": "label-studio-polygons", "images_at": "https://example.org/", "min_area": 300}
        found = files_of(send(client, masks, [], **fields))
        (task,) = json.loads(found["tasks.json"])
        assert task["data"]["image"] == "https://example.org/a%20b.jpg"
        assert len(task["predictions"][0]["result"]) == 1
        record = json.loads(found["export.json"])
        assert (record["min_area_px"], record["simplify_px"]) == (300, TOLERANCE_PX)

    def test_corrected_masks_are_named_in_the_card(self, client: Client, photos: Path) -> None:
        masks, photograph = [("a.png", palette_mask(SHAPES))], [("a.png", (photos / "a.png").read_bytes())]
        for corrected, text in ((0, "no person drew them"), (1, "a person corrected 1 of them")):
            found = files_of(send(client, masks, photograph, format="huggingface", corrected=corrected))
            assert text in found["README.md"].decode()
            assert json.loads(found["export.json"]).get("corrected", 0) == corrected

    def test_what_was_lost_is_said(self, client: Client) -> None:
        answer = send(client, [("a.jpg", palette_mask(SHAPES))], [], format="cvat")
        assert json.loads(answer.headers["x-notes"]) == [
            "parts below 50 px joined what is around them",
            "agreement with the masks: 99.88 % mean IoU",
        ]


def test_openapi_describes_it(client: Client) -> None:
    described = client.get("/openapi.json").json()["paths"]["/export"]["post"]
    assert {each["name"] for each in described["parameters"]} == set(EXPORT_OPTIONS)
    schema = described["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert set(schema["properties"]) == {"masks", "images", *EXPORT_OPTIONS}
    assert schema["properties"]["format"]["enum"] == list(EXPORT_FORMATS)
    assert set(described["responses"]["200"]["content"]) == {"application/zip", "application/json"}


def test_limits_of_an_export(segmenter: Path) -> None:
    mask = palette_mask(SHAPES)
    with running(segmenter, export_images=2, upload_mb=1, export_factor=2) as client:
        assert send(client, [("a.jpg", mask)] * 2, [], format="voc").status == 200
        assert send(client, [("a.jpg", mask)] * 3, [], format="voc").sentences == (
            413,
            "request has at most 2 masks, got more",
            "send them in several requests",
        )
        assert send(client, [("a.jpg", bytes(2_500_000))], [], format="voc").sentences[:2] == (
            413,
            "upload must be at most 2 MB, got 2.5 MB",
        )
        noise = np.random.default_rng(0).integers(0, 3, (500, 500), np.uint8)
        assert send(client, [("a.jpg", palette_mask(noise))], [], format="coco").status == 200
