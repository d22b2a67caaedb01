"""`tagseg tags` as a user gives it: a list, a file, a page; and what is refused."""

from pathlib import Path

import pytest
from kit.command_line import exit_code
from kit.hand_made_runs import make_run

from tagseg.artifacts.held_out_tags import read_held_out_tags
from tagseg.artifacts.tag_doubts_csv import TagDoubt, read_tag_doubts, write_tag_doubts
from tagseg.data.drawn_pictures import write_dataset
from tagseg.errors import ArtifactError


@pytest.fixture
def run(tmp_path: Path) -> Path:
    write_dataset(tmp_path / "photos", num_images=16, size=(64, 64), seed=3)
    settings = ("classifier.backbone=test_resnet", "classifier.weights=random")
    return make_run(tmp_path / "run", tmp_path / "photos", *settings)


def test_doubtful_tags_are_written_and_shown_on_the_page(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code("tags", str(run), "--folds", "4") == 0
    said = capsys.readouterr().out
    found = read_tag_doubts(run / "wrong_tags.csv")
    assert f"{len(found)} tags of 16 photographs are doubted" in said
    assert "% mean average precision" in said
    precision = read_held_out_tags(run / "held_out_tags.json")
    assert precision and all(0 <= value <= 1 for value in precision.values())
    assert "warning: the first weights are random: with pretrained ones the list is far better" in said
    assert f"written: {run / 'wrong_tags.csv'}" in said
    assert [each.doubt for each in found] == sorted((each.doubt for each in found), reverse=True)
    for each in found:
        assert each.doubt > 0.5
        assert (each.peak is not None) == (each.kind == "missing")
        assert each.peak is None or all(0 <= place < 64 for place in each.peak)
    write_tag_doubts(run / "wrong_tags.csv", [TagDoubt("a/b", "stripes", "missing", 0.9, (3, 4))])
    assert exit_code("report", str(run)) == 0
    assert "tag &#39;stripes&#39; is probably missing (doubt 0.90): look at pixel 3, 4" in (
        run / "report.html"
    ).read_text(encoding="utf-8")


def test_a_number_of_folds_out_of_range(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code("tags", str(run), "--folds", "1") == 2
    assert capsys.readouterr().err.splitlines() == [
        "error: --folds is 2 to the number of photographs, 16, got 1",
        "help: take 5",
    ]


def test_tags_of_which_nothing_can_be_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_dataset(tmp_path / "photos", num_images=4, size=(64, 64), seed=3)
    run = make_run(tmp_path / "run", tmp_path / "photos", "classifier.weights=random")
    assert exit_code("tags", str(run), "--folds", "2") == 2
    assert capsys.readouterr().err.splitlines() == [
        "error: tags are doubted of classes that 3 photographs show and 3 do not, got none",
        "help: add photographs, also some without the class",
    ]


def test_rows_read_back_whatever_the_names(tmp_path: Path) -> None:
    rows = [TagDoubt("=a, b", "+dog", "wrong", 0.75), TagDoubt("\u00e9\n", "cat", "missing", 0.5, (0, 7))]
    write_tag_doubts(tmp_path / "t.csv", rows)
    assert read_tag_doubts(tmp_path / "t.csv") == rows
    (tmp_path / "t.csv").write_text("image,tag\na,b\n")
    with pytest.raises(ArtifactError, match="must be a list of doubtful tags that tagseg wrote, got another file"):
        read_tag_doubts(tmp_path / "t.csv")


@pytest.mark.parametrize(
    "text", ["{}", "[", '{"average_precision": {"cat": 2}}', '{"average_precision": {"cat": "x"}}']
)
def test_another_file_in_the_place_of_held_out_tags(text: str, tmp_path: Path) -> None:
    (tmp_path / "t.json").write_text(text)
    with pytest.raises(ArtifactError, match="must be average precisions that tagseg wrote, got another file"):
        read_held_out_tags(tmp_path / "t.json")
