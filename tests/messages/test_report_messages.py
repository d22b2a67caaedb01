"""What the commands report and compare say, word for word."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from kit.command_line import exit_code
from kit.grey_runs import make_grey_run, make_photos
from kit.messages import ROW, assert_says, row

from tagseg.errors import TagsegError
from tagseg.progress import SilentProgress
from tagseg.results.compare import gather_comparison, write_comparison
from tagseg.results.page import write_report

SAME_DATA = "compare runs of the same data"


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    """Two runs, `runs/one` and `runs/two`, over the same photographs."""
    photos = make_photos(tmp_path / "photos", "cat/tom.png", "cat/pip.png")
    return [make_grey_run(tmp_path / "runs" / name, photos) for name in ("one", "two")]


def compare(*roots: Path, image_ids: tuple[str, ...] = ()) -> None:
    gather_comparison(roots, image_ids=image_ids, count=1, progress=SilentProgress())


def compare_with_other_classes(runs: list[Path]) -> None:
    photos = make_photos(runs[0].parent / "others", "cat/tom.png", "owl/ada.png")
    compare(runs[0], make_grey_run(runs[0].parent / "owls", photos))


def compare_other_images(runs: list[Path], section: str) -> None:
    for root, name in zip(runs, ("a", "b"), strict=True):
        sections = {"data": {"fingerprint": "x", "bad_files": []}, section: {"fingerprint": name, "bad_files": []}}
        (root / "manifest.json").write_text(json.dumps({"format": 1, "stages": {}, **sections}))
    compare(*runs)


def compare_an_image_of_one_run(runs: list[Path]) -> None:
    (runs[1] / "2_cams" / "cat" / "tom.npz").unlink()
    compare(*runs, image_ids=("cat/tom",))


@pytest.mark.parametrize(
    ROW,
    [
        row(
            "a_report_of_a_folder_that_is_no_run",
            lambda runs: write_report(runs[0].parent),
            "RUNS must be the folder of a run, got no recipe.toml in it",
            "give the folder that 'tagseg run' printed",
        ),
        row(
            "a_report_that_is_no_page",
            lambda runs: write_report(runs[0], Path("report.pdf")),
            "page report.pdf is an HTML file, got the ending '.pdf'",
            "end its name in .html",
        ),
        row(
            "a_comparison_that_is_no_page",
            lambda runs: write_comparison(runs, Path("compare")),
            "page compare is an HTML file, got the ending ''",
            "end its name in .html",
        ),
        row(
            "one_run",
            lambda runs: compare(runs[0]),
            "compare takes two or more run folders, got 1",
            "name another one; 'tagseg report' shows a single run",
        ),
        row(
            "other_classes",
            compare_with_other_classes,
            "RUNS/owls has the classes of RUNS/one (cat), got cat, owl",
            SAME_DATA,
        ),
        row(
            "other_images",
            lambda runs: compare_other_images(runs, "data"),
            "RUNS/two has the images and tags of RUNS/one, got others",
            SAME_DATA,
        ),
        row(
            "other_images_to_test_on",
            lambda runs: compare_other_images(runs, "test_data"),
            "RUNS/two has the images to test on of RUNS/one, got others",
            SAME_DATA,
        ),
        row(
            "an_image_that_nothing_was_made_of",
            lambda runs: compare(*runs, image_ids=("cat/tim",)),
            "'cat/tim' is an image that all runs made something of, got none in RUNS/one",
            "did you mean 'cat/tom'?",
        ),
        row(
            "an_image_that_one_run_made_nothing_of",
            compare_an_image_of_one_run,
            "'cat/tom' is an image that all runs made something of, got none in RUNS/two",
            "leave out --images to see some that are",
        ),
    ],
)
def test_pages(runs: list[Path], call: Callable[[list[Path]], object], problem: str, help: str) -> None:
    assert_says(lambda: call(runs), TagsegError, problem, help, RUNS=runs[0].parent)


def test_the_commands_print_where_the_pages_are(runs: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code("report", str(runs[0])) == 0
    out = runs[0].parent / "compare.html"
    assert exit_code("compare", str(runs[0]), str(runs[1]), "--out", str(out), "--images", "cat/tom") == 0
    printed = [line for line in capsys.readouterr().out.splitlines() if line and not line.startswith("  ")]
    sizes = [f"{path.stat().st_size / 1e6:.1f} MB" for path in (runs[0] / "report.html", out)]
    assert printed == [
        f"report: {runs[0] / 'report.html'} ({sizes[0]})",
        "recipes: the same, but for names and places of files",
        f"comparison: {out} ({sizes[1]})",
    ]


def test_the_command_names_what_is_no_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code("compare", str(tmp_path / "a"), str(tmp_path / "b"), "--out", str(tmp_path / "c.html")) == 2
    assert capsys.readouterr().err.splitlines() == [
        f"error: {tmp_path / 'a'} must be the folder of a run, got no recipe.toml in it",
        "help: give the folder that 'tagseg run' printed",
    ]
    assert not (tmp_path / "c.html").exists()


def test_the_help_says_what_is_written_and_which_images_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    shown = {}
    for command in ("report", "compare"):
        assert exit_code(command, "--help") == 0
        shown[command] = " ".join(capsys.readouterr().out.split())
    assert "The HTML file [default: RUN/report.html]." in shown["report"]
    assert "Example: tagseg report runs/demo" in shown["report"]
    assert "N images evenly spaced over the scored ones that all runs made something of" in shown["compare"]
    assert "An unfinished run is compared as far as it goes." in shown["compare"]
    assert "Example: tagseg compare runs/demo/plain runs/demo --out compare.html" in shown["compare"]
