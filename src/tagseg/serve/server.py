"""The server: its socket, its address, its end."""

import errno
import logging
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from tagseg.errors import ServeError
from tagseg.serve.access import Access
from tagseg.serve.app import create_app
from tagseg.serve.kept_corrections import CorrectionFolder
from tagseg.serve.limits import Limits
from tagseg.serve.protocol import impatient_protocol
from tagseg.serve.sample import read_sample
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


def make_server(service: Service, *, access: Access, corrections: CorrectionFolder | None = None) -> uvicorn.Server:
    """Return a server that is ready to run: its networks have been run once."""
    config = uvicorn.Config(
        create_app(service, access=access, corrections=corrections),
        http=impatient_protocol(service.limits.head_s),
        ws="none",
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_END_S,
    )
    return uvicorn.Server(config)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerChoice:
    """How a server is set up.

    Args:
        access: who may ask.
        limits: of requests.
        device: ``auto``, or a device of torch.
        sample: image file to try the page with.
        corrections: folder in which corrected masks are kept.
    """

    access: Access
    limits: Limits
    device: str = "auto"
    sample: Path | None = None
    corrections: Path | None = None


def serve(source: str, listening: socket.socket, *, choice: ServerChoice, ready: Callable[[str], object]) -> None:
    """Load networks and answer until the process is interrupted.

    Args:
        source: a run folder, an exported folder, or ``owner/name`` on the hub.
        listening: from :func:`open_socket`.
        choice: how; its access names the host that the socket was opened for.
        ready: called with what is loaded, before the first request is answered.

    Raises:
        TagsegError: when nothing can be loaded.
        KeyboardInterrupt: when the user has stopped it.
    """
    sample = None if choice.sample is None else read_sample(choice.sample, choice.limits)
    networks = load_networks(source, device=choice.device)
    # Whoever reaches the server sees the name of a folder, not where on this machine it is.
    place = Path(with_home(source))
    title = place.resolve().name if place.exists() else source
    keep_freed_memory()
    service = Service(networks, title=title, limits=choice.limits, sample=sample)
    kept = None if choice.corrections is None else CorrectionFolder(choice.corrections, service.label_classes)
    log, quiet = logging.getLogger("uvicorn.error"), _QuietEnd()
    try:
        quiet.server = server = make_server(service, access=choice.access, corrections=kept)
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
