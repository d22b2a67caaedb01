"""Pictures of telephones are read where the package for them is there, and named with it where it is not."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from tagseg.data import folder_tags, image_formats, input_files
from tagseg.data.image_files import open_image
from tagseg.data.image_formats import ENDINGS_BY_FORMAT, HEIF_ENDINGS, INSTALL_HEIF, PICTURE_ENDINGS
from tagseg.data.images import image_size, read_image
from tagseg.data.input_files import find_inputs
from tagseg.data.layouts import folder
from tagseg.data.layouts.folder import read_folder
from tagseg.data.problems import Problem, ProblemKind
from tagseg.errors import DataError, ImageFormatError

HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0" * 40
FORMATS = ("JPEG", "PNG")


@pytest.fixture
def without_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """HEIC is not read, whether or not the package is there."""
    endings = {name: found for name, found in ENDINGS_BY_FORMAT.items() if name != "HEIF"}
    images = frozenset(ending for found in endings.values() for ending in found)
    monkeypatch.setattr(image_formats, "ENDINGS_BY_FORMAT", endings)
    for module in (input_files, folder):
        monkeypatch.setattr(module, "IMAGE_ENDINGS", images)
    for module in (input_files, folder, folder_tags):
        monkeypatch.setattr(module, "PICTURE_ENDINGS", PICTURE_ENDINGS | set(HEIF_ENDINGS))


def save(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    PillowImage.new("RGB", (40, 32)).save(path)
    return path


def test_heic_content_under_another_name_is_told_with_the_package(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(HEIC)
    with pytest.raises(ImageFormatError) as refused, open_image(path, formats=FORMATS):
        pass
    assert refused.value.problem == f"image {path} must be one of JPEG, PNG, got the content of a HEIC file"
    assert refused.value.help == INSTALL_HEIF


@pytest.mark.usefixtures("without_package")
def test_a_folder_of_nothing_else_names_the_package(tmp_path: Path) -> None:
    (tmp_path / "cat").mkdir()
    photo = tmp_path / "cat" / "IMG_0001.HEIC"
    photo.write_bytes(HEIC)
    for read in (lambda: read_folder(tmp_path), lambda: find_inputs([str(tmp_path)])):
        with pytest.raises(DataError) as refused:
            read()
        assert refused.value.problem == f"folder {tmp_path} must hold images, got only others, such as {photo}"
        assert refused.value.help == INSTALL_HEIF


@pytest.mark.usefixtures("without_package")
def test_one_among_others_is_reported(tmp_path: Path) -> None:
    save(tmp_path / "cat" / "a.png")
    photo = tmp_path / "cat" / "b.heic"
    photo.write_bytes(HEIC)
    problems: list[Problem] = []
    assert [record.image_id for record in read_folder(tmp_path, problems=problems).records] == ["cat/a"]
    assert [(problem.kind, problem.path, problem.help) for problem in problems] == [
        (ProblemKind.OTHER_FORMAT, photo, INSTALL_HEIF)
    ]


@pytest.mark.usefixtures("without_package")
@pytest.mark.parametrize("row", ["b.HEIC", "b"])
def test_a_row_that_names_one_says_so(tmp_path: Path, row: str) -> None:
    save(tmp_path / "a.png")
    photo = tmp_path / "b.HEIC"
    photo.write_bytes(HEIC)
    (tmp_path / "tags.csv").write_text(f"image,tags\na.png,cat\n{row},cat\n")
    with pytest.raises(DataError) as refused:
        read_folder(tmp_path)
    assert refused.value.problem.startswith(f"image {photo} must be one of JPEG, PNG,")
    assert refused.value.problem.endswith(", got a .HEIC file")
    assert refused.value.help == INSTALL_HEIF


def test_with_the_package_they_are_images_as_others(tmp_path: Path) -> None:
    package = pytest.importorskip("pillow_heif")
    pixels = np.zeros((48, 64, 3), np.uint8)
    pixels[:, 32:] = (200, 40, 40)
    path = tmp_path / "cat" / "a.heic"
    path.parent.mkdir()
    package.from_pillow(PillowImage.fromarray(pixels)).save(path, quality=95)
    assert image_size(path) == (48, 64)
    np.testing.assert_allclose(read_image(path).astype(int), pixels.astype(int), atol=12)
    assert [record.tags for record in read_folder(tmp_path).records] == [(1,)]
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(DataError, match="breaks off or is damaged"):
        read_image(path)
