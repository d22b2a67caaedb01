"""What ``on_gpu.py`` reads of data: a set in VOC's layout, packs of ``gpu_pack.py``, and a few images of either."""

import json
import lzma
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tagseg.errors import DataError
from tagseg.ops.spacing import evenly_spaced
from tagseg.system.atomic import atomic_write

LISTS = "ImageSets/Segmentation"


@dataclass(frozen=True, slots=True)
class Source:
    """A data set in VOC's layout, as far as it is packed."""

    root: Path

    @property
    def lists(self) -> list[Path]:
        return sorted((self.root / LISTS).glob("*.txt"))

    def ids(self) -> list[str]:
        return sorted({name for path in self.lists for name in path.read_text(encoding="utf-8").split()})

    def photo(self, name: str) -> Path:
        return self.root / "JPEGImages" / f"{name}.jpg"

    def mask(self, name: str) -> Path:
        return self.root / "SegmentationClass" / f"{name}.png"


@dataclass(frozen=True, slots=True)
class Packs:
    """What several packs hold together; of two that hold the same the first counts.

    Args:
        places: the folder of each data set, ``voc`` and ``tiles``.
        about: what their ``pack.json`` files say of each, and the names of all ``weights``.
        folders: the packs.
    """

    places: dict[str, Path]
    about: dict[str, Any]
    folders: tuple[Path, ...]

    @classmethod
    def read(cls, folders: Sequence[Path]) -> "Packs":
        """Read what whole packs say of themselves.

        Raises:
            DataError: when one is not there or was not packed to its end.
        """
        places: dict[str, Path] = {}
        about: dict[str, Any] = {}
        weights: set[str] = set()
        for folder in folders:
            if not (folder / "pack.json").exists():
                raise DataError(
                    f"{folder / 'pack.json'} must exist, got no such file", help="run on_gpu.py pack to its end first"
                )
            own = read_json(folder / "pack.json")
            weights |= set(own["weights"])
            for kind in ("voc", "tiles"):
                if own.get(kind) and kind not in about:
                    places[kind], about[kind] = folder.absolute() / kind, own[kind]
        return cls(places, {**about, "weights": sorted(weights)}, tuple(folders))

    def unpack_weights(self, out: Path) -> None:
        """Bring the files of weights back, those that are not there yet."""
        for path in (path for folder in self.folders for path in sorted((folder / "weights").glob("*.xz"))):
            goal = out / path.stem
            if not goal.exists():
                atomic_write(goal, lzma.decompress(path.read_bytes()))


def few_photographs(source: Path, goal: Path, *, count: int) -> Path:
    """Return a data set in VOC's layout with a few images of each list, made when it is missing."""
    found, files = Source(source), {source / "image_tags.csv"}
    scratch = goal.with_name(f"{goal.name}.part")
    if goal.exists():
        return goal
    for path in found.lists:
        names = evenly_spaced(path.read_text(encoding="utf-8").split(), count)
        atomic_write(scratch / path.relative_to(source), "\n".join(names).encode())
        files |= {file for name in names for file in (found.photo(name), found.mask(name)) if file.exists()}
    copy_files(files, source, scratch)
    return scratch.rename(goal)


def few_tiles(source: Path, goal: Path, *, count: int) -> Path:
    """Return folders of one's own photographs with a few of each, made when they are missing."""
    scratch, files = goal.with_name(f"{goal.name}.part"), set()
    if goal.exists():
        return goal
    for folder in sorted(path.parent for path in source.glob("*/tags.csv")):
        header, *lines = (folder / "tags.csv").read_text(encoding="utf-8").splitlines()
        kept = evenly_spaced(lines, count)
        stems = {Path(line.partition(",")[0]).stem for line in kept}
        atomic_write(scratch / folder.name / "tags.csv", "\n".join([header, *kept]).encode())
        files |= {path for path in folder.rglob("*") if path.stem in stems or path.name == "classes.txt"}
    copy_files(files, source, scratch)
    return scratch.rename(goal)


def copy_files(paths: Iterable[Path], root: Path, out: Path) -> None:
    for path in paths:
        goal = out / path.relative_to(root)
        if not goal.exists():
            atomic_write(goal, path.read_bytes())


def read_json(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def write_json(path: Path, content: dict[str, Any]) -> None:
    atomic_write(path, f"{json.dumps(content, indent=1)}\n".encode())
