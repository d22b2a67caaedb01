"""From a section of a recipe to the settings of an activity, by the names of the values."""

from collections.abc import Collection
from dataclasses import fields
from typing import Any, TypeVar

from tagseg.recipe.section import Section

Settings = TypeVar("Settings")


def settings_from(
    section: Section,
    kind: type[Settings],
    *,
    fixed: Collection[str] = (),
    **given: Any,  # noqa: ANN401 (values of any settings)
) -> Settings:
    """Make settings of which each field has the value of its name in a section of a recipe.

    A default of the settings is never taken in silence: the recipe's own may differ.

    Args:
        section: of a recipe.
        kind: a dataclass.
        fixed: fields that no recipe says; they keep the default of the dataclass.
        given: fields whose value is not that of their name in the section.

    Raises:
        TypeError: when a field is neither in the section nor given nor fixed, or ``given`` is not a field.

    >>> from tagseg.data.superpixel_cache import SuperpixelSettings
    >>> from tagseg.recipe.schema import Superpixels
    >>> settings_from(Superpixels(max_regions=9), SuperpixelSettings)
    SuperpixelSettings(method='felzenszwalb', max_regions=9)
    """
    keys = type(section).model_fields
    names = [field.name for field in fields(kind) if field.name not in fixed]  # pyright: ignore[reportArgumentType]
    missing = [name for name in names if name not in given and name not in keys]
    if missing:
        raise TypeError(
            f"{kind.__name__} takes its fields from section {type(section).__name__} or from the call, "
            f"got none for {', '.join(missing)}"
        )
    named = {name: getattr(section, name) for name in names if name not in given}
    return kind(**named, **given)


def initial_weights(named: str) -> str | None:
    """Return what a network's weights are read from, None for random ones."""
    return None if named == "random" else named
