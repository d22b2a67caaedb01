"""The notebook runs from its first cell to its last, shows pictures, and is kept without them."""

from pathlib import Path
from typing import Any

import pytest

NOTEBOOK = Path(__file__).resolve().parents[2] / "examples" / "first_masks.ipynb"


def read() -> Any:
    nbformat = pytest.importorskip("nbformat", reason="the extra dev brings nbclient, which runs notebooks")
    return nbformat.read(NOTEBOOK, as_version=4)


def test_it_is_kept_without_outputs() -> None:
    cells = [cell for cell in read().cells if cell.cell_type == "code"]
    assert [(cell.outputs, cell.execution_count) for cell in cells] == [([], None)] * len(cells)


def test_it_goes_from_photographs_to_masks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nbclient = pytest.importorskip("nbclient", reason="the extra dev brings nbclient, which runs notebooks")
    pytest.importorskip("ipykernel", reason="the extra dev brings ipykernel, in which notebooks run")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    notebook = read()
    nbclient.NotebookClient(notebook, timeout=280, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 2
    printed = "".join(output.get("text", "") for output in outputs)
    assert "image,tags" in printed
    assert "# Found: 96 photographs, 5 classes, 96 with masks." in printed
    score = int(printed.rpartition("mIoU of the pseudo masks: ")[2].split()[0])
    assert score > 40  # 53 here; a map of nothing but background has 13
