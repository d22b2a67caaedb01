"""What `tagseg serve` says of the names, sites, paths and tokens that it is given, word for word."""

from pathlib import Path

import pytest
from kit.command_line import exit_code
from kit.messages import assert_says

from tagseg.errors import ServeError
from tagseg.serve.access import host_name, page_origin, path_prefix, read_token

ONE_LINE = "token file {} must hold one line of ASCII characters without spaces, got"
MAKE_ONE = "make one with python3 -c 'import secrets; print(secrets.token_urlsafe(32))'"
NAME_IT = "name the host as it stands in the browser's address"


@pytest.mark.parametrize(
    ("text", "help"),
    [
        ("https://Masks.example/", "use masks.example"),
        ("masks.example/app", NAME_IT),
        ("*", NAME_IT),
        ("", NAME_IT),
        ("http://[", NAME_IT),
    ],
)
def test_a_host(text: str, help: str) -> None:
    problem = f"--allow-host must be a name such as masks.example, with or without a port, got '{text}'"
    assert_says(lambda: host_name(text), ServeError, problem, help)


@pytest.mark.parametrize(
    ("text", "help"),
    [
        ("Masks.example", "use https://masks.example"),
        ("*", "name one site in each option"),
        ("ftp://masks.example", "name one site in each option"),
        ("null", "use https://null"),
        ("https://", "name one site in each option"),
        ("https://user@masks.example", "name one site in each option"),
    ],
)
def test_a_site(text: str, help: str) -> None:
    problem = f"--allow-origin must be scheme and host of a site, such as https://masks.example, got '{text}'"
    assert_says(lambda: page_origin(text), ServeError, problem, help)


def test_a_site_with_a_path() -> None:
    problem = "--allow-origin must be a site without a path, got 'https://masks.example/app'"
    assert_says(lambda: page_origin("https://masks.example/app"), ServeError, problem, "use https://masks.example")


@pytest.mark.parametrize("text", ["https://masks.example/app", "/a//b", "/a/../b", "/a b", "/?x"])
def test_a_path(text: str) -> None:
    assert_says(
        lambda: path_prefix(text),
        ServeError,
        f"--root-path must be a path of letters, digits and . _ ~ -, such as /masks, got '{text}'",
        "name what the proxy puts before the addresses, without scheme and host",
    )


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", f"{ONE_LINE} an empty file"),
        (b"two words of a token", f"{ONE_LINE} another content"),
        ("größe-des-token-123".encode(), f"{ONE_LINE} another content"),
        (b"short\n", "token in {} has 16 to 200 characters, got 5"),
    ],
)
def test_a_token_file(tmp_path: Path, content: bytes, problem: str) -> None:
    path = tmp_path / "token"
    path.write_bytes(content)
    assert_says(lambda: read_token(path), ServeError, problem.format(path), MAKE_ONE)


def test_no_token_file(capsys: pytest.CaptureFixture[str], tmp_path: Path, full_run: Path) -> None:
    path = tmp_path / "token"
    assert exit_code("serve", str(full_run), "--token-file", str(path)) == 2
    assert capsys.readouterr().err == (
        f"error: token file {path} must be a file that can be read, got No such file or directory\nhelp: {MAKE_ONE}\n"
    )


def test_a_token(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("  0123456789abcdef\n")
    assert read_token(path) == "0123456789abcdef"
