"""The errors of segmenters on a model hub, word for word."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import huggingface_hub
import pytest
from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError
from kit.messages import assert_says

from tagseg.errors import ArtifactError
from tagseg.use.hub import load_from_hub, push_to_hub

NEITHER = (
    "segmenter 'NAME' must be a folder here or a repository on the hub, got neither",
    "correct the path or the name; for a private repository run 'hf auth login' first",
)
TRY_AGAIN = "check the connection and the free disk space, then run the same command again"


def http_error(kind: type[Exception]) -> Exception:
    """Return an error of the hub; its constructor wants the answer that it is about."""
    make: Any = kind
    return make("what the hub says\nand more", response=SimpleNamespace(headers={}, request=None))


def failing(error: Exception) -> Callable[..., str]:
    """Return a download that fails."""

    def download(*args: object, **options: object) -> str:
        raise error

    return download


@pytest.mark.parametrize(
    ("error", "problem", "help"),
    [
        pytest.param(http_error(RepositoryNotFoundError), *NEITHER, id="no_repository"),
        pytest.param(
            http_error(GatedRepoError),
            "repository 'NAME' must be open to you, got one whose owner asks for consent",
            "ask for access on its page, then run 'hf auth login'",
            id="consent",
        ),
        pytest.param(
            http_error(RevisionNotFoundError),
            "repository 'NAME' must have the revision that is asked for, got no 'v9'",
            "name a branch, a tag or a commit of it, or leave the revision out",
            id="no_revision",
        ),
        pytest.param(
            OSError(28, "No space left on device"),
            "repository 'NAME' must be fetched whole, got [Errno 28] No space left on device",
            TRY_AGAIN,
            id="a_full_disk",
        ),
        pytest.param(
            RuntimeError(), "repository 'NAME' must be fetched whole, got RuntimeError", TRY_AGAIN, id="no_words"
        ),
    ],
)
def test_a_repository_that_cannot_be_fetched(error: Exception, problem: str, help: str) -> None:
    assert_says(
        lambda: load_from_hub("runs/voc", revision="v9", download=failing(error)),
        ArtifactError,
        problem,
        help,
        NAME="runs/voc",
    )


def test_no_connection_and_nothing_in_the_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    assert_says(
        lambda: load_from_hub("runs/voc", cache=tmp_path),
        ArtifactError,
        "segmenter 'runs/voc' must be a folder here, or in the hub's cache, or the hub must be reachable, "
        "got none of them",
        "correct the path, or fetch it once while there is a connection",
    )


def test_a_name_that_no_repository_can_have(tmp_path: Path) -> None:
    assert_says(lambda: load_from_hub("runs/voc--", cache=tmp_path), ArtifactError, *NEITHER, NAME="runs/voc--")


def test_a_repository_with_something_else(tmp_path: Path) -> None:
    assert_says(
        lambda: load_from_hub("google/bert", download=lambda *args, **options: str(tmp_path)),
        ArtifactError,
        "repository 'google/bert' must hold a segmenter of tagseg, got one without segmenter.json",
        "name one that was pushed by tagseg",
    )


class RefusingClient:
    """A hub that takes nothing, or only what everybody may see."""

    def __init__(self, *, public: bool) -> None:
        self.public = public

    def create_repo(self, repo_id: str, *, private: bool, exist_ok: bool) -> str:
        if not self.public:
            raise http_error(RepositoryNotFoundError)
        return repo_id

    def repo_info(self, repo_id: str) -> Any:
        return type("Info", (), {"private": False})

    def create_commit(self, repo_id: str, operations: list[Any], *, commit_message: str) -> None:
        raise AssertionError("nothing may be sent")


@pytest.mark.parametrize(
    ("public", "problem", "help"),
    [
        pytest.param(
            False,
            "repository 'me/cats' must take the segmenter in FOLDER, got what the hub says",
            "check the name, the connection, and that 'hf auth login' has a token that may write",
            id="a_hub_that_refuses",
        ),
        pytest.param(
            True,
            "repository 'me/cats' must be private, got a public one",
            "make it private in its settings, name another one, or ask for a public one",
            id="a_public_repository_for_a_private_segmenter",
        ),
    ],
)
def test_a_repository_that_cannot_be_written(segmenter_folder: Path, public: bool, problem: str, help: str) -> None:
    client = RefusingClient(public=public)
    assert_says(
        lambda: push_to_hub(segmenter_folder, "me/cats", client=client),
        ArtifactError,
        problem,
        help,
        FOLDER=segmenter_folder,
    )


def test_a_folder_that_is_nearly_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs" / "demo").mkdir(parents=True)
    fetch = failing(http_error(RepositoryNotFoundError))
    problem, _ = NEITHER
    assert_says(
        lambda: load_from_hub("runs/dmeo", download=fetch),
        ArtifactError,
        problem.replace("NAME", "runs/dmeo"),
        "did you mean 'runs/demo'?",
    )
