"""The command that opens the browser app."""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from tagseg.cli.console import open_console
from tagseg.cli.use_options import DeviceOption, SourceArgument
from tagseg.errors import ServeError

app = typer.Typer()

_PACKAGES = {"fastapi": "fastapi", "uvicorn": "uvicorn", "python_multipart": "python-multipart"}


_AllowHost = Annotated[
    list[str] | None,
    typer.Option("--allow-host", metavar="NAME", help="A name that a proxy gives this server; may be repeated."),
]
_AllowOrigin = Annotated[
    list[str] | None,
    typer.Option("--allow-origin", metavar="SITE", help="A site whose pages may use it; may be repeated."),
]
_RootPath = Annotated[
    str, typer.Option("--root-path", metavar="PATH", help="What a proxy puts before its addresses, such as /masks.")
]
_TokenFile = Annotated[
    Path | None,
    typer.Option("--token-file", metavar="FILE", help="File of a token that every request must carry."),
]
_Host = Annotated[str, typer.Option("--host", metavar="HOST", help="0.0.0.0: reached from other machines.")]
_Port = Annotated[int, typer.Option("--port", metavar="N", min=0, max=65535, help="0: any that is free.")]
_MaxUpload = Annotated[int, typer.Option("--max-upload-mb", metavar="MB", min=1, help="Most megabytes in a request.")]
_Sample = Annotated[
    Path | None, typer.Option("--sample", metavar="FILE", help="A picture that the page offers to try.")
]
_Corrections = Annotated[
    Path | None,
    typer.Option("--corrections", metavar="FOLDER", help="Masks that are corrected on the page are kept there."),
]
_OpenPage = Annotated[bool, typer.Option("--open/--no-open", help="Open the page in this machine's browser.")]


@app.command(epilog="Example: tagseg serve runs/demo")
def serve(
    source: SourceArgument,
    *,
    host: _Host = "127.0.0.1",
    port: _Port = 8000,
    device: DeviceOption = "auto",
    max_upload_mb: _MaxUpload = 20,
    allow_host: _AllowHost = None,
    allow_origin: _AllowOrigin = None,
    root_path: _RootPath = "",
    token_file: _TokenFile = None,
    sample: _Sample = None,
    corrections: _Corrections = None,
    open_page: _OpenPage = False,
) -> None:
    """Open the browser app: drop photographs, see masks.

    SOURCE may hold a segmenter, a classifier, or both. Programs ask the same address, see /docs there. Photographs
    are not kept. Ctrl-C stops the server.
    """
    _require_packages()
    from tagseg.serve.access import Access
    from tagseg.serve.limits import Limits
    from tagseg.serve.server import ServerChoice, address_of, open_socket
    from tagseg.serve.server import serve as run_server
    from tagseg.system.orphans import end_at_once

    console = open_console()
    access = Access.of(host, allow_host or (), allow_origin or (), root_path=root_path, token_file=token_file)
    choice = ServerChoice(
        access=access, limits=Limits(upload_mb=max_upload_mb), device=device, sample=sample, corrections=corrections
    )
    listening = open_socket(host, port)
    address = address_of(listening, host)

    def ready(loaded: str) -> None:
        for line in _warnings(host, access.hosts, has_token=access.token is not None):
            console.print(f"warning: {line}")
        console.print(f"{source} ({loaded}): {address} (Ctrl-C stops)")
        if open_page:
            import webbrowser

            webbrowser.open(address)

    try:
        run_server(source, listening, choice=choice, ready=ready)
    except KeyboardInterrupt:
        console.print("stopped")
        console.file.flush()
        end_at_once(0)
    finally:
        listening.close()


def _warnings(bound: str, hosts: Sequence[str], *, has_token: bool) -> list[str]:
    """Return what whoever opens a server to others should know."""
    from tagseg.serve.guard import is_loopback

    is_reached = not is_loopback(bound)
    names = [*([bound] if is_reached else []), *hosts]
    if names and not has_token:
        return [f"everybody who reaches {' or '.join(names)} can use this server, without a password"]
    if is_reached:
        return [f"photographs and token go to {bound} without encryption; put a server with HTTPS before it"]
    return []


def _require_packages() -> None:
    for module, package in _PACKAGES.items():
        try:
            import_module(module)
        except ImportError as error:
            raise ServeError(
                f"the browser app needs the packages {', '.join(_PACKAGES.values())}, got no '{package}'",
                help=f"pip install {' '.join(_PACKAGES.values())}",
            ) from error
