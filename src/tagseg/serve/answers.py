"""The answers of the HTTP interface: their fields as OpenAPI shows them, and pictures as PNG.

Axes: H W pixels of the upright image.
"""

import base64
from io import BytesIO

import numpy as np
from PIL import Image as PillowImage
from pydantic import BaseModel, Field

from tagseg.serve.export_formats import EXPORT_FORMATS
from tagseg.types import LabelMap
from tagseg.use.label_files import WITH_PHOTOGRAPHS

Rgb = tuple[int, int, int]


class Label(BaseModel):
    """A label that occurs in a mask."""

    id: int = Field(description="label id: the value of its pixels in the mask, 0 for background")
    name: str
    pixels: int
    share: float = Field(description="of the image's pixels, in [0, 1]")
    mean_score: float = Field(description="mean of the score over its pixels, in [0, 1]")


class Tag(BaseModel):
    """A class and how probable it is that the image shows it."""

    id: int
    name: str
    probability: float = Field(description="in [0, 1]; each class by itself")


class PredictedImage(BaseModel):
    """What was found in one image."""

    name: str = Field(description="name of the file as it was sent")
    height: int = Field(description="of the upright image and of its mask, in pixels")
    width: int
    network: str = Field(description="segmenter or classifier: which made the mask")
    background_score: float | None = Field(description="what a map had to exceed; null with the segmenter")
    labels: list[Label] = Field(description="the labels that occur, by id")
    tags: list[Tag] | None = Field(description="every class, the most probable first; null with the segmenter")
    mask_png: str = Field(description="base64 of a palette PNG whose pixels are label ids")
    score_png: str | None = Field(
        description="base64 of a grey PNG, 255 times the probability of each pixel's label, or the strongest map with "
        "the classifier; null unless asked for"
    )
    seconds: float = Field(description="that reading, network and pictures took, without waiting")


class Failure(BaseModel):
    """Why one of several files could not be used."""

    name: str
    error: str
    help: str


class Predictions(BaseModel):
    """The images of a request, in the order of its files."""

    images: list[PredictedImage | Failure]


class Map(BaseModel):
    """The class activation map of a tag."""

    id: int
    name: str
    map_png: str = Field(description="base64 of a grey PNG of the image's size, 255 times the map")


class Maps(BaseModel):
    """What a classifier found in one image."""

    name: str
    height: int
    width: int
    background_score: float = Field(description="the run's: where no map exceeds it, the run's seeds are background")
    tags: list[Tag] = Field(description="every class, the most probable first")
    maps: list[Map] = Field(description="one for each tag that was asked for, by id")
    seconds: float


class MapsOfImages(BaseModel):
    """The images of a request, in the order of its files."""

    images: list[Maps | Failure]


class Superpixels(BaseModel):
    """The regions of similar colour of one image."""

    name: str
    height: int
    width: int
    count: int
    regions_png: str = Field(
        description="base64 of an RGB PNG of the image's size: red + 256 x green is the number of a pixel's region"
    )


class SuperpixelsOfImages(BaseModel):
    """The images of a request, in the order of its files."""

    images: list[Superpixels | Failure]


class Saved(BaseModel):
    """A correction that was kept."""

    name: str = Field(description="name of the photograph")
    file: str = Field(description="name of the mask's file in the folder of corrections")


class SavedOfImages(BaseModel):
    """The masks of a request, in the order of its files."""

    images: list[Saved | Failure]


class Error(BaseModel):
    """Why a request is not answered."""

    error: str = Field(description="what is wrong, one sentence")
    help: str = Field(description="the next move")


class ExportFormat(BaseModel):
    """A format of exports."""

    name: str
    title: str = Field(description="what people call it")
    photographs: bool = Field(description="whether it holds the photographs, which are then sent with their masks")


class Info(BaseModel):
    """What this server can do."""

    title: str = Field(description="where the networks come from")
    version: str
    segmenter: str | None = Field(description="the segmentation network; null when there is none")
    classifier: str | None = Field(description="the backbone of the classifier; null when there is none")
    labels: list[str] = Field(description="name of each label id of masks, background first")
    tags: list[str] = Field(description="names of the classifier's classes")
    palettes: dict[str, list[Rgb]] = Field(description="red, green, blue of each label id, by name of the palette")
    background_score: float | None = Field(description="the run's, for masks from maps; null without a classifier")
    formats: list[str] = Field(description="kinds of image files that are read")
    exports: list[ExportFormat] = Field(description="what masks can be exported as, here and at /export")
    corrections: bool = Field(description="whether corrected masks can be sent to /corrections")
    sample: str | None = Field(description="name of the picture to try at /sample; null when there is none")
    max_upload_mb: int
    max_files: int
    max_pixels: int


class Health(BaseModel):
    """That the server lives."""

    status: str
    requests: int = Field(description="that are read, wait or are computed")


def export_formats() -> list[ExportFormat]:
    """Return the formats of exports."""
    return [
        ExportFormat(name=name, title=title, photographs=name in WITH_PHOTOGRAPHS)
        for name, title in EXPORT_FORMATS.items()
    ]


def palette_png(labels: LabelMap, palette: list[Rgb]) -> bytes:
    """Return a label map as a palette PNG: its pixels are label ids.

    Args:
        labels: (H, W) label ids.
        palette: red, green and blue of each of 256 label ids.
    """
    image = PillowImage.fromarray(np.ascontiguousarray(labels))
    image.putpalette([channel for color in palette for channel in color])
    return png(image)


def png(image: PillowImage.Image) -> bytes:
    """Return an image as PNG; level 1 takes a third of the time and a tenth more bytes."""
    file = BytesIO()
    image.save(file, format="PNG", compress_level=1)
    return file.getvalue()


def base64_text(data: bytes) -> str:
    """Return bytes as JSON can hold them."""
    return base64.b64encode(data).decode("ascii")
