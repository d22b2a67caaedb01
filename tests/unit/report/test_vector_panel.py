"""Figures as PDF and SVG: pixels kept, letters embedded, the same layout as pixels have, the same bytes every time."""

import base64
import io
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET

import matplotlib
import numpy as np
import pytest
from PIL import Image

from tagseg.report.panel import panel
from tagseg.report.panel_layout import LegendEntry, PanelRow
from tagseg.report.vector_panel import cell_side_px, vector_panel

RED, BLUE = (200, 10, 20), (10, 20, 200)
SVG = "{http://www.w3.org/2000/svg}"


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def flat(height: int, width: int, color: tuple[int, int, int]) -> np.ndarray:
    return np.broadcast_to(np.array(color, np.uint8), (height, width, 3)).copy()


def svg(*args, **options) -> ET.Element:
    return ET.fromstring(vector_panel(*args, format="svg", **options))


def pictures(root: ET.Element) -> list[np.ndarray]:
    """Return the images in an SVG as they are seen: a negative vertical scale turns one over."""
    found = []
    for element in root.iter(f"{SVG}image"):
        data = element.attrib["{http://www.w3.org/1999/xlink}href"].partition("base64,")[2]
        pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB"))
        scales = re.search(r"scale\(\S+ (-?)|matrix\(\S+ 0 0 (-?)", element.attrib["transform"])
        assert scales is not None
        found.append(pixels[::-1] if "-" in scales.groups() else pixels)
    return found


def size_mm(content: bytes) -> tuple[float, float]:
    found = re.search(rb"/MediaBox \[ *0 0 ([\d.]+) ([\d.]+) *\]", content)
    assert found is not None
    return float(found[1]) / 72 * 25.4, float(found[2]) / 72 * 25.4


def test_the_images_of_an_svg_are_kept_pixel_by_pixel() -> None:
    wide, upright = noise(30, 40), noise(50, 20, seed=1)
    kept = pictures(svg(("a", "b"), [PanelRow("photo", "", (wide, upright))]))
    assert [image.tolist() for image in kept] == [wide.tolist(), upright.tolist()]


def test_the_images_of_a_pdf_are_kept_pixel_by_pixel() -> None:
    content = vector_panel(("a", "b"), [PanelRow("photo", "", (noise(30, 40), noise(50, 20)))])
    sizes = re.findall(rb"/Subtype /Image\s.*?>>", content, flags=re.DOTALL)
    found = {tuple(int(re.search(rb"/%s (\d+)" % side, size)[1]) for side in (b"Height", b"Width")) for size in sizes}
    assert found == {(30, 40), (50, 20)}


def test_letters_are_those_of_an_embedded_truetype_font() -> None:
    content = vector_panel(("image",), [PanelRow("photo", "", (noise(3, 4),))])
    assert b"/FontFile2" in content and b"DejaVuSans-Bold" in content
    assert b"/Type3" not in content and b"Helvetica" not in content


@pytest.mark.parametrize("width_mm", [85.0, 170.0, 250.0])
def test_a_figure_has_the_asked_width(width_mm: float) -> None:
    row = PanelRow("photo", "", (noise(3, 4), noise(3, 4)))
    assert size_mm(vector_panel(("a", "b"), [row], width_mm=width_mm))[0] == pytest.approx(width_mm, abs=0.05)


def test_the_layout_is_that_of_the_pixels() -> None:
    rows = [PanelRow("photo", "cat", (noise(30, 40), None)), PanelRow("other", "", (noise(50, 20), noise(9, 9)))]
    legend = [LegendEntry("cat", flat(1, 1, RED))]
    # Letters of 7 points are 13 units of the pixel layout, so that 170 mm are 895 of them.
    width, height = size_mm(vector_panel(("image", "ground\ntruth"), rows, legend=legend, width_mm=170.0))
    pixels = panel(("image", "ground\ntruth"), rows, legend=legend, width_px=895)
    assert height / width == pytest.approx(pixels.shape[0] / pixels.shape[1], rel=0.01)


def test_letters_have_one_size_whatever_the_width() -> None:
    row = PanelRow("photo", "", (noise(1, 40),))
    narrow, wide = (size_mm(vector_panel(("image",), [row], width_mm=width_mm)) for width_mm in (60.0, 120.0))
    cells = [(width - 2 * 8 * 7 / 13 * 25.4 / 72) / 40 for width in (narrow[0], wide[0])]
    assert narrow[1] - cells[0] == pytest.approx(wide[1] - cells[1], abs=0.1)


def test_a_colour_of_the_legend_and_an_empty_cell_are_rectangles() -> None:
    root = svg(("a",), [PanelRow("photo", "", (None,))], legend=[LegendEntry("cat", flat(1, 1, RED))])
    assert pictures(root) == []
    styles = " ".join(element.attrib.get("style", "") for element in root.iter(f"{SVG}path"))
    assert "fill: #c80a14" in styles and "fill: #ececec" in styles


def test_a_scale_of_the_legend_keeps_its_colours() -> None:
    scale = np.concatenate([flat(4, 8, RED), flat(4, 8, BLUE)], axis=1)
    (found,) = pictures(svg(("a",), [PanelRow("photo", "", (None,))], legend=[LegendEntry("map", scale)]))
    assert found.tolist() == scale.tolist()


@pytest.mark.parametrize("format", ["pdf", "svg"])
@pytest.mark.parametrize("text", ["a$b_c^d$", "猫 ☃", "\udcff.jpg", "<&>\"'", ""])
def test_any_file_name_can_be_written(format: str, text: str) -> None:
    content = vector_panel((text or "x",), [PanelRow(text, text, (noise(3, 4),))], format=format)
    assert len(content) > 1000
    if format == "svg":
        ET.fromstring(content)


def test_a_users_own_settings_change_nothing() -> None:
    row = PanelRow("photo", "", (noise(3, 4),))
    for format in ("pdf", "svg"):
        wanted = vector_panel(("image",), [row], format=format)
        with matplotlib.rc_context({"savefig.bbox": "tight", "pdf.fonttype": 3, "figure.facecolor": "red"}):
            assert vector_panel(("image",), [row], format=format) == wanted
            assert matplotlib.rcParams["savefig.bbox"] == "tight"


def test_two_processes_write_the_same_bytes_and_need_no_pyplot() -> None:
    code = (
        "import hashlib, sys; import numpy as np\n"
        "from tagseg.report.panel_layout import PanelRow; from tagseg.report.vector_panel import vector_panel\n"
        "row = PanelRow('photo é…', 'cat', (np.arange(36, dtype=np.uint8).reshape(3, 4, 3),))\n"
        "print([hashlib.sha256(vector_panel(('a',), [row], format=f)).hexdigest() for f in ('pdf', 'svg')],"
        " 'matplotlib.pyplot' in sys.modules)"
    )
    printed = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed, "SOURCE_DATE_EPOCH": seed, "MPLBACKEND": "Agg"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "86400")
    }
    assert len(printed) == 1 and printed.pop().endswith(" False\n")


def test_an_image_is_kept_up_to_600_dots_an_inch_of_its_cell() -> None:
    cell_mm = (170 - (2 * 8 + 4) * 7 / 13 * 25.4 / 72) / 2
    assert cell_side_px(2, width_mm=170.0) == pytest.approx(cell_mm / 25.4 * 600, abs=2)
    assert cell_side_px(100, width_mm=170.0) == pytest.approx(72 * 7 / 13 / 72 * 600, abs=2)
