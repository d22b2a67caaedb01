"""What several tables of messages share."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from kit.serving import Client, photo


@pytest.fixture
def client(serving: Callable[..., Client], full_run: Path) -> Iterator[Client]:
    """Ask a server, which after every refusal answers an ordinary request."""
    found = serving(full_run)
    yield found
    answer = found.send("/predict", ("after.png", photo()))
    assert answer.status == 200
    assert answer.json()["images"][0]["width"] == 48
