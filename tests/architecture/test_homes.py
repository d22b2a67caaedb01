"""Facts with one home: where a file of a run lies, and what ``scores.json`` holds."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "src"
LAYOUT = "tagseg.artifacts.layout"

OTHER_FOLDERS = {
    ("tagseg.use.predict_folder", ".lock"),  # the folder of predicted photographs has a lock of its own
}
"""Joins of a name that a run folder has, too."""

READS = {"read_scores", "write_scores"}
UNREAD = {
    "tagseg.stages.write_report",  # tells by the bytes of the file whether the scores beside a run have changed
}
"""Files that need the place of ``scores.json`` and take nothing out of it."""


def modules() -> dict[str, ast.Module]:
    """Return the syntax of every source file by its dotted name."""
    found = {}
    for path in sorted((SOURCE / "tagseg").rglob("*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = ast.parse(path.read_text())
    assert len(found) > 100, "the walk found almost no source, look at SOURCE"
    return found


def texts(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield line and value of every string that is not a docstring."""
    documents = {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documents:
            yield node.lineno, node.value


def joined(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield line and name of every string that is joined to a path: ``root / "name"``, ``Path(root, "name")``."""
    for node in ast.walk(tree):
        parts: list[ast.expr] = []
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            parts = [node.right]
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("Path", ".joinpath")):
            parts = node.args
        for part in parts:
            if isinstance(part, ast.Constant) and isinstance(part.value, str):
                yield from ((node.lineno, name) for name in part.value.split("/"))


def names_of_layout(tree: ast.AST) -> set[str]:
    """Return the names of files and folders that the layout joins, and what the stages leave."""
    names = {name for _, name in joined(tree)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "STAGE_OUTPUTS":
            names |= set(ast.literal_eval(node.value).values())
    return names


def strays(module: str, tree: ast.AST, names: set[str]) -> list[str]:
    """Return one line for each name of a run folder that a module joins to a path or writes down itself.

    A name that only a file or a folder can have, with a point or a number in it, is written nowhere else at all.
    """
    telling = {name for name in names if "." in name or name[0].isdigit()}
    written = {(line, name) for line, text in texts(tree) for name in text.split("/") if name in telling}
    found = written | {(line, name) for line, name in joined(tree) if name in names}
    return [f"{module}:{line} {name}" for line, name in sorted(found) if (module, name) not in OTHER_FOLDERS]


def untyped_reads(module: str, tree: ast.AST) -> list[str]:
    """Return one line for each use of the place of ``scores.json`` but its name, typed reads and typed writes."""
    typed = {
        id(argument)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in READS
        for argument in node.args
    }
    named = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr == "name"}
    return [
        f"{module}:{node.lineno} {ast.unparse(node)}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr == "scores_path" and id(node) not in typed | named
    ]


def test_only_the_layout_knows_where_a_file_of_a_run_lies() -> None:
    found = modules()
    names = names_of_layout(found[LAYOUT])
    assert {"1_classifier", "scores.json", "scores.csv", "curves.csv", "checkpoint.safetensors", "labels"} <= names
    assert [line for module, tree in found.items() if module != LAYOUT for line in strays(module, tree, names)] == []


def test_scores_are_read_and_written_by_their_file_alone() -> None:
    assert [
        line for module, tree in modules().items() if module not in UNREAD for line in untyped_reads(module, tree)
    ] == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('root / "labels" / name', ["a:1 labels"]),
        ('root / "2_cams/x.npz"', ["a:1 2_cams"]),
        ('open(f"{root}/curves.csv")', ["a:1 curves.csv"]),
        ('Path(root, "labels")', ["a:1 labels"]),
        ('content["labels"]', []),
        ('"""Leaves ``curves.csv``, as ``2_cams`` does."""', []),
        ('print("see curves.csv for more")', []),
    ],
)
def test_the_walk_sees_names_of_files(text: str, expected: list[str]) -> None:
    assert strays("a", ast.parse(text), {"2_cams", "curves.csv", "labels"}) == expected


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("scores = read_scores(folder.scores_path)", 0),
        ("write_scores(RunLayout(root).scores_path, scores)", 0),
        ("told = f'{folder.scores_path.name} cannot be read'", 0),
        ("content = json.loads(folder.scores_path.read_text())", 1),
        ("path = folder.scores_path", 1),
    ],
)
def test_the_walk_sees_reads_without_types(text: str, count: int) -> None:
    assert len(untyped_reads("a", ast.parse(text))) == count
