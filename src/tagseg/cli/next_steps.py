"""What a run left, and what people do next: the last lines of `tagseg run`."""

import shlex
from pathlib import Path

from tagseg.artifacts.layout import RunLayout


def next_lines(folder: Path) -> list[str]:
    """Return where masks, network and report of a run are, as far as there are any, and three commands for them.

    Args:
        folder: of the run.
    """
    layout, name = RunLayout(folder), shlex.quote(str(folder))
    masks, network = layout.pseudo_mask_folder, layout.segmenter / "segmenter.json"
    places = [("masks", masks), ("network", layout.segmenter), ("report", layout.report_path)]
    there = {"masks": masks.is_dir(), "network": network.is_file(), "report": layout.report_path.is_file()}
    lines = [f"{what}: {place}" for what, place in places if there[what]]
    commands = [
        ("network", f"tagseg predict {name} PHOTOS --out labelled --format png,overlay", "label new photographs"),
        ("masks", f"tagseg export {name} --what masks --format coco --out exported", "masks for other tools"),
        ("network", f"tagseg serve {name}", "drop photographs in a browser"),
    ]
    shown = [(command, purpose) for what, command, purpose in commands if there[what]]
    width = max((len(command) for command, _ in shown), default=0)
    lines += ["next:"] if shown else []
    return [*lines, *(f"  {command:<{width}}  # {purpose}" for command, purpose in shown)]


def last_lines(folder: Path) -> list[str]:
    """Return the last lines of a run: its folder, and :func:`next_lines`."""
    return [f"run folder: {folder}", *next_lines(folder)]
