"""An image as the whole body of a request, as programs send it that make no forms."""

from collections.abc import Callable
from pathlib import Path

import pytest
from kit.serving import Answer, Client, photo

UMLAUT = ("attachment; filename*=UTF-8''%C3%BC.png", "ü.png")


@pytest.fixture
def client(serving: Callable[..., Client], full_run: Path) -> Client:
    return serving(full_run, upload_mb=1)


def post(client: Client, path: str, body: bytes, **headers: str) -> Answer:
    return client.ask("POST", path, body, {name.replace("_", "-"): value for name, value in headers.items()})


@pytest.mark.parametrize("kind", ["image/png", "image/jpeg", "application/octet-stream", None])
def test_it_is_answered_as_the_only_file_of_a_form(client: Client, kind: str | None) -> None:
    content, headers = photo(), {} if kind is None else {"content_type": kind}
    answer = post(client, "/predict?format=png&tags=dog", content, **headers)
    assert answer.status == 200
    assert answer.body == client.send("/predict?format=png&tags=dog", ("a.png", content)).body
    (found,) = post(client, "/cams?tags=cat", content, **headers).json()["images"]
    assert [each["name"] for each in found["maps"]] == ["cat"]


def test_it_may_have_a_name(client: Client) -> None:
    for sent, name in (("", "upload"), ('attachment; filename="a b.png"', "a b.png"), ("attachment", "upload"), UMLAUT):
        answer = post(client, "/predict", photo(), content_type="image/png", content_disposition=sent)
        assert answer.json()["images"][0]["name"] == name


def test_it_has_the_limits_of_a_form(client: Client) -> None:
    assert post(client, "/predict", bytes(1_100_000), content_type="image/png").status == 413
    assert client.ask("POST", "/predict", iter([bytes(600_000)] * 2), chunked=True).status == 413
