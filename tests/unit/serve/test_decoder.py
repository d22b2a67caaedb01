"""Pictures are decoded in a process that ends when one takes too long."""

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from kit.serving import photo
from PIL import Image as PillowImage

from tagseg.data.images import read_image_bytes
from tagseg.errors import ImageFormatError, ImageSizeError
from tagseg.serve import decoder
from tagseg.serve.decoder import MAX_SCANS, Decoder, Decoders
from tagseg.serve.refusal import RefusedError

ENDLESS = """
import json, sys
from tagseg.system.cpu_time import limit_cpu_time
print(flush=True)
limit_cpu_time(json.loads(sys.stdin.readline())["decode_s"])
while True: pass
"""


@pytest.fixture
def made():
    with closing(Decoder(decode_s=60.0, max_pixels=10_000)) as found:
        yield found


def progressive(scans: int) -> bytes:
    """Return a JPEG file whose last scan comes again and again."""
    file = BytesIO()
    PillowImage.effect_noise((64, 48), 80).convert("RGB").save(file, "JPEG", progressive=True)
    data = file.getvalue()
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * (scans - data.count(b"\xff\xda") + 1) + data[-2:]


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_pictures_are_those_of_the_reader_one_after_another(made, kind):
    for size in ((48, 32), (1, 1), (7, 90)):
        data = photo(kind, size)
        found = made.read(data, "a")
        np.testing.assert_array_equal(found, read_image_bytes(data, "a"))
        assert found.flags.writeable


def test_its_errors_are_those_of_the_reader(made):
    with pytest.raises(ImageFormatError, match=r"^image ä\.jpg must be one of JPEG"):
        made.read(b"text", "ä.jpg")
    with pytest.raises(ImageSizeError, match="must have at most 10,000 pixels, got 200 x 100"):
        made.read(photo(size=(100, 200)), "a.png")
    assert made.read(photo(), "a.png").shape == (32, 48, 3)


def test_postscript_is_no_picture_and_starts_nothing(made, tmp_path, monkeypatch):
    program = tmp_path / "gs"
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(ImageFormatError):
        made.read(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n", "a.png")
    assert not (tmp_path / "ran").exists()


def test_a_jpeg_of_too_many_scans_is_refused_before_it_is_decoded():
    with closing(Decoder(decode_s=60.0, max_pixels=10_000)) as unused:
        with pytest.raises(RefusedError) as caught:
            unused.read(progressive(3000), "a.jpg")
    assert (caught.value.status, caught.value.problem, caught.value.help) == (
        422,
        "image a.jpg must have at most 100 scans, got 3000",
        "save it again as a plain JPEG or PNG, or send a smaller copy",
    )


def test_a_jpeg_of_many_scans_is_decoded(made):
    assert made.read(progressive(MAX_SCANS), "a.jpg").shape == (48, 64, 3)


def test_a_picture_that_takes_too_long_ends_the_process_and_the_next_is_decoded(monkeypatch):
    monkeypatch.setattr(decoder, "COMMAND", (sys.executable, "-c", ENDLESS))
    with closing(Decoder(decode_s=0.5, max_pixels=10_000)) as made:
        made.start()
        monkeypatch.undo()
        with pytest.raises(RefusedError) as caught:
            made.read(photo(), "a.png")
        assert (caught.value.status, caught.value.problem) == (
            422,
            "image a.png must be decoded within 0.5 s, got one that is not",
        )
        assert made.read(photo(), "b.png").shape == (32, 48, 3)


def test_a_process_that_was_killed_is_started_again(made):
    made.start()
    process = made._helper.process
    process.kill()
    process.wait()
    assert made.read(photo(), "a.png").shape == (32, 48, 3)


def test_the_process_ends_with_its_pipe(made):
    made.start()
    process = made._helper.process
    process.stdin.close()
    assert process.wait(60) == 0


def test_a_closed_decoder_leaves_no_process(made):
    made.start()
    number = made._helper.process.pid
    made.close()
    assert not Path(f"/proc/{number}").exists()


def test_pictures_that_come_at_a_time_have_a_process_each(monkeypatch):
    with closing(Decoders(decode_s=60.0, max_pixels=10_000)) as several:
        several.start(1)
        inside, go_on = threading.Event(), threading.Event()
        read = Decoder.read

        def wait(made, data, name):
            if name == "slow.png":
                inside.set()
                assert go_on.wait(60)
            return read(made, data, name)

        monkeypatch.setattr(Decoder, "read", wait)
        with ThreadPoolExecutor(1) as pool:
            slow = pool.submit(several.read, photo(), "slow.png")
            assert inside.wait(60)
            for size in ((30, 20), (7, 9)):
                assert several.read(photo(size=size), "a.png").shape == (size[1], size[0], 3)
            go_on.set()
            assert slow.result().shape == (32, 48, 3)
        assert len(several._all) == 2
