"""`tagseg predict --tags`: labels of a photograph are those of its tags, whatever the network thinks."""

import json
from pathlib import Path

import numpy as np
import pytest
from kit.command_line import exit_code
from kit.predict_samples import save_varied_segmenter, write_rough_photographs

import tagseg
from tagseg.artifacts.mask_file import read_mask
from tagseg.artifacts.probability_file import read_probabilities
from tagseg.classes import ClassTable
from tagseg.errors import DataError

CLASSES = ClassTable(("cat", "dog"))
NAMES = ("a", "deep/b", "deep/c")


@pytest.fixture(scope="module")
def segmenter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_varied_segmenter(tmp_path_factory.mktemp("segmenter"), CLASSES)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return write_rough_photographs(tmp_path / "photos", {f"{name}.png": (48, 56) for name in NAMES})


def predict(*words: object) -> int:
    return exit_code("predict", *map(str, words))


def labels_in(out: Path) -> dict[str, set[int]]:
    return {name: set(np.unique(read_mask(out / f"{name}.png")).tolist()) for name in NAMES}


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("more", [[], ["--crf"], ["--format", "probability"]])
def test_labels_are_those_of_the_tags(segmenter, photos, tmp_path, capsys, more):
    free, out = tmp_path / "free", tmp_path / "masks"
    assert predict(segmenter, photos, "--out", free, *more) == 0
    assert "--crf" in more or labels_in(free)["a"] == {0, 1, 2}
    tags = write(tmp_path / "tags.csv", "image,tags\na.png,dog\nb,\nelsewhere.png,cat\n")
    capsys.readouterr()
    assert predict(segmenter, photos, "--out", out, "--tags", tags, *more) == 0
    found = labels_in(out)
    assert 1 not in found["a"] and 2 in found["a"]
    assert found["deep/b"] == {0}
    assert (out / "deep" / "c.png").read_bytes() == (free / "deep" / "c.png").read_bytes()
    told = capsys.readouterr().out.splitlines()
    assert f"tags of {tags}: 2 of 3 photographs have labels of their tags only" in told
    assert "1 photographs without a row keep all classes" in told
    assert "1 rows name other photographs" in told
    if "probability" in more:
        stored = read_probabilities(out / "probability" / "a.npz").probabilities
        assert (stored[1] == 0).all()
        assert np.abs(stored.sum(axis=0) - 1).max() < 0.01


def test_other_tags_of_a_photograph_label_it_again_and_no_other(segmenter, photos, tmp_path, capsys):
    out = tmp_path / "masks"
    tags = write(tmp_path / "tags.json", json.dumps({"a.png": ["dog"], "deep/b.png": ["cat"]}))
    assert predict(segmenter, photos, "--out", out, "--tags", tags) == 0
    write(tags, json.dumps({"a.png": ["cat"], "deep/b.png": ["cat"]}))
    capsys.readouterr()
    assert predict(segmenter, photos, "--out", out, "--tags", tags) == 0
    assert "1 images labelled, 2 were there" in capsys.readouterr().out
    assert 2 not in labels_in(out)["a"]
    assert predict(segmenter, photos, "--out", out) == 2
    assert "holds labels of this segmenter and these settings, got those of others" in capsys.readouterr().err


def test_a_tag_that_is_no_class_is_told(segmenter, photos, tmp_path, capsys):
    tags = write(tmp_path / "tags.csv", "image,tags\na.png,cta\nb.png,dog\n")
    assert predict(segmenter, photos, "--out", tmp_path / "masks", "--tags", tags) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert f"warning: {tags} at line 2 must hold known tags, got 'cta': the network does not have it" in told
    assert "(did you mean 'cat'?)" in told


@pytest.mark.parametrize(
    ("text", "problem", "help"),
    [
        (
            "image,tags\nx.png,cat\ny.png,cat\n",
            "PATH must name images that are there, such as 'a.png' and 'deep/b.png', got only others, such as 'x.png' "
            "and 'y.png'",
            "write the names of the files, or name another file with --tags",
        ),
        (
            "image,tags\na.png,cat\na.png,dog\n",
            "PATH names an image once, got 'a.png' at line 2 and at line 3",
            "join both into one row",
        ),
        (None, "file of tags PATH must exist, got no such file", "correct the path"),
    ],
)
def test_a_file_that_cannot_be_used(segmenter, photos, tmp_path, capsys, text, problem, help):
    path = tmp_path / "tags.csv"
    if text is not None:
        write(path, text)
    assert predict(segmenter, photos, "--out", tmp_path / "masks", "--tags", path) == 2
    assert capsys.readouterr().err.splitlines() == [f"error: {problem.replace('PATH', str(path))}", f"help: {help}"]


def test_a_program_limits_labels_in_the_same_way(segmenter, photos):
    loaded = tagseg.load(segmenter, device="cpu")
    free, limited = loaded.predict(photos / "a.png"), loaded.with_tags(["dog"]).predict(photos / "a.png")
    assert set(np.unique(limited.labels)) <= {0, 2}
    kept = free.labels != 1
    np.testing.assert_array_equal(limited.labels[kept], free.labels[kept])
    assert (limited.score >= free.score - 1e-6)[kept].all()
    with pytest.raises(DataError, match="'bird' is not a class"):
        loaded.with_tags(["bird"])
