"""The Dockerfile: it copies what is there and lets through, and starts a command that there is."""

import json
import re
import tomllib
from pathlib import Path

import typer

from tagseg.cli.serve_command import app

ROOT = Path(__file__).resolve().parents[2]
LINES = (ROOT / "Dockerfile").read_text().splitlines()


def words_of(instruction: str) -> list[str]:
    (line,) = [line for line in LINES if line.startswith(f"{instruction} ")]
    return json.loads(line.removeprefix(f"{instruction} "))


def test_it_copies_what_is_there() -> None:
    copied = [name for line in LINES if line.startswith("COPY ") for name in line.split()[1:-1]]
    assert "src" in copied
    assert all((ROOT / name).exists() for name in copied)
    let_through = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert let_through == set(copied)


def test_what_the_package_needs_to_be_built_is_copied() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    copied = " ".join(line for line in LINES if line.startswith("COPY "))
    for name in (project["readme"], *project["license-files"]):
        assert name in copied
    assert "serve" in project["optional-dependencies"]


def test_it_starts_the_server_for_everybody_who_reaches_the_container() -> None:
    program, command, *options = words_of("ENTRYPOINT")
    assert (program, command) == ("tagseg", "serve")
    parameters = typer.main.get_command(app).params
    known = {name for parameter in parameters for name in parameter.opts}
    assert options[::2] == ["--host", "--device"]
    assert set(options[::2]) <= known
    assert dict(zip(options[::2], options[1::2], strict=True))["--host"] == "0.0.0.0"
    assert len(words_of("CMD")) == 1


def test_it_runs_as_no_root_and_a_python_that_is_supported() -> None:
    assert "USER tagseg" in LINES
    (version,) = [found[1] for line in LINES if (found := re.match(r"FROM python:3\.(\d+)-slim", line))]
    assert 11 <= int(version) <= 14
