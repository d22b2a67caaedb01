"""The recipes that come with the package: which there are, what each says of itself, and which one a word names."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import takewhile
from pathlib import Path

from tagseg.artifacts.layout import RunLayout
from tagseg.data.text_files import decode_unicode
from tagseg.errors import RecipeError
from tagseg.system.home import with_home
from tagseg.system.near_paths import near_path_help

FOLDER = Path(__file__).parents[1] / "recipes"

_NAME = re.compile(r"[\w-]+")
_FACT = re.compile(r"(?:^|(?<=[.]\s))(Hardware|Time): (.+?)[.](?=\s|$)", flags=re.DOTALL | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class RecipeSheet:
    """What the comment at the top of a recipe says.

    Args:
        name: the file's name without ``.toml``, by which commands take it.
        purpose: what the recipe is for, one sentence.
        hardware: what it needs, empty where it does not say so.
        time: how long it takes, empty where it does not say so.
    """

    name: str
    purpose: str
    hardware: str
    time: str


def packaged_names() -> list[str]:
    """Return the names of the packaged recipes, sorted.

    >>> packaged_names()[:2]
    ['coco2014', 'demo']
    """
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def packaged_sheets() -> Iterator[RecipeSheet]:
    """Yield what each packaged recipe says of itself, by name."""
    for name in packaged_names():
        yield read_sheet(name, packaged_text(name))


def packaged_text(name: str) -> str:
    """Return the TOML of a packaged recipe.

    Raises:
        RecipeError: when there is none of that name.
    """
    if name not in packaged_names():
        raise RecipeError(f"recipe '{name}' must be a packaged one, got none", help=nearest_recipe(name))
    return decode_unicode((FOLDER / f"{name}.toml").read_bytes())


def read_sheet(name: str, text: str) -> RecipeSheet:
    r"""Return what the comment at the top of a recipe says: its first paragraph, and the facts that it names.

    Args:
        name: of the recipe.
        text: its TOML. A fact is a sentence that begins with ``Hardware:`` or ``Time:``.

    >>> read_sheet("mine", "# Birds.\n#\n#   tagseg run it\n#\n# Hardware: any. Time: 5 minutes\n# on 2.5 cores. So.")
    RecipeSheet(name='mine', purpose='Birds', hardware='any', time='5 minutes on 2.5 cores')
    """
    lines = [line.lstrip("#").strip() for line in takewhile(lambda line: line.startswith("#"), text.splitlines())]
    purpose = " ".join(takewhile(bool, lines)).removesuffix(".")
    facts = {key: " ".join(fact.split()) for key, fact in _FACT.findall("\n".join(lines))}
    return RecipeSheet(name, purpose, facts.get("Hardware", ""), facts.get("Time", ""))


def recipe_path(recipe: str | Path) -> Path:
    """Return the file of a recipe; whoever reads it says when it is missing.

    Args:
        recipe: the name of a packaged recipe, or a file. A ``Path`` and ``"./demo"`` are files.

    Raises:
        RecipeError: when it is a folder, or a bare word that names neither a packaged recipe nor a file.

    >>> recipe_path("demo").name, recipe_path("mine.toml").name
    ('demo.toml', 'mine.toml')
    """
    if isinstance(recipe, str) and recipe in packaged_names():
        return FOLDER / f"{recipe}.toml"
    path = Path(with_home(str(recipe)))
    # Path's own questions raise for a name that is too long.
    if os.path.isdir(path):  # noqa: PTH112
        layout = RunLayout(path)
        help = f"'tagseg init {path}' writes a recipe for a folder of photographs"
        if layout.recipe_path.is_file():
            help = f"name {layout.recipe_path}, the recipe of this run"
        raise RecipeError(f"recipe {path} must be a packaged recipe or a TOML file, got a folder", help=help)
    if isinstance(recipe, str) and _NAME.fullmatch(recipe) and not os.path.exists(path):  # noqa: PTH110
        raise RecipeError(
            f"recipe '{recipe}' must be a packaged recipe or a TOML file, got neither", help=nearest_recipe(recipe)
        )
    return path


def nearest_recipe(name: str) -> str:
    """Return the help clause for a name that no packaged recipe has.

    >>> nearest_recipe("voc2021")
    "did you mean 'voc2012'? 'tagseg recipes' lists all"
    >>> nearest_recipe("cats")
    "'tagseg recipes' lists the packaged ones, 'tagseg init FOLDER' writes one for your photographs"
    """
    near = get_close_matches(name.lower(), packaged_names(), n=1, cutoff=0.6)
    if near:
        return f"did you mean '{near[0]}'? 'tagseg recipes' lists all"
    return "'tagseg recipes' lists the packaged ones, 'tagseg init FOLDER' writes one for your photographs"


def help_where_missing(path: Path) -> str:
    """Return the help clause for a recipe's file that does not exist.

    >>> help_where_missing(Path("recipes/demo.toml")), help_where_missing(Path("mine.toml"))
    ("check the path, or write 'demo', the packaged recipe", 'check the path')
    """
    if path.stem in packaged_names():
        return f"check the path, or write '{path.stem}', the packaged recipe"
    return near_path_help(Path(with_home(str(path))), "check the path", wanted=lambda near: near.suffix == ".toml")
