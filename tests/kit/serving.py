"""For tests of the browser app: small runs, servers of them on free ports, and a client that speaks plain HTTP."""

import json
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image as PillowImage

CLASSES = ("cat", "dog", "red fox")


def photo(kind: str = "PNG", size: tuple[int, int] = (48, 32), noise: float = 80) -> bytes:
    """Return a file of noise; `size` is (width, height). Without noise it is black."""
    file = BytesIO()
    picture = PillowImage.effect_noise(size, noise) if noise else PillowImage.new("L", size)
    picture.convert("RGB").save(file, format=kind)
    return file.getvalue()


@dataclass(frozen=True)
class Answer:
    """What a server says."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def sentences(self) -> tuple[int, str, str]:
        """Status, error and help of a refusal."""
        content = self.json()
        return self.status, content["error"], content["help"]


@dataclass(frozen=True)
class Client:
    """Asks one server on this machine."""

    port: int

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None, *, chunked: bool = False
    ) -> Answer:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, headers or {}, encode_chunked=chunked)
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, found, response.read())
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Answer:
        return self.ask("GET", path, headers=headers)

    def send(
        self, path: str, *files: tuple[str, bytes], headers: dict[str, str] | None = None, **fields: Any
    ) -> Answer:
        """Post files in the field `images`, and other fields; a list is repeated."""
        return self.send_files(path, {"images": files}, headers=headers, **fields)

    def send_files(
        self, path: str, files: dict[str, Any], *, headers: dict[str, str] | None = None, **fields: Any
    ) -> Answer:
        """Post files by the names of their fields, and other fields."""
        body, kind = form_of(files, fields)
        return self.ask("POST", path, body, {"content-type": kind, **(headers or {})})


def form(files: Any, fields: dict[str, Any], *, field: str = "images") -> tuple[bytes, str]:
    """Return the body of a form with files in one field, and its content type."""
    return form_of({field: files}, fields)


def form_of(files: dict[str, Any], fields: dict[str, Any]) -> tuple[bytes, str]:
    """Return the body of a form and its content type."""
    boundary = uuid.uuid4().hex
    values = [
        (name, each) for name, value in fields.items() for each in (value if isinstance(value, list) else [value])
    ]
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in values
    ]
    for field, name, data in ((field, *each) for field, several in files.items() for each in several):
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"\r\n\r\n'
        parts += [head.encode(), data, b"\r\n"]
    return b"".join([*parts, f"--{boundary}--\r\n".encode()]), f"multipart/form-data; boundary={boundary}"


def save_classifier(folder: Path, *, backbone: str = "test_resnet") -> Path:
    """Leave a run folder that holds a recipe and an untrained classifier of :data:`CLASSES`; its data set is gone."""
    import torch

    from tagseg.artifacts.checkpoint import save_checkpoint
    from tagseg.assemble.networks import build_classifier
    from tagseg.recipe.toml_file import make_recipe, to_toml

    values = {
        "name": "tiny",
        "data": {"format": "folder", "root": "gone"},
        "classifier": {"backbone": backbone},
        "suppression": {"enabled": False},
    }
    recipe = make_recipe(values)
    torch.manual_seed(0)
    classifier = build_classifier(recipe, num_classes=len(CLASSES), pretrained=False)
    torch.nn.init.normal_(classifier.head.weight, std=0.5)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "recipe.toml").write_text(to_toml(recipe))
    save_checkpoint(
        folder / "1_classifier" / "classifier.safetensors",
        tensors={"classifier": classifier.state_dict()},
        state={"classes": list(CLASSES), "steps": 1},
    )
    return folder


def save_run_segmenter(folder: Path) -> Path:
    """Leave an untrained segmenter of :data:`CLASSES` in a folder, its labels different from place to place."""
    import torch

    from tagseg.artifacts.segmenter_file import save_segmenter
    from tagseg.classes import ClassTable
    from tagseg.models.segmentation_network import SegmenterDesign, build_segmenter

    torch.manual_seed(0)
    design = SegmenterDesign("deeplabv2", "test_resnet", num_labels=len(CLASSES) + 1)
    network = build_segmenter(design, weights=None)
    for branch in network.network.head.branches:
        torch.nn.init.normal_(branch.weight, std=0.5)
    save_segmenter(folder, network, ClassTable(CLASSES), prediction={"scales": [1.0]}, notes={})
    return folder


@contextmanager
def running(source: Path, *, access: Any = None, corrections: Path | None = None, **limits: Any) -> Iterator[Client]:
    """Serve a folder on a free port until the block ends; `access` is an `Access`, by default this machine's."""
    from tagseg.serve.access import Access
    from tagseg.serve.kept_corrections import CorrectionFolder
    from tagseg.serve.limits import Limits
    from tagseg.serve.server import make_server, open_socket
    from tagseg.serve.service import Service
    from tagseg.use.cams import load_networks

    networks = load_networks(str(source), device="cpu")
    service = Service(networks, title="tiny", limits=Limits(**limits))
    kept = None if corrections is None else CorrectionFolder(corrections, service.label_classes)
    server = make_server(service, access=access or Access(), corrections=kept)
    with open_socket("127.0.0.1", 0) as listening:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield Client(listening.getsockname()[1])
        finally:
            server.should_exit = True
            thread.join()
