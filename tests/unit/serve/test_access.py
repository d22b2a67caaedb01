"""Other names, other sites, a path in front, a token: over a real socket, and behind a real proxy."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from kit.proxies import Route, free_port, proxied
from kit.serving import Client, photo, running

from tagseg.serve.access import Access
from tagseg.serve.token_gate import OPEN_ADDRESSES

TOKEN = "a-token-of-these-tests"
OWN = {"authorization": f"Bearer {TOKEN}"}
SITE = "https://tools.example"
OPENED = Access(hosts=("masks.example",), origins=(SITE,), root_path="/tools/masks", token=TOKEN)


@pytest.fixture(scope="module")
def opened(full_run: Path):
    """A server with all of it."""
    with running(full_run, access=OPENED) as client:
        yield client


def predict(client: Client, path: str = "/predict", **headers: str) -> int:
    return client.send(path, ("a.png", photo()), headers=headers).status


class TestNames:
    def test_an_allowed_name_is_its_own_with_any_port(self, opened: Client) -> None:
        for host in ("masks.example", "MASKS.example:8443", f"localhost:{opened.port}"):
            assert opened.get("/health", host=host).status == 200
        assert opened.get("/health", host="other.example").status == 400

    def test_pages_of_an_allowed_name_are_its_own_whatever_host_the_proxy_names(self, opened: Client) -> None:
        for host in ("masks.example", "127.0.0.1:8000"):
            assert predict(opened, **OWN, host=host, origin="https://masks.example") == 200
            assert predict(opened, **OWN, host=host, origin="https://masks.example:9999") == 403


class TestSites:
    def test_a_page_of_an_allowed_site_may_ask_and_read(self, opened: Client) -> None:
        asked = {
            "origin": SITE,
            "access-control-request-method": "POST",
            "access-control-request-headers": "authorization",
        }
        answer = opened.ask("OPTIONS", "/predict", headers=asked)
        assert answer.status == 200
        assert answer.headers["access-control-allow-origin"] == SITE
        assert "authorization" in answer.headers["access-control-allow-headers"].lower()
        answer = opened.send("/predict", ("a.png", photo()), headers={**OWN, "origin": SITE})
        assert (answer.status, answer.headers["access-control-allow-origin"]) == (200, SITE)

    def test_it_reads_why_it_is_refused(self, opened: Client) -> None:
        answer = opened.get("/info", origin=SITE)
        assert (answer.status, answer.headers["access-control-allow-origin"]) == (401, SITE)

    def test_other_sites_may_not(self, opened: Client) -> None:
        assert predict(opened, **OWN, origin="https://evil.example") == 403
        answer = opened.get("/info", **OWN, origin="https://evil.example")
        assert "access-control-allow-origin" not in answer.headers
        asked = {"origin": "https://evil.example", "access-control-request-method": "POST"}
        assert opened.ask("OPTIONS", "/predict", headers=asked).status == 403


class TestPath:
    @pytest.mark.parametrize("prefix", ["", "/tools/masks"])
    def test_addresses_are_the_same_with_the_prefix_and_without(self, opened: Client, prefix: str) -> None:
        assert opened.get(f"{prefix}/").body.startswith(b"<!doctype html>")
        assert opened.get(f"{prefix}/static/app.js").status == 200
        assert opened.get(f"{prefix}/openapi.json").json()["servers"] == [{"url": "/tools/masks"}]
        assert predict(opened, f"{prefix}/predict", **OWN) == 200
        assert predict(opened, f"{prefix}/predict") == 401
        for headers, status in ((OWN, 200), ({}, 401), ({**OWN, "origin": "https://evil.example"}, 403)):
            sent = {"masks": [("a.png", photo(noise=0))]}
            assert opened.send_files(f"{prefix}/export", sent, headers=headers, format="voc").status == status
        assert opened.get(f"{prefix}/nowhere", **OWN).status == 404

    def test_the_prefix_alone_leads_to_the_page(self, opened: Client) -> None:
        answer = opened.get("/tools/masks")
        assert (answer.status, answer.headers["location"]) == (308, "/tools/masks/")


class TestToken:
    def test_what_tells_nothing_is_open(self, opened: Client) -> None:
        assert {path: opened.get(path).status for path in OPEN_ADDRESSES} == dict.fromkeys(OPEN_ADDRESSES, 200)
        assert b"full_run" not in opened.get("/openapi.json").body

    @pytest.mark.parametrize("path", ["/info", "/static", "/docs/", "/nowhere", "//", "/static/../info"])
    def test_everything_else_is_not(self, opened: Client, path: str) -> None:
        answer = opened.get(path)
        assert (answer.status, answer.headers.get("www-authenticate")) in ((401, "Bearer"), (404, None))
        assert b"cat" not in answer.body

    @pytest.mark.parametrize("sent", [TOKEN, f"Basic {TOKEN}", f"Bearer {TOKEN}x", "Bearer \xe9", "Bearer"])
    def test_other_tokens_are_refused(self, opened: Client, sent: str) -> None:
        assert predict(opened, authorization=sent) == 401

    def test_a_large_upload_without_it_hears_why(self, opened: Client) -> None:
        answer = opened.send("/predict", ("a.png", bytes(5_000_000)))
        assert answer.sentences == (
            401,
            "request carries the token of this server, got none",
            "send it as the header 'Authorization: Bearer TOKEN'; who started the server has it",
        )

    def test_it_is_not_shown(self) -> None:
        assert TOKEN not in repr(OPENED)


@pytest.mark.parametrize("keeps_prefix", [False, True])
@pytest.mark.parametrize("kind", ["python", "nginx"])
def test_behind_a_proxy(opened: Client, tmp_path: Path, kind: str, keeps_prefix: bool) -> None:
    route = Route("/tools/masks", opened.port, keeps_prefix=keeps_prefix)
    port = free_port()
    with proxied(kind, route, tmp_path, port=port):
        client, own = Client(port), {"host": "masks.example", "origin": "https://masks.example"}
        assert client.get("/tools/masks/", host="masks.example").body.startswith(b"<!doctype html>")
        assert client.get("/tools/masks/static/app.css", host="masks.example").status == 200
        assert client.get("/tools/masks/info", host="masks.example", **OWN).json()["labels"][1] == "cat"
        assert predict(client, "/tools/masks/predict", **own) == 401
        assert predict(client, "/tools/masks/predict", **own, **OWN) == 200
        assert predict(client, "/tools/masks/predict", **own | {"host": "evil.example"}, **OWN) == 400
        assert predict(client, "/tools/masks/predict", **own | {"origin": "https://evil.example"}, **OWN) == 403
        assert client.get("/info", host="masks.example", **OWN).status == 404


def test_without_any_of_it_nothing_else_is_allowed(serving: Callable[..., Client], full_run: Path) -> None:
    client = serving(full_run)
    assert client.get("/info").status == 200
    assert client.get("/info", host="masks.example").status == 400
    assert predict(client, origin=SITE) == 403
    assert client.get("/tools/masks/info").status == 404
    assert replace(OPENED, hosts=("[::1]:80", "a.example:8443")).host_names == {"::1", "a.example"}
