"""How the server behaves: many at a time, clients that leave, defects, nothing written, its start and its end."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from kit.processes import wait_until
from kit.serving import Client, form, photo, running
from PIL import Image as PillowImage

from tagseg.serve.service import Service


def listing(*folders: Path) -> set[str]:
    return {str(path) for folder in folders for path in folder.rglob("*")}


class Gate:
    """Holds the worker until it is opened, and counts the files that reached it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.names: list[str] = []
        self.entered, self.opened = threading.Event(), threading.Event()
        self.predict = predict = Service.predict

        def wait(service, upload, options):
            self.names.append(upload.name)
            self.entered.set()
            assert self.opened.wait(30)
            return predict(service, upload, options)

        monkeypatch.setattr(Service, "predict", wait)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    made = Gate(monkeypatch)
    yield made
    made.opened.set()


def leave_after_sending(client, name: str) -> None:
    """Send a whole request and close the connection without waiting for its answer."""
    body, kind = form([(name, photo())], {})
    head = f"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", client.port)) as connection:
        connection.sendall(head.encode() + body)
        assert wait_until(lambda: client.get("/health").json()["requests"] >= 2)


class TestManyAtATime:
    def test_twenty_parallel_uploads_all_succeed(self, serving, full_run):
        client, images = serving(full_run), [photo(size=(80 + index, 64)) for index in range(20)]
        with ThreadPoolExecutor(20) as pool:
            answers = list(pool.map(lambda image: client.send("/predict", ("a.png", image)), images))
        assert [answer.status for answer in answers] == [200] * 20
        assert [answer.json()["images"][0]["width"] for answer in answers] == list(range(80, 100))

    def test_the_server_answers_others_while_the_network_works(self, serving, full_run, gate):
        client = serving(full_run)
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(client.send, "/predict", ("a.png", photo()))
            assert gate.entered.wait(30)
            assert client.get("/health").json() == {"status": "ok", "requests": 1}
            assert client.get("/").status == 200
            gate.opened.set()
            assert answer.result().status == 200

    def test_a_file_that_takes_long_holds_nobody_up(self, serving, full_run, gate, monkeypatch):
        held = Service.predict
        monkeypatch.setattr(
            Service, "predict", lambda *call: (held if call[1].name == "slow.png" else gate.predict)(*call)
        )
        client = serving(full_run, alone_s=0.05)
        with ThreadPoolExecutor(1) as pool:
            slow = pool.submit(client.send, "/predict", *[("slow.png", photo())] * 3)
            assert gate.entered.wait(30)
            assert client.send("/predict", ("a.png", photo())).status == 200
            assert not slow.done()
            gate.opened.set()
            assert slow.result().status == 200

    def test_more_than_it_takes_are_told_when_to_come_again(self, serving, full_run, gate):
        client = serving(full_run, waiting=2)
        with ThreadPoolExecutor(2) as pool:
            inside = [pool.submit(client.send, "/predict", ("a.png", photo())) for _ in range(2)]
            assert wait_until(lambda: client.get("/health").json()["requests"] == 2)
            answer = client.send("/predict", ("b.png", photo(size=(900, 900))))
            gate.opened.set()
            assert [each.result().status for each in inside] == [200, 200]
        seconds = int(answer.headers["retry-after"])
        assert seconds >= 1
        assert answer.sentences == (
            429,
            "server takes 2 requests at a time, got one more",
            f"send it again in {seconds} s",
        )
        assert client.send("/predict", ("b.png", photo())).status == 200

    def test_an_answer_that_takes_too_long(self, serving, full_run, gate):
        client = serving(full_run, answer_s=0.3)
        assert client.send("/predict", ("a.png", photo())).sentences == (
            503,
            "answer is there within 0.3 s, got no answer by then",
            "send fewer or smaller images, or fewer scales",
        )
        gate.opened.set()
        assert wait_until(lambda: client.send("/predict", ("a.png", photo())).status == 200)


class TestClientsThatLeave:
    def test_nothing_is_computed_for_one_that_left_before_its_turn(self, serving, full_run, gate):
        client = serving(full_run)
        with ThreadPoolExecutor(1) as pool:
            first = pool.submit(client.send, "/predict", ("first.png", photo()))
            assert gate.entered.wait(30)
            leave_after_sending(client, "left.png")
            assert wait_until(lambda: client.get("/health").json()["requests"] == 1)
            gate.opened.set()
            assert first.result().status == 200
        assert client.send("/predict", ("last.png", photo())).status == 200
        assert gate.names == ["first.png", "last.png"]

    def test_one_that_leaves_in_the_middle_of_its_upload(self, serving, full_run):
        client = serving(full_run)
        with socket.create_connection(("127.0.0.1", client.port)) as connection:
            connection.sendall(
                b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000\r\n"
                b"Content-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\nContent-Disp"
            )
        assert wait_until(lambda: client.get("/health").json()["requests"] == 0)
        assert client.send("/predict", ("a.png", photo())).status == 200


class TestDefects:
    def test_an_error_that_nobody_foresaw_ends_its_own_request_only(self, serving, full_run, monkeypatch):
        client, predict = serving(full_run), Service.predict

        def fail(service, upload, options):
            if upload.name == "bad.png":
                raise ZeroDivisionError
            return predict(service, upload, options)

        monkeypatch.setattr(Service, "predict", fail)
        assert client.send("/predict", ("bad.png", photo())).sentences == (
            500,
            "request could not be answered, got ZeroDivisionError inside the program",
            "see the terminal of 'tagseg serve' for details",
        )
        assert client.send("/predict", ("a.png", photo())).status == 200

    def test_a_network_that_fails_says_so(self, tmp_path, classifier_run):
        import torch

        from tagseg.serve.limits import Limits
        from tagseg.serve.options import Options
        from tagseg.serve.refusal import status_of
        from tagseg.serve.uploads import Upload
        from tagseg.use.cams import load_networks

        networks = load_networks(str(classifier_run), device="cpu")
        assert networks.cams is not None
        torch.nn.init.constant_(networks.cams.classifier.head.weight, float("nan"))
        service = Service(networks, title="tiny", limits=Limits())
        with closing(service), pytest.raises(Exception, match="finite class maps") as caught:
            service.look(Upload("a.png", photo()), Options())
        assert status_of(caught.value) == 500


class TestNothingIsKept:
    def test_no_file_is_made_anywhere(self, full_run, tmp_path, monkeypatch):
        place = tmp_path / "work"
        temporary = tmp_path / "temporary"
        place.mkdir()
        temporary.mkdir()
        monkeypatch.chdir(place)
        monkeypatch.setattr(tempfile, "tempdir", str(temporary))
        made = []  # what frameworks spool to has no name in any folder, so that no listing shows it
        monkeypatch.setattr(
            tempfile, "TemporaryFile", lambda *args, **options: made.append(args) or pytest.fail("a temporary file")
        )
        before = listing(tmp_path, full_run)
        large = BytesIO()  # several megabytes: frameworks spool from one on
        PillowImage.fromarray(np.random.default_rng(0).integers(0, 256, (1200, 1200, 3), np.uint8)).save(large, "PNG")
        assert len(large.getvalue()) > 4_000_000
        with running(full_run) as client:
            assert client.send("/predict", ("a.png", large.getvalue()), ("b.png", photo())).status == 200
            assert client.send("/cams", ("../x.png", photo())).status == 400
            assert client.send("/predict", ("text.jpg", b"text")).status == 415
            assert client.send("/predict", ("huge.jpg", bytes(21_000_000))).status == 413
            assert client.send("/predict", ("a.png", photo()), format="coco").status == 200
            assert listing(tmp_path, full_run) == before
        assert listing(tmp_path, full_run) == before
        assert made == []


_ENDLESS = """
import time
from tagseg.serve.service import Service

def predict(service, upload, options):
    print("inside", flush=True)
    time.sleep(1000)

Service.predict = predict
"""


class TestCommand:
    def start(self, run: Path, *options: str, before: str = "") -> subprocess.Popen:
        command = [sys.executable, "-m", "tagseg.cli", "serve", str(run), "--port", "0", "--device", "cpu", *options]
        command[1:3] = ["-c", f"{before}\nfrom tagseg.cli.main import app_main; app_main()"]
        environment = {**os.environ, "PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1"}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        # A shell that starts the tests in the background has their children ignore Ctrl-C.
        heed = lambda: signal.signal(signal.SIGINT, signal.default_int_handler)  # noqa: E731
        return subprocess.Popen(command, env=environment, preexec_fn=heed, **pipes)

    def test_it_prints_its_address_and_ends_cleanly(self, full_run):
        process = self.start(full_run)
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith(f"{full_run} (segmenter of 3 classes, classifier of 3 classes): http://127.0.0.1:")
        assert line.endswith("/ (Ctrl-C stops)\n")
        port = int(line.split("127.0.0.1:")[1].split("/")[0])
        assert Client(port).get("/health").status == 200
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        assert (process.returncode, out, err) == (0, "stopped\n", "")

    def test_ctrl_c_ends_it_with_jobs_inside_half_a_request_and_an_open_connection(self, full_run):
        process = self.start(full_run, before=_ENDLESS)
        assert process.stdout is not None
        port = int(process.stdout.readline().split("127.0.0.1:")[1].split("/")[0])
        body, kind = form([("a.png", photo())], {})
        head = f"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\n"
        with (
            socket.create_connection(("127.0.0.1", port)) as whole,
            socket.create_connection(("127.0.0.1", port)) as half,
            socket.create_connection(("127.0.0.1", port)) as less,
            socket.create_connection(("127.0.0.1", port)) as idle,
        ):
            idle.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert idle.recv(15) == b"HTTP/1.1 200 OK"
            whole.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            half.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body[:50])
            less.sendall(b"POST /pre")
            assert process.stdout.readline() == "inside\n"
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
            assert whole.recv(12) == b"HTTP/1.1 503"
        assert (process.returncode, out, err) == (0, "stopped\n", "")

    def test_another_host_is_opened_with_a_warning(self, classifier_run):
        process = self.start(classifier_run, "--host", "0.0.0.0")
        assert process.stdout is not None
        assert process.stdout.readline() == (
            "warning: everybody who reaches 0.0.0.0 can use this server, without a password\n"
        )
        assert "http://127.0.0.1:" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
        assert process.returncode == 0
