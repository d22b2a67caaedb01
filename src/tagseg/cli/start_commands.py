"""Commands for the first minutes: which recipes there are, the demo, a recipe for a folder, facts for a bug report."""

from pathlib import Path
from typing import Annotated

import typer

from tagseg.cli.console import open_console

app = typer.Typer()


@app.command(epilog="Example: tagseg recipes")
def recipes() -> None:
    """List the packaged recipes: what each is for, the hardware and the time that it takes.

    Every command that takes a recipe takes one of these names. Relative paths in a recipe start at the folder in which
    tagseg is called.
    """
    from tagseg.recipe.packaged import packaged_sheets

    console = open_console()
    for sheet in packaged_sheets():
        console.print(f"{sheet.name}: {sheet.purpose}")
        console.print(f"  hardware: {sheet.hardware}")
        console.print(f"  time: {sheet.time}")
    console.print("run one by its name, such as: tagseg run demo")


@app.command(epilog="Example: tagseg demo --out runs/demo")
def demo(
    *,
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="The run folder.")] = Path("runs/demo"),
) -> None:
    """Run the demo: the whole pipeline on drawn pictures, with plain CAM and the upper bound beside it.

    Short for 'tagseg run demo --baseline --upper-bound'. It needs no GPU and downloads nothing.
    """
    from tagseg.cli.running import compare_runs, open_recipe
    from tagseg.recipe.packaged import packaged_text, read_sheet

    sheet = read_sheet("demo", packaged_text("demo"))
    console = open_console()
    console.print(f"{sheet.purpose}. Time: {sheet.time}.")
    loaded, folder = open_recipe("demo", out=out, settings=None)
    compare_runs(loaded, folder, baseline=True, upper_bound=True)
    console.print(f"run folder: {folder}")
