"""The process that writes exports for the server: ``python -m tagseg.serve.exporting``; see ``exporter``.

A request is a line of JSON that says what to write and how many bytes each mask and photograph has, then these bytes.
An answer is a line of JSON, the number of bytes of the export and what was lost, then the bytes; or what is wrong.
Writers need a folder. It is gone before the answer, and when the requests end: the server may have been killed.

Axes: H W pixels of the upright image.
"""

import json
import os
import queue
import shutil
import signal
import sys
import threading
import traceback
import zipfile
import zlib
from io import BytesIO
from pathlib import Path
from typing import IO, Any

import numpy as np

from tagseg.classes import ClassTable
from tagseg.data.image_files import NamedBytes
from tagseg.data.image_formats import ENDINGS_BY_FORMAT, IMAGE_ENDINGS
from tagseg.data.images import read_header, read_image_bytes
from tagseg.errors import ArtifactError, TagsegError
from tagseg.serve.export_formats import ONE_FILE, label_names, unique_file_names
from tagseg.serve.mask_colors import labels_of_colors
from tagseg.serve.refusal import RefusedError, status_of
from tagseg.system.cpu_time import limit_cpu_time
from tagseg.types import LabelMap
from tagseg.use.export_folder import write_record
from tagseg.use.label_files import WITH_PHOTOGRAPHS, FormatChoice, label_files
from tagseg.use.predict_formats import described_predictions

MAX_BORDERS = 2_000_000
"""Pairs of neighbouring pixels with different labels in a mask: they bound its objects and corners, and the memory."""

_NICENESS = 5  # networks go first
_PLACE, _PHOTOGRAPHS = "made", "photographs"
_PACKED = frozenset({".png", ".jpg", ".jpeg", ".webp", ".gif", ".zip"})
_ALWAYS = (1980, 1, 1, 0, 0, 0)  # of every file, so that the same masks are the same bytes

_Asked = tuple[dict[str, Any], list[bytes], list[bytes]]


def answer_requests(requests: IO[bytes], answers: IO[bytes]) -> None:
    """Answer until the requests end, which ends this process; an empty line first says that it is ready."""
    answers.write(b"\n")
    answers.flush()
    waiting: queue.SimpleQueue[_Asked] = queue.SimpleQueue()
    threading.Thread(target=_read_requests, args=(requests, waiting), daemon=True).start()
    while True:
        found, content = answer(*waiting.get())
        answers.write(f"{json.dumps(found)}\n".encode())
        answers.write(content)
        answers.flush()


def _read_requests(requests: IO[bytes], waiting: "queue.SimpleQueue[_Asked]") -> None:
    """Hand on requests. At their end the server is gone: what is being written is of no use."""
    folder = None
    while line := requests.readline():
        asked: dict[str, Any] = json.loads(line)
        folder = asked["folder"]
        masks = [requests.read(mask["bytes"]) for mask in asked["masks"]]
        waiting.put((asked, masks, [requests.read(size) for size in asked["photographs"]]))
    while folder is not None and os.path.exists(folder):  # noqa: PTH110 (whatever it is)
        shutil.rmtree(folder, ignore_errors=True)  # again: the other thread may have put a file there meanwhile
    os._exit(0)


def answer(asked: dict[str, Any], masks: list[bytes], photographs: list[bytes]) -> tuple[dict[str, Any], bytes]:
    """Return the answer to a request and the export that follows it; the folder is gone."""
    folder, content = Path(asked["folder"]), b""
    limit_cpu_time(asked["work_s"])
    try:
        content, said = write_export(folder, asked, masks, photographs)
        found: dict[str, Any] = {"bytes": len(content), "said": said}
    except TagsegError as error:
        problem = error.problem.replace(f"{folder / _PHOTOGRAPHS}{os.sep}", "")
        status = 400 if isinstance(error, ArtifactError) else status_of(error)
        found = {"problem": problem, "help": error.help, "status": status}
    except OSError as error:
        found = {
            "problem": f"export goes through a temporary folder of the server, got {error.strerror or error}",
            "help": "rename the photographs, or free space on the server",
            "status": 500,
        }
    except Exception:
        found = {"traceback": traceback.format_exc()}
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return found, content


def write_export(
    folder: Path, asked: dict[str, Any], masks: list[bytes], photographs: list[bytes]
) -> tuple[bytes, list[str]]:
    """Return an export as one file, and what it lost of the masks, a line each.

    Args:
        folder: an empty one to write into.
        asked: see :meth:`tagseg.serve.exporter.Order.described`.
        masks: pictures in VOC's colours, or packed label ids.
        photographs: of the masks, in their order; none where the format holds none.

    Raises:
        TagsegError: when a mask, a photograph or a class cannot be used.
    """
    choice, classes = FormatChoice(**asked["choice"]), ClassTable(tuple(asked["classes"]))
    place = folder / _PLACE
    place.mkdir()
    (folder / _PHOTOGRAPHS).mkdir()
    headers = [
        read_header(NamedBytes(mask["name"], data), max_pixels=asked["max_pixels"])
        for mask, data in zip(asked["masks"], photographs, strict=False)
    ]
    sent = [mask["name"] for mask in asked["masks"]]
    if choice.format in WITH_PHOTOGRAPHS:
        sent = [_with_ending(name, header.format) for name, header in zip(sent, headers, strict=True)]
    file_names = unique_file_names(sent)
    about = {"title": "Predictions", "split": "test", "corrected": asked["corrected"]}
    with label_files(place, choice, classes, **about) as (files, found):
        for index, name in enumerate(label_names(file_names)):
            labels = read_labels(asked["masks"][index], masks[index], classes, max_pixels=asked["max_pixels"])
            path = folder / _PHOTOGRAPHS / file_names[index]
            if headers:
                _require_size(asked["masks"][index]["name"], labels, headers[index].size)
            if choice.format in WITH_PHOTOGRAPHS:
                path.write_bytes(photographs[index])
            files.add(name, path, labels)
            path.unlink(missing_ok=True)
    corrected = {"corrected": asked["corrected"]} if asked["corrected"] else {}
    write_record(place, {**described_predictions(choice, found, classes), **corrected})
    if choice.format in ONE_FILE:
        return (place / ONE_FILE[choice.format]).read_bytes(), found.said(choice, what="masks")
    return zipped(place), found.said(choice, what="masks")


def read_labels(mask: dict[str, Any], data: bytes, classes: ClassTable, *, max_pixels: int) -> LabelMap:
    """Return the label ids of a mask.

    Args:
        mask: its ``name``, and its ``shape`` where the data are packed label ids and no picture.
        data: of the mask.
        classes: of the ids.
        max_pixels: largest height x width.

    Raises:
        TagsegError: when it is no mask of these classes, or one that takes too much.
    """
    name = mask["name"]
    if mask["shape"] is None:
        labels = labels_of_colors(read_image_bytes(data, name, max_pixels=max_pixels), classes, name)
    else:
        labels = np.frombuffer(zlib.decompress(data), np.uint8).reshape(mask["shape"])
    borders = int(np.count_nonzero(labels[1:] != labels[:-1]) + np.count_nonzero(labels[:, 1:] != labels[:, :-1]))
    if borders > MAX_BORDERS:
        raise RefusedError(
            f"mask {name} has at most {MAX_BORDERS:,} pixel sides between labels, got {borders:,}",
            help="send a smaller copy of the photograph, or a mask with fewer parts",
            status=413,
        )
    return labels


def zipped(folder: Path) -> bytes:
    """Return a folder as a ZIP archive, the same files as the same bytes; what is packed already is only stored."""
    archive_file = BytesIO()
    with zipfile.ZipFile(archive_file, "w") as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                entry = zipfile.ZipInfo(path.relative_to(folder).as_posix(), date_time=_ALWAYS)
                entry.external_attr = 0o644 << 16
                kind = zipfile.ZIP_STORED if path.suffix.lower() in _PACKED else zipfile.ZIP_DEFLATED
                archive.writestr(entry, path.read_bytes(), kind)
    return archive_file.getvalue()


def _with_ending(name: str, format: str) -> str:
    """Return a name that readers of photographs know by its ending."""
    return name if Path(name).suffix.lower() in IMAGE_ENDINGS else f"{name}{ENDINGS_BY_FORMAT[format][0]}"


def _require_size(name: str, labels: LabelMap, size: tuple[int, int]) -> None:
    if labels.shape != size:
        raise RefusedError(
            f"mask {name} has the size of its upright photograph, {size[0]} x {size[1]} pixels, "
            f"got {labels.shape[0]} x {labels.shape[1]}",
            help="send masks and photographs in the same order",
        )


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the server's, which then ends this process
    if hasattr(os, "nice"):
        os.nice(_NICENESS)
    answer_requests(sys.stdin.buffer, sys.stdout.buffer)
