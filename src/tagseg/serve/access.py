"""Whom the server answers: the names it goes by, the pages that may use it, the path it lies under, its token."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from tagseg.errors import ServeError
from tagseg.system.home import with_home
from tagseg.system.near_paths import near_path_help

MIN_TOKEN, MAX_TOKEN = 16, 200
"""Characters of a token."""

_HOST = re.compile(
    r"([a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*|\[[0-9a-f:.]+\])(:[0-9]{1,5})?"
)
_PREFIX = re.compile(r"(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*")
_TOKEN = re.compile(r"[!-~]+")
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}
_MAKE_ONE = "make one with python3 -c 'import secrets; print(secrets.token_urlsafe(32))'"


@dataclass(frozen=True, slots=True)
class Access:
    """Who may talk to a server, and by which address.

    Args:
        bound: the host that the server is bound to.
        hosts: further names that it goes by, from :func:`host_name`.
        origins: sites whose pages may use it, from :func:`page_origin`.
        root_path: what its addresses begin with behind a proxy, from :func:`path_prefix`.
        token: that requests carry, from :func:`read_token`; None: none is asked for.
    """

    bound: str = "127.0.0.1"
    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    root_path: str = ""
    token: str | None = field(default=None, repr=False)

    @classmethod
    def of(
        cls, bound: str, names: Sequence[str], sites: Sequence[str], *, root_path: str, token_file: Path | None
    ) -> "Access":
        """Return what the words of a command mean.

        Raises:
            ServeError: when a word is not of its kind, or the file holds no token.
        """
        return cls(
            bound=bound,
            hosts=tuple(map(host_name, names)),
            origins=tuple(map(page_origin, sites)),
            root_path=path_prefix(root_path),
            token=None if token_file is None else read_token(token_file),
        )

    @property
    def host_names(self) -> frozenset[str]:
        """The further names, without ports."""
        return frozenset(urlsplit(f"//{host}").hostname or "" for host in self.hosts)


def host_name(text: str) -> str:
    """Return a name that a server goes by, as requests name it.

    Args:
        text: a name or an address, and a port where pages have one in their address.

    Raises:
        ServeError: when it is none.

    >>> host_name("Masks.example"), host_name("masks.example:8443")
    ('masks.example', 'masks.example:8443')
    """
    host = text.lower()
    if not _HOST.fullmatch(host):
        found = _split(text)
        meant = found.netloc.lower() if found is not None and "://" in text else ""
        raise ServeError(
            f"--allow-host must be a name such as masks.example, with or without a port, got '{text}'",
            help=f"use {meant}" if _HOST.fullmatch(meant) else "name the host as it stands in the browser's address",
        )
    return host


def page_origin(text: str) -> str:
    """Return the origin of a site as browsers write it.

    Args:
        text: scheme, host and port.

    Raises:
        ServeError: when it is none.

    >>> page_origin("https://Masks.example/"), page_origin("http://localhost:80"), page_origin("http://localhost:8080")
    ('https://masks.example', 'http://localhost', 'http://localhost:8080')
    """
    found = _split(text)
    host = "" if found is None else found.netloc.lower()
    if found is None or found.scheme not in _DEFAULT_PORTS or not _HOST.fullmatch(host):
        raise ServeError(
            f"--allow-origin must be scheme and host of a site, such as https://masks.example, got '{text}'",
            help=f"use https://{text.lower()}" if _HOST.fullmatch(text.lower()) else "name one site in each option",
        )
    if found.path not in ("", "/") or found.query or found.fragment:
        raise ServeError(
            f"--allow-origin must be a site without a path, got '{text}'", help=f"use {found.scheme}://{host}"
        )
    return f"{found.scheme}://{host.removesuffix(_DEFAULT_PORTS[found.scheme])}"


def path_prefix(text: str) -> str:
    """Return what addresses begin with behind a proxy: empty, or with a slash at its beginning and none at its end.

    Raises:
        ServeError: when it cannot stand in an address as it is.

    >>> path_prefix("/masks/"), path_prefix("tools/masks"), path_prefix("/")
    ('/masks', '/tools/masks', '')
    """
    prefix = text.strip("/")
    prefix = f"/{prefix}" if prefix else ""
    if not _PREFIX.fullmatch(prefix):
        raise ServeError(
            f"--root-path must be a path of letters, digits and . _ ~ -, such as /masks, got '{text}'",
            help="name what the proxy puts before the addresses, without scheme and host",
        )
    return prefix


def read_token(path: Path) -> str:
    """Return the token in a file.

    Args:
        path: of one line.

    Raises:
        ServeError: when it cannot be read or holds something else. No message shows what it holds.
    """
    path = Path(with_home(str(path)))
    try:
        with path.open("rb") as file:
            content = file.read(10_000)
    except OSError as error:
        raise ServeError(
            f"token file {path} must be a file that can be read, got {error.strerror or error}",
            help=near_path_help(path, _MAKE_ONE),
        ) from error
    token = content.decode("latin-1").strip()
    if not _TOKEN.fullmatch(token):
        found = "an empty file" if not token else "another content"
        raise ServeError(
            f"token file {path} must hold one line of ASCII characters without spaces, got {found}", help=_MAKE_ONE
        )
    if not MIN_TOKEN <= len(token) <= MAX_TOKEN:
        raise ServeError(f"token in {path} has {MIN_TOKEN} to {MAX_TOKEN} characters, got {len(token)}", help=_MAKE_ONE)
    return token


def _split(text: str) -> SplitResult | None:
    try:
        return urlsplit(text)
    except ValueError:
        return None
