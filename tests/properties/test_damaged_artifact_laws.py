"""Every reader of artifacts takes what its writer wrote, and answers anything else with one ArtifactError."""

import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from kit.saved_runs import save_run, save_scores
from PIL import Image
from safetensors.torch import save_file

from tagseg.artifacts import segmenter_file
from tagseg.artifacts.cam_file import read_cam, write_cam
from tagseg.artifacts.checkpoint import load_checkpoint, save_checkpoint
from tagseg.artifacts.instance_file import Instance, read_instances, write_instances
from tagseg.artifacts.mask_file import read_confidence, read_mask, write_confidence, write_mask
from tagseg.artifacts.probability_file import read_probabilities, write_probabilities
from tagseg.artifacts.region_scores import read_region_scores, write_region_scores
from tagseg.artifacts.run_folder import RunFolder
from tagseg.artifacts.scores_file import read_scores
from tagseg.artifacts.segmenter_file import load_segmenter, save_segmenter
from tagseg.artifacts.settings_file import read_prediction_settings, write_prediction_settings
from tagseg.classes import ClassTable
from tagseg.errors import ArtifactError
from tagseg.models.segmentation_network import SegmentationNetwork, SegmenterDesign, build_segmenter
from tagseg.training.curves import read_curves

CLASSES = ClassTable(("cat", "dog"))
POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n%%EOF\n"
DEEP = b"[" * 100_000
ANYTHING = {
    "nothing": b"",
    "zeros": bytes(200),
    "text": b"no such file",
    "another encoding": '{"format": 1, "name": "größe"}'.encode("utf-16"),
    "PostScript": POSTSCRIPT,
    "deep": DEEP,
    "deep objects": b'{"a":' * 100_000,
    "a number of 5000 digits": b"1" * 5000,
    "not a number": b"NaN",
    "infinity": b'{"format": 1e999}',
    "a list": b"[]",
    "null": b"null",
}
OTHER_VALUES: tuple[Any, ...] = (None, True, -1, 7, 2.5, 1e300, 10**30, "", "a", [], [[]], {}, {"a": 1}, [1, "a"])


def save_network(path: Path) -> None:
    design = SegmenterDesign("segformer", "test_resnet", num_labels=3, output_stride=32, decoder_channels=8)
    save_segmenter(path.parent, build_segmenter(design, weights=None), CLASSES, prediction={}, notes={})


def save_curves(path: Path) -> None:
    path.write_text("step,name,value\n1,loss,0.5\n2,loss,0.25\n")


MAPS = np.array([[[0.0, 0.5]], [[1.0, 0.25]]], np.float32)

NOISE = np.random.default_rng(0).integers(0, 3, (30, 40), np.uint8)


@dataclass(frozen=True)
class Kind:
    name: str
    write: Callable[[Path], object]
    read: Callable[[Path], object]


KINDS = {
    kind.name.rpartition("/")[0] or kind.name: kind
    for kind in (
        Kind("cam/a.npz", lambda path: write_cam(path, MAPS, (1, 2)), read_cam),
        Kind("cam16/a.npz", lambda path: write_cam(path, MAPS, (1, 2), dtype="float16"), read_cam),
        Kind(
            "probability/a.npz",
            lambda path: write_probabilities(path, np.full((3, 1, 2), 1 / 3, np.float32), CLASSES),
            read_probabilities,
        ),
        Kind("regions/a.npz", lambda path: write_region_scores(path, {"a": MAPS[0], "b": MAPS[1]}), read_region_scores),
        Kind(
            "checkpoint/a.safetensors",
            lambda path: save_checkpoint(path, tensors={"g": {"w": torch.ones(9)}}, state={"step": 7}),
            load_checkpoint,
        ),
        Kind(
            "instances/a.json",
            lambda path: write_instances(path, [Instance(1, np.eye(4, dtype=bool), 1.0)]),
            read_instances,
        ),
        Kind("mask/a.png", lambda path: write_mask(path, NOISE, CLASSES), read_mask),
        Kind("confidence/a.png", lambda path: write_confidence(path, NOISE == 1), read_confidence),
        Kind("manifest/manifest.json", save_run, lambda path: RunFolder(path.parent).read_manifest()),
        Kind("scores/scores.json", save_scores, read_scores),
        Kind(
            "settings/a.json",
            lambda path: write_prediction_settings(path, {"flip": True}),
            read_prediction_settings,
        ),
        Kind("segmenter/segmenter.json", save_network, lambda path: load_segmenter(path.parent)),
        Kind("curves/curves.csv", save_curves, read_curves),
    )
}
ARRAYS, JSONS = ("cam", "cam16", "probability", "regions"), ("instances", "manifest", "scores", "settings", "segmenter")
FREE = {
    "settings": {"flip"},
    "segmenter": {"tagseg", "palette", "prediction", "notes", "file", "mean", "std"},
    "manifest": {"listing"},
}
"""Entries that are any JSON to their reader, are not read, or of which some of the values below are right ones."""


@pytest.fixture(params=KINDS)
def kind(request) -> Kind:
    return KINDS[request.param]


def place(kind: Kind, tmp_path: Path) -> Path:
    path = tmp_path / kind.name
    path.parent.mkdir(exist_ok=True)
    return path


def refuses(kind: Kind, path: Path, content: bytes) -> None:
    """Require one sentence that names the file; a reader may also take what it can make sense of."""
    path.write_bytes(content)
    with pytest.raises(ArtifactError) as caught:
        kind.read(path)
    assert str(path.parent) in caught.value.problem
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


def test_what_is_written_is_read(kind, tmp_path):
    path = place(kind, tmp_path)
    kind.write(path)
    assert kind.read(path) is not None


@pytest.mark.parametrize("content", ANYTHING)
def test_any_other_file_is_refused(kind, tmp_path, content):
    if (kind.name, content) in {("curves/curves.csv", name) for name in ANYTHING} and ANYTHING[content].count(
        b"\n"
    ) < 2:
        pytest.skip("a file without rows has no curves")
    if (kind.name, content) == ("instances/a.json", "a list"):
        pytest.skip("no objects")
    refuses(kind, place(kind, tmp_path), ANYTHING[content])


@pytest.mark.parametrize("share", [0.02, 0.1, 0.3, 0.5, 0.7, 0.9])
def test_a_cut_file_is_refused(kind, tmp_path, share):
    path = place(kind, tmp_path)
    if path.suffix == ".csv":
        pytest.skip("a kill may cut the last line")
    kind.write(path)
    whole = path.read_bytes()
    refuses(kind, path, whole[: int(share * len(whole))])


def test_no_byte_that_is_changed_raises_anything_else(kind, tmp_path):
    path = place(kind, tmp_path)
    kind.write(path)
    whole, rng = path.read_bytes(), np.random.default_rng(0)
    for position in rng.integers(0, len(whole), 40):
        damaged = bytearray(whole)
        damaged[position] ^= int(rng.integers(1, 256))
        path.write_bytes(damaged)
        try:
            kind.read(path)
        except ArtifactError as error:
            assert str(path.parent) in error.problem


def arrays_of(path: Path) -> dict[str, np.ndarray]:
    with np.load(path) as content:
        return dict(content)


def other_arrays(array: np.ndarray) -> Iterator[np.ndarray]:
    yield from (np.zeros((), array.dtype), array.reshape(-1)[:0], array[None], array[..., None], array[:1])
    yield from (array.astype(kind) for kind in (complex, "S8") if array.dtype.kind != "U")
    yield from (np.full(array.shape, value) for value in (np.nan, -1.0, 1e300, 10**18, True, "größe"))
    yield np.full(array.shape, None, object)
    yield np.zeros(array.shape, [("a", "u1")])
    if array.dtype.itemsize > 1 and array.dtype.kind != "U":
        yield array.astype(array.dtype.newbyteorder(">"))
    if array.dtype.kind == "f":
        yield from (np.full(array.shape, value, array.dtype) for value in (np.nan, np.inf, -0.5, 2.0))


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_of_another_type_or_shape_are_refused(tmp_path, name):
    kind = KINDS[name]
    path = place(kind, tmp_path)
    kind.write(path)
    whole = arrays_of(path)
    for key, array in whole.items():
        rest = {other: value for other, value in whole.items() if other != key}
        for changed in [*other_arrays(array), None]:
            if changed is not None and changed.dtype == array.dtype and np.array_equal(changed, array):
                continue
            buffer = io.BytesIO()
            np.savez(buffer, **rest, **({} if changed is None else {key: changed}))
            refuses(kind, path, buffer.getvalue())


@pytest.mark.parametrize("name", ARRAYS)
def test_a_size_that_no_memory_holds_is_refused(tmp_path, name):
    kind = KINDS[name]
    path = place(kind, tmp_path)
    kind.write(path)
    huge = io.BytesIO()
    np.lib.format.write_array_header_1_0(huge, {"descr": "|u1", "fortran_order": False, "shape": (2**40, 2**20, 2)})
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for key in arrays_of(path):
            archive.writestr(f"{key}.npy", huge.getvalue())
    refuses(kind, path, buffer.getvalue())


def changed_at_every_place(
    value: Any, place: tuple[str | int, ...] = ()
) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Yield copies of JSON with one value replaced by one of another type, or gone; and where."""
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, member in members:
        inside = (*place, key)
        for other in OTHER_VALUES:
            yield inside, type(value)({**value, key: other} if isinstance(value, dict) else [*value[:key], other])
        for deeper, changed in changed_at_every_place(member, inside):
            copied = value.copy()
            copied[key] = changed
            yield deeper, copied


@pytest.fixture
def each_design_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Build a network once for each design that a segmenter.json describes, and give it its weights at every read.

    Most of the values that are changed are no part of the design, and a network takes longer than all else in a read.
    """
    built: dict[str, SegmentationNetwork] = {}
    build = segmenter_file.build_segmenter

    def once(design: SegmenterDesign, **options: Any) -> SegmentationNetwork:
        key = repr(design)  # 1 and True are equal and print otherwise
        if key not in built:
            built[key] = build(design, **options)
        return built[key]

    monkeypatch.setattr(segmenter_file, "build_segmenter", once)


@pytest.mark.usefixtures("each_design_once")
@pytest.mark.parametrize("name", JSONS)
def test_json_of_another_type_anywhere_raises_nothing_else(tmp_path, name):
    kind = KINDS[name]
    path = place(kind, tmp_path)
    kind.write(path)
    whole = json.loads(path.read_text())
    taken = set()
    for where, changed in changed_at_every_place(whole):
        path.write_text(json.dumps(changed))
        try:
            kind.read(path)
            taken.add(where)
        except ArtifactError as error:
            assert str(path.parent) in error.problem
    assert taken


@pytest.mark.parametrize("name", ["instances", "manifest", "scores", "segmenter"])
def test_text_for_a_number_and_a_number_for_text_are_refused(tmp_path, name):
    kind = KINDS[name]
    path = place(kind, tmp_path)
    kind.write(path)
    whole = json.loads(path.read_text())
    for where, changed in changed_at_every_place(whole):
        old, new = whole, changed
        for key in where:
            old, new = old[key], new[key]
        swapped = isinstance(old, str) != isinstance(new, str) and old is not None and new is not None
        if swapped and not FREE.get(name, set()) & set(where):
            refuses(kind, path, json.dumps(changed).encode())


@pytest.mark.parametrize(
    "header",
    ["[]", "null", "7", "{}", '{"format": 1}', '{"format": "1"}', "[" * 100_000]
    + [f'{{"format": 1, "groups": {groups}, "state": {{}}, "seals": {{}}}}' for groups in ("7", "[7]", "{}", '"g"')]
    + [f'{{"format": 1, "groups": ["g"], "state": {state}, "seals": {{}}}}' for state in ("7", "[]", "null")]
    + [f'{{"format": 1, "groups": ["g"], "state": {{}}, "seals": {seals}}}' for seals in ("7", "[]", '{"w": 1}')],
)
def test_a_sealed_header_of_another_shape_is_refused(tmp_path, header):
    path = tmp_path / "a.safetensors"
    save_file({"w": torch.ones(1)}, path, metadata={"tagseg_sealed": f"{zlib.crc32(header.encode()):08x} {header}"})
    with pytest.raises(ArtifactError, match="checkpoint"):
        load_checkpoint(path)


@pytest.mark.parametrize("read", [read_mask, read_confidence])
@pytest.mark.parametrize("ending", ["GIF", "BMP", "TIFF", "WEBP", "PPM", "PCX", "TGA", "ICO"])
def test_a_mask_is_no_other_kind_of_picture(tmp_path, read, ending):
    path = tmp_path / "a.png"
    Image.new("L", (4, 4)).save(path, ending)
    with pytest.raises(ArtifactError, match="must be a whole PNG file"):
        read(path)


def test_a_mask_of_more_pixels_than_memory_is_refused(tmp_path):
    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    size = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 0, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(bytes(1000)))
    path = tmp_path / "a.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + pixels + chunk(b"IEND", b""))
    with pytest.raises(ArtifactError, match="must be a whole PNG file"):
        read_mask(path)
