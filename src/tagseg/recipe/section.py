"""What every section of a recipe shares."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A group of recipe values: types are strict and unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
