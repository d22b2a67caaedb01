from pathlib import Path

from tagseg.cli.next_steps import last_lines, next_lines


def touch(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


def test_a_whole_run_names_its_places_and_three_commands(tmp_path: Path) -> None:
    run = tmp_path / "my run"
    touch(run / "4_masks" / "labels" / "a.png")
    touch(run / "5_segmenter" / "segmenter.json")
    touch(run / "report.html")
    lines = last_lines(run)
    assert lines[:5] == [
        f"run folder: {run}",
        f"masks: {run / '4_masks' / 'labels'}",
        f"network: {run / '5_segmenter'}",
        f"report: {run / 'report.html'}",
        "next:",
    ]
    commands = [line.split("  # ") for line in lines[5:]]
    assert [(command.split(), purpose) for command, purpose in commands] == [
        (f"tagseg predict '{run}' PHOTOS --out labelled --format png,overlay".split(), "label new photographs"),
        (f"tagseg export '{run}' --what masks --format coco --out exported".split(), "masks for other tools"),
        (f"tagseg serve '{run}'".split(), "drop photographs in a browser"),
    ]


def test_what_is_not_there_is_not_named(tmp_path: Path) -> None:
    assert next_lines(tmp_path) == []
    touch(tmp_path / "report.html")
    assert next_lines(tmp_path) == [f"report: {tmp_path / 'report.html'}"]
    touch(tmp_path / "4_masks" / "labels" / "a.png")
    lines = next_lines(tmp_path)
    assert [line for line in lines if "tagseg" in line] == [
        f"  tagseg export {tmp_path} --what masks --format coco --out exported  # masks for other tools"
    ]
