"""The command that opens the browser app."""

from importlib import import_module
from typing import Annotated

import typer

from tagseg.cli.console import open_console
from tagseg.cli.use_options import DeviceOption, SourceArgument
from tagseg.errors import ServeError

app = typer.Typer()

_PACKAGES = {"fastapi": "fastapi", "uvicorn": "uvicorn", "python_multipart": "python-multipart"}


@app.command(epilog="Example: tagseg serve runs/demo")
def serve(
    source: SourceArgument,
    *,
    host: Annotated[str, typer.Option("--host", metavar="HOST", help="0.0.0.0: reached from other machines.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option("--port", metavar="N", min=0, max=65535, help="0: any that is free.")] = 8000,
    device: DeviceOption = "auto",
    max_upload_mb: Annotated[
        int, typer.Option("--max-upload-mb", metavar="MB", min=1, help="Most megabytes in a request.")
    ] = 20,
    open_page: Annotated[
        bool, typer.Option("--open/--no-open", help="Open the page in this machine's browser.")
    ] = False,
) -> None:
    """Open the browser app: drop photographs, see masks.

    SOURCE may hold a segmenter, a classifier, or both. Programs ask the same address, see /docs there. Nothing that is
    sent is kept. Ctrl-C stops the server.
    """
    _require_packages()
    from tagseg.serve.guard import is_loopback
    from tagseg.serve.limits import Limits
    from tagseg.serve.server import address_of, open_socket
    from tagseg.serve.server import serve as run_server
    from tagseg.system.orphans import end_at_once

    console = open_console()
    listening = open_socket(host, port)
    address = address_of(listening, host)

    def ready(loaded: str) -> None:
        if not is_loopback(host):
            console.print(f"warning: everybody who reaches {host} can use this server, without a password")
        console.print(f"{source} ({loaded}): {address} (Ctrl-C stops)")
        if open_page:
            import webbrowser

            webbrowser.open(address)

    try:
        run_server(source, listening, host=host, limits=Limits(upload_mb=max_upload_mb), device=device, ready=ready)
    except KeyboardInterrupt:
        console.print("stopped")
        console.file.flush()
        end_at_once(0)
    finally:
        listening.close()


def _require_packages() -> None:
    for module, package in _PACKAGES.items():
        try:
            import_module(module)
        except ImportError as error:
            raise ServeError(
                f"the browser app needs the packages {', '.join(_PACKAGES.values())}, got no '{package}'",
                help=f"pip install {' '.join(_PACKAGES.values())}",
            ) from error
