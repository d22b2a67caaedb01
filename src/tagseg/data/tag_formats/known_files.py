"""Which files of a folder an annotation tool left, by their names and their first letters."""

import re
from pathlib import Path

_START_BYTES = 1 << 16
_STARTS = {
    ".json": (
        re.compile(r'\s*\[\s*\{.*"(annotations|annotator)"\s*:', re.DOTALL),  # Label Studio
        re.compile(r'\s*\{.*"(samples"\s*:\s*\[|labels"\s*:\s*\{)', re.DOTALL),  # FiftyOne
    ),
    ".xml": (re.compile(r"[^<]*(<[?!][^<]*)*<annotations\b"),),  # CVAT
}
_NAMES = ("metadata.jsonl", "metadata.csv")  # Hugging Face


def tool_files(root: Path) -> list[Path]:
    """Return the files right in a folder that hold tags as Label Studio, FiftyOne, CVAT or Hugging Face write them.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "project-1.json").write_text('[{"id": 1, "annotations": []}]')
    ...     _ = Path(folder, "other.json").write_text('{"annotations": []}')
    ...     [path.name for path in tool_files(Path(folder))]
    ['project-1.json']
    """
    if not root.is_dir():
        return []
    files = sorted(path for path in root.iterdir() if path.name[0] != "." and path.is_file())
    return [path for path in files if path.name in _NAMES or _starts_so(path)]


def _starts_so(path: Path) -> bool:
    starts = _STARTS.get(path.suffix.lower())
    if starts is None:
        return False
    try:
        with path.open("rb") as file:
            text = file.read(_START_BYTES).decode("utf-8-sig", errors="replace")
    except OSError:
        return False
    return any(start.match(text) for start in starts)
