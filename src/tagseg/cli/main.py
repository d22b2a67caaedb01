"""The ``tagseg`` command: one function a command, and the only place where errors become messages and exit codes.

Commands import the stages when they run: torch takes seconds to load, and a mistyped recipe is told at once.
"""

import errno
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, cast

import typer
import typer.main

from tagseg.cli import tables
from tagseg.cli.console import ConsoleProgress, open_console, print_error, print_table
from tagseg.cli.running import open_recipe, print_compared, print_report, print_scores, run_stages
from tagseg.errors import TagsegError
from tagseg.recipe import load_recipe

EXIT_PROBLEMS = 1  # `check` found errors in a data set
EXIT_ERROR = 2
EXIT_STOPPED = 130  # by convention 128 + SIGINT

# Typer brings its own copy of click in newer releases and uses the package in older ones; both derive this name.
UsageError = cast("type[typer.BadParameter]", typer.BadParameter.__mro__[1])

app = typer.Typer(
    name="tagseg",
    help="Photographs with image-level tags in, pixel masks and a trained segmentation network out.",
    epilog="Every command takes --debug, which shows the traceback of an error.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)

RecipeArgument = Annotated[Path, typer.Argument(metavar="RECIPE", help="The recipe, a TOML file.", show_default=False)]
OutOption = Annotated[
    Path | None, typer.Option("--out", metavar="FOLDER", help="The run folder [default: runs/NAME-OF-THE-RECIPE].")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Any recipe value, such as training.epochs=5; may be repeated."),
]
DevicesOption = Annotated[
    int | None, typer.Option("--devices", metavar="N", help="Processes on this machine, one device each.")
]
PrecisionOption = Annotated[
    str | None, typer.Option("--precision", metavar="NAME", help="32-true or bf16-mixed; short for --set.")
]
RedoOption = Annotated[
    bool, typer.Option("--redo", help="Do finished stages again when the recipe changed, instead of refusing.")
]
BaselineOption = Annotated[
    bool, typer.Option("--baseline", help="Also run plain CAM, same seed and budget, in FOLDER/plain; print both.")
]

ShowOption = Annotated[int, typer.Option("--show", metavar="N", min=0, help="Print N problems of each kind.")]


@app.callback(invoke_without_command=True)
def start(
    show_version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Photographs with image-level tags in, pixel masks and a trained segmentation network out."""
    if show_version:
        open_console().print(f"tagseg {version('tagseg')}")
        raise typer.Exit


@app.command(epilog="Example: tagseg check recipes/voc2012.toml --show 20")
def check(recipe: RecipeArgument, *, settings: SetOption = None, show: ShowOption = 3) -> None:
    """List everything wrong with a data set.

    One pass over every list, tag, image and mask, before hours are spent on them. The exit code is 1 when something
    cannot be used as asked, and 0 when there is nothing worse than warnings.
    """
    loaded = load_recipe(recipe, settings or [])
    from tagseg.stages.check import check_data

    reports = check_data(loaded.data, progress=ConsoleProgress())
    for report in reports:
        print_report(report, show=show)
    if not all(report.is_clean for report in reports):
        raise typer.Exit(EXIT_PROBLEMS)


@app.command(epilog="Example: tagseg run recipes/demo.toml --out runs/demo --set training.epochs=5 --baseline")
def run(
    recipe: RecipeArgument,
    *,
    out: OutOption = None,
    settings: SetOption = None,
    devices: DevicesOption = None,
    precision: PrecisionOption = None,
    redo: RedoOption = False,
    baseline: BaselineOption = False,
) -> None:
    """Run every stage, or what is missing of it.

    Run it again to resume: finished stages are skipped with the reason, an interrupted one goes on where it was.
    """
    loaded, folder = open_recipe(recipe, out=out, settings=settings, devices=devices, precision=precision)
    if not baseline:
        print_scores(run_stages(loaded, folder, redo=redo))
    else:
        from tagseg.stages import run_with_baseline

        ours, plain = run_with_baseline(loaded, folder, progress=ConsoleProgress(), redo=redo)
        print_compared(ours.scores, plain.scores)
    open_console().print(f"run folder: {folder}")


@app.command(epilog="Example: tagseg train-classifier recipes/demo.toml --out runs/demo")
def train_classifier(
    recipe: RecipeArgument,
    *,
    out: OutOption = None,
    settings: SetOption = None,
    devices: DevicesOption = None,
    precision: PrecisionOption = None,
    redo: RedoOption = False,
) -> None:
    """Train the tag classifier.

    With the terms of Spatial Structure Constraints that the recipe switches on; an interrupted training goes on.
    Leaves FOLDER/1_classifier.
    """
    loaded, folder = open_recipe(recipe, out=out, settings=settings, devices=devices, precision=precision)
    run_stages(loaded, folder, only="train_classifier", redo=redo)


@app.command(epilog="Example: tagseg extract-cams recipes/demo.toml --out runs/demo --set 'cams.scales=[1.0]'")
def extract_cams(
    recipe: RecipeArgument,
    *,
    out: OutOption = None,
    settings: SetOption = None,
    devices: DevicesOption = None,
    precision: PrecisionOption = None,
    redo: RedoOption = False,
) -> None:
    """Write class activation maps.

    Of the tagged classes of every image, those still missing only. Leaves FOLDER/2_cams.
    """
    loaded, folder = open_recipe(recipe, out=out, settings=settings, devices=devices, precision=precision)
    run_stages(loaded, folder, only="extract_cams", redo=redo)


@app.command(epilog="Example: tagseg train-affinity recipes/demo.toml --out runs/demo")
def train_affinity(
    recipe: RecipeArgument,
    *,
    out: OutOption = None,
    settings: SetOption = None,
    devices: DevicesOption = None,
    precision: PrecisionOption = None,
    redo: RedoOption = False,
) -> None:
    """Make seeds and train the affinity network.

    On the pixels of the training images whose label the maps are sure of; an interrupted training goes on. Leaves
    FOLDER/3_affinity.
    """
    loaded, folder = open_recipe(recipe, out=out, settings=settings, devices=devices, precision=precision)
    run_stages(loaded, folder, only="train_affinity", redo=redo)


@app.command(epilog="Example: tagseg make-masks recipes/demo.toml --out runs/demo --set 'masks.refine=[\"crf\"]'")
def make_masks(
    recipe: RecipeArgument,
    *,
    out: OutOption = None,
    settings: SetOption = None,
    devices: DevicesOption = None,
    precision: PrecisionOption = None,
    redo: RedoOption = False,
) -> None:
    """Write pseudo masks.

    From the maps by the steps of masks.refine, with a mask of the pixels to trust; those still missing only. Leaves
    FOLDER/4_masks.
    """
    loaded, folder = open_recipe(recipe, out=out, settings=settings, devices=devices, precision=precision)
    run_stages(loaded, folder, only="make_masks", redo=redo)


@app.command(epilog="Example: tagseg evaluate recipes/demo.toml --out runs/demo")
def evaluate(
    recipe: RecipeArgument, *, out: OutOption = None, settings: SetOption = None, redo: RedoOption = False
) -> None:
    """Score seeds and pseudo masks against ground truth.

    Seeds over a sweep of background scores, pseudo masks as they are. Leaves FOLDER/scores.json and scores.csv.
    """
    loaded, folder = open_recipe(recipe, out=out, settings=settings)
    scores = run_stages(loaded, folder, only="evaluate", redo=redo)
    if scores.get("seeds"):
        print_table("IoU of each label", tables.class_columns(scores), tables.class_rows(scores))
    print_scores(scores)


@app.command(epilog="Example: tagseg figure runs/demo/plain runs/demo --count 6 --out before_after.png")
def figure(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run folders of the same data, left to right.")],
    *,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The PNG file to write.")],
    images: Annotated[
        list[str] | None, typer.Option("--image", metavar="ID", help="Show this image; may be repeated.")
    ] = None,
    count: Annotated[int, typer.Option("--count", metavar="N", min=1, help="Images, unless --image names them.")] = 12,
    columns: Annotated[
        str | None,
        typer.Option(
            "--columns",
            metavar="NAMES",
            help="'sure' is what stage 3 learns from, 'mask' the pseudo mask, 'confident' its trusted part. "
            "[default: image,cam,seed,mask,truth as far as there are masks]",
        ),
    ] = None,
    background_score: Annotated[
        float | None,
        typer.Option("--background-score", min=0, max=1, help="[default: each run's best; unscored, its recipe's]"),
    ] = None,
) -> None:
    """Draw images with their maps, seeds and masks; several runs side by side.

    Without --image, N images evenly spaced over those with masks (over all when none has any), sorted by id: the same
    call shows the same images. 'cam' is the strongest map as the network gave it, 'seed' what the next stage gets.
    """
    from tagseg.stages.figure import FigureChoice, write_figure

    names = tuple(name.strip() for name in columns.split(",")) if columns is not None else None
    choice = FigureChoice(tuple(images or ()), count=count, columns=names, background_score=background_score)
    shown = write_figure(runs, out, choice=choice, progress=ConsoleProgress())
    open_console().print(f"figure: {out} ({len(shown)} images)")


def app_main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and end the process: exit code 0, 1 (`check` found errors), 2 (error) or 130 (stopped).

    Args:
        arguments: the words after ``tagseg``; those of the process by default.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words  # taken out here, so that it may stand anywhere
    words = [word for word in words if word != "--debug"]
    try:
        code = typer.main.get_command(app).main(words, prog_name="tagseg", standalone_mode=False)
    except TagsegError as error:
        if debug:
            raise
        print_error(error.problem, help=error.help)
        code = EXIT_ERROR
    except UsageError as error:
        help = "'tagseg --help' and 'tagseg COMMAND --help' list what there is"
        print_error(error.format_message().rstrip("."), help=help)
        code = EXIT_ERROR
    except (typer.Abort, KeyboardInterrupt):
        code = EXIT_STOPPED
    except OSError as error:
        if debug or error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        print_error(
            f"the disk has no room left for {error.filename or 'what a stage writes'}",
            help="free some space, then run the same command again: what is finished stays",
        )
        code = EXIT_ERROR
    if code == EXIT_STOPPED:  # newer releases of Typer turn the interrupt into this code themselves
        open_console(errors=True).print("stopped; run the same command again to continue")
    raise SystemExit(code or 0)
