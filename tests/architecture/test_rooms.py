"""The laws inside the rooms: files do not import each other in a circle, no stage imports another, names are unique."""

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "src"
SHARED_BY_STAGES = {"context", "work", "train_network"}
MAX_STAGE_FILES = 16
SAME_THING = {
    "affinity": "the affinity network: its layers, its losses, its training",
    "segmenter": "the segmenter: what a recipe builds, what predicts, what is scored",
    "segmentation": "what the segmentation network learns: its losses, its training",
    "classifier": "the tag classifier: its layers, its training",
    "layout": "",
}
"""Names of files in several rooms, one for each thing: a box of the paper's figure has its name in every room."""


def module_name(path: Path) -> str:
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def modules() -> dict[str, Path]:
    found = {module_name(path): path for path in sorted((SOURCE / "tagseg").rglob("*.py"))}
    assert len(found) > 100, "the walk found almost no source, look at SOURCE"
    return found


def imported(tree: ast.AST, known: Mapping[str, object]) -> Iterator[str]:
    """Yield the modules that a file imports, in functions too; ``from tagseg.ops import resize`` is the file resize."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield whole if whole in known else node.module


def arrows() -> dict[str, set[str]]:
    """Return what each module imports of tagseg."""
    known = modules()
    return {
        name: {other for other in imported(ast.parse(path.read_text()), known) if other in known and other != name}
        for name, path in known.items()
    }


def circle(graph: Mapping[str, set[str]]) -> list[str]:
    """Return modules that import each other in a circle, none when there is no circle."""
    try:
        list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        return error.args[1]
    return []


def stage_of(module: str) -> str | None:
    """Return the stage that a module of ``stages`` belongs to, a file or a folder, None for what they share."""
    parts = module.split(".")
    if parts[:2] != ["tagseg", "stages"] or len(parts) == 2 or parts[2] in SHARED_BY_STAGES:
        return None
    return parts[2]


def crossings(graph: Mapping[str, set[str]]) -> list[str]:
    """Return the arrows from one stage to another, and from what they share to a stage."""
    found = []
    for module, others in graph.items():
        if module.startswith("tagseg.stages"):
            found += [
                f"{module} -> {other}" for other in sorted(others) if stage_of(other) not in (None, stage_of(module))
            ]
    return found


def test_files_do_not_import_each_other_in_a_circle() -> None:
    assert circle(arrows()) == []


def test_no_stage_imports_another() -> None:
    assert crossings(arrows()) == []


def test_there_are_eight_stages_in_few_files() -> None:
    files = [module for module in modules() if module.startswith("tagseg.stages")]
    assert len({stage_of(module) for module in files} - {None}) == 8
    assert len(files) <= MAX_STAGE_FILES


def test_a_name_stands_for_one_thing() -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for module, path in modules().items():
        if path.name != "__init__.py":
            places[path.stem].append(module)
    twice = {name: where for name, where in places.items() if len(where) > 1 and name not in SAME_THING}
    assert twice == {}


@pytest.mark.parametrize(
    ("graph", "expected"),
    [
        ({"tagseg.stages.a": {"tagseg.stages.b.labels"}}, ["tagseg.stages.a -> tagseg.stages.b.labels"]),
        ({"tagseg.stages.work": {"tagseg.stages.a"}}, ["tagseg.stages.work -> tagseg.stages.a"]),
        ({"tagseg.stages.b": {"tagseg.stages.b.labels", "tagseg.stages.context", "tagseg.ops.pairs"}}, []),
    ],
)
def test_the_walk_sees_an_arrow_between_stages(graph: dict[str, set[str]], expected: list[str]) -> None:
    assert crossings(graph) == expected


def test_the_walk_sees_circles_and_files_behind_packages() -> None:
    assert set(circle({"a": {"b"}, "b": {"c"}, "c": {"a"}})) == {"a", "b", "c"}
    tree = ast.parse("def f():\n from tagseg.ops import resize\nfrom tagseg.recipe import Recipe")
    assert list(imported(tree, {"tagseg.ops.resize": 0})) == ["tagseg.recipe", "tagseg.ops.resize"]
