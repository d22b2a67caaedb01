"""The tests themselves: small files that are named after what they test, share nothing but `kit`, and patch no path."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TESTS = ROOT / "tests"
MAX_FILE_LINES = 400
ROOMS_ELSEWHERE = {"benchmarks": ROOT / "benchmarks"}
"""Rooms of `tests/unit` whose code is not in `src/tagseg`."""
PATCHING = ("setattr", "delattr", "patch")
OF_THE_PACKAGE = {"public_names"}
"""What is tested of `tagseg/__init__.py`."""

A_TEST = r"(?:tests|test_\w+|conftest)\b"
IMPORT_OF_A_TEST = re.compile(rf"^\s*(?:import\s+{A_TEST}|from\s+{A_TEST}[\w.]*\s+import\b)", re.MULTILINE)


def python_files() -> list[tuple[str, str]]:
    """Return name and text of every file of tests but this one, whose samples break its laws."""
    paths = [path for path in sorted(TESTS.rglob("*.py")) if path != Path(__file__).resolve()]
    files = [(path.relative_to(TESTS).as_posix(), path.read_text()) for path in paths]
    assert len(files) > 100, "the walk found almost no tests, look at TESTS"
    return files


def imported_tests(text: str) -> list[str]:
    """Return the imports of test modules, those of scripts inside strings included."""
    tree = ast.parse(text)
    scripts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return [found.strip() for part in (text, *scripts) for found in IMPORT_OF_A_TEST.findall(part)]


def patched_paths(text: str) -> Iterator[str]:
    """Yield the dotted paths of the package that a file patches: an argument of the function says the same openly."""
    for node in ast.walk(ast.parse(text)):
        if (
            isinstance(node, ast.Call)
            and node.args
            and ast.unparse(node.func).endswith(("setattr", "delattr", "patch"))
        ):
            first = node.args[0]
            begin = first.values[0] if isinstance(first, ast.JoinedStr) and first.values else first
            if isinstance(begin, ast.Constant) and str(begin.value).startswith("tagseg"):
                yield str(begin.value)


def is_named_after_a_module(path: Path, names: set[str]) -> bool:
    """Return whether `test_<module>.py` or `test_<module>_<aspect>.py` starts with one of these names."""
    words = path.stem.removeprefix("test_").split("_")
    return any("_".join(words[:count]) in names for count in range(1, len(words) + 1))


def modules_of(room: Path) -> set[str]:
    """Return the files of a room, and its folders, such as a stage of several files."""
    inside = room.iterdir() if room.is_dir() else ()
    return {path.stem for path in inside if path.suffix == ".py" or (path.is_dir() and path.name != "__pycache__")}


def test_files_are_small() -> None:
    long = {name: count for name, text in python_files() if (count := len(text.splitlines())) > MAX_FILE_LINES}
    assert long == {}, f"limit {MAX_FILE_LINES}; split them by subject"


def test_no_test_imports_a_test() -> None:
    found = {name: imports for name, text in python_files() if (imports := imported_tests(text))}
    assert found == {}, "what tests share lies in tests/kit"


def test_no_dotted_path_of_the_package_is_patched() -> None:
    found = {name: paths for name, text in python_files() if (paths := list(patched_paths(text)))}
    assert found == {}, "give the function an argument"


def test_unit_tests_are_named_after_what_they_test() -> None:
    unit = TESTS / "unit"
    strange = []
    for path in sorted(unit.rglob("test_*.py")):
        room = path.parent.relative_to(unit)
        known = modules_of(ROOMS_ELSEWHERE.get(room.as_posix(), ROOT / "src" / "tagseg" / room))
        if not is_named_after_a_module(path, known | (OF_THE_PACKAGE if room == Path() else set())):
            strange.append(path.relative_to(unit).as_posix())
    assert strange == [], "tests/unit/<room>/test_<module>_<aspect>.py tests src/tagseg/<room>/<module>.py"


@pytest.mark.parametrize(
    "text",
    [
        "import tests.pipeline.test_run as here",
        "from tests.unit import ops",
        "from tests import unit",
        "from test_run import photos",
        "SCRIPT = '''\nimport sys\nimport tests.pipeline.test_report as test_report\n'''",
        "CODE = f'''\nfrom conftest import run\nprint({1})\n'''",
    ],
)
def test_the_walk_sees_an_import_of_a_test(text: str) -> None:
    assert imported_tests(text) != []


@pytest.mark.parametrize(
    "text", ["import testing", "from kit.small_run import run", "'''a sentence\nfrom tests of old'''"]
)
def test_the_walk_lets_other_imports_pass(text: str) -> None:
    assert imported_tests(text) == []


def test_the_walk_sees_patched_paths() -> None:
    text = "monkeypatch.setattr('tagseg.use.hub.x', 1)\nmock.patch(f'tagseg.{name}')\nmonkeypatch.setattr(hub, 'x', 1)"
    assert list(patched_paths(text)) == ["tagseg.use.hub.x", "tagseg."]


@pytest.mark.parametrize(
    ("name", "fits"),
    [("test_tiles.py", True), ("test_tiles_laws.py", True), ("test_many_images.py", True), ("test_tile.py", False)],
)
def test_an_aspect_stands_behind_the_name_of_a_module(name: str, fits: bool) -> None:
    assert is_named_after_a_module(Path(name), {"tiles", "many_images"}) == fits
