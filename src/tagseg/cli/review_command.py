"""The command that chooses photographs whose masks a person should correct."""

from pathlib import Path
from typing import Annotated

import typer

from tagseg.cli.console import ConsoleProgress, open_console, print_table
from tagseg.cli.use_options import ImagesAtOption

app = typer.Typer()

_SHOWN = 10

_Run = Annotated[Path, typer.Argument(metavar="RUN", help="A run folder with pseudo masks.")]
_Count = Annotated[int, typer.Option("--count", metavar="N", help="How many photographs.")]
_Out = Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Where photographs and masks go.")]
_Format = Annotated[
    str, typer.Option("--format", metavar="NAME", help="Of the masks: any that 'tagseg export --what masks' has.")
]
_Redo = Annotated[bool, typer.Option("--redo", help="Replace an earlier review, with all that was changed in it.")]


@app.command(epilog="Example: tagseg review runs/demo --count 20 --out review/")
def review(
    run: _Run,
    *,
    count: _Count = 20,
    out: _Out,
    format: _Format = "voc",
    images_at: ImagesAtOption = None,
    redo: _Redo = False,
) -> None:
    """Write the photographs whose correction teaches most.

    They come with their present masks, for a person to correct. The rule is area in doubt x variety. In doubt is the
    share of pixels whose label leads the others by little in the maps. Tags that were chosen already count less. The
    numbers are in review.csv. Photographs that the run has corrections of are left out.

    What was corrected goes back with --set segmenter.corrections=FOLDER; docs/howto/corrections.md shows the way.
    """
    from tagseg.use.export_labels import LabelChoice
    from tagseg.use.review import review_run, what_is_trusted

    choice = LabelChoice("masks", format, images_at=images_at, redo=redo)
    found = review_run(run, out, count=count, choice=choice, progress=ConsoleProgress())
    rows = [(row.image, "; ".join(row.tags), f"{row.doubt:.2f}", f"{row.worth:.3f}") for row in found.rows[:_SHOWN]]
    print_table("Photographs to correct", ("image", "tags", "doubt", "worth"), rows, num_text_columns=2)
    console = open_console()
    if found.already:
        console.print(f"left out: {found.already} photographs that are corrected already")
    console.print(f"written: {out} ({found.labels.images} photographs, {found.labels.objects} objects)")
    for line in found.labels.said(choice.shape, what="masks of the run"):
        console.print(line)
    console.print(what_is_trusted(format))
