"""Arguments and options that commands on what a run left have in common."""

from typing import Annotated

import typer

LABEL_FORMAT_NAMES = (
    "coco, coco-rle, coco-rle-plain, voc, ids, yolo, yolo-masks, label-studio, label-studio-polygons, cvat, labelme, "
    "huggingface"
)
SERVER_FORMAT_NAMES = "voc-server, voc-server-comp5"
"""Names for help, which comes without the writers; the second are of predictions, for VOC's server."""

SourceArgument = Annotated[
    str,
    typer.Argument(metavar="SOURCE", help="A run folder, an exported folder, or OWNER/NAME on the hub."),
]
DeviceOption = Annotated[str, typer.Option("--device", metavar="NAME", help="auto, cpu, cuda or mps.")]
MinAreaOption = Annotated[
    int | None,
    typer.Option(
        "--min-area",
        metavar="PX",
        help="Smaller parts join what is around them [default: 50 for polygons, Label Studio and CVAT, else 0].",
    ),
]
SimplifyOption = Annotated[
    float | None,
    typer.Option("--simplify", metavar="PX", help="How far polygons may be from the border [default: 2]."),
]
ImagesAtOption = Annotated[
    str | None,
    typer.Option("--images-at", metavar="PREFIX", help="Label Studio: what goes before names of photographs."),
]
