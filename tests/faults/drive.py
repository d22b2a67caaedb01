"""One fault from its drawing to its outcome: disturb, mend as a user would, start again, compare."""

import importlib
import re
import shutil
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from random import Random
from typing import Any, Literal

from faults import limits
from faults.child import PHASES, Child, End, Moment
from faults.compare import differences, results_of
from faults.kinds import KINDS, Case
from faults.scene import Scene, draw_photos

MOST_STARTS = 5
"""Starts after the fault, each of which may name one more thing to delete."""

RIGHT = ("equal", "told")

WORKING = re.compile(r"/(checkpoint\.\w+|region_scores\.npz)")
"""Files of use to an unfinished training alone: damaged after that, they stay as they are, and nothing reads them."""

Outcome = Literal["equal", "told", "wrong", "hung", "traceback"]


@dataclass(frozen=True)
class Drawn:
    """A fault that is to happen.

    Args:
        seed: of the series.
        number: in the series.
        kind: a key of ``KINDS``.
        moment: when.
    """

    seed: int
    number: int
    kind: str
    moment: Moment


@dataclass(frozen=True)
class Fault:
    """A fault that happened.

    Args:
        outcome: ``equal`` bytes; ``told``: a sentence that offers no way but to begin anew; else what is wrong.
        seed, number, kind, moment: of the drawing.
        struck: what it did.
        said: how each start ended.
        differs: results with other bytes.
        seconds: it took.
    """

    outcome: Outcome
    seed: int
    number: int
    kind: str
    moment: str
    struck: str
    said: list[str]
    differs: list[str]
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


class Harness:
    """A whole undisturbed run, and faults to runs that begin like it.

    Args:
        root: a folder for it all, which a user without rights can enter.
    """

    def __init__(self, root: Path) -> None:
        root.chmod(0o755)
        self.photos, self.scene, self._elsewhere = root / "photos", Scene(root / "scene"), Scene(root / "elsewhere")
        watch = root / "watch"
        watch.mkdir()
        draw_photos(self.photos)
        self._whole(self.scene, watch=watch)
        self.expected, self.writes = results_of(self.scene), (watch / "writes").stat().st_size
        for name in (watch / "modules").read_text().splitlines():  # else each child would import them again
            with suppress(Exception):
                importlib.import_module(name)

    @cached_property
    def other(self) -> Path:
        """A whole run of the same recipe with another seed."""
        self._whole(self._elsewhere, "--set", "seed=1")
        return self._elsewhere.run

    def _whole(self, scene: Scene, *words: str, watch: Path | None = None) -> None:
        scene.set_up(self.photos)
        end = Child(scene, scene.words(*words), watch=watch).end()
        assert end.state == "done", f"an undisturbed run: {end}"

    def draw(self, seed: int, number: int, *, kinds: Sequence[str]) -> Drawn:
        """Draw a fault: each kind comes once before any comes again."""
        turn, place = divmod(number, len(kinds))
        names = Random(f"kinds {seed} {turn}").sample(kinds, len(kinds))
        rng = Random(f"moment {seed} {number}")
        return Drawn(seed, number, names[place], Moment(rng.randint(1, self.writes), rng.choice(PHASES)))

    def happen(self, drawn: Drawn) -> Fault:
        """Let a fault happen, and find out how it ends."""
        began, scene, kind = time.monotonic(), self.scene, KINDS[drawn.kind]
        other = self.other if kind.foreign else scene.run
        scene.set_up(self.photos)
        if kind.before is not None:
            kind.before(scene)
        try:
            inside = kind.inside
            child = Child(
                scene,
                scene.words(),
                moment=drawn.moment,
                inside=None if inside is None else lambda: inside(scene),
            )
            rng = Random(f"strike {drawn.seed} {drawn.number}")
            case = Case(scene, child, other, self.photos, rng)
            struck = kind.strike(case) if child.wait_for_stop() else "never came to its moment"
            child.go_on()
            ends = [child.end()]
            kind.mend(case)
            ends += self._start_again()
            differs = [] if ends[-1].state == "told" else differences(self.expected, results_of(scene))
            spared = [*kind.lost, *(path for path in case.hit if WORKING.search(path))]
            differs = [line for line in differs if not any(name in line for name in spared)]
        finally:
            limits.unmount(scene)
        moment = f"{drawn.moment.phase} write {drawn.moment.write} of {self.writes}"
        said = [f"{end.state}: {end.text}" if end.text else end.state for end in ends]
        outcome = _judge(ends, differs)
        seconds = round(time.monotonic() - began, 1)
        return Fault(outcome, drawn.seed, drawn.number, drawn.kind, moment, struck, said, differs, seconds)

    def _start_again(self) -> list[End]:
        """Start until it ends well, each time after doing what it said."""
        ends: list[End] = []
        words: list[str] = []
        for _ in range(MOST_STARTS):
            ends.append(Child(self.scene, self.scene.words(*words)).end())
            if ends[-1].state != "told":
                break
            words = ["--redo"] if "--redo" in ends[-1].text else []
            if not self._obey(ends[-1].text) and not words:
                break
        return ends

    def _obey(self, text: str) -> bool:
        """Delete what the help of an error names; return whether it names something."""
        problem, _, help = text.partition("; ")
        named = [Path(path.rstrip(".,:'")) for path in re.findall(rf"{re.escape(str(self.scene.root))}\S*", problem)]
        inside = [path for path in named if path.is_relative_to(self.scene.root) and path != self.scene.run]
        if "delete" not in help or not inside:
            return False
        target = inside[0]
        if "folder of the stage" in help or "stage's folder" in help:
            target = self.scene.run / target.relative_to(self.scene.run).parts[0]
        if target.is_dir():
            shutil.rmtree(target)
        else:
            target.unlink(missing_ok=True)
        return True


def _judge(ends: list[End], differs: list[str]) -> Outcome:
    states = {end.state for end in ends}
    if "hung" in states:
        return "hung"
    if "traceback" in states or "unclear" in states:
        return "traceback"
    if any(end.state == "killed" for end in ends[1:]):
        return "wrong"
    if ends[-1].state == "told":
        return "wrong" if ends[-1] in ends[:-1] else "told"  # the same again: what it said to do is no help
    if differs:
        return "wrong"
    return "equal"
