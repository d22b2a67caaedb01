"""Commands that explain runs: the page of one, and several compared."""

from pathlib import Path
from typing import Annotated

import typer

from tagseg.cli.console import ConsoleProgress, open_console, print_table
from tagseg.cli.figure_command import CountOption, ImageOption, ImagesOption, ListCommand

app = typer.Typer()

ResamplesOption = Annotated[
    int,
    typer.Option("--resamples", metavar="N", min=0, help="Resamples of images for the intervals; 0 leaves them out."),
]


@app.command(epilog="Example: tagseg report runs/demo")
def report(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder, finished or not.", show_default=False)],
    *,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="The HTML file [default: RUN/report.html].")
    ] = None,
) -> None:
    """Write report.html, the page of a run.

    It shows scores, curves, times and a gallery in one file. 'tagseg run' writes it after every stage. This is for a
    run that was made before, or elsewhere.
    """
    from tagseg.results.page import write_report

    _print_written("report", write_report(run, out, progress=ConsoleProgress()))


@app.command(cls=ListCommand, epilog="Example: tagseg compare runs/demo/plain runs/demo --out compare.html")
def compare(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN...", help="Run folders of the same data; the first is compared with.")
    ],
    *,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The HTML file to write.")],
    images: ImagesOption = None,
    image: ImageOption = None,
    count: CountOption = 12,
    resamples: ResamplesOption = 2000,
) -> None:
    """Compare runs of the same data, in a page and a table.

    Scores with differences to the first run, over- and under-activation, curves over one another, the same images side
    by side, and what differs in the recipes. An unfinished run is compared as far as it goes. A paired bootstrap over
    images says whether a difference in mIoU of pseudo masks and of predictions is more than chance.

    Without --images, N images evenly spaced over the scored ones that all runs made something of.
    """
    from tagseg.cli import compare_tables
    from tagseg.results.compare import write_comparison

    named = (*(images or ()), *(image or ()))
    comparison = write_comparison(
        runs, out, image_ids=named, count=count, resamples=resamples, progress=ConsoleProgress()
    )
    rows = compare_tables.comparison_rows(comparison)
    if rows:
        columns = compare_tables.comparison_columns(comparison)
        print_table(compare_tables.comparison_title(comparison), columns, rows)
    for line in (*compare_tables.chance_lines(comparison), *compare_tables.change_lines(comparison)):
        open_console().print(line)
    _print_written("comparison", out)


def _print_written(what: str, path: Path) -> None:
    """Print where a page is and how large it is."""
    open_console().print(f"{what}: {path} ({path.stat().st_size / 1e6:.1f} MB)")
