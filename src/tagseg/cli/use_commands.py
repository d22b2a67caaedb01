"""Commands that use what a run left: scores, pictures, labels of new photographs, files for other programs."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from tagseg.cli.console import ConsoleProgress, open_console, print_table
from tagseg.cli.label_options import ImagesAtOption, MinAreaOption, SimplifyOption
from tagseg.cli.run_commands import RECIPE_HELP, OutOption, RedoOption, SetOption
from tagseg.errors import RecipeError

EXIT_FAILED = 1  # `predict` could not use some of the files

app = typer.Typer()

SourceArgument = Annotated[
    str,
    typer.Argument(metavar="SOURCE", help="A run folder, an exported folder, or OWNER/NAME on the hub."),
]
AllowMissingOption = Annotated[
    bool, typer.Option("--allow-missing", help="Score the images that have a prediction, and say how many.")
]
Mask255Option = Annotated[
    str | None,
    typer.Option("--mask-255", metavar="MEANING", help="What 255 is in the masks: void, or object, the one class."),
]
DeviceOption = Annotated[str, typer.Option("--device", metavar="NAME", help="auto, cpu, cuda or mps.")]


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


@app.command(epilog="Example: tagseg predict runs/demo photos/ --out masks/ --format png,overlay,coco")
def predict(
    source: SourceArgument,
    inputs: Annotated[
        list[str], typer.Argument(metavar="INPUT...", help="Files, folders, globs; - reads paths from standard input.")
    ],
    *,
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Where masks go.")],
    formats: Annotated[
        list[str] | None,
        typer.Option(
            "--format",
            metavar="NAMES",
            help="png (palette masks, always written), overlay, probability, csv (areas); as in 'tagseg export' coco, "
            "coco-rle, coco-rle-plain, voc, ids, yolo, yolo-masks, label-studio, label-studio-polygons, cvat, labelme, "
            "huggingface. Commas between several, or the option again.",
        ),
    ] = None,
    scales: Annotated[
        str | None, typer.Option("--scales", metavar="NUMBERS", help="Such as 0.5,1,1.5 [default: as trained].")
    ] = None,
    flip: Annotated[bool | None, typer.Option("--flip/--no-flip", help="Also look at the mirrored image.")] = None,
    crf: Annotated[bool, typer.Option("--crf", help="Refine with the dense CRF.")] = False,
    max_side: Annotated[
        str | None,
        typer.Option("--max-side", metavar="PX", help="Shrink larger images for the network; 'none': tiles."),
    ] = None,
    min_area: MinAreaOption = None,
    simplify: SimplifyOption = None,
    images_at: ImagesAtOption = None,
    device: DeviceOption = "auto",
    redo: Annotated[
        bool, typer.Option("--redo", help="Label the named photographs again, whatever the folder holds.")
    ] = False,
) -> None:
    """Label photographs.

    Bad files are skipped and named at the end (exit code 1). Give the command again to go on where it stopped. A format
    of 'tagseg export' gets a folder of its name inside FOLDER; docs/exports.md says what each keeps.
    """
    from tagseg.use.predict import PredictChoice, predict_files

    choice = PredictChoice.parse(
        formats=",".join(formats or ["png"]), scales=scales, flip=flip, crf=crf, max_side=max_side
    )
    cleaning = {"min_area_px": min_area, "tolerance_px": simplify, "images_at": images_at}
    choice = replace(choice, device=device, redo=redo, **cleaning)
    summary = predict_files(source, inputs, out, choice=choice, progress=ConsoleProgress())
    console = open_console()
    for note in summary.notes:
        console.print(f"left out: {note}")
    for path, reason in summary.failed:
        console.print(f"skipped {path}: {reason}")
    for shape, found in summary.exports:
        console.print(f"written: {out / shape.format} ({found.images} photographs, {found.objects} objects)")
        for line in found.said(shape, what="masks"):
            console.print(line)
    counts = f"{summary.predicted} images labelled, {summary.kept} were there, {len(summary.failed)} skipped"
    console.print(f"{counts}: {out}")
    if summary.failed:
        raise typer.Exit(EXIT_FAILED)
