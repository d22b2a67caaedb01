"""The kinds of faults: what happens at the moment, and how a user mends it before the next start."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random

from faults import damage, limits
from faults.child import Child
from faults.damage import Damage
from faults.scene import Scene

YEAR_S = 365 * 86400


@dataclass(frozen=True)
class Case:
    """One fault on its way.

    Args:
        scene: the disturbed run.
        child: the command, stopped at the moment.
        other: a whole run of the same recipe with another seed, where the kind needs one.
        photos: the photographs as they should be.
        hit: gets the path of each file of the run that was damaged.
        rng: decides what is left open.
    """

    scene: Scene
    child: Child
    other: Path
    photos: Path
    rng: Random
    hit: list[str] = field(default_factory=list)

    def kill(self) -> None:
        self.child.signal(signal.SIGKILL)
        self.child.end()

    def kill_perhaps(self) -> str:
        """The power fails with the fault, or the command goes on without knowing."""
        if self.rng.random() < 0.5:
            self.kill()
            return "killed, "
        return "at work, "


def nothing(case: Case) -> None:
    """No mend is needed."""


@dataclass(frozen=True)
class Kind:
    """One kind of fault.

    Args:
        strike: done to the run while the command stands still; returns what it did in words.
        inside: what the command's process does to itself before it stops.
        mend: what a user does before the next start.
        before: done before the command starts.
        foreign: whether it needs files of another run.
        lost: results that are not made again, which are a log of what happened.
    """

    strike: Callable[[Case], str] = lambda case: ""
    inside: Callable[[Scene], object] | None = None
    mend: Callable[[Case], object] = nothing
    before: Callable[[Scene], object] | None = None
    foreign: bool = False
    lost: tuple[str, ...] = ()


def send(number: int) -> Callable[[Case], str]:
    def strike(case: Case) -> str:
        case.child.signal(number)
        return signal.Signals(number).name

    return strike


def hit(pattern: str, how: Damage) -> Callable[[Case], str]:
    """Damage one of the files of the run folder whose path fits a pattern."""

    def strike(case: Case) -> str:
        told = case.kill_perhaps()
        known = [path for path in case.scene.artifacts() if path.stat().st_size and path.name not in LOGS]
        found = [path for path in sorted(case.scene.run.glob(pattern)) if path in known]
        if not found:
            return f"{told}no {pattern} yet"
        path = case.rng.choice(found)
        how(path, case.rng)
        case.hit.append(path.relative_to(case.scene.run).as_posix())
        return told + case.hit[-1]

    return strike


def foreign(pattern: str) -> Callable[[Case], str]:
    """Put what another run has there in the place of a file or a folder."""

    def strike(case: Case) -> str:
        told = case.kill_perhaps()
        found = [path for path in sorted(case.scene.run.glob(pattern)) if not path.name.startswith(".")]
        found = [path for path in found if (case.other / path.relative_to(case.scene.run)).exists()]
        found = [path for path in found if "tensorboard" not in path.parts and path.name not in LOGS]
        if not found:
            return f"{told}no {pattern} yet"
        path = case.rng.choice(found)
        damage.replace_by(case.other / path.relative_to(case.scene.run), path)
        case.hit.append(path.relative_to(case.scene.run).as_posix())
        return told + case.hit[-1]

    return strike


def of_photos(pattern: str, how: Callable[[Path, Case], object]) -> Callable[[Case], str]:
    """Change a file of the data set while the command is at work, or while it is not."""

    def strike(case: Case) -> str:
        told = case.kill_perhaps()
        path = case.rng.choice(sorted(case.scene.photos.glob(pattern)))
        how(path, case)
        return f"{told}{path.relative_to(case.scene.photos)}"

    return strike


def swap(path: Path, case: Case) -> None:
    """Another of the same kind under this name."""
    others = [other for other in sorted(path.parent.iterdir()) if other != path]
    shutil.copyfile(case.rng.choice(others), path)


def cut(path: Path, case: Case) -> None:
    damage.truncate(path, case.rng)


def gone(path: Path, case: Case) -> None:
    path.unlink()


def edit_tags(path: Path, case: Case) -> None:
    first, *rows = path.read_text().splitlines()
    images, tags = zip(*(row.split(",", 1) for row in rows), strict=True)
    shifted = [*tags[1:], tags[0]]
    path.write_text("\n".join([first, *(f"{image},{tag}" for image, tag in zip(images, shifted, strict=True)), ""]))


def put_photos_back(case: Case) -> None:
    """Restore every file that differs, with the time of now, as a copy from a backup has it."""
    for good in sorted(path for path in case.photos.rglob("*") if path.is_file()):
        path = case.scene.photos / good.relative_to(case.photos)
        if not path.exists() or path.read_bytes() != good.read_bytes():
            shutil.copyfile(good, path)


def in_the_cache(how: Damage) -> Callable[[Case], str]:
    def strike(case: Case) -> str:
        told = case.kill_perhaps()
        found = sorted(case.scene.cache.rglob("*.png"))
        if not found:
            return f"{told}no superpixels yet"
        how(case.rng.choice(found), case.rng)
        return f"{told}superpixels"

    return strike


def another_image(path: Path, rng: Random) -> None:
    others = sorted(set(path.parent.parent.rglob("*.png")) - {path})
    if others:
        shutil.copyfile(rng.choice(others), path)


def no_cache(case: Case) -> str:
    told = case.kill_perhaps()
    shutil.rmtree(case.scene.cache, ignore_errors=True)
    return f"{told}the whole cache"


def no_folder(case: Case) -> str:
    case.kill()
    found = [path for path in sorted(case.scene.run.iterdir()) if path.is_dir()]
    if not found:
        return "no folder yet"
    path = case.rng.choice(found)
    shutil.rmtree(path)
    return path.name


def damage_both_checkpoints(case: Case) -> str:
    case.kill()
    found = sorted(case.scene.run.glob("*/checkpoint*.safetensors"))
    for path in found:
        damage.truncate(path, case.rng)
        case.hit.append(path.relative_to(case.scene.run).as_posix())  # those of a finished stage stay as they are
    return f"{len(found)} checkpoints"


def cut_the_curves(case: Case) -> str:
    told = case.kill_perhaps()
    found = sorted(case.scene.run.glob("*/curves.csv"))
    for path in found:
        damage.truncate(path, case.rng)
    return f"{told}{len(found)} curves"


def start_twice(case: Case) -> str:
    """A second start in the same folder is refused; the first goes on."""
    end = Child(case.scene, case.scene.words()).end()
    assert end.state == "told" and "takes one run at a time" in end.text, f"the second start: {end}"
    return "refused"


def kill_again(case: Case) -> str:
    """Kill the command, start it, and kill it wherever it is after a while."""
    case.kill()
    again = Child(case.scene, case.scene.words())
    time.sleep(case.rng.uniform(0.1, 4))
    again.signal(signal.SIGKILL)
    again.end()
    return "twice"


def set_the_clock_back(case: Case) -> str:
    """Every file is of the future."""
    case.kill()
    later = time.time() + YEAR_S
    for path in [*case.scene.run.rglob("*"), *case.scene.photos.rglob("*"), *case.scene.cache.rglob("*")]:
        os.utime(path, (later, later))
    return "files of next year"


def leave_strangers(case: Case) -> str:
    """Temporary files of killed processes, the lock of a dead one, and files that a file manager leaves."""
    case.kill()
    for folder in [case.scene.run, *(path for path in case.scene.run.rglob("*") if path.is_dir())]:
        (folder / ".a.npz.01234567.part").write_bytes(b"half")
        (folder / ".DS_Store").write_bytes(b"strange")
    (case.scene.run / ".lock").write_text("999999\n")
    return "in every folder"


def more_workers(case: Case) -> str:
    """The next start reads images in a process of its own."""
    case.kill()
    end = Child(case.scene, case.scene.words("--set", "engine.workers=1")).end()
    assert end.state == "done", f"with another number of workers: {end}"
    return "one worker"


def give_room(case: Case) -> None:
    subprocess.run(["mount", "-o", "remount,size=64m", case.scene.run], check=True, capture_output=True)


LOGS = ("curves.csv",)
"""Grow while a training is at work, and are not made again."""

MAPS, MASKS, WEIGHTS = "[2-4]_*/**/*.npz", "[3-6]_*/**/*.png", "[135]_*/*.safetensors"
IMAGES = "learn/images/*"
EVERYTHING = "**/*"

KINDS: dict[str, Kind] = {
    "SIGKILL": Kind(send(signal.SIGKILL)),
    "SIGTERM": Kind(send(signal.SIGTERM)),
    "SIGINT": Kind(send(signal.SIGINT)),
    "killed twice": Kind(kill_again),
    "no space when a file is synced": Kind(inside=limits.no_space),
    "files of a few bytes only": Kind(inside=limits.short_files),
    "read-only folder": Kind(inside=limits.no_writing, mend=limits.allow_writing),
    "few descriptors": Kind(inside=limits.few_descriptors),
    "little memory": Kind(inside=limits.little_memory),
    "maps truncated": Kind(hit(MAPS, damage.truncate)),
    "masks truncated": Kind(hit(MASKS, damage.truncate)),
    "weights truncated": Kind(hit(WEIGHTS, damage.truncate)),
    "artifact empty": Kind(hit(EVERYTHING, damage.empty)),
    "artifact missing": Kind(hit(EVERYTHING, damage.remove)),
    "artifact half-written": Kind(hit(EVERYTHING, damage.halve_and_leave_the_part)),
    "bit of maps": Kind(hit(MAPS, damage.flip_a_bit)),
    "bit of masks": Kind(hit(MASKS, damage.flip_a_bit)),
    "bit of weights": Kind(hit(WEIGHTS, damage.flip_a_bit)),
    "block of zeros": Kind(hit(EVERYTHING, damage.zero_a_block)),
    "folder in the place of an artifact": Kind(hit("[1-6]_*/**/*", damage.put_a_folder)),
    "foreign artifact": Kind(foreign("[1-6]_*/**/*.*"), foreign=True),
    "foreign weights": Kind(foreign(WEIGHTS), foreign=True),
    "foreign stage": Kind(foreign("[1-6]_*"), foreign=True),
    "stage gone": Kind(no_folder),
    "both checkpoints damaged": Kind(damage_both_checkpoints),
    "curves truncated": Kind(cut_the_curves, lost=("curves.csv", "report.html")),
    "manifest truncated": Kind(hit("manifest.json", damage.truncate)),
    "manifest with another bit": Kind(hit("manifest.json", damage.flip_a_bit)),
    "manifest missing": Kind(hit("manifest.json", damage.remove)),
    "foreign manifest": Kind(foreign("manifest.json"), foreign=True),
    "recipe truncated": Kind(hit("recipe.toml", damage.truncate)),
    "settings with another bit": Kind(hit("6_predictions/settings.json", damage.flip_a_bit)),
    "scores truncated": Kind(hit("scores.*", damage.truncate)),
    "superpixels truncated": Kind(in_the_cache(damage.truncate)),
    "superpixels of another image": Kind(in_the_cache(another_image)),
    "superpixels gone": Kind(no_cache),
    "image replaced": Kind(of_photos(IMAGES, swap), mend=put_photos_back),
    "image removed": Kind(of_photos(IMAGES, gone), mend=put_photos_back),
    "image truncated": Kind(of_photos(IMAGES, cut), mend=put_photos_back),
    "mask of the truth replaced": Kind(of_photos("*/masks/*", swap), mend=put_photos_back),
    "tags edited": Kind(of_photos("learn/tags.csv", edit_tags), mend=put_photos_back),
    "two starts": Kind(start_twice),
    "clock set back": Kind(set_the_clock_back),
    "strangers left": Kind(leave_strangers),
    "another number of workers": Kind(more_workers),
    "disk full": Kind(before=partial(limits.mount, share=0.5), mend=give_room),
}


def possible_kinds() -> list[str]:
    """Return the kinds that can be brought about here: a small disk needs the rights of root."""
    return [name for name in sorted(KINDS) if name != "disk full" or limits.can_mount()]
