"""Commands that use what a run left: scores, pictures, labels of new photographs, files for other programs."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from tagseg.cli.console import ConsoleProgress, open_console, print_table
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
            help="png (palette masks, always written), overlay, probability, coco (polygons), coco-rle, csv (areas); "
            "commas between several, or the option again.",
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
    device: DeviceOption = "auto",
    redo: Annotated[
        bool, typer.Option("--redo", help="Label the named photographs again, whatever the folder holds.")
    ] = False,
) -> None:
    """Label photographs.

    Bad files are skipped and named at the end (exit code 1). Give the command again to go on where it stopped.
    """
    from tagseg.use.predict import PredictChoice, predict_files

    choice = PredictChoice.parse(
        formats=",".join(formats or ["png"]), scales=scales, flip=flip, crf=crf, max_side=max_side
    )
    choice = replace(choice, device=device, redo=redo)
    summary = predict_files(source, inputs, out, choice=choice, progress=ConsoleProgress())
    console = open_console()
    for note in summary.notes:
        console.print(f"left out: {note}")
    for path, reason in summary.failed:
        console.print(f"skipped {path}: {reason}")
    counts = f"{summary.predicted} images labelled, {summary.kept} were there, {len(summary.failed)} skipped"
    console.print(f"{counts}: {out}")
    if summary.failed:
        raise typer.Exit(EXIT_FAILED)


@app.command(epilog="Example: tagseg export runs/demo --format onnx --out exported/")
def export(
    source: SourceArgument,
    *,
    format: Annotated[str, typer.Option("--format", metavar="NAME", help="onnx or safetensors.")] = "onnx",
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Where the files go.")],
    check: Annotated[
        list[Path] | None,
        typer.Option("--check", metavar="IMAGE", help="Compare ONNX with torch on this image; may be repeated."),
    ] = None,
    push: Annotated[
        str | None, typer.Option("--push", metavar="OWNER/NAME", help="Upload the safetensors folder to the hub.")
    ] = None,
    public: Annotated[bool, typer.Option("--public", help="Let everybody see what is uploaded.")] = False,
) -> None:
    """Write the segmentation network for other programs.

    'onnx' gives one file for onnxruntime, for any batch and image size; it is compared with torch before it is kept.
    With 'safetensors' come weights and a JSON file that tagseg.load, plain timm and segmentation_models_pytorch read.
    """
    if public and push is None:
        raise RecipeError(
            "--public goes with --push, got --public alone", help="add --push OWNER/NAME, or leave it out"
        )
    from tagseg.use.export import export_segmenter, publish_segmenter

    exported = export_segmenter(source, out, format=format, check_images=check or [], progress=ConsoleProgress())
    for path in exported.files:
        open_console().print(f"written: {path}")
    if push is not None:
        address = publish_segmenter(source, push, private=not public)
        open_console().print(f"uploaded: {address}")
