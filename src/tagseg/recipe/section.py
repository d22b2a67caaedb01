"""What every section of a recipe shares."""

import json
import os
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator

from tagseg.system.home import with_home

_SHOWN = 120  # characters of a value in a message
_LONGEST_NAME = 255  # bytes, of every file system in use


class Section(BaseModel):
    """A group of recipe values: types are strict and unknown keys are errors.

    The text below a value says what it means; docs/reference/recipe.md is made from it.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    @classmethod
    def path_keys(cls) -> frozenset[str]:
        """Return the keys that say where files are."""
        fields = cls.model_fields.items()
        return frozenset(key for key, field in fields if Path in (field.annotation, *get_args(field.annotation)))

    @classmethod
    def optional_numbers(cls) -> frozenset[str]:
        """Return the keys of numbers that may be left out."""
        kinds = {key: set(get_args(field.annotation)) for key, field in cls.model_fields.items()}
        return frozenset(key for key, of_key in kinds.items() if NoneType in of_key and of_key & {int, float})

    @field_validator("*", mode="after")
    @classmethod
    def _in_the_home_folder(cls, value: Any) -> Any:  # noqa: ANN401 (any value of a recipe)
        """Put the home folder in the place of ``~`` at the beginning of a path, as a shell does."""
        is_place = isinstance(value, Path) or (isinstance(value, str) and value.startswith("~/"))
        return type(value)(with_home(str(value))) if is_place else value

    @field_validator("*", mode="after")
    @classmethod
    def _of_possible_names(cls, value: Any) -> Any:  # noqa: ANN401
        """Refuse texts that no file can be called by; many name files, and no other has a use for NUL."""
        for each in value if isinstance(value, list | tuple) else (value,):
            if isinstance(each, str | Path) and "\0" in str(each):
                raise ValueError(f"is text without NUL, got {json.dumps(str(each)[:_SHOWN])}")
            longest = max((len(os.fsencode(part)) for part in each.parts), default=0) if isinstance(each, Path) else 0
            if longest > _LONGEST_NAME:
                raise ValueError(f"is a path whose names have at most {_LONGEST_NAME} bytes, got one of {longest}")
        return value


def _ascending(value: tuple[int, int]) -> tuple[int, int]:
    if not 16 <= value[0] <= value[1]:
        raise ValueError("is [shortest, longest] with 16 <= shortest <= longest")
    return value


def _usable_scales(value: tuple[float, ...]) -> tuple[float, ...]:
    if not value or min(value) <= 0 or max(value) > 8:
        raise ValueError("holds at least one scale, each above 0 and at most 8")
    return value


def _swept(value: tuple[float, ...]) -> tuple[float, ...]:
    if not value or min(value) < 0 or max(value) > 1 or list(value) != sorted(set(value)):
        raise ValueError("are different, ascending and in 0..1")
    return value


FrozenStages = Annotated[int, Field(ge=0)] | Literal["all"]
"""How many stages of a backbone do not learn, or all of it."""

LongSide = Annotated[tuple[int, int], AfterValidator(_ascending)]
"""Shortest and longest long side of an image after the random scaling, px."""

Scales = Annotated[tuple[float, ...], AfterValidator(_usable_scales)]
"""Factors of an image's height and width at which a network looks at it."""

BackgroundScores = Annotated[tuple[float, ...], AfterValidator(_swept)]
"""Background scores that a sweep tries, ascending, each in 0..1."""

SWEPT_SCORES: tuple[float, ...] = tuple(round(0.05 * step, 2) for step in range(1, 15))
"""0.05 to 0.70 in steps of 0.05."""
