"""The command that scores a run, or any folder of masks."""

from pathlib import Path
from typing import Annotated

import typer

from tagseg.cli.console import ConsoleProgress, print_table
from tagseg.cli.run_commands import RECIPE_HELP, OutOption, RedoOption, SetOption
from tagseg.errors import RecipeError

app = typer.Typer()

AllowMissingOption = Annotated[
    bool, typer.Option("--allow-missing", help="Score the images that have a prediction, and say how many.")
]
Mask255Option = Annotated[
    str | None,
    typer.Option("--mask-255", metavar="MEANING", help="What 255 is in the masks: void, or object, the one class."),
]


@app.command(epilog="Example: tagseg evaluate demo --out runs/demo")
def evaluate(
    recipe: Annotated[
        str | None, typer.Argument(metavar="RECIPE", help=f"{RECIPE_HELP} Not with --predictions.")
    ] = None,
    *,
    out: OutOption = None,
    settings: SetOption = None,
    redo: RedoOption = False,
    predictions: Annotated[
        Path | None, typer.Option("--predictions", metavar="FOLDER", help="Masks to score, from any tool.")
    ] = None,
    masks: Annotated[Path | None, typer.Option("--masks", metavar="FOLDER", help="Their ground truth.")] = None,
    classes: Annotated[
        str | None, typer.Option("--classes", metavar="NAMES", help="Names of labels 1, 2, ..., with commas between.")
    ] = None,
    allow_missing: AllowMissingOption = False,
    mask_255: Mask255Option = None,
) -> None:
    """Score a run, or any folder of masks against any other.

    With RECIPE: the seeds of its run over a sweep of background scores, its pseudo masks and its segmenter. Leaves
    FOLDER/scores.json and scores.csv.

    With --predictions and --masks: label images (PNG, BMP, TIFF, GIF, lossless WebP) or .npy arrays of the same names
    in two folders, from any tool. With --out FILE.json or FILE.csv, the scores are written there too.
    """
    if (recipe is None) == (predictions is None) or (predictions is None) != (masks is None):
        raise RecipeError(
            "evaluate takes either RECIPE or both --predictions and --masks, got another combination",
            help="'tagseg evaluate --help' shows both",
        )
    from tagseg.cli import tables

    if predictions is not None and masks is not None:
        from tagseg.use.score_folders import evaluate_folders, meaning_of_255, write_folder_scores

        names = tuple(name.strip() for name in classes.split(",")) if classes else None
        scores = evaluate_folders(
            predictions,
            masks,
            classes=names,
            allow_missing=allow_missing,
            mask_255=meaning_of_255(mask_255),
            progress=ConsoleProgress(),
        )
        if out is not None:
            write_folder_scores(out, scores)
        print_table(tables.folder_title(scores), tables.FOLDER_COLUMNS, tables.folder_rows(scores))
        return
    assert recipe is not None
    from tagseg.cli.running import open_recipe, print_scores, run_stages

    loaded, folder = open_recipe(recipe, out=out, settings=settings)
    scores = run_stages(loaded, folder, only="evaluate", redo=redo)
    if scores and tables.shown_scores(scores):
        print_table("IoU of each label", tables.class_columns(scores), tables.class_rows(scores))
    print_scores(scores)
