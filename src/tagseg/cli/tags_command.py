"""The command that looks for wrong and missing tags."""

from pathlib import Path
from typing import Annotated

import typer

from tagseg.cli.console import ConsoleProgress, open_console, print_table
from tagseg.cli.use_options import DeviceOption

app = typer.Typer()

_Run = Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")]
_Out = Annotated[Path | None, typer.Option("--out", metavar="FILE", help="The CSV file [default: RUN/wrong_tags.csv].")]
_Folds = Annotated[int, typer.Option("--folds", metavar="N", help="Parts into which the photographs are dealt.")]
_Count = Annotated[int, typer.Option("--count", metavar="N", min=0, help="Print the first N.")]


@app.command(epilog="Example: tagseg tags runs/demo --count 30")
def tags(run: _Run, *, out: _Out = None, folds: _Folds = 5, count: _Count = 20, device: DeviceOption = "auto") -> None:
    """List tags that are probably wrong or missing.

    Classifiers that did not see a photograph are asked about its tags: logistic regressions on features of the run's
    network with its first weights. It takes seconds to minutes on a CPU. The report shows the first ones when it is
    written again ('tagseg report RUN').
    """
    from tagseg.artifacts.held_out_tags import write_held_out_tags
    from tagseg.artifacts.layout import RunLayout
    from tagseg.artifacts.tag_doubts_csv import write_tag_doubts
    from tagseg.use.wrong_tags import find_wrong_tags

    found = find_wrong_tags(run, folds=folds, device=device, progress=ConsoleProgress())
    path = out or RunLayout(run).wrong_tags
    write_tag_doubts(path, found.doubts)
    write_held_out_tags(RunLayout(run).held_out_tags, found.average_precision)
    console = open_console()
    if found.warning:
        console.print(f"warning: {found.warning}")
    if found.left_out:
        console.print(f"nothing is said of classes with too few photographs: {', '.join(found.left_out)}")
    if shown := found.doubts[:count]:
        rows = [
            (each.image, each.tag, each.kind, f"{each.doubt:.2f}", "{}, {}".format(*each.peak) if each.peak else "")
            for each in shown
        ]
        print_table("Tags to look at", ("image", "tag", "probably", "doubt", "look at pixel"), rows, num_text_columns=3)
    console.print(
        f"{len(found.doubts)} tags of {found.images} photographs are doubted; held-out tags: "
        f"{100 * found.mean_average_precision:.1f} % mean average precision"
    )
    console.print(f"written: {path}")
