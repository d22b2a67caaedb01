"""Checks of every call at a part of their price: sizes of arrays where a function names some, types everywhere.

`--jaxtyping-packages` has jaxtyping wrap every function of the package. At each call it binds the arguments, opens a
scope for the sizes of arrays, and has beartype look at the arguments twice. Beartype alone says the same of a function
without arrays in its signature, and one look is enough for the others.
"""

import inspect
from collections.abc import Callable
from functools import partial, wraps
from typing import Any, Literal, get_args, get_origin

import jaxtyping

WHOLE = jaxtyping.jaxtyped


def names_arrays(hint: object) -> bool:
    """Return whether jaxtyping's arrays may be inside of a type hint; of one in quotes nobody knows."""
    if isinstance(hint, str):
        return True
    if isinstance(hint, list):  # the arguments of a Callable
        return any(map(names_arrays, hint))
    if inspect.isclass(hint) and issubclass(hint, jaxtyping.AbstractArray):
        return True
    return get_origin(hint) is not Literal and any(map(names_arrays, get_args(hint)))


def checked(thing: Any = None, *, typechecker: Callable[[Any], Any]) -> Any:
    """Do as `jaxtyping.jaxtyped` does, with functions the short way."""
    if thing is None:
        return partial(checked, typechecker=typechecker)
    if not inspect.isfunction(thing):  # a class: of a dataclass it wraps what the dataclass made
        return WHOLE(thing, typechecker=typechecker)
    arrays = any(map(names_arrays, inspect.get_annotations(thing).values()))
    if arrays and inspect.isgeneratorfunction(thing):  # the short way would look away from what it yields, everywhere
        return WHOLE(thing, typechecker=typechecker)
    typed = WHOLE(typechecker(thing), typechecker=None) if arrays else typechecker(thing)

    @wraps(thing)
    def call(*args: Any, **options: Any) -> Any:
        return (thing if jaxtyping.config.jaxtyping_disable else typed)(*args, **options)

    return call


def check_calls_briefly() -> None:
    """Have the import hook take :func:`checked` for all modules that are imported from now on."""
    jaxtyping.jaxtyped = checked
