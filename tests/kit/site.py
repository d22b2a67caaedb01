"""The site of the documents, built as `make docs` builds it."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from filelock import FileLock

ROOT = Path(__file__).resolve().parents[2]


def built_site(factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the site, which the first process of a test session that asks for it builds for all."""
    base = factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    out = shared / "site" / "html"
    with FileLock(shared / "site.lock"):
        done = shared / "site" / "done"
        if not done.exists():
            _build_site(out)
            done.touch()
    return out


def _build_site(out: Path) -> None:
    """Build the site; a warning fails, and without Sphinx the test is skipped."""
    pytest.importorskip("furo", reason="the extra docs builds the site")
    pytest.importorskip("myst_parser", reason="the extra docs builds the site")
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", str(ROOT / "docs"), str(out)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *words: object) -> None:
        pass


@contextmanager
def served_site(folder: Path) -> Iterator[str]:
    """Serve a folder on this machine while the block runs; lend the address. Pages from files may not read styles."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()
