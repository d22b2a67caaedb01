"""Write what docs/architecture.md shows of the code, from the code: the tree, and the picture of rooms and data.

    python benchmarks/docs_architecture.py            # writes both
    python benchmarks/docs_architecture.py --check    # says whether they are those of the code

The picture has two tables. Above: which room imports which; all marks lie on one side, since imports go down. Below:
which stage leaves and which reads what of a run folder; all marks lie on one side, since data flows one way.
"""

import argparse
import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "tagseg"
PAGE, PICTURE = ROOT / "docs" / "architecture.md", ROOT / "docs" / "images" / "architecture.svg"
BEGIN, END = "<!-- tree -->\n", "<!-- /tree -->\n"
WIDTH = 34  # of the tree's left column
CELL, LABEL, HEAD, MARGIN = 24, 148, 96, 16  # px

# From the top down; tests/architecture/test_imports.py walks the imports by them.
LAYERS = (
    ("cli",),
    ("serve", "pipeline"),
    ("stages", "use"),
    ("results",),
    ("assemble",),
    ("recipe",),
    ("training", "cams", "refine", "evaluation", "report", "prediction"),
    ("artifacts",),
    ("models", "losses", "data"),
    ("ops",),
    ("system",),
    ("types", "progress"),
    ("classes",),
    ("errors",),
)
STAGES = {
    "train_classifier": "train_classifier",
    "extract_cams": "extract_cams",
    "train_affinity": "train_affinity",
    "make_masks": "make_masks",
    "train_segmenter": "train_segmenter",
    "predict": "predict_split",
    "evaluate": "evaluate",
    "report": "write_report",
}
"""Name of each stage and of its file or folder, in order."""


def phrase(path: Path) -> str:
    """Return the first clause of a file's docstring."""
    first = (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").splitlines()[0]
    said = re.split(r"[.;](?:\s|$)", first.replace("``", "").replace("`", ""))[0]
    return said[0].lower() + said[1:] if said[1:2] == " " or said[1:2].islower() else said


def tree_lines(folder: Path = SOURCE, depth: int = 0) -> Iterator[str]:
    """Yield the tree: rooms in the order of the layers, files by name."""
    rooms = [room for layer in LAYERS for room in layer]
    entries = [path for path in folder.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()]
    entries = [path for path in entries if path.name != "__init__.py"]
    order = {name: position for position, name in enumerate(rooms)} if folder == SOURCE else {}
    for path in sorted(entries, key=lambda path: (order.get(path.stem, 0), path.name)):
        is_folder = path.is_dir()
        said = phrase(path / "__init__.py" if is_folder else path)
        name = "  " * depth + path.name + ("/" if is_folder else "")
        yield f"{name:<{WIDTH}}{said}"
        if is_folder:
            yield from tree_lines(path, depth + 1)


def modules() -> dict[str, Path]:
    """Return every module of the source by its dotted name."""
    found = {}
    for path in sorted(SOURCE.rglob("*.py")):
        parts = path.relative_to(SOURCE.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported_names(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Yield (module, name) of every import of a name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from ((node.module, alias.name) for alias in node.names)


def room_arrows() -> set[tuple[str, str]]:
    """Return which room imports which."""
    arrows = set()
    for name, path in modules().items():
        for module, _ in imported_names(ast.parse(path.read_text(encoding="utf-8"))):
            parts = module.split(".")
            if parts[0] == "tagseg" and len(parts) > 1 and "." in name and parts[1] != name.split(".")[1]:
                arrows.add((name.split(".")[1], parts[1]))
    return arrows


def artifact_homes() -> dict[str, str]:
    """Return the stage that leaves each path of ``artifacts/layout.py``, from the function that says where it lies."""
    tree = ast.parse((SOURCE / "artifacts" / "layout.py").read_text(encoding="utf-8"))
    (layout,) = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "RunLayout"]
    homes = {}
    for function in layout.body:
        for node in ast.walk(function):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "self.output":
                argument = node.args[0]
                if isinstance(function, ast.FunctionDef) and isinstance(argument, ast.Constant):
                    homes[function.name] = str(argument.value)
    return {name: stage for name, stage in homes.items() if not name.endswith(("table_path", "_folder"))}


def functions_of(path: Path) -> dict[str, ast.AST]:
    """Return the functions at the top of a file."""
    body = ast.parse(path.read_text(encoding="utf-8")).body
    return {node.name: node for node in body if isinstance(node, ast.FunctionDef)}


def mentioned(tree: ast.AST, artifacts: set[str], helpers: dict[str, ast.AST]) -> set[str]:
    """Return the artifacts that code names, itself or through the helpers that read stored maps."""
    attributes = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr in artifacts]
    found = {node.attr for node in attributes if re.search(r"\b(layout|folder)$", ast.unparse(node.value))}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in helpers and helpers[node.id] is not tree:
            found |= mentioned(helpers[node.id], artifacts, helpers)
    return found


def stage_artifacts() -> dict[str, set[str]]:
    """Return which artifacts each stage leaves or reads."""
    homes = artifact_homes()
    helpers = functions_of(SOURCE / "assemble" / "maps.py")
    used = {}
    for stage, name in STAGES.items():
        place = SOURCE / "stages" / name
        paths = sorted(place.glob("*.py")) if place.is_dir() else [place.with_suffix(".py")]
        used[stage] = set().union(
            *(mentioned(ast.parse(path.read_text(encoding="utf-8")), set(homes), helpers) for path in paths)
        )
    return used


@dataclass(frozen=True)
class Table:
    """A table of marks.

    Args:
        title: above it.
        rows: their names.
        columns: their names.
        marks: (row, column) to a filled (True) or an open (False) dot.
    """

    title: str
    rows: list[str]
    columns: list[str]
    marks: dict[tuple[str, str], bool]

    @property
    def height(self) -> int:
        return HEAD + CELL * len(self.rows) + 2 * MARGIN

    @property
    def width(self) -> int:
        return LABEL + CELL * len(self.columns) + 80

    def svg(self, top: int) -> Iterator[str]:
        """Yield the table's elements, from ``top`` px on."""
        left, first = MARGIN + LABEL, top + MARGIN + HEAD
        yield f'<text x="{MARGIN}" y="{top + MARGIN}" class="title">{escape(self.title)}</text>'
        for column, name in enumerate(self.columns):
            x = left + CELL * column + CELL // 2
            yield f'<text transform="translate({x + 4},{first - 8}) rotate(-50)">{escape(name)}</text>'
        for row, name in enumerate(self.rows):
            y = first + CELL * row + CELL // 2
            right = left + CELL * len(self.columns)
            yield f'<line x1="{left}" y1="{y}" x2="{right}" y2="{y}"/>'
            yield f'<text x="{left - 8}" y="{y + 4}" text-anchor="end">{escape(name)}</text>'
            for column, other in enumerate(self.columns):
                filled = self.marks.get((name, other))
                if filled is not None:
                    kind = "full" if filled else "open"
                    yield f'<circle cx="{left + CELL * column + CELL // 2}" cy="{y}" r="6" class="{kind}"/>'


def rooms_table() -> Table:
    rooms = [room for layer in LAYERS for room in layer]
    arrows = room_arrows()
    marks = {(one, other): True for one, other in arrows if one in rooms and other in rooms}
    return Table("Rooms: the one on the left imports those with a dot", rooms, rooms, marks)


def data_table() -> Table:
    homes, used = artifact_homes(), stage_artifacts()
    artifacts = sorted(homes, key=lambda name: list(STAGES).index(homes[name]))
    marks = {(stage, name): homes[name] == stage for stage in STAGES for name in artifacts if name in used[stage]}
    title = "Data: a stage leaves the files with a full dot and reads those with an open one"
    return Table(title, list(STAGES), artifacts, marks)


def picture() -> str:
    """Return the picture as SVG; it is the same for the same code."""
    tables = (rooms_table(), data_table())
    width, height = max(table.width for table in tables) + 2 * MARGIN, sum(table.height for table in tables)
    body, top = [], 0
    for table in tables:
        body += table.svg(top)
        top += table.height
    style = (
        "svg{background:#fff}text{font:12px sans-serif;fill:#222}.title{font-weight:bold}"
        "line{stroke:#ddd}circle{stroke:#26547c;stroke-width:2}.full{fill:#26547c}.open{fill:#fff}"
    )
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" role="img">'
    title = "<title>Rooms of tagseg and who imports whom; stages and the files that they leave and read</title>"
    return "\n".join([head, title, f"<style>{style}</style>", *body, "</svg>"]) + "\n"


def page(text: str) -> str:
    """Return the page with the tree of now."""
    before, after = text.partition(BEGIN)[0], text.partition(END)[2]
    tree = "\n".join(["src/tagseg/", *(f"  {line}" for line in tree_lines())])
    return f"{before}{BEGIN}\n```\n{tree}\n```\n\n{END}{after}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when something is out of date")
    asked = parser.parse_args()
    made = {PAGE: page(PAGE.read_text(encoding="utf-8")), PICTURE: picture()}
    for path, text in made.items():
        if asked.check and (not path.exists() or path.read_text(encoding="utf-8") != text):
            sys.exit(f"{path.relative_to(ROOT)} is not that of the code: run make docs-architecture")
        if not asked.check:
            path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
