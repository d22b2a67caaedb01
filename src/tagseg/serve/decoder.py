"""Pictures decoded in a process of their own, which ends when one takes too long: no file delays others for longer."""

import json
import subprocess
import sys
import threading
from typing import Any

import numpy as np

from tagseg.errors import DataError, ImageFormatError, ImageSizeError
from tagseg.serve.helper import Helper
from tagseg.serve.refusal import RefusedError
from tagseg.types import Image

MAX_SCANS = 100
"""Of a JPEG file. Encoders make about ten; each goes over all pixels, and half a megabyte has room for thousands."""

COMMAND = (sys.executable, "-m", "tagseg.serve.decoding")

_CLOCK_FACTOR = 15
_KINDS = {kind.__name__: kind for kind in (DataError, ImageFormatError, ImageSizeError)}
_JPEG, _SCAN = b"\xff\xd8", b"\xff\xda"


class Decoders:
    """As many decoders as are needed at a time; used by any thread.

    Args:
        decode_s: seconds of a processor for one picture.
        max_pixels: largest height x width.
    """

    def __init__(self, *, decode_s: float, max_pixels: int) -> None:
        self._decode_s = decode_s
        self._max_pixels = max_pixels
        self._all: list[Decoder] = []
        self._free: list[Decoder] = []

    def start(self, count: int) -> None:
        """Start processes, so that the first pictures do not wait for them."""
        self._free = [self._made() for _ in range(count)]
        for decoder in self._free:
            decoder.start()

    def read(self, data: bytes, name: str) -> Image:
        """Return the upright RGB image of a file's content; see :meth:`Decoder.read`.

        Raises:
            DataError: when it is none, or damaged or too large.
            RefusedError: when decoding takes too long.
        """
        try:
            decoder = self._free.pop()
        except IndexError:
            decoder = self._made()
        try:
            return decoder.read(data, name)
        finally:
            self._free.append(decoder)

    def close(self) -> None:
        """End all processes for good, from any thread: pictures under way break off."""
        for decoder in self._all:
            decoder.close()

    def _made(self) -> "Decoder":
        decoder = Decoder(decode_s=self._decode_s, max_pixels=self._max_pixels)
        self._all.append(decoder)
        return decoder


class Decoder:
    """Decodes one picture after another, each in a limited time; used by one thread at a time.

    Args:
        decode_s: seconds of a processor for one picture.
        max_pixels: largest height x width.
    """

    def __init__(self, *, decode_s: float, max_pixels: int) -> None:
        self._decode_s = decode_s
        self._max_pixels = max_pixels
        self._helper = Helper("decodes pictures")
        self._is_closed = False

    def start(self) -> None:
        """Start the process, so that the first picture does not wait for it."""
        self._helper.ready(COMMAND)

    def read(self, data: bytes, name: str) -> Image:
        """Return the upright RGB image of a file's content; see :func:`tagseg.data.images.read_image_bytes`.

        Raises:
            DataError: when it is none, or damaged or too large.
            RefusedError: when decoding takes too long.
        """
        # Inside compressed data a zero follows every 0xff, so what is counted are scans.
        if data.startswith(_JPEG) and (scans := data.count(_SCAN)) > MAX_SCANS:
            raise _refused(f"image {name} must have at most {MAX_SCANS} scans, got {scans}")
        process = self._helper.ready(COMMAND)
        # The system kills it by the time that it has worked; where it cannot, or never lets it work, the clock does.
        watch = threading.Timer(_CLOCK_FACTOR * self._decode_s, process.kill)
        watch.start()
        try:
            return self._ask(process, data, name)
        except (OSError, EOFError) as error:
            self._helper.end()
            if not self._is_closed:
                self._helper.start(COMMAND)  # it is ready when the next picture comes
            found = f"image {name} must be decoded within {self._decode_s:g} s, got one that is not"
            raise _refused(found) from error
        finally:
            watch.cancel()

    def close(self) -> None:
        """End the process for good, from any thread: a picture under way breaks off."""
        self._is_closed = True
        self._helper.end()

    def _ask(self, process: "subprocess.Popen[bytes]", data: bytes, name: str) -> Image:
        assert process.stdin is not None
        assert process.stdout is not None
        request = {"name": name, "bytes": len(data), "max_pixels": self._max_pixels, "decode_s": self._decode_s}
        process.stdin.write(f"{json.dumps(request)}\n".encode() + data)
        process.stdin.flush()
        line = process.stdout.readline()
        if not line.endswith(b"\n"):
            raise EOFError
        answer: dict[str, Any] = json.loads(line)
        if "shape" not in answer:
            raise _KINDS[answer["kind"]](answer["problem"], help=answer["help"])
        image = np.empty(answer["shape"], np.uint8)
        if process.stdout.readinto(image.data.cast("B")) != image.size:  # pyright: ignore[reportAttributeAccessIssue]
            raise EOFError
        return image


def _refused(problem: str) -> RefusedError:
    return RefusedError(problem, help="save it again as a plain JPEG or PNG, or send a smaller copy", status=422)
