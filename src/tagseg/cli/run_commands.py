"""Commands that make a run: all stages, or one of them."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from tagseg.cli.console import ConsoleProgress, open_console

EXIT_PROBLEMS = 1  # `check` found errors in a data set

app = typer.Typer()

RECIPE_HELP = "A packaged recipe by its name, such as demo ('tagseg recipes' lists them), or a TOML file."

RecipeArgument = Annotated[str, typer.Argument(metavar="RECIPE", help=RECIPE_HELP, show_default=False)]
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
UpperBoundOption = Annotated[
    bool,
    typer.Option("--upper-bound", help="Also train the segmenter on ground truth, same budget, in FOLDER/full."),
]
WeightsOption = Annotated[
    Path | None,
    typer.Option("--weights", metavar="FILE", help="Initial weights of the classifier; short for --set."),
]
ShowOption = Annotated[int, typer.Option("--show", metavar="N", min=0, help="Print N problems of each kind.")]


@app.command(epilog="Example: tagseg check voc2012 --show 20")
def check(
    recipe: RecipeArgument,
    *,
    settings: SetOption = None,
    weights: WeightsOption = None,
    show: ShowOption = 3,
) -> None:
    """List everything wrong with a data set.

    One pass over every list, tag, image and mask, before hours are spent on them. At the end it looks whether the
    weights that the networks start from can be had, and an earlier run, corrections and loggers where the recipe names
    some. The exit code is 1 when the data cannot be used as asked, 2 when something else is missing, and 0 when there
    is nothing worse than warnings.
    """
    from tagseg.cli.running import overrides_of, print_report
    from tagseg.recipe import load_recipe

    # A mistake in it is an error before more is imported.
    loaded = load_recipe(recipe, overrides_of(settings, weights=weights))
    from tagseg.use.check import check_data, check_needs

    reports = check_data(loaded.data, progress=ConsoleProgress())
    for report in reports:
        print_report(report, show=show)
    check_needs(loaded)
    if not all(report.is_clean for report in reports):
        raise typer.Exit(EXIT_PROBLEMS)
    options = [("--set", each) for each in settings or []] + ([("--weights", str(weights))] if weights else [])
    words = (recipe, *(word for option in options for word in option))
    open_console().print(f"next: tagseg run {' '.join(map(shlex.quote, words))}")


@app.command(epilog="Example: tagseg run demo --out runs/longer --set training.epochs=16 --baseline")
def run(
    recipe: RecipeArgument,
    *,
    out: OutOption = None,
    settings: SetOption = None,
    weights: WeightsOption = None,
    devices: DevicesOption = None,
    precision: PrecisionOption = None,
    redo: RedoOption = False,
    baseline: BaselineOption = False,
    upper_bound: UpperBoundOption = False,
) -> None:
    """Run every stage, or what is missing of it.

    Run it again to resume: finished stages are skipped with the reason, an interrupted one goes on where it was.
    """
    from tagseg.cli.next_steps import last_lines
    from tagseg.cli.running import compare_runs, open_recipe, overrides_of, print_scores, run_stages

    settings = overrides_of(settings, weights=weights)
    loaded, folder = open_recipe(recipe, out=out, settings=settings, devices=devices, precision=precision)
    if not (baseline or upper_bound):
        print_scores(run_stages(loaded, folder, redo=redo))
    else:
        compare_runs(loaded, folder, baseline=baseline, upper_bound=upper_bound, redo=redo)
    for line in last_lines(folder):
        open_console().print(line)


def _add_stage(name: str, help: str, *, example: str = "demo --out runs/demo") -> None:
    """Add the command that runs one stage; ``example`` is what its help shows behind the name."""

    def command(
        recipe: RecipeArgument,
        *,
        out: OutOption = None,
        settings: SetOption = None,
        devices: DevicesOption = None,
        precision: PrecisionOption = None,
        redo: RedoOption = False,
    ) -> None:
        from tagseg.cli.running import open_recipe, run_stages

        loaded, folder = open_recipe(recipe, out=out, settings=settings, devices=devices, precision=precision)
        run_stages(loaded, folder, only=name.replace("-", "_"), redo=redo)

    app.command(name, help=help, epilog=f"Example: tagseg {name} {example}")(command)


_add_stage(
    "train-classifier",
    """Train the tag classifier.

    With the terms of Spatial Structure Constraints that the recipe switches on; an interrupted training goes on.
    Leaves FOLDER/1_classifier.
    """,
)
_add_stage(
    "extract-cams",
    """Write class activation maps.

    Of the tagged classes of every image, those still missing only. Leaves FOLDER/2_cams.
    """,
    example="demo --out runs/demo --set 'cams.scales=[0.5, 1.0]' --redo",
)
_add_stage(
    "train-affinity",
    """Make seeds and train the affinity network.

    On the pixels of the training images whose label the maps are sure of; an interrupted training goes on. Leaves
    FOLDER/3_affinity.
    """,
    example="folder --set data.root=PHOTOS --out runs/photos --set affinity.epochs=5 --redo",
)
_add_stage(
    "make-masks",
    """Write pseudo masks.

    From the maps by the steps of masks.refine, with a mask of the pixels to trust; those still missing only. Leaves
    FOLDER/4_masks.
    """,
    example="demo --out runs/demo --set masks.background_rule=fixed --set masks.background_score=0.2 --redo",
)
_add_stage(
    "train-segmenter",
    """Train the segmentation network.

    On the pseudo masks, by the recipe's segmenter.strategy; an interrupted training goes on. Leaves FOLDER/5_segmenter.
    """,
    example="demo --out runs/demo --set segmenter.strategy=cotrain --redo",
)
