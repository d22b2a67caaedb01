"""Every picture is opened as one of a stated list of formats: Pillow knows others that start outside programs."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLACES = ("src", "examples", "benchmarks", "docs")


def unsafe_opens(tree: ast.AST) -> Iterator[int]:
    """Yield the lines of calls of Pillow's ``open`` that name no formats, whatever the module calls Pillow's Image."""
    modules, functions = {"PIL.Image"}, set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "PIL":
            modules |= {alias.asname or alias.name for alias in node.names if alias.name == "Image"}
        elif isinstance(node, ast.ImportFrom) and node.module == "PIL.Image":
            functions |= {alias.asname or alias.name for alias in node.names if alias.name == "open"}
        elif isinstance(node, ast.Import):
            modules |= {alias.asname for alias in node.names if alias.name == "PIL.Image" and alias.asname}
    opens = {f"{module}.open" for module in modules} | functions
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in opens:
            given = next((word.value for word in node.keywords if word.arg == "formats"), None)
            if given is None or (isinstance(given, ast.Constant) and given.value is None):
                yield node.lineno


@pytest.mark.parametrize(
    ("code", "lines"),
    [
        ("from PIL import Image\nImage.open(path)", [2]),
        ("from PIL import Image as Picture\nwith Picture.open(path) as image: pass", [2]),
        ("import PIL.Image\nPIL.Image.open(path)", [2]),
        ("from PIL.Image import open as read\nread(path)", [2]),
        ("from PIL import Image\nImage.open(path, formats=None)", [2]),
        ("from PIL import Image\nImage.open(path, formats=['PNG'])", []),
        ("open(path)\npath.open()", []),
    ],
)
def test_the_walk_finds_them(code: str, lines: list[int]) -> None:
    assert list(unsafe_opens(ast.parse(code))) == lines


def test_every_picture_is_opened_as_one_of_a_stated_list_of_formats() -> None:
    files = [path for place in PLACES for path in sorted((ROOT / place).rglob("*.py"))]
    assert len(files) > 100
    found = [f"{path.relative_to(ROOT)}:{line}" for path in files for line in unsafe_opens(ast.parse(path.read_text()))]
    assert found == []


def test_no_format_that_starts_a_program_is_among_those_of_photographs() -> None:
    from tagseg.data.image_formats import ENDINGS_BY_FORMAT

    # Pillow is built with AVIF on some machines only.
    assert set(ENDINGS_BY_FORMAT) | {"AVIF", "HEIF"} == {"JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "AVIF", "HEIF"}
