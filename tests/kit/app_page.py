"""For tests of the browser app in a real browser: files for it, what people do on its page, and what they see there."""

import base64
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PillowImage

from kit.serving import Client

PHOTO = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8).repeat(12, 0).repeat(12, 1)
SMALL = np.ascontiguousarray(PHOTO[:40, ::-1])


def encoded(image: np.ndarray = PHOTO, kind: str = "PNG", **options: Any) -> bytes:
    file = BytesIO()
    PillowImage.fromarray(image).save(file, format=kind, **options)
    return file.getvalue()


def opened(content: bytes) -> np.ndarray:
    return np.array(PillowImage.open(BytesIO(content)))


def upload(name: str, content: bytes) -> dict[str, Any]:
    return {"name": name, "mimeType": "application/octet-stream", "buffer": content}


def choose(page: Any, *files: dict[str, Any]) -> None:
    """Choose files and wait until nothing is under way."""
    before = page.locator("#items li").count()
    page.set_input_files("#files", list(files))
    settled(page, before + len(files))


def settled(page: Any, count: int) -> None:
    page.locator("#items li").nth(count - 1).wait_for()
    for _ in range(200):
        if page.locator("#items li.done, #items li.failed").count() == count:
            return
        page.wait_for_timeout(50)
    pytest.fail(f"not all of {count} images were looked at")


def slide(page: Any, name: str, value: float) -> None:
    page.locator(f"#{name}").evaluate(
        "(slider, value) => { slider.value = value; slider.dispatchEvent(new Event('input', { bubbles: true })); }",
        value,
    )


def drawn(page: Any) -> np.ndarray:
    """Return the pixels of the canvas."""
    page.locator("#stage[aria-busy=false] #canvas").wait_for()
    text = page.evaluate("document.getElementById('canvas').toDataURL('image/png')")
    return opened(base64.b64decode(text.split(",")[1]))[..., :3].astype(int)


def show(page: Any, view: str) -> None:
    page.locator(f"#views input[value={view}]").check(force=True)


def download(page: Any, kind: str) -> tuple[str, bytes]:
    with page.expect_download() as started:
        page.locator(f"button[data-file={kind}]").click()
    return started.value.suggested_filename, Path(started.value.path()).read_bytes()


def labels_of(client: Client, image: np.ndarray, **options: Any) -> np.ndarray:
    return opened(client.send("/predict?format=png", ("a.png", encoded(image)), **options).body)
