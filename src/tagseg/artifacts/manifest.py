"""What ``manifest.json`` may hold: the types of every entry that is read again."""

from collections.abc import Callable, Iterable, Mapping

from tagseg.artifacts.background_cut import rule_of
from tagseg.artifacts.json_file import MOST, Json, count_of, list_of, mapping_of, share_of, text_of

Check = Callable[[Json], object]
"""Raises ValueError for a value of another type."""


class WrongEntryError(ValueError):
    """An entry is of another type than it is written with; the text is its place, such as ``stages.evaluate.state``."""


def check_manifest(content: Json) -> None:
    """Check every entry that is read again; an older manifest has fewer, and a newer one may have more.

    Raises:
        WrongEntryError: naming the first one of another type.

    >>> check_manifest({"format": 1, "stages": {"evaluate": {"state": "done"}}})
    >>> check_manifest({"format": 1, "stages": {"evaluate": {"state": 7}}})
    Traceback (most recent call last):
    tagseg.artifacts.manifest.WrongEntryError: stages.evaluate.state
    """
    _check_entries(content, _MANIFEST, required=("format", "stages"))


def _check_entries(value: Json, checks: Mapping[str, Check], *, required: Iterable[str] = ()) -> None:
    known = mapping_of(value)
    for name in required:
        if name not in known:
            raise WrongEntryError(name)
    for name, check in checks.items():
        if name in known:
            _check_at(name, check, known[name])


def _check_at(place: str, check: Check, value: Json) -> None:
    try:
        check(value)
    except WrongEntryError as error:
        raise WrongEntryError(f"{place}.{error}") from error
    except ValueError as error:
        raise WrongEntryError(place) from error


def _each(check: Check) -> Check:
    """Return the check of a list, or of values by name, whose members are checked alike."""

    def check_all(value: Json) -> None:
        members = value.items() if isinstance(value, dict) else enumerate(list_of(value))
        for place, member in members:
            _check_at(str(place), check, member)

    return check_all


def _or_none(check: Check) -> Check:
    return lambda value: None if value is None else check(value)


def _amount(value: Json) -> None:
    if type(value) not in (int, float) or not 0 <= value <= MOST:
        raise ValueError("an amount is expected")


def _state(value: Json) -> None:
    if value not in ("started", "done"):
        raise ValueError("a state is expected")


def _lines(value: Json) -> None:
    _each(text_of)(list_of(value))


def _details(value: Json) -> None:
    _check_entries(value, _DETAILS)
    if ("total_time_s" in value and "time_s" not in value) or ("counted" in value and "counted_images" not in value):
        raise WrongEntryError("time_s" if "counted" not in value else "counted_images")


def _stage(value: Json) -> None:
    _check_entries(value, _STAGE)


def _bad_files(value: Json) -> None:
    _each(lambda item: _check_entries(item, _BAD_FILE, required=_BAD_FILE))(list_of(value))


def _data(value: Json) -> None:
    # Whoever finds the same listing again takes the rest for known.
    _check_entries(value, _DATA, required=("bad_files", *(["fingerprint"] if "listing" in mapping_of(value) else [])))


def _versions(value: Json) -> None:
    _each(_or_none(text_of))(mapping_of(value))


def _weights(value: Json) -> None:
    _each(text_of)(mapping_of(value))


def _environment(value: Json) -> None:
    _check_entries(value, _ENVIRONMENT)


def _counts(value: Json) -> None:
    _check_entries(value, _COUNTS, required=("train_images",))


def _stages(value: Json) -> None:
    _each(_stage)(mapping_of(value))


_DETAILS: dict[str, Check] = {
    **dict.fromkeys(("time_s", "total_time_s", "images_per_s"), _amount),
    **dict.fromkeys(("images", "scored", "steps"), _or_none(count_of)),
    **dict.fromkeys(("processes", "threads", "peak_memory_bytes", "peak_gpu_memory_bytes", "counted_images"), count_of),
    "corrected": count_of,
    **dict.fromkeys(("device", "counted"), text_of),
    "commit": _or_none(text_of),
    "background_score": share_of,
    "background_rule": rule_of,
    **dict.fromkeys(("loss_warnings", "mask_warnings", "floods"), _lines),
    "made_of": mapping_of,
}
_STAGE: dict[str, Check] = {
    "state": _state,
    **dict.fromkeys(("fingerprint", "data", "started", "finished"), text_of),
    "spent_s": _amount,
    "details": _details,
    "warnings": _lines,
}
_BAD_FILE: dict[str, Check] = {"path": text_of, "reason": text_of}
_DATA: dict[str, Check] = {
    **dict.fromkeys(("listing", "fingerprint", "truth"), text_of),
    "images": count_of,
    **dict.fromkeys(("bad_files", "bad_masks"), _bad_files),
}
_ENVIRONMENT: dict[str, Check] = {
    **dict.fromkeys(("python", "platform"), text_of),
    "commit": _or_none(text_of),
    "packages": _versions,
}
_COUNTS: dict[str, Check] = dict.fromkeys(("train_images", "eval_images", "classes"), count_of)
_MANIFEST: dict[str, Check] = {
    "format": count_of,
    "stages": _stages,
    "warnings": _lines,
    **dict.fromkeys(("data", "test_data"), _data),
    "recipe": mapping_of,
    "fingerprints": count_of,
    "weights": _weights,
    "environment": _environment,
    "created": text_of,
    "counts": _counts,
}
