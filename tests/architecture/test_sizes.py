"""Files, functions and parameter lists stay small, and everything public says what it is."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2] / "src" / "tagseg"
MAX_FILE_LINES = 300
MAX_FUNCTION_LINES = 50  # a screen of code, from `def` to the last line, without the docstring
LONGER_FUNCTIONS = {"training/loop.py": 60, "cli/main.py": 60}
MAX_PARAMETERS = 6  # without self

Function = ast.FunctionDef | ast.AsyncFunctionDef


def sources() -> list[tuple[str, str]]:
    files = [(path.relative_to(SOURCE).as_posix(), path.read_text()) for path in sorted(SOURCE.rglob("*.py"))]
    assert len(files) > 20, "the walk found almost no source, look at SOURCE"
    return files


def functions(tree: ast.AST) -> Iterator[Function]:
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def code_lines(function: Function) -> int:
    """Return the lines of a function without its docstring."""
    lines = (function.end_lineno or function.lineno) - function.lineno + 1
    if ast.get_docstring(function) is not None:
        docstring = function.body[0]
        lines -= (docstring.end_lineno or docstring.lineno) - docstring.lineno + 1
    return lines


def parameters(function: Function) -> list[str]:
    arguments = function.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return [argument.arg for argument in every if argument.arg not in {"self", "cls"}]


def is_command(function: Function) -> bool:
    """Return whether a function is a command: its parameters are options, which people name one by one."""
    return any(ast.unparse(decorator).startswith("app.command(") for decorator in function.decorator_list)


def public_definitions(tree: ast.Module) -> Iterator[tuple[str, Function | ast.ClassDef]]:
    """Yield public functions and classes of a module, and the public methods of public classes."""
    for node in tree.body:
        if isinstance(node, Function | ast.ClassDef) and not node.name.startswith("_"):
            yield node.name, node
            if isinstance(node, ast.ClassDef):
                methods = [item for item in node.body if isinstance(item, Function) and not item.name.startswith("_")]
                yield from ((f"{node.name}.{method.name}", method) for method in methods)


def documented_arguments(docstring: str) -> list[str]:
    """Return the names in the list of arguments of a docstring."""
    listed = docstring.partition("\nArgs:\n")[2].partition("\n\n")[0]
    return re.findall(r"^ {4}(\w+): ", listed, re.MULTILINE)


def test_the_measures_measure() -> None:
    text = 'def f(self, a, *, b):\n    """One.\n\n    Two.\n    """\n    return a + b\n'
    (function,) = functions(ast.parse(text))
    assert code_lines(function) == 2
    assert parameters(function) == ["a", "b"]
    assert not is_command(function)
    assert documented_arguments("One.\n\nArgs:\n    a: one\n        b: no\n    b: two\n\nReturns:\n    c: d") == [
        "a",
        "b",
    ]
    (command,) = functions(ast.parse("@app.command(epilog='x')\ndef run(): ..."))
    assert is_command(command)


def test_files_are_short() -> None:
    lengths = {name: len(text.splitlines()) for name, text in sources()}
    assert {name: lines for name, lines in lengths.items() if lines > MAX_FILE_LINES} == {}


def test_functions_fit_a_screen() -> None:
    long = [
        f"{name}:{function.lineno} {function.name} has {code_lines(function)} lines"
        for name, text in sources()
        for function in functions(ast.parse(text))
        if code_lines(function) > LONGER_FUNCTIONS.get(name, MAX_FUNCTION_LINES)
    ]
    assert long == []


def test_functions_take_few_parameters() -> None:
    many = [
        f"{name}:{function.lineno} {function.name} takes {', '.join(parameters(function))}"
        for name, text in sources()
        for function in functions(ast.parse(text))
        if len(parameters(function)) > MAX_PARAMETERS and not is_command(function)
    ]
    assert many == []


def test_everything_public_has_a_docstring() -> None:
    silent = [
        f"{name}:{node.lineno} {label}"
        for name, text in sources()
        for label, node in public_definitions(ast.parse(text))
        if ast.get_docstring(node) is None
    ]
    assert silent == []


def test_no_argument_is_said_twice() -> None:
    twice = [
        f"{name}:{node.lineno} {label} says {argument} twice"
        for name, text in sources()
        for label, node in public_definitions(ast.parse(text))
        for argument, count in Counter(documented_arguments(ast.get_docstring(node) or "")).items()
        if count > 1
    ]
    assert twice == []


def test_every_file_says_what_it_is() -> None:
    silent = [name for name, text in sources() if text.strip() and ast.get_docstring(ast.parse(text)) is None]
    assert silent == []


def test_nothing_is_left_to_do() -> None:
    marks = ("TO" + "DO", "FIX" + "ME", "XX" + "X")  # in halves, so that this line is not found
    left = [f"{name}: {mark}" for name, text in sources() for mark in marks if mark in text]
    assert left == []
