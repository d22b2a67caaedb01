"""What several folders of tests share: small trained runs, and servers of them."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from kit.checked_calls import check_calls_briefly
from kit.serving import Client, running, save_classifier, save_run_segmenter

check_calls_briefly()  # before anything of tagseg is imported

settings.register_profile("any speed", deadline=None)  # a busy machine is no finding
settings.load_profile("any speed")


@pytest.fixture(autouse=True)
def reachable_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """No server is asked for weights: tests say the same with and without a network."""
    from tagseg.models import pretrained

    monkeypatch.setattr(pretrained, "unanswered", lambda _url: "")


@pytest.fixture
def forked_launches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs of several processes copy them instead of importing torch in each."""
    from kit.spawned_work import fork_launches

    fork_launches(monkeypatch)


@pytest.fixture(scope="session")
def classifier_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder with a classifier only."""
    return save_classifier(tmp_path_factory.mktemp("classifier_run"))


@pytest.fixture(scope="session")
def segmenter_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An exported segmenter."""
    return save_run_segmenter(tmp_path_factory.mktemp("exported"))


@pytest.fixture(scope="session")
def full_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder with a classifier and a segmenter."""
    folder = save_classifier(tmp_path_factory.mktemp("full_run"))
    save_run_segmenter(folder / "5_segmenter")
    return folder


@pytest.fixture(scope="module")
def serving() -> Iterator[Callable[..., Client]]:
    """Start servers that end with the tests of a module; the same folder and limits are served once."""
    started: dict[str, Client] = {}
    with ExitStack() as servers:

        def start(source: Path, **limits: Any) -> Client:
            key = f"{source} {sorted(limits.items())}"
            if key not in started:
                started[key] = servers.enter_context(running(source, **limits))
            return started[key]

        yield start
