"""Imports go down the table of layers, never up or sideways; and a few things happen in one place only."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from kit.architecture import load_script

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src"

# From the top down, the public names first. A file imports from layers below its own, and from its own package.
LAYERS = (("tagseg",), *load_script().LAYERS)
RANK = {package: rank for rank, layer in enumerate(LAYERS) for package in layer}


def package_of(module: str) -> str:
    """Return the package of a module: ``tagseg.ops.resize`` is in ``ops``, the root is in ``tagseg``."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else parts[0]


def module_name(path: Path) -> str:
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def source_files() -> list[Path]:
    files = sorted((SOURCE / "tagseg").rglob("*.py"))
    assert len(files) > 20, "the walk found almost no source, look at SOURCE"
    return files


def imported_modules(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield line and dotted name of every import, in functions too; ``from tagseg import ops`` is ``tagseg.ops``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level:
            yield node.lineno, "." * node.level + (node.module or "")
        elif isinstance(node, ast.ImportFrom) and node.module == "tagseg":
            for alias in node.names:
                yield node.lineno, f"tagseg.{alias.name}" if alias.name in RANK else "tagseg"
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, node.module or ""


def layer_violations(module: str, tree: ast.AST) -> list[str]:
    """Return one sentence per import that does not go down."""
    own = package_of(module)
    found = []
    for line, target in imported_modules(tree):
        other = package_of(target)
        if target.startswith("."):
            found.append(f"{module}:{line} imports relatively; write the whole name")
        elif target.split(".")[0] != "tagseg" or other == own:
            continue
        elif other not in RANK:
            found.append(f"{module}:{line} imports {target}, which is in no layer")
        elif RANK[other] <= RANK[own]:
            direction = "sideways" if RANK[other] == RANK[own] else "up"
            found.append(f"{module}:{line} imports {target}: that is {direction} from {own}")
    return found


def third_party(tree: ast.AST) -> set[str]:
    return {name.split(".")[0] for _, name in imported_modules(tree)} - {"tagseg"}


@pytest.mark.parametrize(
    ("module", "line", "problem"),
    [
        ("tagseg.ops.a", "import tagseg.models.b", "tagseg.ops.a:1 imports tagseg.models.b: that is up from ops"),
        (
            "tagseg.losses.a",
            "from tagseg.data import b",
            "tagseg.losses.a:1 imports tagseg.data: that is sideways from losses",
        ),
        ("tagseg.data.a", "from tagseg import stages", "tagseg.data.a:1 imports tagseg.stages: that is up from data"),
        ("tagseg.stages.a", "from tagseg import run", "tagseg.stages.a:1 imports tagseg: that is up from stages"),
        ("tagseg.cli.main", "from .console import x", "tagseg.cli.main:1 imports relatively; write the whole name"),
        ("tagseg.cli.main", "import tagseg.utils", "tagseg.cli.main:1 imports tagseg.utils, which is in no layer"),
        (
            "tagseg.types",
            "def f():\n import tagseg.ops.a",
            "tagseg.types:2 imports tagseg.ops.a: that is up from types",
        ),
    ],
)
def test_the_checker_sees_each_kind_of_wrong_import(module: str, line: str, problem: str) -> None:
    assert layer_violations(module, ast.parse(line)) == [problem]


def test_the_checker_lets_imports_down_and_inside_a_package_pass() -> None:
    tree = ast.parse("import torch\nfrom tagseg.ops import resize\nfrom tagseg.models.backbone import Backbone")
    assert layer_violations("tagseg.models.classifier", tree) == []


def test_every_package_has_a_layer() -> None:
    packages = {package_of(module_name(path)) for path in source_files()}
    assert packages <= set(RANK), f"no layer is written down for {sorted(packages - set(RANK))}"


def test_imports_go_down() -> None:
    violations = [
        problem
        for path in source_files()
        for problem in layer_violations(module_name(path), ast.parse(path.read_text()))
    ]
    assert violations == []


@pytest.mark.parametrize(
    ("library", "packages"),
    [
        ("typer", {"cli"}),
        ("rich", {"cli"}),
        ("pydantic", {"recipe", "serve"}),  # what people write, and what programs are answered
        ("fastapi", {"serve"}),
        ("starlette", {"serve"}),
        ("uvicorn", {"serve"}),
        ("python_multipart", {"serve"}),
        ("tomllib", {"recipe"}),
        ("lightning_fabric", {"training", "stages", "pipeline", "assemble"}),
        ("timm", {"models", "artifacts"}),  # the page of a published segmenter shows code for timm
        ("segmentation_models_pytorch", {"models"}),
        ("huggingface_hub", {"use", "models"}),  # whether its cache has weights, before timm tries to download them
        ("skimage", {"data", "ops", "refine"}),
        ("pycocotools", {"data", "artifacts"}),
        ("fcntl", {"system"}),  # what one operating system has and another lacks
        ("msvcrt", {"system"}),
        ("resource", {"system"}),
        ("ctypes", {"system"}),
    ],
)
def test_a_library_is_spoken_to_in_one_place(library: str, packages: set[str]) -> None:
    users = {
        package_of(module_name(path)) for path in source_files() if library in third_party(ast.parse(path.read_text()))
    }
    assert users <= packages, f"{library} belongs in {sorted(packages)}, found in {sorted(users)}"


def test_the_report_needs_no_torch() -> None:
    users = [
        module_name(path)
        for path in source_files()
        if package_of(module_name(path)) == "report"
        and {"torch", "torchvision"} & third_party(ast.parse(path.read_text()))
    ]
    assert users == []


def unsafe_reads(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield line and name of everything that could run code from a file; naming pickle's own error is fine."""
    for line, name in imported_modules(tree):
        if name.split(".")[0] in {"dill", "cloudpickle", "shelve", "marshal", "joblib"}:
            yield line, name
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "pickle" and node.attr != "UnpicklingError":
            yield node.lineno, ast.unparse(node)
        elif isinstance(node, ast.ImportFrom) and node.module == "pickle":
            yield from ((node.lineno, f"pickle.{name.name}") for name in node.names if name.name != "UnpicklingError")
        elif isinstance(node, ast.Call):
            given = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            name = ast.unparse(node.func)
            if name == "torch.load" and given.get("weights_only") != "True":
                yield node.lineno, "torch.load without weights_only=True"
            if name in {"np.load", "numpy.load"} and given.get("allow_pickle", "False") != "False":
                yield node.lineno, "np.load with allow_pickle"


def test_nothing_that_is_read_can_run_code() -> None:
    problems = [
        f"{module_name(path)}:{line} {name}"
        for path in source_files()
        for line, name in unsafe_reads(ast.parse(path.read_text()))
    ]
    assert problems == []


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("torch.load(p)", 1),
        ("torch.load(p, weights_only=False)", 1),
        ("torch.load(p, weights_only=True)", 0),
        ("np.load(p, allow_pickle=True)", 1),
        ("np.load(p)", 0),
        ("pickle.load(p)", 1),
        ("from pickle import loads", 1),
        ("import joblib", 1),
        ("import pickle\nkind = pickle.UnpicklingError", 0),
    ],
)
def test_the_checker_of_reads_sees_unsafe_ones(text: str, count: int) -> None:
    assert len(list(unsafe_reads(ast.parse(text)))) == count


ALLOWED_ACTS = {
    ("tagseg.data.datasets", "except TagsegError"),  # a worker hands an error to the main process, which raises it
    ("tagseg.prediction.many_images", "except TagsegError"),  # a file that cannot be read ends nothing: it is handed on
    ("tagseg.training.engine", "except TagsegError"),  # a spawned process writes its error down for the first one
    ("tagseg.system.apart", "except TagsegError"),  # the same
    ("tagseg.system.orphans", "os._exit"),  # a worker ends itself when the process that started it is gone
}


def forbidden_acts(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield line and name of every print, exit, use of a standard stream and catch of all our errors."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.Attribute):
            name = ast.unparse(node)
            if name in {"print", "exit", "sys.exit", "os._exit", "sys.stdout", "sys.stderr"}:
                yield node.lineno, name
        elif isinstance(node, ast.ExceptHandler) and node.type is not None and "TagsegError" in ast.unparse(node.type):
            yield node.lineno, "except TagsegError"


def test_only_the_command_line_prints_exits_and_catches_our_errors() -> None:
    problems = [
        f"{module_name(path)}:{line} {act}"
        for path in source_files()
        if package_of(module_name(path)) not in {"cli", "serve"}
        for line, act in forbidden_acts(ast.parse(path.read_text()))
        if (module_name(path), act) not in ALLOWED_ACTS
    ]
    assert problems == []


def test_the_checker_of_acts_sees_them() -> None:
    text = "try:\n print(1)\nexcept (TagsegError, OSError):\n sys.exit(1)\nsys.stdout.write('a')"
    assert sorted(forbidden_acts(ast.parse(text))) == [
        (2, "print"),
        (3, "except TagsegError"),
        (4, "sys.exit"),
        (5, "sys.stdout"),
    ]
