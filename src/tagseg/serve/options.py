"""What a request asks for, from its address and its form, every value checked."""

import math
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from tagseg.classes import ClassTable, nearest_name_help
from tagseg.serve.export_formats import EXPORT_FORMATS
from tagseg.serve.limits import Limits
from tagseg.serve.refusal import RefusedError
from tagseg.use.label_files import LOCAL_FILES, TOLERANCE_PX

NetworkName = Literal["segmenter", "classifier"]
Palette = Literal["voc", "safe"]

FORMATS: tuple[str, ...] = ("json", "png", "overlay", *EXPORT_FORMATS)
NETWORKS: tuple[NetworkName, ...] = ("segmenter", "classifier")
PALETTES: tuple[Palette, ...] = ("voc", "safe")
SCALE_RANGE = (0.25, 4.0)

LOOK_OPTIONS = ("scales", "flip")
CAM_OPTIONS = ("tags", *LOOK_OPTIONS)
CLEANING_OPTIONS = ("min_area", "simplify", "images_at")
EXPORT_OPTIONS = ("format", *CLEANING_OPTIONS, "corrected")
PREDICT_OPTIONS = (
    *("format", "network", "background_score", "palette", "opacity", "score"),
    *CLEANING_OPTIONS,
    *CAM_OPTIONS,
)

_WHOLE = re.compile(r"-?[0-9]{1,12}")
_YES, _NO = ("1", "true", "yes", "on"), ("0", "false", "no", "off")
_SCHEMAS: dict[str, tuple[dict[str, Any], str]] = {
    "format": (
        {"type": "string", "enum": list(FORMATS), "default": "json"},
        "json: everything about each image; png: the palette mask of one image; overlay: one image with its classes "
        "laid over it, as PNG; the others are those of `tagseg export`, of all images: one JSON file for COCO, else a "
        "ZIP archive.",
    ),
    "min_area": (
        {"type": "integer", "minimum": 0},
        "Exports: smaller parts, in pixels, join what is around them. Default: 50 for polygons, Label Studio and CVAT, "
        "else 0.",
    ),
    "simplify": (
        {"type": "number", "minimum": 0, "maximum": 100, "default": TOLERANCE_PX},
        "Exports as polygons: how far they may be from the border, in pixels; 0 for every corner.",
    ),
    "images_at": (
        {"type": "string", "default": LOCAL_FILES},
        "Exports for Label Studio: what goes before the names of photographs.",
    ),
    "corrected": (
        {"type": "integer", "minimum": 0, "default": 0},
        "How many of the masks a person corrected; the export says so.",
    ),
    "network": (
        {"type": "string", "enum": list(NETWORKS)},
        "Which network makes the masks. Default: the segmenter where there is one, else the classifier's maps.",
    ),
    "background_score": (
        {"type": "number", "minimum": 0, "maximum": 1},
        "What a map must exceed for a pixel to be no background; with the classifier. Default: the run's.",
    ),
    "palette": (
        {"type": "string", "enum": list(PALETTES), "default": "voc"},
        "Colours of png and overlay: those of PASCAL VOC, or such as colour-blind people tell apart.",
    ),
    "opacity": ({"type": "number", "minimum": 0, "maximum": 1, "default": 0.5}, "Of the classes in an overlay."),
    "score": ({"type": "boolean", "default": False}, "Whether JSON holds the score of every pixel, as a grey PNG."),
    "tags": (
        {"type": "array", "items": {"type": "string"}},
        "Names of the classes that the images show, repeated or with commas between. The segmenter labels no others; "
        "default: all. Of the classifier these maps are taken; default: those that are more probable than not, or the "
        "most probable one.",
    ),
    "scales": (
        {"type": "string"},
        "Factors of the image's sides, with commas between, each in 0.25..4. Default: the segmenter's own; 1 for the "
        "classifier.",
    ),
    "flip": ({"type": "boolean"}, "Whether to look at the mirrored image too. Default: the segmenter's own; else no."),
}


@dataclass(frozen=True, slots=True)
class Options:
    """What to make of the images of a request.

    Args:
        format: of the answer.
        network: whose masks; None for the better one that there is.
        tags: names of classes; empty for all of the segmenter, and the likely ones of the classifier.
        background_score: in [0, 1]; None for the run's.
        scales: factors of the image's sides; None for the default.
        flip: None for the default.
        palette: of pictures.
        opacity: of overlays, in [0, 1].
        score: whether JSON holds every pixel's score.
        min_area: of exports, as the next two: see :class:`~tagseg.use.label_files.FormatChoice`.
        simplify: in pixels.
        images_at: what goes before names of photographs.
        corrected: how many masks of an export a person corrected.
    """

    format: str = "json"
    network: NetworkName | None = None
    tags: tuple[str, ...] = ()
    background_score: float | None = None
    scales: tuple[float, ...] | None = None
    flip: bool | None = None
    palette: Palette = "voc"
    opacity: float = 0.5
    score: bool = False
    min_area: int | None = None
    simplify: float | None = None
    images_at: str | None = None
    corrected: int = 0


def parse_options(
    values: Iterable[tuple[str, str]],
    *,
    allowed: tuple[str, ...],
    classes: ClassTable,
    limits: Limits,
    formats: tuple[str, ...] = FORMATS,
) -> Options:
    """Read the options of a request.

    Args:
        values: names and texts; a later one of a name wins, ``tags`` add up.
        allowed: the names that this kind of request takes.
        classes: whose names tags are.
        limits: how many scales.
        formats: that there are.

    Raises:
        RefusedError: for an unknown name, or a value that is none.

    >>> classes = ClassTable(("cat", "dog"))
    >>> values = [("tags", "dog,cat"), ("flip", "yes")]
    >>> found = parse_options(values, allowed=CAM_OPTIONS, classes=classes, limits=Limits())
    >>> found.tags, found.flip, found.scales
    (('dog', 'cat'), True, None)
    """
    found: dict[str, Any] = {}
    tags: list[str] = []
    for name, text in values:
        if name not in allowed:
            raise RefusedError(f"option '{name[:100]}' of a request is unknown", help=nearest_name_help(name, allowed))
        if name == "tags":
            tags += _tags(text, classes)
        elif name == "format" and text.strip():
            found[name] = _one_of(name, text.strip(), formats)
        elif text.strip():
            found[name] = _VALUES[name](name, text.strip())
    options = Options(**found, tags=tuple(dict.fromkeys(tags)))
    views = len(options.scales or (1.0,)) * (2 if options.flip else 1)
    if views > limits.views:
        raise RefusedError(
            f"an image is looked at {limits.views} times at most, scales and mirror images together, got {views}",
            help="take fewer scales",
        )
    return options


def option_parameters(names: tuple[str, ...], formats: tuple[str, ...] = FORMATS) -> list[Mapping[str, Any]]:
    """Return the options as OpenAPI describes query parameters."""
    return [
        {"name": name, "in": "query", "required": False, "schema": schema, "description": text}
        for name, (schema, text) in _described(names, formats).items()
    ]


def option_properties(names: tuple[str, ...], formats: tuple[str, ...] = FORMATS) -> dict[str, Any]:
    """Return the options as OpenAPI describes the values of a form."""
    return {name: schema | {"description": text} for name, (schema, text) in _described(names, formats).items()}


def _described(names: tuple[str, ...], formats: tuple[str, ...]) -> dict[str, tuple[dict[str, Any], str]]:
    found = {name: described for name, described in _SCHEMAS.items() if name in names}
    if "format" in found and formats != FORMATS:
        found["format"] = ({"type": "string", "enum": list(formats)}, "As in `tagseg export`; must be sent.")
    return found


def _tags(text: str, classes: ClassTable) -> list[str]:
    names = [text] if text in classes.names else [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in classes.names:
            raise RefusedError(
                f"tag '{name[:100]}' is not a class of this network", help=nearest_name_help(name, classes.names)
            )
    return names


def _choice(name: str, text: str) -> str:
    return _one_of(name, text, cast("list[str]", _SCHEMAS[name][0]["enum"]))


def _one_of(name: str, text: str, known: Collection[str]) -> str:
    if text not in known:
        raise RefusedError(
            f"{name} is one of {', '.join(known)}, got '{text[:100]}'", help=nearest_name_help(text, known)
        )
    return text


def _share(name: str, text: str) -> float:
    value = _number(text)
    if not 0 <= value <= 1:
        raise RefusedError(f"{name} lies in 0..1, got '{text[:100]}'", help=f"send for example {name}=0.5")
    return value


def _whole(name: str, text: str) -> int:
    if not _WHOLE.fullmatch(text):
        raise RefusedError(f"{name} is a whole number, got '{text[:100]}'", help=f"send for example {name}=50")
    return int(text)


def _pixels(name: str, text: str) -> float:
    if math.isnan(value := _number(text)):
        raise RefusedError(f"{name} is a number of pixels, got '{text[:100]}'", help=f"send for example {name}=1.5")
    return value


def _text(name: str, text: str) -> str:
    return text


def _switch(name: str, text: str) -> bool:
    if text.lower() not in (*_YES, *_NO):
        raise RefusedError(f"{name} is true or false, got '{text[:100]}'", help=f"send {name}=true")
    return text.lower() in _YES


def _scales(name: str, text: str) -> tuple[float, ...]:
    low, high = SCALE_RANGE
    scales = tuple(_number(part) for part in text.split(","))
    if not all(low <= scale <= high for scale in scales):
        raise RefusedError(
            f"scales are numbers in {low:g}..{high:g} with commas between, got '{text[:100]}'",
            help="send for example scales=0.5,1,1.5",
        )
    return scales


def _number(text: str) -> float:
    """Return a number, NaN for what is none: it lies in no range."""
    try:
        return float(text)
    except ValueError:
        return math.nan


_VALUES = {
    "network": _choice,
    "palette": _choice,
    "background_score": _share,
    "opacity": _share,
    "score": _switch,
    "flip": _switch,
    "scales": _scales,
    "min_area": _whole,
    "simplify": _pixels,
    "images_at": _text,
    "corrected": _whole,
}
