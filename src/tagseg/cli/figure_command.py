"""The command that draws pictures of runs."""

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from tagseg.cli.console import ConsoleProgress, open_console
from tagseg.cli.list_options import spread_lists

LIST_OPTIONS = ("--images", "--columns")

app = typer.Typer()

ImagesOption = Annotated[
    list[str] | None,
    typer.Option("--images", metavar="ID...", help="Show these images: all words up to the next option."),
]
ImageOption = Annotated[
    list[str] | None, typer.Option("--image", metavar="ID", help="Show this image; may be repeated.")
]
CountOption = Annotated[int, typer.Option("--count", metavar="N", min=1, help="Images, unless they are named.")]
ColumnsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--columns",
        metavar="NAME...",
        help="Of image, cam, seed, sure (what stage 3 learns from), mask (the pseudo mask), confident (its trusted "
        "part), prediction (of the segmenter, for images to test on), truth; with spaces or commas between. "
        "[default: image cam seed mask truth as far as there are masks]",
    ),
]
BackgroundOption = Annotated[
    float | None,
    typer.Option(
        "--background-score", metavar="S", min=0, max=1, help="[default: each run's best; unscored, its recipe's]"
    ),
]
WidthPxOption = Annotated[
    int | None, typer.Option("--width-px", metavar="N", min=100, max=20_000, help="Of a .png. [default: 900]")
]
WidthMmOption = Annotated[
    float | None,
    typer.Option("--width-mm", metavar="MM", min=20, max=2000, help="Of a .pdf or .svg. [default: 170, two columns]"),
]


class ListCommand(TyperCommand):
    """A command whose list options take all words up to the next option."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 (Typer's own copy of click, or click)
        """Spread the lists, then parse as ever."""
        return super().parse_args(ctx, spread_lists(args, LIST_OPTIONS))


@app.command(
    cls=ListCommand,
    epilog="Example: tagseg figure runs/demo --images 000003 000017 --columns image cam mask truth --out figure.pdf",
)
def figure(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run folders of the same data, left to right.")],
    *,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The file to write: .png, .pdf or .svg.")],
    images: ImagesOption = None,
    image: ImageOption = None,
    count: CountOption = 12,
    columns: ColumnsOption = None,
    background_score: BackgroundOption = None,
    width_px: WidthPxOption = None,
    width_mm: WidthMmOption = None,
    palette: Annotated[
        str, typer.Option("--palette", metavar="NAME", help="voc, or safe for eyes that mix up red and green.")
    ] = "voc",
) -> None:
    """Draw a figure: images with maps, seeds and masks.

    Several runs stand side by side. Without --images it takes N images evenly spaced over those with masks (over all
    when none has any), sorted by id. The same call shows the same images. The column 'cam' is the strongest map as the
    network gave it, 'seed' what the next stage gets.

    Run folders stand before --images and --columns, which take all words up to the next option.
    """
    from tagseg.results.figure import FigureChoice, write_figure

    names = [name.strip() for word in columns or () for name in word.split(",")]
    choice = FigureChoice(
        (*(images or ()), *(image or ())),
        count=count,
        columns=tuple(names) if columns else None,
        background_score=background_score,
        width_px=width_px,
        width_mm=width_mm,
        palette=palette,
    )
    shown = write_figure(runs, out, choice=choice, progress=ConsoleProgress())
    open_console().print(f"figure: {out} ({len(shown)} images)")
