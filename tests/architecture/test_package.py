"""What is shipped: the wheel, its version, and the files that a place for code reads."""

import re
import subprocess
import sys
import tomllib
import zipfile
from email import message_from_bytes
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
FORMS = [path for path in sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml")) if path.stem != "config"]
PYTHONS = [name.rpartition(" ")[2] for name in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", name)]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """Return the wheel that is built from this checkout, by its own build backend and without a network."""
    pytest.importorskip("hatchling", reason="the extra dev builds the wheel")
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (path,) = out.glob("*.whl")
    return zipfile.ZipFile(path)


def test_the_wheel_holds_every_recipe_and_whatever_else_is_no_code(wheel: zipfile.ZipFile) -> None:
    source = ROOT / "src" / "tagseg"
    kinds = ("recipes/*.toml", "py.typed", "serve/static/*", "report/templates/*")
    expected = {f"tagseg/{path.relative_to(source).as_posix()}" for kind in kinds for path in source.glob(kind)}
    assert len(expected) > 20
    assert expected - set(wheel.namelist()) == set()


def test_the_wheel_holds_the_package_and_nothing_beside_it(wheel: zipfile.ZipFile) -> None:
    assert {name.split("/")[0].partition("-")[0] for name in wheel.namelist()} == {"tagseg"}


def test_the_wheel_says_who_it_is(wheel: zipfile.ZipFile) -> None:
    (name,) = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
    said = message_from_bytes(wheel.read(name))
    assert (said["Name"], said["Version"], said["License-Expression"]) == ("tagseg", PROJECT["version"], "Apache-2.0")
    assert set(said.get_all("Provides-Extra", [])) == PROJECT["optional-dependencies"].keys()
    assert said["Description-Content-Type"] == "text/markdown"


def test_the_version_has_one_place_and_is_that_of_the_newest_release() -> None:
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.findall(r"^## \[(\d[^]]*)\]", changes, flags=re.MULTILINE)[0] == PROJECT["version"]
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.findall(r"^version: (.+)$", citation, flags=re.MULTILINE) == [PROJECT["version"]]
    sources = (ROOT / "src").rglob("*.py")
    assert [
        path.name for path in sources if re.search(rf"[\"']{re.escape(PROJECT['version'])}[\"']", path.read_text())
    ] == []


def test_doctor_knows_the_packages_of_the_extras() -> None:
    from tagseg.use.doctor import EXTRAS

    def names(needs: list[str]) -> set[str]:
        return {re.split(r"[><=]", need)[0] for need in needs}

    always, extras = names(PROJECT["dependencies"]), PROJECT["optional-dependencies"]
    assert {name: names(needs) - always for name, needs in extras.items() if name not in {"docs", "dev", "tests"}} == {
        name: set(packages) for name, packages in EXTRAS.items()
    }


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_may_do_little_and_ends(path: Path) -> None:
    workflow: dict[Any, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert workflow["permissions"] == {"contents": "read"}
    assert all("timeout-minutes" in job for job in workflow["jobs"].values())
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    for job in workflow["jobs"].values():
        for step in job["steps"]:
            goals = re.findall(r"\bmake ([a-z-]+)", step.get("run", ""))
            assert set(goals) <= targets, step


def test_the_tests_run_on_three_systems_and_every_python_that_is_promised() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "tests.yml").read_text(encoding="utf-8"))
    matrix = workflow["jobs"]["tests"]["strategy"]["matrix"]
    assert [name.partition("-")[0] for name in matrix["system"]] == ["ubuntu", "macos", "windows"]
    assert matrix["python"] == PYTHONS


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_a_form_asks_for_what_doctor_prints(path: Path) -> None:
    form = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert {"name", "description", "body"} <= set(form)
    asked = [part["attributes"]["label"] for part in form["body"] if part["type"] == "textarea"]
    assert any("`tagseg doctor" in label for label in asked)


def test_no_address_of_the_project_is_invented() -> None:
    assert "urls" not in PROJECT
    pages = [ROOT / name for name in ("README.md", "SECURITY.md", "CODE_OF_CONDUCT.md", "CONTRIBUTING.md")]
    addresses = [found for page in pages for found in re.findall(r"https?://\S+", page.read_text(encoding="utf-8"))]
    assert [found for found in addresses if "tagseg" in found.lower()] == []
