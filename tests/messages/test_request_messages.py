"""The refusals of requests to the browser app, word for word."""

import socket
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kit.serving import Answer, Client, form, photo

from tagseg.data.image_formats import ENDINGS_BY_FORMAT

FORM = "send files as curl -F images=@photo.jpg does"
KINDS = ", ".join(ENDINGS_BY_FORMAT)
SMALLER = "send a smaller copy, or start 'tagseg serve' with a higher --max-upload-mb"
PLAIN_NAME = "send the file under a plain name"
RENAME = "rename the file"
REFUSAL = ("ask", "status", "problem", "help")


def refusal(name: str, ask: Callable[[Client], Answer], status: int, problem: str, help: str) -> Any:
    """Return a row of a table of refusals."""
    return pytest.param(ask, status, problem, help, id=name)


def predict(name: str, content: bytes, **fields: Any) -> Callable[[Client], Answer]:
    """Return what sends one file."""
    return lambda client: client.send("/predict", (name, content), **fields)


def post(body: bytes, kind: str | None = "multipart/form-data; boundary=x") -> Callable[[Client], Answer]:
    """Return what sends a body of some content type."""
    return lambda client: client.ask("POST", "/predict", body, {} if kind is None else {"content-type": kind})


def bomb(side: int) -> bytes:
    """Return a whole one-bit PNG of side x side pixels in a few hundred kilobytes."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    rows = zlib.compressobj(9)
    row = bytes(1 + side // 8)
    data = b"".join(rows.compress(row) for _ in range(side)) + rows.flush()
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def send_bomb(client: Client) -> Answer:
    content = bomb(30_000)
    assert len(content) < 1_000_000
    return client.send("/predict", ("bomb.png", content))


@pytest.mark.parametrize(
    REFUSAL,
    [
        *(
            refusal(
                f"the_content_of_{name}",
                predict(name, content),
                415,
                f"image {name} must be one of {KINDS}, got {found}",
                "send another file",
            )
            for name, content, found in [
                ("notes.jpg", b"These are notes and no picture.\n" * 40, "another content"),
                ("page.png", b"<!doctype html><script>alert(1)</script>", "the content of a HTML file"),
                (
                    "drawing.svg",
                    b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
                    "the content of a SVG file",
                ),
                ("letter.ps", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "another content"),
                ("paper.pdf", b"%PDF-1.7\n", "the content of a PDF file"),
            ]
        ),
        refusal(
            "a_decompression_bomb",
            send_bomb,
            413,
            "image bomb.png must have at most 50,000,000 pixels, got more",
            "send a smaller copy",
        ),
        refusal(
            "more_pixels_than_the_server_takes",
            lambda client: client.send("/cams", ("large.png", bomb(8_000))),
            413,
            "image large.png must have at most 50,000,000 pixels, got 8000 x 8000",
            "send a smaller copy",
        ),
        refusal(
            "an_empty_file",
            predict("empty.jpg", b""),
            422,
            "image empty.jpg must not be empty, got 0 bytes",
            "send another file",
        ),
        refusal(
            "a_file_that_breaks_off",
            predict("half.jpg", photo("JPEG", (400, 300))[:3000]),
            422,
            "image half.jpg must be complete, got a JPEG file that breaks off or is damaged",
            "send another file",
        ),
    ],
)
def test_files(client: Client, ask: Callable[[Client], Answer], status: int, problem: str, help: str) -> None:
    assert ask(client).sentences == (status, problem, help)


def test_a_damaged_header(client: Client) -> None:
    assert client.send("/predict", ("bad.png", b"\x89PNG\r\n\x1a\n" + bytes(40))).sentences[0] in (415, 422)


def test_more_tags_than_a_large_image_takes(serving: Callable[..., Client], full_run: Path) -> None:
    small = serving(full_run, map_values=4000)
    assert small.send("/cams", ("a.png", photo()), tags="cat,dog,red fox").sentences == (
        413,
        "image a.png of 32 x 48 pixels takes 2 tags at most, got 3",
        "ask for them in several requests, or send a smaller copy",
    )


@pytest.mark.parametrize(
    ("name", "problem", "help"),
    [
        *(
            (name, f"has no folders, got '{shown}'", help)
            for name, shown, help in [
                ("../../etc/passwd.jpg", "../../etc/passwd.jpg", "send the file as 'passwd.jpg'"),
                ("/etc/passwd", "/etc/passwd", "send the file as 'passwd'"),
                ("..\\\\..\\\\x.jpg", "..\\..\\x.jpg", "send the file as 'x.jpg'"),
                ("<b>bold</b>.jpg", "<b>bold</b>.jpg", "send the file as 'b>.jpg'"),
                ("..", "..", PLAIN_NAME),
                ("holiday/", "holiday/", PLAIN_NAME),
            ]
        ),
        ("a\x00b.jpg", "has printable characters only, got 'a?b.jpg'", RENAME),
        ("\u202egpj.exe", "has printable characters only, got '?gpj.exe'", RENAME),
        pytest.param("x" * 3000, "has at most 200 characters, got 3000", RENAME, id="very_long"),
    ],
)
def test_names(client: Client, name: str, problem: str, help: str) -> None:
    sentence = f"file name of an upload {problem}"
    assert client.send("/predict", (name, photo())).sentences == (400, sentence, help)


def test_a_drive_is_left_out_as_old_browsers_send_it(client: Client) -> None:
    (found,) = client.send("/predict", ("C:\\\\x.jpg", photo())).json()["images"]
    assert found["name"] == "x.jpg"


def test_other_names_are_labels_as_they_are(client: Client) -> None:
    for name in ("Übung 1 (日本).JPG", "<img src=x onerror=alert(1)>.png", "CON", "-rf", "a'b;c.jpg"):
        answer = client.send("/predict", (name, photo()))
        assert answer.json()["images"][0]["name"] == name
        assert answer.headers["content-type"] == "application/json"


def send_in_another_field(client: Client) -> Answer:
    body, kind = form([("a.png", photo())], {}, field="file")
    return post(body, kind)(client)


def send_without_the_end(client: Client) -> Answer:
    body, kind = form([("a.png", photo())], {})
    return post(body[:-20], kind)(client)


def send_in_chunks(client: Client, content: bytes, size: int) -> Answer:
    body, kind = form([("a.png", content)], {})
    pieces = (body[start : start + size] for start in range(0, len(body), size))
    headers = {"content-type": kind, "transfer-encoding": "chunked"}
    return client.ask("POST", "/predict", pieces, headers, chunked=True)


@pytest.mark.parametrize(
    REFUSAL,
    [
        refusal(
            "no_file",
            lambda client: client.send("/predict", score=True),
            400,
            "request has at least one file in the form's field 'images', got none",
            FORM,
        ),
        refusal(
            "an_empty_body", post(b""), 400, "form of a request must be whole, got one that breaks off", "send it again"
        ),
        *(
            refusal(
                f"the_content_type_{found.replace('/', '_')}",
                post(b"{}", kind),
                415,
                f"request has the content type multipart/form-data, or that of an image, got {found}",
                FORM,
            )
            for kind, found in [
                ("application/json", "application/json"),
                ("text/plain; charset=utf-8", "text/plain"),
                ("multipart/form-data", "one without a boundary"),
            ]
        ),
        *(
            refusal(f"an_empty_body_of_{kind}", post(b"", kind), 400, "request has a file, got an empty body", FORM)
            for kind in (None, "image/png", "application/octet-stream")
        ),
        refusal(
            "a_body_that_is_no_image",
            post(b"{}", "image/png"),
            415,
            f"image upload must be one of {KINDS}, got another content",
            "send another file",
        ),
        refusal(
            "a_body_whose_name_has_folders",
            lambda client: client.ask(
                "POST", "/predict", photo(), {"content-disposition": 'attachment; filename="../a.png"'}
            ),
            400,
            "file name of an upload has no folders, got '../a.png'",
            "send the file as 'a.png'",
        ),
        refusal(
            "a_form_that_is_none",
            post(b"nonsense"),
            400,
            "form of a request must be whole, got one that cannot be parsed",
            FORM,
        ),
        refusal(
            "a_form_that_breaks_off",
            send_without_the_end,
            400,
            "form of a request must be whole, got one that breaks off",
            "send it again",
        ),
        refusal(
            "a_file_in_another_field",
            send_in_another_field,
            400,
            "files are in the form's field 'images', got one in 'file'",
            FORM,
        ),
        refusal(
            "too_many_files",
            lambda client: client.send("/predict", *[("a.png", b"x")] * 17),
            413,
            "request has at most 16 files, got more",
            "send them in several requests",
        ),
        refusal(
            "a_long_value",
            predict("a.png", photo(), tags="x" * 20_000),
            413,
            "value of a form has at most 10000 bytes, got more",
            FORM,
        ),
        refusal(
            "a_file_of_50_megabytes",
            predict("huge.jpg", bytes(50_000_000)),
            413,
            "upload must be at most 20 MB, got 50.0 MB",
            SMALLER,
        ),
        refusal(
            "a_body_without_length_that_is_too_long",
            lambda client: send_in_chunks(client, bytes(50_000_000), 100_000),
            413,
            "upload must be at most 20 MB, got more",
            SMALLER,
        ),
    ],
)
def test_forms(client: Client, ask: Callable[[Client], Answer], status: int, problem: str, help: str) -> None:
    assert ask(client).sentences == (status, problem, help)


def test_a_body_without_length_that_is_small_enough_is_answered(client: Client) -> None:
    assert send_in_chunks(client, photo(), 1000).status == 200


def test_a_request_that_does_not_arrive(serving: Callable[..., Client], full_run: Path) -> None:
    slow = serving(full_run, read_s=0.3)
    with socket.create_connection(("127.0.0.1", slow.port)) as connection:
        connection.sendall(
            b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n"
            b"Content-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\n"
        )
        connection.settimeout(30)
        answer = connection.recv(65536)
        while b"help" not in answer:
            answer += connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b'{"error": "request arrives within 0.3 s, got a part of it", "help": "send a smaller file"}' in answer
