"""Commands for the first minutes: which recipes there are, the demo, a recipe for a folder, facts for a bug report."""

import os
import shlex
from pathlib import Path
from typing import Annotated

import typer

from tagseg.cli.console import open_console

DEMO_PICTURE = Path("demo.png")
"""What the demo leaves in the current folder."""

app = typer.Typer()


@app.command(epilog="Example: tagseg recipes")
def recipes() -> None:
    """List the packaged recipes, with hardware and time.

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
    """Run the whole method on drawn pictures, as a demo.

    Plain CAM and the upper bound run too, as with 'tagseg run demo --baseline --upper-bound'. All three run at the same
    time where there are cores. At the end it draws a picture of the masks, demo.png in the current folder. It needs no
    GPU and downloads nothing.
    """
    from tagseg.cli.running import compare_at_once, compare_runs, open_recipe
    from tagseg.recipe.packaged import packaged_text, read_sheet

    sheet = read_sheet("demo", packaged_text("demo"))
    console = open_console()
    # A picture of that name that somebody else made is kept; that of an earlier demo is drawn again.
    picture = DEMO_PICTURE if out.exists() or not os.path.lexists(DEMO_PICTURE) else out / DEMO_PICTURE
    console.print(f"{sheet.purpose}.")
    console.print("It draws pictures, learns from their tags, cuts masks and trains a network on them.")
    console.print("Plain CAM and a network that ground truth teaches do the same, to compare.")
    console.print(f"Time: {sheet.time}. Ctrl-C stops it, and the same command goes on.")
    console.print(f"You get the folder {out} and the picture {picture}.")
    loaded, folder = open_recipe("demo", out=out, settings=None)
    if (os.cpu_count() or 1) > 1:
        compare_at_once(loaded, folder)
    else:
        compare_runs(loaded, folder, baseline=True, upper_bound=True)
    _draw_demo(folder, picture)
    console.print(f"run folder: {folder}")
    console.print(f"picture: {picture} (maps and masks of plain CAM and of SSC)")
    console.print(f"next: tagseg serve {shlex.quote(str(folder))}")
    console.print("then: tagseg init FOLDER, with your own photographs")


def _draw_demo(folder: Path, picture: Path) -> None:
    """Draw four pictures of the demo with what plain CAM and SSC made of them."""
    from tagseg.artifacts.layout import PLAIN_FOLDER
    from tagseg.results.figure import FigureChoice, write_figure

    choice = FigureChoice(count=4, columns=("image", "cam", "mask", "truth"))
    write_figure([folder / PLAIN_FOLDER, folder], picture, choice=choice)


@app.command(epilog="Example: tagseg init photos --out photos.toml")
def init(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Photographs with tags, or VOC's or COCO's layout.")],
    *,
    recipe: Annotated[
        str, typer.Option("--recipe", metavar="NAME", help="The packaged recipe whose constants it gets.")
    ] = "folder",
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="The recipe to write [default: NAME-OF-FOLDER.toml].")
    ] = None,
) -> None:
    """Write a commented recipe for a folder of photographs.

    It looks at the folder and finds the layout, the classes, how many photographs there are and of which sizes, and the
    device. A file that is there already is not overwritten.
    """
    from tagseg.use.new_recipe import found_text, write_new_recipe

    written = write_new_recipe(folder, base=recipe, out=out)
    file = shlex.quote(str(written.path))
    console = open_console()
    console.print(f"{folder}: {found_text(written.survey)}")
    console.print(f"recipe: {written.path}")
    console.print(f"next: tagseg check {file}")
    console.print(f"then: tagseg run {file}")


@app.command(epilog="Example: tagseg doctor runs/demo")
def doctor(
    source: Annotated[
        str | None, typer.Argument(metavar="[SOURCE]", help="A recipe or a run folder to describe too.")
    ] = None,
) -> None:
    """Print what a bug report needs: versions, device, memory.

    With SOURCE also the values of a recipe, and what is done of a run. It names no photograph, no class and no folder
    of yours, and your home folder is written ~.
    """
    from tagseg.use.doctor import machine_lines, source_lines

    console = open_console()
    for line in machine_lines():
        console.print(line)
    for line in source_lines(source) if source is not None else ():
        console.print(line)
