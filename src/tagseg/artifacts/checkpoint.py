"""Checkpoints: tensors and plain values in one safetensors file that holds no code and is checked when it is read."""

import json
import secrets
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from tagseg.artifacts.json_file import list_of, mapping_of, parse_json, text_of
from tagseg.errors import ArtifactError
from tagseg.system.atomic import PART_SUFFIX, atomic_path

FORMAT = 1
_KEY = "tagseg_sealed"
"""One key, since safetensors writes several in an order that changes from process to process."""

_OLD_KEYS = "tagseg", "tagseg_crc32"
"""Of files of version 0.1: header and seal apart."""

_TENSOR, _TUPLE, _PAIRS = "__tensor__", "__tuple__", "__pairs__"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What one checkpoint file holds.

    Args:
        tensors: per group (such as ``model``), the named tensors, on the CPU.
        state: plain values, as they were saved.
        path: the file they came from.
        warning: why this is an older file than asked for, or an empty string.
    """

    tensors: dict[str, dict[str, Tensor]]
    state: dict[str, Any]
    path: Path
    warning: str = ""


def previous_path(path: Path) -> Path:
    """Return where :func:`save_checkpoint` keeps the checkpoint before ``path``.

    >>> previous_path(Path("last.safetensors")).as_posix()
    'last.previous.safetensors'
    """
    return path.with_name(f"{path.stem}.previous{path.suffix}")


def save_checkpoint(
    path: Path,
    *,
    tensors: Mapping[str, Mapping[str, Tensor]],
    state: Mapping[str, Any],
    keep_previous: bool = False,
) -> None:
    """Write groups of tensors and plain values as one file, atomically, every bit as it is; equal ones, equal bytes.

    Args:
        path: the ``.safetensors`` file.
        tensors: per group, named tensors of any type, shape and device; a group's name has no ``/``.
        state: values that JSON can hold (see :func:`split_tensors` for optimizer states).
        keep_previous: keep the file that is there at :func:`previous_path`, a reserve against a damaged disk. Whenever
            the process is killed, there is a whole file at ``path``.

    Raises:
        ArtifactError: when the file cannot be written.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "last.safetensors"
    >>> save_checkpoint(path, tensors={"model": {"w": torch.ones(2)}}, state={"step": 7})
    >>> loaded = load_checkpoint(path)
    >>> loaded.tensors["model"]["w"].tolist(), loaded.state
    ([1.0, 1.0], {'step': 7})
    """
    flat = {f"{group}/{name}": _plain(tensor) for group, members in tensors.items() for name, tensor in members.items()}
    header = {
        "format": FORMAT,
        "groups": list(tensors),
        "state": dict(state),
        "seals": {name: _seal(tensor) for name, tensor in flat.items()},
    }
    with atomic_path(path) as temporary:
        _write(flat, temporary, json.dumps(header))
        if keep_previous and path.exists():
            _keep(path)


def _keep(path: Path) -> None:
    """Give a checkpoint the name of the one before as a second name: it stays until the new one is in its place."""
    spare = path.with_name(f".{path.name}.{secrets.token_hex(4)}{PART_SUFFIX}")
    try:
        spare.hardlink_to(path)
    except OSError:  # a file system without second names
        path.replace(previous_path(path))
    else:
        spare.replace(previous_path(path))
        spare.unlink(missing_ok=True)  # left where both were the same file already


def load_checkpoint(path: Path) -> Checkpoint:
    """Read one checkpoint and check the state and every tensor against their checksums.

    Raises:
        ArtifactError: when the file is missing, truncated, altered, or no checkpoint of tagseg.
    """
    if not path.is_file():
        raise ArtifactError(
            f"checkpoint {path} must exist, got no such file", help="run the stage that trains this network first"
        )
    try:
        with safe_open(path, framework="pt") as file:
            seal, text = _sealed_header(file.metadata() or {})
            flat = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (safe_open is not a mapping)
    except Exception as error:  # safetensors and torch raise many kinds at types and shapes that they do not know
        raise _damaged(path, "a file that cannot be read as one") from error
    if seal != _text_seal(text):
        raise _damaged(path, "another header than was written")
    try:
        header = mapping_of(parse_json(text, finite=False))
        if header["format"] != FORMAT:
            raise ArtifactError(
                f"checkpoint {path} must have format {FORMAT}, got {header['format']!r}",
                help="read it with the version of tagseg that wrote it, or train again",
            )
        groups, state = list_of(header["groups"]), mapping_of(header["state"])
        seals = mapping_of(header["seals"])
        tensors: dict[str, dict[str, Tensor]] = {text_of(group): {} for group in groups}
    except (ValueError, KeyError) as error:
        raise _damaged(path, "a header that tagseg does not write") from error
    for flat_name, expected in seals.items():
        group, _, name = flat_name.partition("/")
        if flat_name not in flat or group not in tensors or _seal(flat[flat_name]) != expected:
            raise _damaged(path, f"other values in '{flat_name}' than were written")
        tensors[group][name] = flat[flat_name]
    return Checkpoint(tensors=tensors, state=state, path=path)


def load_latest_checkpoint(path: Path) -> Checkpoint | None:
    """Read ``path``, or the checkpoint before it where ``path`` is missing or damaged; None when there is neither.

    The returned ``warning`` says why an older file was taken.

    Raises:
        ArtifactError: when files are there but none is whole.

    >>> load_latest_checkpoint(Path("/nowhere/last.safetensors")) is None
    True
    """
    older = previous_path(path)
    if not older.exists():
        return load_checkpoint(path) if path.exists() else None
    try:
        return load_checkpoint(path)
    except ArtifactError as error:
        found = load_checkpoint(older)
        warning = f"{error.problem}; continuing from {older.name}"
        return Checkpoint(tensors=found.tensors, state=found.state, path=older, warning=warning)


def split_tensors(nested: Any) -> tuple[dict[str, Tensor], Any]:  # noqa: ANN401 (any nest of plain values)
    """Part a nest of values, such as ``optimizer.state_dict()``, into named tensors and a layout that JSON can hold.

    :func:`join_tensors` undoes it exactly: tuples stay tuples, integer keys stay integers, floats keep every bit.

    Args:
        nested: dicts (keys str or int), lists, tuples, tensors, str, int, float, bool, None.

    Returns:
        The tensors by their place in the nest, and the layout.

    >>> tensors, layout = split_tensors({"state": {0: {"step": torch.tensor(3.0)}}, "betas": (0.5, 0.9)})
    >>> list(tensors)
    ['state.0.step']
    >>> join_tensors(tensors, json.loads(json.dumps(layout)))
    {'state': {0: {'step': tensor(3.)}}, 'betas': (0.5, 0.9)}
    """
    tensors: dict[str, Tensor] = {}

    def visit(value: Any, place: str) -> Any:  # noqa: ANN401
        if isinstance(value, Tensor):
            while place in tensors:  # the keys "a.b" and 1 can read like "a" then "b", and like "1"
                place += "'"
            tensors[place] = value
            return {_TENSOR: place}
        inside = f"{place}." if place else ""
        if isinstance(value, Mapping):
            # Pairs, since a JSON object would turn integer keys into strings.
            return {_PAIRS: [[key, visit(item, f"{inside}{key}")] for key, item in value.items()]}
        if isinstance(value, list | tuple):
            items = [visit(item, f"{inside}{index}") for index, item in enumerate(value)]
            return {_TUPLE: items} if isinstance(value, tuple) else items
        return value

    return tensors, visit(nested, "")


def join_tensors(tensors: Mapping[str, Tensor], layout: Any) -> Any:  # noqa: ANN401 (any nest of plain values)
    """Put together again what :func:`split_tensors` parted."""
    if isinstance(layout, list):
        return [join_tensors(tensors, item) for item in layout]
    if not isinstance(layout, dict):
        return layout
    if _TENSOR in layout:
        return tensors[layout[_TENSOR]]
    if _TUPLE in layout:
        return tuple(join_tensors(tensors, item) for item in layout[_TUPLE])
    return {key: join_tensors(tensors, item) for key, item in layout[_PAIRS]}


def _write(tensors: dict[str, Tensor], path: Path, header: str) -> None:
    try:
        save_file(tensors, path, metadata={_KEY: f"{_text_seal(header)} {header}"})
    except SafetensorError as error:
        raise OSError(str(error)) from error  # its only cause here is the disk; atomic_path words it


def _sealed_header(metadata: Mapping[str, str]) -> tuple[str, str]:
    """Return the seal and the header of a file."""
    if _KEY in metadata:
        seal, _, text = metadata[_KEY].partition(" ")
        return seal, text
    old_text, old_seal = _OLD_KEYS
    return metadata[old_seal], metadata[old_text]


def _plain(tensor: Tensor) -> Tensor:
    """Return a contiguous copy on the CPU: safetensors refuses strides and shared memory."""
    return tensor.detach().to("cpu", copy=True).contiguous()


def _seal(tensor: Tensor) -> str:
    """Return type, shape and CRC-32 of the values."""
    values = zlib.crc32(tensor.reshape(-1).view(torch.uint8).numpy().data) if tensor.numel() else 0
    return f"{tensor.dtype} {list(tensor.shape)} {values:08x}"


def _text_seal(text: str) -> str:
    return f"{zlib.crc32(text.encode()):08x}"


def _damaged(path: Path, found: str) -> ArtifactError:
    return ArtifactError(
        f"checkpoint {path} must be a whole file written by tagseg, got {found}",
        help="delete it and run the same command again",
    )
