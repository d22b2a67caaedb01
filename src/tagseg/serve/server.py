"""The server: its socket, its address, its end."""

import errno
import logging
import socket
from collections.abc import Callable
from pathlib import Path

import uvicorn

from tagseg.errors import ServeError
from tagseg.serve.access import Access
from tagseg.serve.app import create_app
from tagseg.serve.limits import Limits
from tagseg.serve.protocol import impatient_protocol
from tagseg.serve.service import Service
from tagseg.system.allocator import keep_freed_memory
from tagseg.system.home import with_home
from tagseg.use.cams import load_networks

_END_S = 1  # for answers under way when the server is stopped


def open_socket(host: str, port: int) -> socket.socket:
    """Return a socket that listens.

    Args:
        host: a name or an address of this machine.
        port: 0 for any that is free.

    Raises:
        ServeError: when the host is none of this machine, or the port is taken or not permitted.
    """
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind, protocol)
    except OSError as error:
        raise _no_host(host) from error
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # else the port rests a minute after each end
        listening.bind(place)
        listening.listen(128)
    except OSError as error:
        listening.close()
        if error.errno == errno.EADDRINUSE:
            raise ServeError(
                f"port {port} of {host} must be free, got one that is taken",
                help="choose another --port, or 0 for any that is free",
            ) from error
        if error.errno == errno.EACCES:
            raise ServeError(
                f"port {port} of {host} must be one that this user may open, got no permission",
                help="choose a --port of 1024 or above",
            ) from error
        raise _no_host(host) from error
    return listening


def address_of(listening: socket.socket, host: str) -> str:
    """Return the address that a browser opens."""
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{shown}:{listening.getsockname()[1]}/"


def make_server(service: Service, *, access: Access) -> uvicorn.Server:
    """Return a server that is ready to run: its networks have been run once."""
    config = uvicorn.Config(
        create_app(service, access=access),
        http=impatient_protocol(service.limits.head_s),
        ws="none",
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_END_S,
    )
    return uvicorn.Server(config)


def serve(
    source: str,
    listening: socket.socket,
    *,
    access: Access,
    limits: Limits,
    device: str,
    ready: Callable[[str], object],
) -> None:
    """Load networks and answer until the process is interrupted.

    Args:
        source: a run folder, an exported folder, or ``owner/name`` on the hub.
        listening: from :func:`open_socket`.
        access: the host that it was opened for, and who may ask.
        limits: of requests.
        device: ``auto``, or a device of torch.
        ready: called with what is loaded, before the first request is answered.

    Raises:
        TagsegError: when nothing can be loaded.
        KeyboardInterrupt: when the user has stopped it.
    """
    networks = load_networks(source, device=device)
    # Whoever reaches the server sees the name of a folder, not where on this machine it is.
    place = Path(with_home(source))
    title = place.resolve().name if place.exists() else source
    keep_freed_memory()
    service = Service(networks, title=title, limits=limits)
    log, quiet = logging.getLogger("uvicorn.error"), _QuietEnd()
    try:
        quiet.server = server = make_server(service, access=access)
        log.addFilter(quiet)
        ready(service.described())
        server.run(sockets=[listening])
    finally:
        log.removeFilter(quiet)
        service.close()


class _QuietEnd(logging.Filter):
    """Keeps what is broken off by the end of a server out of the log: the user has asked for it."""

    server: uvicorn.Server | None = None

    def filter(self, record: logging.LogRecord) -> bool:
        return self.server is None or not self.server.should_exit


def _no_host(host: str) -> ServeError:
    return ServeError(
        f"host '{host}' must be a name or an address of this machine, got another one",
        help="leave --host out to be reached from this machine only",
    )
