"""Commands for the first minutes: which recipes there are, the demo, a recipe for a folder, facts for a bug report."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from tagseg.cli.console import open_console
from tagseg.cli.next_steps import last_lines

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
    """Run the demo: the whole pipeline on drawn pictures, also with plain CAM and with the upper bound.

    Short for 'tagseg run demo --baseline --upper-bound'. It needs no GPU and downloads nothing.
    """
    from tagseg.cli.running import compare_runs, open_recipe
    from tagseg.recipe.packaged import packaged_text, read_sheet

    sheet = read_sheet("demo", packaged_text("demo"))
    console = open_console()
    console.print(f"{sheet.purpose}. Time: {sheet.time}.")
    loaded, folder = open_recipe("demo", out=out, settings=None)
    compare_runs(loaded, folder, baseline=True, upper_bound=True)
    for line in last_lines(folder):
        console.print(line)


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
    """Look at a folder of photographs and write a commented recipe for it.

    It finds the layout, the classes, how many photographs there are and of which sizes, and the device. A file that is
    there already is not overwritten.
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
    """Print what a bug report needs: versions, device, threads, memory, places.

    With SOURCE also the values of a recipe, and what is done of a run. It names no photograph, no class and no folder
    of yours, and your home folder is written ~.
    """
    from tagseg.use.doctor import machine_lines, source_lines

    console = open_console()
    for line in machine_lines():
        console.print(line)
    for line in source_lines(source) if source is not None else ():
        console.print(line)
