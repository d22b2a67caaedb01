"""Corrected masks: what is kept of them and where, and what is refused."""

import base64
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from kit.messages import assert_says
from kit.serving import Client, photo, running
from PIL import Image as PillowImage

from tagseg.artifacts.mask_file import read_mask
from tagseg.classes import ClassTable
from tagseg.errors import ServeError
from tagseg.serve.kept_corrections import CorrectionFolder, fine_regions

CLASSES = ClassTable(("cat", "dog", "red fox"))
LABELS = np.array([[0, 1, 2], [3, 3, 255]], np.uint8)


def png(labels: np.ndarray, palette: list[int] | None = None) -> bytes:
    file, image = BytesIO(), PillowImage.fromarray(labels)
    image.putpalette(CLASSES.palette() if palette is None else palette)
    image.save(file, format="PNG")
    return file.getvalue()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "corrected"


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("around") / "corrected"


@pytest.fixture(scope="module")
def client(full_run: Path, kept: Path) -> Iterator[Client]:
    with running(full_run, corrections=kept) as found:
        yield found


class TestFolder:
    def test_it_is_made_with_the_names_of_the_classes(self, folder: Path) -> None:
        for _ in range(2):
            CorrectionFolder(folder, CLASSES)
            assert [path.name for path in folder.iterdir()] == ["classes.txt"]
        assert (folder / "classes.txt").read_text() == "cat\ndog\nred fox\n"

    @pytest.mark.parametrize("below", ["", "SegmentationClass", "masks"])
    def test_a_mask_replaces_the_one_of_its_photograph(self, folder: Path, below: str) -> None:
        (folder / below).mkdir(parents=True)
        (folder / below / "a.png").write_bytes(png(LABELS))
        kept = CorrectionFolder(folder, CLASSES)
        assert kept.save("a.jpg", LABELS[:1]) == folder / below / "a.png"
        assert kept.save("b.jpg", LABELS) == kept.save("b.jpg", LABELS[:1]) == folder / below / "b.jpg.png"
        for name in ("a.png", "b.jpg.png"):
            np.testing.assert_array_equal(read_mask(folder / below / name), LABELS[:1])

    def test_other_classes(self, folder: Path) -> None:
        CorrectionFolder(folder, ClassTable(("dog", "cat")))
        assert_says(
            lambda: CorrectionFolder(folder, CLASSES),
            ServeError,
            f"{folder / 'classes.txt'} must list the classes of this network in their order, cat, dog, red fox, "
            "got dog, cat",
            "name another folder",
        )

    @pytest.mark.parametrize(("around", "found"), [("gone", "No such file or directory"), ("file", "Not a directory")])
    def test_no_folder_around_it(self, tmp_path: Path, around: str, found: str) -> None:
        (tmp_path / "file").write_text("")
        path = tmp_path / around / "corrected"
        assert_says(
            lambda: CorrectionFolder(path, CLASSES),
            ServeError,
            f"folder {path} of corrections must be one that can be made, got {found}",
            "name a folder in one that is there",
        )

    def test_a_file_of_its_name(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(ServeError, match="must be one that can be made, got File exists"):
            CorrectionFolder(tmp_path / "file", CLASSES)


class TestAddresses:
    def test_a_mask_is_kept_as_it_is_sent(self, client: Client, kept: Path) -> None:
        assert client.get("/info").json()["corrections"] is True
        answer = client.ask(
            "POST",
            "/corrections",
            png(LABELS),
            {"content-type": "image/png", "content-disposition": "attachment; filename*=UTF-8''%C3%BC%20b.jpg"},
        )
        assert answer.json() == {"images": [{"name": "ü b.jpg", "file": "ü b.jpg.png"}]}
        np.testing.assert_array_equal(read_mask(kept / "ü b.jpg.png"), LABELS)

    def test_nothing_else_is_written(self, client: Client, kept: Path) -> None:
        before = sorted(kept.parent.rglob("*"))
        grey = png(LABELS, [value for value in range(256) for _ in range(3)])
        assert client.send("/corrections", ("a.png", grey)).sentences == (
            400,
            "mask a.png shows PASCAL VOC's colours of the labels, got 1, 1, 1 at 1, 0",
            "send a palette PNG in the colours that /info lists",
        )
        assert client.send("/corrections", ("../a.png", png(LABELS))).status == 400
        assert client.send("/corrections", ("a.png", b"text")).status == 415
        strange = png(np.array([[4]], np.uint8))
        assert client.send("/corrections", ("a.png", strange)).status == 400
        origin = {"origin": "https://evil.example"}
        assert client.send("/corrections", ("a.png", png(LABELS)), headers=origin).status == 403
        assert sorted(kept.parent.rglob("*")) == before

    def test_without_a_folder_it_is_refused(self, serving: Callable[..., Client], full_run: Path) -> None:
        client: Client = serving(full_run)
        assert client.get("/info").json()["corrections"] is False
        assert client.send("/corrections", ("a.png", png(LABELS))).sentences == (
            404,
            "this server keeps no corrections, got one",
            "start it with --corrections and a folder",
        )

    def test_superpixels(self, client: Client) -> None:
        content = photo(size=(300, 200))
        (found,) = client.send("/superpixels", ("a.png", content)).json()["images"]
        picture = np.array(PillowImage.open(BytesIO(base64.b64decode(found["regions_png"])))).astype(int)
        wanted = fine_regions(np.array(PillowImage.open(BytesIO(content))))
        np.testing.assert_array_equal(picture[..., 0] + 256 * picture[..., 1], wanted)
        assert (found["height"], found["width"], found["count"]) == (200, 300, wanted.max() + 1)
        assert found["count"] > 256  # more than a byte holds
