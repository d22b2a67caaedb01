"""Who may talk to the server, and what every answer tells the browser: set around the whole application.

A page from elsewhere must not use the app through its visitor's browser. A name that is pointed at this machine (DNS
rebinding) is found by the Host header, a form or script of another page by the Origin header.
"""

import asyncio
import ipaddress
import socket
from functools import cache
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tagseg.serve.access import Access
from tagseg.serve.refusal import RefusedError, error_response

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})

# Scripts and styles are files of the package. Pictures are drawn on canvases, from files that the page was given.
CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
ANSWER_HEADERS = {
    "content-security-policy": CONTENT_POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",  # photographs of people, and what was found in them
}


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches a host.

    >>> [is_loopback(host) for host in ("localhost", "127.0.0.2", "::1", "0.0.0.0", "example.org")]
    [True, True, True, False, False]
    """
    return host in LOOPBACK_NAMES or (_is_address(host) and ipaddress.ip_address(host).is_loopback)


def allows_host(header: str, access: Access) -> bool:
    """Return whether a Host header names this server.

    Bound to loopback, that is a loopback name. Bound to another host, also that host, this machine's names, and any IP
    address: whoever rebinds a name needs a name. Names that the user allows are always its own.

    Args:
        header: such as ``localhost:8000``.
        access: where the server is bound to, and what else it is called.

    >>> here, everywhere = Access("127.0.0.1", hosts=("masks.example",)), Access("0.0.0.0")
    >>> [allows_host(name, here) for name in ("localhost:8000", "[::1]:8000", "evil.example", "10.0.0.5", "")]
    [True, True, False, False, False]
    >>> [allows_host(name, everywhere) for name in ("10.0.0.5:8000", "evil.example")]
    [True, False]
    >>> [allows_host(name, here) for name in ("masks.example", "Masks.example:8443", "masks.example.evil.example")]
    [True, True, False]
    """
    try:
        name = urlsplit(f"//{header}").hostname or ""
    except ValueError:
        return False
    if name in LOOPBACK_NAMES or name == access.bound.lower() or name in access.host_names:
        return True
    return not is_loopback(access.bound) and (_is_address(name) or name in _machine_names())


class Guard:
    """Refuses requests that do not come from this server's own page or from a program, and marks all answers.

    Args:
        app: what is guarded.
        access: who may ask.
    """

    def __init__(self, app: ASGIApp, *, access: Access) -> None:
        self.app = app
        self.access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        started = False

        async def send_marked(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                MutableHeaders(scope=message).update(ANSWER_HEADERS)
            await send(message)

        try:
            await self._answering(scope)(self._placed(scope), receive, send_marked)
        except asyncio.CancelledError:  # the server ends, and has waited for as long as it does
            if not started:
                await error_response(_end_of_server())(scope, receive, send_marked)

    def _answering(self, scope: Scope) -> ASGIApp:
        refusal = self._refusal(str(scope["method"]), Headers(scope=scope))
        if refusal is not None:
            return error_response(refusal)
        if scope["path"] == self.access.root_path:  # addresses of the page are relative, and need the slash
            return RedirectResponse(f"{self.access.root_path}/", status_code=308)
        return self.app

    def _placed(self, scope: Scope) -> Scope:
        """Return a request with the whole path of its address: some proxies cut the prefix off, others leave it."""
        root, path = self.access.root_path, str(scope["path"])
        return {**scope, "root_path": root, "path": path if path.startswith(f"{root}/") else root + path}

    def _refusal(self, method: str, headers: Headers) -> RefusedError | None:
        host, origin = headers.get("host", ""), headers.get("origin")
        if not allows_host(host, self.access):
            return RefusedError(
                f"request names this server by an address that it has, got '{_shown(host)}'",
                help="open the address that 'tagseg serve' printed, or start it with --allow-host and this name",
            )
        if method not in ("GET", "HEAD") and origin is not None and not self._allows_origin(origin, host):
            return RefusedError(
                f"request comes from this server's own page or from a program, got one from '{_shown(origin)}'",
                help="open the address that 'tagseg serve' printed, or start it with --allow-origin and this site",
                status=403,
            )
        return None

    def _allows_origin(self, origin: str, host: str) -> bool:
        """Return whether a page is this server's own, by whatever name its proxy hands on, or of an allowed site."""
        if origin.lower() in self.access.origins:
            return True
        try:
            place = urlsplit(origin).netloc.lower()
        except ValueError:
            return False
        return place != "" and (place == host.lower() or place in self.access.hosts)


def _end_of_server() -> RefusedError:
    return RefusedError(
        "request is answered before the server ends, got its end", help="send it again when it runs", status=503
    )


@cache
def _machine_names() -> frozenset[str]:
    return frozenset({socket.gethostname().lower(), socket.getfqdn().lower()})  # the second may ask the network


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _shown(text: str) -> str:
    return text[:100]
