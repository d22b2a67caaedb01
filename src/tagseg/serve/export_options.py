"""The options of exports, with the ranges and the sentences of the command line."""

from tagseg.errors import RecipeError
from tagseg.serve.export_formats import EXPORT_FORMATS
from tagseg.serve.options import CLEANING_OPTIONS, Options
from tagseg.serve.refusal import RefusedError
from tagseg.use.label_files import POLYGONS, FormatChoice

_SERVED = tuple(name for name in EXPORT_FORMATS if name.startswith("label-studio"))


def export_choice(options: Options) -> FormatChoice | None:
    """Return the format of an export, and how labels are cleaned for it; None where none is asked for.

    Raises:
        RefusedError: when an option is out of range or goes with other formats.

    >>> export_choice(Options(format="coco", min_area=20))
    FormatChoice(format='coco', min_area_px=20, tolerance_px=None, images_at=None)
    """
    for option, value, having in (
        ("min_area", options.min_area, tuple(EXPORT_FORMATS)),
        ("simplify", options.simplify, tuple(POLYGONS)),
        ("images_at", options.images_at, _SERVED),
    ):
        if value is not None and options.format not in having:
            raise RefusedError(
                f"{option} goes with format {', '.join(having)}, got {options.format}",
                help=f"leave {option} out, or ask for one of these formats",
            )
    if options.format not in EXPORT_FORMATS:
        return None
    try:
        return FormatChoice(options.format, options.min_area, options.simplify, options.images_at)
    except RecipeError as error:
        raise RefusedError(as_option(error.problem), help=as_option(error.help)) from error


def as_option(sentence: str) -> str:
    """Return a sentence of the command line with the names that requests have.

    >>> as_option("--min-area is 0 or more, got -1")
    'min_area is 0 or more, got -1'
    """
    for name in ("format", *CLEANING_OPTIONS):
        sentence = sentence.replace(f"--{name.replace('_', '-')}", name)
    return sentence
