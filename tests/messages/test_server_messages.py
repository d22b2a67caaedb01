"""The browser app's server, word for word: options, addresses, who asks, and how it starts."""

import socket
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from kit.command_line import exit_code
from kit.messages import assert_says
from kit.serving import Answer, Client, photo

from tagseg.data.image_formats import ENDINGS_BY_FORMAT
from tagseg.errors import ServeError
from tagseg.serve.server import address_of, open_socket

KINDS = ", ".join(ENDINGS_BY_FORMAT)
PLAIN = "open the address that 'tagseg serve' printed, or start it with --allow-host and this name"
FORMATS = (
    "json, png, overlay, coco, coco-rle, coco-rle-plain, voc, ids, yolo, yolo-masks, label-studio, "
    "label-studio-polygons, cvat, labelme, huggingface"
)
OTHER_SITE = "open the address that 'tagseg serve' printed, or start it with --allow-origin and this site"


@pytest.mark.parametrize(
    ("fields", "problem", "help"),
    [
        ({"tags": "dgo"}, "tag 'dgo' is not a class of this network", "did you mean 'dog'?"),
        ({"formt": "png"}, "option 'formt' of a request is unknown", "did you mean 'format'?"),
        (
            {"format": "jpeg"},
            f"format is one of {FORMATS}, got 'jpeg'",
            f"use one of: {', '.join(sorted(FORMATS.split(', ')))}",
        ),
        (
            {"network": "both"},
            "network is one of segmenter, classifier, got 'both'",
            "use one of: classifier, segmenter",
        ),
        ({"palette": "blue"}, "palette is one of voc, safe, got 'blue'", "use one of: safe, voc"),
        (
            {"background_score": "1.5"},
            "background_score lies in 0..1, got '1.5'",
            "send for example background_score=0.5",
        ),
        ({"opacity": "much"}, "opacity lies in 0..1, got 'much'", "send for example opacity=0.5"),
        ({"opacity": "nan"}, "opacity lies in 0..1, got 'nan'", "send for example opacity=0.5"),
        ({"flip": "maybe"}, "flip is true or false, got 'maybe'", "send flip=true"),
        (
            {"scales": "0"},
            "scales are numbers in 0.25..4 with commas between, got '0'",
            "send for example scales=0.5,1,1.5",
        ),
        (
            {"scales": "1;2"},
            "scales are numbers in 0.25..4 with commas between, got '1;2'",
            "send for example scales=0.5,1,1.5",
        ),
        (
            {"scales": "1,1,1,1,1,1,1", "flip": "on"},
            "an image is looked at 12 times at most, scales and mirror images together, got 14",
            "take fewer scales",
        ),
    ],
)
def test_options(client: Client, fields: dict[str, str], problem: str, help: str) -> None:
    assert client.send("/predict", ("a.png", photo()), **fields).sentences == (400, problem, help)


@pytest.mark.parametrize(
    ("ask", "status", "problem", "help"),
    [
        pytest.param(
            lambda client: client.send("/cams?format=png", ("a.png", photo())),
            400,
            "option 'format' of a request is unknown",
            "use one of: flip, scales, tags",
            id="an_option_of_maps",
        ),
        *(
            pytest.param(
                lambda client, kind=kind: client.send("/predict", *[("a.png", photo())] * 2, format=kind),
                400,
                f"format {kind} answers one image, got 2 files",
                "send one file a request, or ask for json or the format of an export",
                id=f"one_{kind}_of_several_images",
            )
            for kind in ("png", "overlay")
        ),
        pytest.param(
            lambda client: client.send("/predict", ("a.png", photo()), ("notes.jpg", b"text"), format="coco"),
            415,
            f"image notes.jpg must be one of {KINDS}, got another content",
            "send another file",
            id="a_bad_file_among_those_of_a_coco_file",
        ),
    ],
)
def test_requests(client: Client, ask: Callable[[Client], Answer], status: int, problem: str, help: str) -> None:
    assert ask(client).sentences == (status, problem, help)


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", "10.0.0.5", "[", ""]
)
def test_another_name_of_this_machine(client: Client, host: str) -> None:
    for answer in (client.get("/", host=host), client.send("/predict", ("a.png", photo()), headers={"host": host})):
        assert answer.sentences == (
            400,
            f"request names this server by an address that it has, got '{host}'",
            PLAIN,
        )


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "http://127.0.0.1:1", "null", "http://[", "http://localhost"]
)
def test_a_page_of_another_site(client: Client, origin: str) -> None:
    assert client.send("/predict", ("a.png", photo()), headers={"origin": origin}).sentences == (
        403,
        f"request comes from this server's own page or from a program, got one from '{origin}'",
        OTHER_SITE,
    )


def test_its_own_page_and_programs(client: Client) -> None:
    for host in (f"127.0.0.1:{client.port}", f"localhost:{client.port}", f"[::1]:{client.port}"):
        headers = {"host": host, "origin": f"http://{host}"}
        assert client.send("/predict", ("a.png", photo()), headers=headers).status == 200
    assert client.send("/predict", ("a.png", photo())).status == 200


@pytest.mark.parametrize(
    "path",
    [
        "/nowhere",
        "/static/nowhere.js",
        "/static/../app.py",
        "/static/..%2fapp.py",
        "/docs/oauth2-redirect",
        "/redoc",
    ],
)
def test_an_address_of_nothing(client: Client, path: str) -> None:
    assert client.get(path).sentences == (
        404,
        "address is one of this server's, got another one",
        "open / for the page or /docs for programs",
    )


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("GET", "/predict", "POST"), ("DELETE", "/cams", "POST"), ("POST", "/info", "GET"), ("PUT", "/", "GET")],
)
def test_another_method(client: Client, method: str, path: str, allowed: str) -> None:
    answer = client.ask(method, path)
    assert answer.sentences == (405, f"address {path} is asked with {allowed}, got {method}", f"use {allowed}")
    assert answer.headers["allow"] == allowed


def test_a_port_that_is_taken(capsys: pytest.CaptureFixture[str], full_run: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        assert exit_code("serve", str(full_run), "--port", str(port)) == 2
    assert capsys.readouterr().err == (
        f"error: port {port} of 127.0.0.1 must be free, got one that is taken\n"
        "help: choose another --port, or 0 for any that is free\n"
    )


@pytest.mark.parametrize("host", ["no-such-host.invalid", "203.0.113.7"])
def test_a_host_that_is_elsewhere(host: str) -> None:
    assert_says(
        lambda: open_socket(host, 0),
        ServeError,
        f"host '{host}' must be a name or an address of this machine, got another one",
        "leave --host out to be reached from this machine only",
    )


def test_nothing_to_serve(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert exit_code("serve", str(tmp_path), "--port", "0") == 2
    assert capsys.readouterr().err == (
        f"error: folder {tmp_path} must be that of a run or hold segmenter.json, got neither\n"
        "help: name the folder that tagseg wrote\n"
    )


@pytest.mark.parametrize(("module", "package"), [("fastapi", "fastapi"), ("python_multipart", "python-multipart")])
def test_without_the_packages(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, module: str, package: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    assert exit_code("serve", str(tmp_path)) == 2
    assert capsys.readouterr().err == (
        f"error: the browser app needs the packages fastapi, uvicorn, python-multipart, got no '{package}'\n"
        "help: pip install fastapi uvicorn python-multipart\n"
    )


def test_the_address_is_one_that_a_browser_opens() -> None:
    with open_socket("127.0.0.1", 0) as listening:
        port = listening.getsockname()[1]
        assert port > 0
        assert address_of(listening, "127.0.0.1") == f"http://127.0.0.1:{port}/"
        assert address_of(listening, "0.0.0.0") == f"http://127.0.0.1:{port}/"
        assert address_of(listening, "::1") == f"http://[::1]:{port}/"
