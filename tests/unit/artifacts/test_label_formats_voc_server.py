"""The archive for VOC's test server, read back with tarfile and Pillow."""

import json
import tarfile
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from kit.messages import assert_says
from PIL import Image

from tagseg.artifacts.label_formats.labelled_image import About, LabelledImage
from tagseg.artifacts.label_formats.voc_server import voc_server_archive
from tagseg.classes import VOC_CLASSES, ClassTable
from tagseg.errors import ArtifactError
from tagseg.ops.parts import connected_parts

ABOUT = About("run", "tagseg 1.2.3", "test")


def labelled(name: str, labels: np.ndarray) -> LabelledImage:
    return LabelledImage(name, Path(f"{name}.jpg"), labels, connected_parts(labels), [])


def pack(folder: Path, classes: tuple[str, ...], maps: dict[str, np.ndarray], competition: str = "comp6") -> Path:
    folder.mkdir()
    with voc_server_archive(folder, ClassTable(classes), ABOUT, competition=competition) as add:
        for name, labels in maps.items():
            add(labelled(name, labels))
    return folder / "results.tgz"


@pytest.mark.parametrize("competition", ["comp5", "comp6"])
def test_ids_are_those_of_voc_wherever_a_class_stands(tmp_path: Path, competition: str) -> None:
    classes = ("dog", "aeroplane", "tvmonitor")
    random = np.random.default_rng(0)
    maps = {f"2008_{number:06}": random.integers(0, 4, (30, 21)).astype(np.uint8) for number in range(3)}
    path = pack(tmp_path / "out", classes, maps, competition)
    with tarfile.open(path, "r:gz") as archive:
        names = [f"results/VOC2012/Segmentation/{competition}_test_cls/{name}.png" for name in maps]
        assert archive.getnames() == names
        for name, labels in zip(names, maps.values(), strict=True):
            entry = archive.extractfile(name)
            assert entry is not None
            with Image.open(entry) as image:
                assert image.mode == "P" and image.format == "PNG"
                np.testing.assert_array_equal(np.array(image), np.array([0, 12, 1, 20])[labels])
                palette = image.getpalette()
            assert palette is not None and palette[3 * 12 : 3 * 12 + 3] == [64, 0, 128]  # of a dog
    named = json.loads((path.parent / "labels.json").read_text())
    assert list(named.values()) == ["background", *VOC_CLASSES]


def test_the_same_predictions_are_the_same_bytes(tmp_path: Path) -> None:
    maps = {"a": np.eye(9, dtype=np.uint8)}
    paths = [pack(tmp_path / name, ("cat",), maps) for name in ("one", "two")]
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_a_class_that_voc_does_not_have(tmp_path: Path) -> None:
    assert_says(
        partial(pack, tmp_path / "out", ("cat", "areoplane"), {}),
        ArtifactError,
        "VOC's test server knows the 20 classes of VOC, got 'areoplane'",
        "did you mean 'aeroplane'?",
    )


def test_a_photograph_in_a_folder(tmp_path: Path) -> None:
    assert_says(
        partial(pack, tmp_path / "out", ("cat",), {"deep/a": np.zeros((2, 2), np.uint8)}),
        ArtifactError,
        "photographs for VOC's test server have names without a folder, got deep/a",
        "name the folder that holds them, such as JPEGImages, as the place of the images",
    )


def test_a_pixel_without_a_label(tmp_path: Path) -> None:
    assert_says(
        partial(pack, tmp_path / "out", ("cat",), {"a": np.full((2, 2), 255, np.uint8)}),
        ArtifactError,
        "predictions for VOC's test server have a label for every pixel, got 255 in a",
        "predict the photograph again",
    )
