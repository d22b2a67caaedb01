"""Exports are written by processes that end with their client, and leave nothing on the disk."""

import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from kit.serving import Client, form_of, photo, running

from tagseg.classes import ClassTable
from tagseg.serve import exporter
from tagseg.serve.exporter import FOLDER_PREFIX, Exporters, Order, SentMask
from tagseg.serve.limits import Limits
from tagseg.serve.refusal import RefusedError
from tagseg.use.label_files import FormatChoice

CLASSES = ClassTable(("cat", "dog"))

SLOW = """
import json, pathlib, sys, time
print(flush=True)
(pathlib.Path(json.loads(sys.stdin.readline())["folder"]) / "half").touch()
time.sleep(600)
"""
BUSY = """
import json, sys
from tagseg.system.cpu_time import limit_cpu_time
print(flush=True)
limit_cpu_time(json.loads(sys.stdin.readline())["work_s"])
while True: pass
"""
SERVER = """
import sys, tempfile
from tagseg.classes import ClassTable
from tagseg.serve import exporter
from tagseg.serve.exporter import Exporters, Order, SentMask
from tagseg.serve.limits import Limits
from tagseg.use.label_files import FormatChoice
exporter.COMMAND = (sys.executable, "-c", sys.argv[1])
mask = SentMask("a", bytes(9))
Exporters(Limits()).job(Order(FormatChoice("voc"), ClassTable(("cat",)), [mask])).run()
"""
WRITING = """
import sys, time
from tagseg.serve import exporting
def write(folder, *rest):
    (folder / "half").touch()
    time.sleep(600)
exporting.write_export = write
exporting.answer_requests(sys.stdin.buffer, sys.stdout.buffer)
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A temporary folder of the test's own."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


@pytest.fixture
def exporters() -> Iterator[Exporters]:
    with closing(Exporters(Limits())) as made:
        yield made


def order(labels: np.ndarray | None = None, format: str = "voc", **other: object) -> Order:
    labels = np.ones((4, 5), np.uint8) if labels is None else labels
    mask = SentMask("a.jpg", zlib.compress(labels.tobytes()), (labels.shape[0], labels.shape[1]))
    return Order(FormatChoice(format), CLASSES, [mask], **other)


def runs(monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    monkeypatch.setattr(exporter, "COMMAND", (sys.executable, "-c", program))


def until(happened: Callable[[], object], seconds: float = 120.0) -> None:
    end_s = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end_s, "it did not happen"
        time.sleep(0.02)


def halves(folder: Path) -> list[Path]:
    return list(folder.glob(f"{FOLDER_PREFIX}*/half"))


def test_one_process_writes_one_export_after_another(exporters: Exporters, temporary: Path) -> None:
    first = exporters.job(order()).run()
    (helper,) = exporters._free
    process = helper.process
    assert process is not None
    assert exporters.job(order()).run().content == first.content
    assert exporters._free[0].process is process
    assert list(temporary.iterdir()) == []
    exporters.close()
    assert process.poll() is not None


def test_a_mask_that_cannot_be_used_leaves_the_process_as_it_is(exporters: Exporters, temporary: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 3, (1300, 1300), np.uint8)
    with pytest.raises(RefusedError, match=r"^mask a.jpg has at most 2,000,000 pixel sides between labels, got 2,2"):
        exporters.job(order(noise)).run()
    process = exporters._free[0].process
    assert exporters.job(order()).run().content
    assert exporters._free[0].process is process
    assert list(temporary.iterdir()) == []


def test_a_class_that_a_format_cannot_hold(exporters: Exporters) -> None:
    mask = SentMask("a.jpg", zlib.compress(bytes(4)), (2, 2))
    with pytest.raises(RefusedError) as caught:
        exporters.job(Order(FormatChoice("cvat"), ClassTable(("a:b",)), [mask])).run()
    assert (caught.value.status, caught.value.help) == (
        400,
        "rename the class in the data set, or choose another format",
    )


def test_a_defect_shows_its_traceback_and_leaves_nothing(exporters: Exporters, temporary: Path) -> None:
    mask = SentMask("a.jpg", b"no packed data", (2, 2))
    with pytest.raises(RuntimeError, match=r"zlib\.error"):
        exporters.job(Order(FormatChoice("voc"), CLASSES, [mask])).run()
    assert list(temporary.iterdir()) == []


def test_an_export_that_works_for_too_long(monkeypatch: pytest.MonkeyPatch, temporary: Path) -> None:
    runs(monkeypatch, BUSY)
    with closing(Exporters(Limits(export_s=0.5))) as exporters:
        with pytest.raises(RefusedError) as caught:
            exporters.job(order()).run()
        assert (caught.value.status, caught.value.problem, caught.value.help) == (
            503,
            "export is written within 0.5 s of a processor, got one that is not",
            "send fewer or smaller photographs, or a larger min_area",
        )
        monkeypatch.undo()
        assert exporters.job(order()).run().content
    assert list(temporary.iterdir()) == []


def test_the_end_of_the_server_ends_exports(monkeypatch: pytest.MonkeyPatch, temporary: Path) -> None:
    runs(monkeypatch, SLOW)
    exporters = Exporters(Limits())
    refused: list[BaseException] = []

    def write() -> None:
        try:
            exporters.job(order()).run()
        except RefusedError as error:
            refused.append(error)

    thread = threading.Thread(target=write)
    thread.start()
    until(lambda: halves(temporary))
    exporters.close()
    thread.join(30)
    assert len(refused) == 1
    assert (list(temporary.iterdir()), exporters._free) == ([], [])


@pytest.mark.skipif(sys.platform == "win32", reason="sends a signal that cannot be caught")
def test_a_server_that_is_killed_leaves_nothing(temporary: Path) -> None:
    server = subprocess.Popen([sys.executable, "-c", SERVER, WRITING])
    until(lambda: halves(temporary))
    server.send_signal(signal.SIGKILL)
    server.wait()
    until(lambda: not list(temporary.iterdir()))


class TestOtherClients:
    @pytest.fixture
    def client(self, full_run: Path) -> Iterator[Client]:
        with running(full_run) as found:
            yield found

    def start(self, client: Client, monkeypatch: pytest.MonkeyPatch, temporary: Path) -> socket.socket:
        """Ask for an export that never ends, and return the connection."""
        runs(monkeypatch, SLOW)
        before = len(halves(temporary))
        body, kind = form_of({"masks": [("a.png", photo())]}, {"format": "voc"})
        connection = socket.create_connection(("127.0.0.1", client.port))
        head = (
            f"POST /export HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        connection.sendall(head.encode() + body)
        until(lambda: len(halves(temporary)) > before)
        monkeypatch.undo()
        monkeypatch.setattr(tempfile, "tempdir", str(temporary))
        return connection

    def test_a_client_that_leaves_ends_its_export(
        self, client: Client, monkeypatch: pytest.MonkeyPatch, temporary: Path
    ) -> None:
        with self.start(client, monkeypatch, temporary):
            assert client.get("/health").json()["requests"] == 1
        until(lambda: not list(temporary.iterdir()))
        until(lambda: client.get("/health").json()["requests"] == 0)

    def test_slow_exports_hold_nobody_up(
        self, client: Client, monkeypatch: pytest.MonkeyPatch, temporary: Path
    ) -> None:
        slow = [self.start(client, monkeypatch, temporary) for _ in range(3)]
        try:
            for ask in (
                lambda: client.send("/predict", ("b.png", photo())),
                lambda: client.send("/predict?format=cvat", ("b.png", photo())),
            ):
                assert ask().status == 200
            assert len(halves(temporary)) == 3  # none of the slow ones has ended
        finally:
            for connection in slow:
                connection.close()
        until(lambda: not list(temporary.iterdir()))
