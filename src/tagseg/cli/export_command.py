"""The command that writes what a run made for other programs: its network, its masks, its predictions."""

from pathlib import Path
from typing import Annotated

import typer

from tagseg.cli.console import ConsoleProgress, open_console
from tagseg.cli.use_options import (
    LABEL_FORMAT_NAMES,
    SERVER_FORMAT_NAMES,
    ImagesAtOption,
    MinAreaOption,
    SimplifyOption,
    SourceArgument,
)
from tagseg.errors import RecipeError

app = typer.Typer()

FORMAT_HELP = (
    f"Of the network: onnx or safetensors. Of labels: {LABEL_FORMAT_NAMES}. Of predictions, for VOC's server: "
    f"{SERVER_FORMAT_NAMES}."
)

_What = Annotated[
    str | None,
    typer.Option(
        "--what", metavar="NAME", help="masks (of the images of the run) or predictions [default: the network]."
    ),
]
_Format = Annotated[str | None, typer.Option("--format", metavar="NAME", help=FORMAT_HELP)]
_Out = Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Where the files go.")]
_IgnoreDoubtful = Annotated[
    bool, typer.Option("--ignore-doubtful", help="Pixels that the confidence mask does not trust become 255.")
]
_Check = Annotated[
    list[Path] | None,
    typer.Option("--check", metavar="IMAGE", help="Compare ONNX with torch on this image; may be repeated."),
]
_Push = Annotated[
    str | None, typer.Option("--push", metavar="OWNER/NAME", help="Upload the safetensors folder to the hub.")
]
_Public = Annotated[bool, typer.Option("--public", help="Let everybody see what is uploaded.")]
_Redo = Annotated[bool, typer.Option("--redo", help="Replace an earlier export of labels.")]


@app.command(epilog="Example: tagseg export runs/demo --what masks --format coco --out exported/")
def export(
    source: SourceArgument,
    *,
    what: _What = None,
    format: _Format = None,
    out: _Out,
    min_area: MinAreaOption = None,
    simplify: SimplifyOption = None,
    ignore_doubtful: _IgnoreDoubtful = False,
    images_at: ImagesAtOption = None,
    check: _Check = None,
    push: _Push = None,
    public: _Public = False,
    redo: _Redo = False,
) -> None:
    """Write the network, masks or predictions for other tools.

    Format 'onnx' gives one file for onnxruntime, for any batch and image size. It is compared with torch before it is
    kept. With 'safetensors' come weights and a JSON file that tagseg.load, plain timm and
    segmentation_models_pytorch read.

    With --what come the formats of annotation tools and trainers; docs/exports.md says what each keeps.
    """
    of_labels = {
        "--min-area": min_area is not None,
        "--simplify": simplify is not None,
        "--ignore-doubtful": ignore_doubtful,
        "--images-at": images_at is not None,
        "--redo": redo,
    }
    of_network = {"--check": bool(check), "--push": push is not None, "--public": public}
    if what is None:
        _refuse(of_labels, "goes with --what, got the network", help="add --what masks or --what predictions")
        _export_network(source, out, format=format or "onnx", check=check or [], push=push, public=public)
        return
    _refuse(of_network, "goes with the network, got --what", help="leave one of the two out")
    if format is None:
        raise RecipeError("--what goes with --format, got --what alone", help="add --format coco, or see --help")
    from tagseg.use.export_labels import LabelChoice, export_labels

    choice = LabelChoice(what, format, min_area, simplify, ignore_doubtful, images_at, redo)
    found = export_labels(Path(source), out, choice=choice, progress=ConsoleProgress())
    open_console().print(f"written: {out} ({found.images} photographs, {found.objects} objects)")
    for line in found.said(choice.shape, what=f"{what} of the run"):
        open_console().print(line)


def _refuse(options: dict[str, bool], rule: str, *, help: str) -> None:
    for option, is_given in options.items():
        if is_given:
            raise RecipeError(f"{option} {rule}", help=help)


def _export_network(source: str, out: Path, *, format: str, check: list[Path], push: str | None, public: bool) -> None:
    if public and push is None:
        raise RecipeError(
            "--public goes with --push, got --public alone", help="add --push OWNER/NAME, or leave it out"
        )
    from tagseg.use.label_files import LABEL_FORMATS

    if format in LABEL_FORMATS:
        raise RecipeError(
            f"--format {format} goes with --what, got the network", help="add --what masks or --what predictions"
        )
    from tagseg.use.export import export_segmenter, publish_segmenter

    exported = export_segmenter(source, out, format=format, check_images=check, progress=ConsoleProgress())
    for path in exported.files:
        open_console().print(f"written: {path}")
    if push is not None:
        address = publish_segmenter(source, push, private=not public)
        open_console().print(f"uploaded: {address}")
