"""Readers of what passes between stages, and of trained networks."""

import hashlib
import json
import zipfile
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from kit.saved_runs import save_run

from fuzz.pictures import CLASSES, npy, written
from fuzz.reader import Read, Reader, placed
from tagseg.artifacts.cam_file import read_cam, write_cam
from tagseg.artifacts.checkpoint import load_checkpoint, load_latest_checkpoint, previous_path, save_checkpoint
from tagseg.artifacts.instance_file import Instance, read_instances, write_instances
from tagseg.artifacts.probability_file import read_probabilities, write_probabilities
from tagseg.artifacts.region_scores import read_region_scores, write_region_scores
from tagseg.artifacts.run_folder import RunFolder
from tagseg.artifacts.segmenter_file import DESCRIPTION_NAME, WEIGHTS_NAME, load_segmenter, save_segmenter
from tagseg.artifacts.settings_file import read_prediction_settings, write_prediction_settings
from tagseg.models.segmentation_network import SegmenterDesign, build_segmenter
from tagseg.models.weights import fit_weights, read_weights
from tagseg.training.curves import read_curves
from tagseg.use.hub import __name__ as _hub  # noqa: F401 - imported before the children start
from tagseg.use.load import load
from tagseg.use.predict_folder import RECORD_NAME, files_made, read_record

MAPS = np.array([[[0.0, 0.5]], [[1.0, 0.25]]], np.float32)
BETWEEN = b"\0--next array--\0"


def members_of(*names: str) -> Callable[[Path], Callable[[Callable[[Path], object]], Read]]:
    """Return a preparation that puts fuzzed arrays into an archive whose checksums are right."""

    def prepare(folder: Path) -> Callable[[Callable[[Path], object]], Read]:
        def of(read: Callable[[Path], object]) -> Read:
            def read_content(content: bytes) -> object:
                path = folder / "a.npz"
                with zipfile.ZipFile(path, "w") as archive:
                    for name, array in zip(names, content.split(BETWEEN), strict=False):
                        archive.writestr(f"{name}.npy", array)
                return read(path)

            return read_content

        return of

    return prepare


def array_reader(name: str, write: Callable[[Path], object], read: Callable[[Path], object]) -> tuple[Reader, Reader]:
    """Return a reader of the bytes of an archive, and one of the arrays in it."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "a.npz")
        write(path)
        with np.load(path) as content:
            names, arrays = content.files, [npy(content[key]) for key in content.files]
    inside = members_of(*names)
    return (
        Reader(name, written(lambda path: write(path.with_suffix(".npz")) or path.with_suffix(".npz").rename(path)),
               lambda folder: placed(folder / "a.npz", read)),
        Reader(f"{name}-arrays", lambda: [BETWEEN.join(arrays)], lambda folder: inside(folder)(read)),
    )  # fmt: skip


def cams(folder: Path) -> object:
    found = read_cam(folder)
    assert found.cam.ndim == 3 and len(found.cam) == len(found.label_ids)
    assert ((found.cam >= 0) & (found.cam <= 1)).all()
    return found.strongest(), found.labels(0.5)


def prepare_manifest(folder: Path) -> Read:
    def read(path: Path) -> object:
        run = RunFolder(folder)
        content = run.read_manifest()
        return content, run.is_done("extract_cams", "abc"), run.stage_status("extract_cams")

    return placed(folder / "manifest.json", read)


def checkpoint() -> list[bytes]:
    tensors = {"model": {"w": torch.arange(6.0).reshape(2, 3), "n": torch.tensor(3)}}
    return written(lambda path: save_checkpoint(path, tensors=tensors, state={"step": 7, "list": [1, None]}))()


def with_length(content: bytes) -> bytes:
    """Return a safetensors file whose first number is the length of its header, as far as there is one."""
    end = content.rfind(b"}") + 1
    return max(end - 8, 0).to_bytes(8, "little") + content[8:]


def prepare_latest(folder: Path) -> Read:
    """A damaged checkpoint beside a whole one before it."""
    path = folder / "last.safetensors"
    save_checkpoint(previous_path(path), tensors={"model": {"w": torch.ones(2)}}, state={"step": 6})

    def read(path: Path) -> object:
        found = load_latest_checkpoint(path)
        assert found is not None and isinstance(found.state, dict)
        return found

    return placed(path, read)


def exported() -> dict[str, bytes]:
    with TemporaryDirectory() as folder:
        torch.manual_seed(0)
        design = SegmenterDesign("segformer", "test_resnet", num_labels=3, output_stride=32, decoder_channels=8)
        settings = {"scales": [1.0], "flip": False}
        save_segmenter(Path(folder), build_segmenter(design, weights=None), CLASSES, prediction=settings, notes={})
        return {name: Path(folder, name).read_bytes() for name in (DESCRIPTION_NAME, WEIGHTS_NAME)}


def prepare_description(folder: Path) -> Read:
    (folder / WEIGHTS_NAME).write_bytes(exported()[WEIGHTS_NAME])

    def read(path: Path) -> object:
        segmenter = load(str(folder), device="cpu")
        assert segmenter.classes.num_classes >= 1
        return segmenter

    return placed(folder / DESCRIPTION_NAME, read)


def prepare_weights(folder: Path) -> Read:
    """Weights whose checksum is that of the description: what only the network can refuse."""
    description = json.loads(exported()[DESCRIPTION_NAME])

    def read(path: Path) -> object:
        description["weights"]["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
        (folder / DESCRIPTION_NAME).write_text(json.dumps(description))
        return load_segmenter(folder)

    return placed(folder / WEIGHTS_NAME, read)


def weights_of_torch() -> Sequence[bytes]:
    made = []
    layer = {"weight": torch.ones(2, 3), "bias": torch.ones(2)}
    for content in (layer, {"state_dict": layer, "epoch": 3}):
        file = BytesIO()
        torch.save(content, file)
        made.append(file.getvalue())
    return made


def fitted(path: Path) -> object:
    return fit_weights(torch.nn.Linear(3, 2), read_weights(path), network_name="layer", source=path)


def prepare_record(folder: Path) -> Read:
    return placed(folder / RECORD_NAME, lambda path: (read_record(folder), files_made(folder)))


def dumped(*values: Any) -> Callable[[], list[bytes]]:
    return lambda: [json.dumps(value).encode() for value in values]


RECORD = {"segmenter": "a", "inputs": "abc", "photographs": {"a": [1, 2], "b/c": [3, 4]}, "since_ns": 5}
CURVES = b"step,name,value\n1,loss,0.5\n2,loss,nan\n2,lr,1e-3\n3,loss,inf\n"

READERS = (
    *array_reader("cam", lambda path: write_cam(path, MAPS, (1, 2), region_scores=MAPS[:, 0]), cams),
    *array_reader("cam-float16", lambda path: write_cam(path, MAPS, (1, 2), dtype="float16"), cams),
    *array_reader(
        "probability",
        lambda path: write_probabilities(path, np.full((3, 1, 2), 1 / 3, np.float32), CLASSES),
        read_probabilities,
    ),
    *array_reader(
        "region-scores", lambda path: write_region_scores(path, {"a": MAPS[0], "b": MAPS[1]}), read_region_scores
    ),
    Reader(
        "instances",
        written(lambda path: write_instances(path, [Instance(1, np.eye(4, dtype=bool), 0.5)])),
        lambda folder: placed(folder / "a.json", read_instances),
    ),
    Reader("manifest", written(save_run), prepare_manifest),
    Reader(
        "settings",
        written(lambda path: write_prediction_settings(path, {"scales": [0.5, 1.0], "flip": True})),
        lambda folder: placed(folder / "a.json", read_prediction_settings),
    ),
    Reader("predictions-json", dumped(RECORD), prepare_record),
    Reader("curves", lambda: [CURVES], lambda folder: placed(folder / "curves.csv", read_curves)),
    Reader("checkpoint", checkpoint, lambda folder: placed(folder / "a.safetensors", load_checkpoint), with_length),
    Reader("latest-checkpoint", checkpoint, prepare_latest, with_length),
    Reader("segmenter-json", lambda: [exported()[DESCRIPTION_NAME]], prepare_description, cost=20),
    Reader("segmenter-weights", lambda: [exported()[WEIGHTS_NAME]], prepare_weights, with_length, cost=20),
    Reader("weights-safetensors", checkpoint, lambda folder: placed(folder / "a.safetensors", fitted), with_length),
    Reader("weights-torch", weights_of_torch, lambda folder: placed(folder / "a.pth", fitted)),
)
