import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tagseg.artifacts.array_file import ArrayFile
from tagseg.errors import ArtifactError

FILE = ArrayFile("count file", ("counts",), "count first", "count again")


@pytest.mark.parametrize("content", [b"", b"counts", b"\x93NUMPX\x01\x00", b"PK\x03\x04"])
def test_a_member_that_is_no_array_is_refused(tmp_path: Path, content: bytes) -> None:
    """numpy hands out the bytes of a member that does not begin like an array."""
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("counts.npy", content)
    with pytest.raises(ArtifactError) as caught:
        FILE.read(path)
    assert caught.value.problem == (
        f"count file {path} must be a whole file written by tagseg, got a file that cannot be read as one"
    )
    assert caught.value.help == "count again"


def test_an_array_in_the_place_of_an_archive_is_refused(tmp_path: Path) -> None:
    file = io.BytesIO()
    np.save(file, np.zeros(3))
    path = tmp_path / "a.npz"
    path.write_bytes(file.getvalue())
    with pytest.raises(ArtifactError, match="count file"):
        FILE.read(path)


def test_a_number_that_is_no_character_is_no_name(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    for texts, place in ((["cat", "dog"], 4), (["c", "d"], 1)):
        names = np.array(texts, np.str_)
        names.view(np.uint32)[place] = 0x110000
        with pytest.raises(ArtifactError) as caught:
            FILE.texts(path, names)
        assert caught.value.problem.endswith("must be a whole file written by tagseg, got names that are not text")


@pytest.mark.parametrize("kind", ["<U9", ">U9"])
def test_names_of_any_order_of_bytes_are_text(tmp_path: Path, kind: str) -> None:
    names = ["gr\u00f6\udcff", "", "\U0001f408"]
    assert FILE.texts(tmp_path / "a.npz", np.array(names, kind)) == names
    assert FILE.texts(tmp_path / "a.npz", np.array([], kind)) == []
