"""Each format is read back by programs that are not ours; one that is not installed is skipped (`make readers`)."""

from pathlib import Path

import numpy as np
import pytest
from kit.labelled_images import label_maps, without_void
from PIL import Image

from readers.exports import WITH_VOID, Masks, at_centres, read_export, write_export
from readers.programs import READERS, Reader
from tagseg.classes import ClassTable
from tagseg.use.label_files import LABEL_FORMATS, OF_PREDICTIONS, POLYGONS, FormatChoice

pytestmark = pytest.mark.filterwarnings("ignore")  # theirs


@pytest.fixture
def masks(tmp_path: Path) -> Masks:
    """A hole with an object in it, neighbours, void, noise, and a photograph without objects."""
    folder = tmp_path / "photographs"
    folder.mkdir()
    nested, noise, _ = label_maps().values()
    labels = {"a": nested, "b & c": noise, "empty": np.zeros((12, 14), np.uint8)}  # Ultralytics takes 10 px and more
    files = {name: folder / f"{name}.jpg" for name in labels}
    for name, path in files.items():
        Image.fromarray(np.zeros((*labels[name].shape, 3), np.uint8)).save(path)
    return Masks(ClassTable(("cat", 'dog & "co"', "größe")), folder, labels, files)


def test_every_format_has_a_program() -> None:
    assert {format for format, _, _ in READERS} == set(LABEL_FORMATS) - OF_PREDICTIONS


@pytest.mark.parametrize(("format", "program", "reader"), READERS, ids=[f"{each[0]}-{each[1]}" for each in READERS])
def test_the_program_finds_the_same_pixels(
    masks: Masks, tmp_path: Path, format: str, program: str, reader: Reader
) -> None:
    pytest.importorskip(program, reason=f"{program} is not installed: make readers")
    choice = FormatChoice(format, 0, 0.0 if format in POLYGONS else None)
    export, _ = write_export(masks, tmp_path / "export", choice)
    found = read_export(reader, export)
    assert found.labels or found.polygons
    for name, labels in masks.labels.items():
        wanted = labels if format in WITH_VOID else without_void(labels)
        if found.polygons:  # some programs draw the outline too, and so a pixel more than the polygon has
            np.testing.assert_array_equal(at_centres(found.polygons[name], labels.shape), wanted)
        elif format not in POLYGONS:
            np.testing.assert_array_equal(found.labels[name], wanted)
