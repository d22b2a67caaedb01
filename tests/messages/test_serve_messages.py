"""The sentences of the browser app's server, word for word: how it refuses, and that it goes on afterwards."""

import socket
import struct
import sys
import zlib
from io import BytesIO

import pytest
from kit.serving import Client, form
from PIL import Image as PillowImage

from tagseg.cli.main import app_main
from tagseg.errors import ServeError
from tagseg.serve.server import address_of, open_socket

PLAIN = "open the address that 'tagseg serve' printed"
FORM = "send files as curl -F images=@photo.jpg does"
KINDS = "JPEG, PNG, WEBP, BMP, TIFF, GIF"


def photo(kind: str = "PNG", size: tuple[int, int] = (48, 32)) -> bytes:
    file = BytesIO()
    PillowImage.effect_noise(size, 80).convert("RGB").save(file, format=kind)
    return file.getvalue()


def bomb(side: int) -> bytes:
    """Return a whole one-bit PNG of side x side pixels in a few hundred kilobytes."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    rows = zlib.compressobj(9)
    row = bytes(1 + side // 8)
    data = b"".join(rows.compress(row) for _ in range(side)) + rows.flush()
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


@pytest.fixture(scope="module")
def client(serving, full_run) -> Client:
    return serving(full_run)


@pytest.fixture(autouse=True)
def app_goes_on(request):
    """After every refusal the same server answers an ordinary request."""
    yield
    if "client" in request.fixturenames:
        answer = request.getfixturevalue("client").send("/predict", ("after.png", photo()))
        assert answer.status == 200
        assert answer.json()["images"][0]["width"] == 48


class TestFiles:
    @pytest.mark.parametrize(
        ("name", "content"),
        [
            ("notes.jpg", b"These are notes and no picture.\n" * 40),
            ("page.png", b"<!doctype html><script>alert(1)</script>"),
            ("drawing.svg", b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'),
            ("letter.ps", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"),
            ("paper.pdf", b"%PDF-1.7\n"),
        ],
    )
    def test_the_content_decides_and_not_the_name(self, client, name, content):
        assert client.send("/predict", (name, content)).sentences == (
            415,
            f"image {name} must be one of {KINDS}, got another content",
            "send another file",
        )

    def test_a_decompression_bomb_is_refused_before_it_is_decoded(self, client):
        content = bomb(30_000)
        assert len(content) < 1_000_000
        assert client.send("/predict", ("bomb.png", content)).sentences == (
            413,
            "image bomb.png must have at most 50,000,000 pixels, got more",
            "send a smaller copy",
        )

    def test_more_pixels_than_the_server_takes(self, client):
        assert client.send("/cams", ("large.png", bomb(8_000))).sentences == (
            413,
            "image large.png must have at most 50,000,000 pixels, got 8000 x 8000",
            "send a smaller copy",
        )

    def test_an_empty_file(self, client):
        assert client.send("/predict", ("empty.jpg", b"")).sentences == (
            422,
            "image empty.jpg must not be empty, got 0 bytes",
            "send another file",
        )

    def test_a_file_that_breaks_off(self, client):
        assert client.send("/predict", ("half.jpg", photo("JPEG", (400, 300))[:3000])).sentences == (
            422,
            "image half.jpg must be complete, got a JPEG file that breaks off or is damaged",
            "send another file",
        )

    def test_a_damaged_header(self, client):
        assert client.send("/predict", ("bad.png", b"\x89PNG\r\n\x1a\n" + bytes(40))).sentences[0] in (415, 422)

    def test_more_tags_than_a_large_image_takes(self, serving, full_run):
        small = serving(full_run, map_values=4000)
        assert small.send("/cams", ("a.png", photo()), tags="cat,dog,red fox").sentences == (
            413,
            "image a.png of 32 x 48 pixels takes 2 tags at most, got 3",
            "ask for them in several requests, or send a smaller copy",
        )


class TestNames:
    @pytest.mark.parametrize(
        ("name", "shown", "help"),
        [
            ("../../etc/passwd.jpg", "../../etc/passwd.jpg", "send the file as 'passwd.jpg'"),
            ("/etc/passwd", "/etc/passwd", "send the file as 'passwd'"),
            ("..\\\\..\\\\x.jpg", "..\\..\\x.jpg", "send the file as 'x.jpg'"),
            ("<b>bold</b>.jpg", "<b>bold</b>.jpg", "send the file as 'b>.jpg'"),
            ("..", "..", "send the file under a plain name"),
            ("holiday/", "holiday/", "send the file under a plain name"),
        ],
    )
    def test_folders(self, client, name, shown, help):
        assert client.send("/predict", (name, photo())).sentences == (
            400,
            f"file name of an upload has no folders, got '{shown}'",
            help,
        )

    def test_a_drive_is_left_out_as_old_browsers_send_it(self, client):
        (found,) = client.send("/predict", ("C:\\\\x.jpg", photo())).json()["images"]
        assert found["name"] == "x.jpg"

    @pytest.mark.parametrize(("name", "shown"), [("a\x00b.jpg", "a?b.jpg"), ("\u202egpj.exe", "?gpj.exe")])
    def test_characters_that_cannot_be_printed(self, client, name, shown):
        assert client.send("/predict", (name, photo())).sentences == (
            400,
            f"file name of an upload has printable characters only, got '{shown}'",
            "rename the file",
        )

    def test_a_very_long_name(self, client):
        assert client.send("/predict", ("x" * 3000, photo())).sentences == (
            400,
            "file name of an upload has at most 200 characters, got 3000",
            "rename the file",
        )

    def test_other_names_are_labels_as_they_are(self, client):
        for name in ("Übung 1 (日本).JPG", "<img src=x onerror=alert(1)>.png", "CON", "-rf", "a'b;c.jpg"):
            answer = client.send("/predict", (name, photo()))
            assert answer.json()["images"][0]["name"] == name
            assert answer.headers["content-type"] == "application/json"


class TestForms:
    def test_no_file(self, client):
        assert client.send("/predict", score=True).sentences == (
            400,
            "request has at least one file in the form's field 'images', got none",
            FORM,
        )

    def test_an_empty_body(self, client):
        answer = client.ask("POST", "/predict", b"", {"content-type": "multipart/form-data; boundary=x"})
        assert answer.sentences == (400, "form of a request must be whole, got one that breaks off", "send it again")

    @pytest.mark.parametrize(
        ("kind", "found"),
        [
            ("application/json", "application/json"),
            ("image/png", "image/png"),
            ("multipart/form-data", "multipart/form-data"),
            (None, "none"),
        ],
    )
    def test_no_form(self, client, kind, found):
        headers = {} if kind is None else {"content-type": kind}
        assert client.ask("POST", "/predict", b"{}", headers).sentences == (
            415,
            f"request has the content type multipart/form-data with a boundary, got {found}",
            FORM,
        )

    def test_a_form_that_is_none(self, client):
        answer = client.ask("POST", "/predict", b"nonsense", {"content-type": "multipart/form-data; boundary=x"})
        assert answer.sentences == (400, "form of a request must be whole, got one that cannot be parsed", FORM)

    def test_a_form_that_breaks_off(self, client):
        body, kind = form([("a.png", photo())], {})
        assert client.ask("POST", "/predict", body[:-20], {"content-type": kind}).sentences == (
            400,
            "form of a request must be whole, got one that breaks off",
            "send it again",
        )

    def test_a_file_in_another_field(self, client):
        body, kind = form([("a.png", photo())], {}, field="file")
        assert client.ask("POST", "/predict", body, {"content-type": kind}).sentences == (
            400,
            "files are in the form's field 'images', got one in 'file'",
            FORM,
        )

    def test_too_many_files(self, client):
        assert client.send("/predict", *[("a.png", b"x")] * 17).sentences == (
            413,
            "request has at most 16 files, got more",
            "send them in several requests",
        )

    def test_a_long_value(self, client):
        assert client.send("/predict", ("a.png", photo()), tags="x" * 20_000).sentences == (
            413,
            "value of a form has at most 10000 bytes, got more",
            FORM,
        )


class TestSize:
    def test_a_file_of_50_megabytes(self, client):
        assert client.send("/predict", ("huge.jpg", bytes(50_000_000))).sentences == (
            413,
            "upload must be at most 20 MB, got 50.0 MB",
            "send a smaller copy, or start 'tagseg serve' with a higher --max-upload-mb",
        )

    def test_a_body_without_length_is_cut_off_at_the_limit(self, client):
        body, kind = form([("huge.jpg", bytes(50_000_000))], {})
        pieces = (body[start : start + 100_000] for start in range(0, len(body), 100_000))
        headers = {"content-type": kind, "transfer-encoding": "chunked"}
        assert client.ask("POST", "/predict", pieces, headers, chunked=True).sentences == (
            413,
            "upload must be at most 20 MB, got more",
            "send a smaller copy, or start 'tagseg serve' with a higher --max-upload-mb",
        )

    def test_a_body_without_length_that_is_small_enough_is_answered(self, client):
        body, kind = form([("a.png", photo())], {})
        pieces = (body[start : start + 1000] for start in range(0, len(body), 1000))
        headers = {"content-type": kind, "transfer-encoding": "chunked"}
        assert client.ask("POST", "/predict", pieces, headers, chunked=True).status == 200

    def test_a_request_that_does_not_arrive(self, serving, full_run):
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


class TestOptions:
    @pytest.mark.parametrize(
        ("fields", "problem", "help"),
        [
            ({"tags": "dgo"}, "tag 'dgo' is no class of this network", "did you mean 'dog'?"),
            ({"formt": "png"}, "option 'formt' of a request is unknown", "did you mean 'format'?"),
            (
                {"format": "jpeg"},
                "format is one of json, png, coco, overlay, got 'jpeg'",
                "use one of: coco, json, overlay, png",
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
    def test_values(self, client, fields, problem, help):
        assert client.send("/predict", ("a.png", photo()), **fields).sentences == (400, problem, help)

    def test_maps_have_fewer_options(self, client):
        assert client.send("/cams?format=png", ("a.png", photo())).sentences == (
            400,
            "option 'format' of a request is unknown",
            "use one of: flip, scales, tags",
        )

    @pytest.mark.parametrize("format", ["png", "overlay"])
    def test_one_picture_of_several_images(self, client, format):
        assert client.send("/predict", *[("a.png", photo())] * 2, format=format).sentences == (
            400,
            f"format {format} answers one image, got 2 files",
            "send one file a request, or ask for json or coco",
        )

    def test_a_bad_file_among_those_of_a_coco_file(self, client):
        answer = client.send("/predict", ("a.png", photo()), ("notes.jpg", b"text"), format="coco")
        assert answer.sentences == (
            415,
            f"image notes.jpg must be one of {KINDS}, got another content",
            "send another file",
        )


class TestWho:
    @pytest.mark.parametrize(
        "host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", "10.0.0.5", "[", ""]
    )
    def test_another_name_of_this_machine(self, client, host):
        for answer in (client.get("/", host=host), client.send("/predict", ("a.png", photo()), headers={"host": host})):
            assert answer.sentences == (
                400,
                f"request names this server by an address that it has, got '{host}'",
                PLAIN,
            )

    @pytest.mark.parametrize(
        "origin", ["https://evil.example", "http://127.0.0.1:1", "null", "http://[", "http://localhost"]
    )
    def test_a_page_of_another_site(self, client, origin):
        assert client.send("/predict", ("a.png", photo()), headers={"origin": origin}).sentences == (
            403,
            f"request comes from this server's own page or from a program, got one from '{origin}'",
            PLAIN,
        )

    def test_its_own_page_and_programs(self, client):
        for host in (f"127.0.0.1:{client.port}", f"localhost:{client.port}", f"[::1]:{client.port}"):
            headers = {"host": host, "origin": f"http://{host}"}
            assert client.send("/predict", ("a.png", photo()), headers=headers).status == 200
        assert client.send("/predict", ("a.png", photo())).status == 200


class TestAddresses:
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
    def test_none(self, client, path):
        assert client.get(path).sentences == (
            404,
            "address is one of this server's, got another one",
            "open / for the page or /docs for programs",
        )

    @pytest.mark.parametrize(
        ("method", "path", "allowed"),
        [("GET", "/predict", "POST"), ("DELETE", "/cams", "POST"), ("POST", "/info", "GET"), ("PUT", "/", "GET")],
    )
    def test_another_method(self, client, method, path, allowed):
        answer = client.ask(method, path)
        assert answer.sentences == (405, f"address {path} is asked with {allowed}, got {method}", f"use {allowed}")
        assert answer.headers["allow"] == allowed


class TestStart:
    def test_a_port_that_is_taken(self, capsys, full_run):
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            port = other.getsockname()[1]
            with pytest.raises(SystemExit) as ended:
                app_main(["serve", str(full_run), "--port", str(port)])
        assert ended.value.code == 2
        assert capsys.readouterr().err == (
            f"error: port {port} of 127.0.0.1 must be free, got one that is taken\n"
            "help: choose another --port, or 0 for any that is free\n"
        )

    @pytest.mark.parametrize("host", ["no-such-host.invalid", "203.0.113.7"])
    def test_a_host_that_is_elsewhere(self, host):
        with pytest.raises(ServeError) as caught:
            open_socket(host, 0)
        assert str(caught.value) == (
            f"host '{host}' must be a name or an address of this machine, got another one; "
            "leave --host out to be reached from this machine only"
        )

    def test_nothing_to_serve(self, capsys, tmp_path):
        with pytest.raises(SystemExit) as ended:
            app_main(["serve", str(tmp_path), "--port", "0"])
        assert ended.value.code == 2
        assert capsys.readouterr().err == (
            f"error: folder {tmp_path} must be that of a run or hold segmenter.json, got neither\n"
            "help: name the folder that tagseg wrote\n"
        )

    @pytest.mark.parametrize(("module", "package"), [("fastapi", "fastapi"), ("python_multipart", "python-multipart")])
    def test_without_the_packages(self, capsys, monkeypatch, tmp_path, module, package):
        monkeypatch.setitem(sys.modules, module, None)
        with pytest.raises(SystemExit) as ended:
            app_main(["serve", str(tmp_path)])
        assert ended.value.code == 2
        assert capsys.readouterr().err == (
            f"error: the browser app needs the packages fastapi, uvicorn, python-multipart, got no '{package}'\n"
            "help: in the checkout: pip install -e '.[serve]'\n"
        )

    def test_the_address_is_one_that_a_browser_opens(self):
        with open_socket("127.0.0.1", 0) as listening:
            port = listening.getsockname()[1]
            assert port > 0
            assert address_of(listening, "127.0.0.1") == f"http://127.0.0.1:{port}/"
            assert address_of(listening, "0.0.0.0") == f"http://127.0.0.1:{port}/"
            assert address_of(listening, "::1") == f"http://[::1]:{port}/"
