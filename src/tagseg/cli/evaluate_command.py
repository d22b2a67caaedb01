"""The command that scores a run, or any folder of masks."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any

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

ClassesOption = Annotated[
    str | None,
    typer.Option(
        "--classes",
        metavar="NAMES",
        help="Names of labels 1, 2, ..., with commas between. With --ids and --mask-ids: those to score, in any order.",
    ),
]
SuffixOption = Annotated[
    str, typer.Option("--suffix", metavar="TEXT", help="What names of masks end in, such as _mask.png.")
]
IdsOption = Annotated[
    Path | None,
    typer.Option("--ids", metavar="FILE", help="JSON of the names of the ids in --predictions, where they differ."),
]
MaskIdsOption = Annotated[
    Path | None, typer.Option("--mask-ids", metavar="FILE", help="The same of the ids in --masks.")
]
ByImageOption = Annotated[
    Path | None, typer.Option("--by-image", metavar="FILE", help="Write the scores of every image to this .csv, too.")
]


PredictionsOption = Annotated[
    Path | None, typer.Option("--predictions", metavar="FOLDER", help="Masks to score, from any tool.")
]
TruthOption = Annotated[Path | None, typer.Option("--masks", metavar="FOLDER", help="Their ground truth.")]


@app.command(epilog="Example: tagseg evaluate demo --out runs/demo")
def evaluate(
    recipe: Annotated[
        str | None, typer.Argument(metavar="RECIPE", help=f"{RECIPE_HELP} Not with --predictions.")
    ] = None,
    *,
    out: OutOption = None,
    settings: SetOption = None,
    redo: RedoOption = False,
    predictions: PredictionsOption = None,
    masks: TruthOption = None,
    classes: ClassesOption = None,
    suffix: SuffixOption = "",
    ids: IdsOption = None,
    mask_ids: MaskIdsOption = None,
    allow_missing: AllowMissingOption = False,
    mask_255: Mask255Option = None,
    by_image: ByImageOption = None,
) -> None:
    """Score a run, or any folder of masks against any other.

    With RECIPE: the seeds of its run over a sweep of background scores, its pseudo masks and its segmenter. Leaves
    FOLDER/scores.json and scores.csv.

    With --predictions and --masks: label images (PNG, BMP, TIFF, GIF, lossless WebP) or .npy arrays of the same names
    in two folders, from any tool. With --out FILE.json or FILE.csv, the scores are written there too. A file of ids is
    JSON such as {"0": "background", "7": "cat", "8": "dog"}; every id needs a name, and names that are not scored are
    background.
    """
    if (recipe is None) == (predictions is None) or (predictions is None) != (masks is None):
        raise RecipeError(
            "evaluate takes either RECIPE or both --predictions and --masks, got another combination",
            help="'tagseg evaluate --help' shows both",
        )
    if recipe is not None:
        _refuse_options_of_folders(
            {
                **{"--classes": classes, "--suffix": suffix, "--ids": ids, "--mask-ids": mask_ids},
                **{"--allow-missing": allow_missing, "--mask-255": mask_255},
            }
        )
    from tagseg.artifacts.image_scores_csv import require_csv

    if by_image is not None:
        require_csv(by_image)
    if predictions is not None and masks is not None:
        from tagseg.use.mask_folders import FolderReading
        from tagseg.use.score_folders import evaluate_folders, meaning_of_255, require_json_or_csv

        if out is not None:
            require_json_or_csv(out)
        reading = FolderReading(allow_missing, meaning_of_255(mask_255), suffix, ids, mask_ids)
        names = tuple(name.strip() for name in classes.split(",")) if classes else None
        score = partial(evaluate_folders, predictions, masks, classes=names, reading=reading)
        _print_folder_scores(score, out=out, by_image=by_image)
        return
    assert recipe is not None
    _score_run(recipe, out=out, settings=settings, redo=redo, by_image=by_image)


def _score_run(recipe: str, *, out: Path | None, settings: list[str] | None, redo: bool, by_image: Path | None) -> None:
    """Score a run, print the scores, and write those of every image where they are asked for."""
    from tagseg.cli import tables
    from tagseg.cli.running import open_recipe, print_scores, run_stages

    loaded, folder = open_recipe(recipe, out=out, settings=settings)
    scores = run_stages(loaded, folder, only="evaluate", redo=redo)
    if scores and tables.shown_scores(scores):
        print_table("IoU of each label", tables.class_columns(scores), tables.class_rows(scores))
    print_scores(scores)
    if by_image is not None:
        from tagseg.results.image_table import write_image_table

        write_image_table(folder, by_image, progress=ConsoleProgress())


def _refuse_options_of_folders(values: Mapping[str, object]) -> None:
    """Refuse an option that says how folders of masks are read, where a run is scored."""
    if given := [option for option, value in values.items() if value not in (None, "", False)]:
        raise RecipeError(f"{given[0]} goes with --predictions, got RECIPE", help=f"leave out {given[0]} or RECIPE")


def _print_folder_scores(score: Callable[..., dict[str, Any]], *, out: Path | None, by_image: Path | None) -> None:
    """Score one folder against the other, print the scores, and write what is asked for."""
    from tagseg.artifacts.image_scores_csv import write_image_scores
    from tagseg.cli import tables
    from tagseg.evaluation.image_sums import ImageSums, image_rows
    from tagseg.use.score_folders import write_folder_scores

    sums = None if by_image is None else ImageSums()
    scores = score(by_image=sums, progress=ConsoleProgress())
    if out is not None:
        write_folder_scores(out, scores)
    if by_image is not None and sums is not None:
        write_image_scores(by_image, image_rows(sums, scores["classes"], what="predictions"), scores["classes"])
    print_table(tables.folder_title(scores), tables.FOLDER_COLUMNS, tables.folder_rows(scores))
