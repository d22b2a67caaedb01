"""For tests of the browser app behind a reverse proxy: nginx where it is installed, and a small one of Python."""

import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from kit.processes import wait_until


@dataclass(frozen=True)
class Route:
    """What a proxy hands on.

    Args:
        prefix: of the addresses that it takes, such as ``/tools/masks``.
        upstream: port of the server behind it.
        host: the Host header that the server sees; None for the one that was sent.
        keeps_prefix: whether the server sees it.
    """

    prefix: str
    upstream: int
    host: str | None = None
    keeps_prefix: bool = False


def free_port() -> int:
    """Return a port that nothing listens at."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, *args: object, route: Route) -> None:
        self.route = route
        super().__init__(*args)  # pyright: ignore[reportArgumentType]

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def hand_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name: value for name, value in self.headers.items() if name.lower() not in ("connection", "host")}
        headers["Host"] = self.route.host or self.headers["Host"]
        inside = self.path.startswith(f"{self.route.prefix}/")
        path = self.path if self.route.keeps_prefix or not inside else self.path.removeprefix(self.route.prefix)
        connection = HTTPConnection("127.0.0.1", self.route.upstream, timeout=60)
        try:
            connection.request(self.command, path if inside else "/nowhere", body, headers)
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_OPTIONS = hand_on  # noqa: N815 (names of http.server)


@contextmanager
def proxied(kind: str, route: Route, folder: Path, *, port: int) -> Iterator[None]:
    """Run a proxy until the block ends.

    Args:
        kind: ``python`` or ``nginx``; the test is skipped where nginx is not installed.
        route: what it hands on.
        folder: for the files of nginx.
        port: from :func:`free_port`.
    """
    if kind == "nginx":
        with _nginx(route, folder, port):
            yield
        return
    with ThreadingHTTPServer(("127.0.0.1", port), partial(_Handler, route=route)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield
        server.shutdown()


@contextmanager
def _nginx(route: Route, folder: Path, port: int) -> Iterator[None]:
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if program is None:
        pytest.skip("no nginx on this machine (Debian: apt-get install nginx)")
    end = "" if route.keeps_prefix else "/"
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "\n".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
    # `user` is heeded for root only: other users may not look into a test's folder.
    (folder / "nginx.conf").write_text(f"""
        user root; daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log;
        events {{ worker_connections 64; }}
        http {{
            access_log off; client_max_body_size 30m; {temporary}
            server {{
                listen 127.0.0.1:{port};
                location {route.prefix}/ {{
                    proxy_pass http://127.0.0.1:{route.upstream}{end};
                    proxy_set_header Host {route.host or "$http_host"};
                }}
            }}
        }}
    """)
    process = subprocess.Popen([program, "-p", str(folder), "-e", f"{folder}/error.log", "-c", f"{folder}/nginx.conf"])
    try:
        assert wait_until(lambda: _listens(port)), (folder / "error.log").read_text()
        yield
    finally:
        process.terminate()
        process.wait(30)


def _listens(port: int) -> bool:
    with socket.socket() as asked:
        return asked.connect_ex(("127.0.0.1", port)) == 0
