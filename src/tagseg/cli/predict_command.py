"""The command that labels new photographs."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from tagseg.cli.console import ConsoleProgress, open_console
from tagseg.cli.use_options import (
    LABEL_FORMAT_NAMES,
    SERVER_FORMAT_NAMES,
    DeviceOption,
    ImagesAtOption,
    MinAreaOption,
    SimplifyOption,
    SourceArgument,
)

EXIT_FAILED = 1  # some of the files could not be used

app = typer.Typer()

_Inputs = Annotated[
    list[str], typer.Argument(metavar="INPUT...", help="Files, folders, globs; - reads paths from standard input.")
]
_Out = Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Where masks go.")]
_Formats = Annotated[
    list[str] | None,
    typer.Option(
        "--format",
        metavar="NAMES",
        help=f"png (palette masks, always written), overlay, probability, csv (areas); as in 'tagseg export' "
        f"{LABEL_FORMAT_NAMES}, {SERVER_FORMAT_NAMES}. Commas between several, or the option again.",
    ),
]
_Tags = Annotated[
    Path | None,
    typer.Option("--tags", metavar="FILE", help="Tags as CSV or JSON: a photograph gets labels of its tags only."),
]
_Scales = Annotated[
    str | None, typer.Option("--scales", metavar="NUMBERS", help="Such as 0.5,1,1.5 [default: as trained].")
]
_Flip = Annotated[bool | None, typer.Option("--flip/--no-flip", help="Also look at the mirrored image.")]
_Crf = Annotated[bool, typer.Option("--crf", help="Refine with the dense CRF.")]
_MaxSide = Annotated[
    str | None,
    typer.Option("--max-side", metavar="PX", help="Shrink larger images for the network; 'none': tiles."),
]
_Redo = Annotated[bool, typer.Option("--redo", help="Label the named photographs again, whatever the folder holds.")]


@app.command(epilog="Example: tagseg predict runs/demo photos/ --out masks/ --format png,overlay,coco")
def predict(
    source: SourceArgument,
    inputs: _Inputs,
    *,
    out: _Out,
    formats: _Formats = None,
    tags: _Tags = None,
    min_area: MinAreaOption = None,
    simplify: SimplifyOption = None,
    images_at: ImagesAtOption = None,
    scales: _Scales = None,
    flip: _Flip = None,
    crf: _Crf = False,
    max_side: _MaxSide = None,
    device: DeviceOption = "auto",
    redo: _Redo = False,
) -> None:
    """Label photographs.

    Bad files are skipped and named at the end (exit code 1). Give the command again to go on where it stopped. A format
    of 'tagseg export' gets a folder of its name inside FOLDER; docs/exports.md says what each keeps.
    """
    from tagseg.use.predict import PredictChoice, predict_files

    choice = PredictChoice.parse(
        formats=",".join(formats or ["png"]), scales=scales, flip=flip, crf=crf, max_side=max_side
    )
    cleaning = {"min_area_px": min_area, "tolerance_px": simplify, "images_at": images_at}
    choice = replace(choice, device=device, redo=redo, tags=tags, **cleaning)
    summary = predict_files(source, inputs, out, choice=choice, progress=ConsoleProgress())
    console = open_console()
    for note in summary.notes:
        console.print(f"left out: {note}")
    for line in summary.tags.said:
        console.print(line)
    for path, reason in summary.failed:
        console.print(f"skipped {path}: {reason}")
    for shape, found in summary.exports:
        console.print(f"written: {out / shape.format} ({found.images} photographs, {found.objects} objects)")
        for line in found.said(shape, what="masks"):
            console.print(line)
    counts = f"{summary.predicted} images labelled, {summary.kept} were there, {len(summary.failed)} skipped"
    console.print(f"{counts}: {out}")
    if summary.failed:
        raise typer.Exit(EXIT_FAILED)
