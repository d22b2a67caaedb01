"""Libraries that decode files say nothing by themselves."""

from io import BytesIO

import numpy as np
import pytest
from kit.blocked import run_python
from PIL import Image

from tagseg.data.images import read_image_bytes
from tagseg.errors import DataError


@pytest.mark.parametrize("compression", ["tiff_deflate", "tiff_lzw", "jpeg", "group4"])
def test_a_damaged_tiff_is_one_error_and_no_line_on_the_terminal(capfd, compression):
    rng, file = np.random.default_rng(0), BytesIO()
    image = Image.fromarray(rng.integers(0, 255, (64, 64, 3), np.uint8))
    (image.convert("1") if compression == "group4" else image).save(file, "TIFF", compression=compression)
    refused = 0
    for _ in range(40):
        damaged = bytearray(file.getvalue())
        for place in rng.integers(8, len(damaged), 6):
            damaged[place] ^= int(rng.integers(1, 255))
        try:
            read_image_bytes(bytes(damaged), "a.tif")
        except DataError:
            refused += 1
    assert refused
    assert capfd.readouterr() == ("", "")


def test_what_pillow_tells_its_log_is_not_printed():
    """Python prints errors of a log to which nobody listens: such as a TIFF file of 57 samples a pixel."""
    code = """
import logging
from tagseg.system.quiet import quiet_decoders
with quiet_decoders:
    logging.getLogger("PIL.TiffImagePlugin").error("More samples per pixel than can be decoded")
"""
    assert run_python(code).stderr == ""
