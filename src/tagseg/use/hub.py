"""Segmenters on a model hub: pushed with a page that explains them, and fetched to a local folder."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from huggingface_hub import CommitOperationAdd, HfApi, snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from tagseg.artifacts.model_card import model_card
from tagseg.artifacts.segmenter_file import DESCRIPTION_NAME, WEIGHTS_NAME, read_description
from tagseg.errors import ArtifactError, TagsegError
from tagseg.system.near_paths import near_path_help
from tagseg.system.own_version import own_version

CARD_NAME = "README.md"


@runtime_checkable
class HubClient(Protocol):
    """What pushing needs of ``huggingface_hub.HfApi``."""

    def create_repo(self, repo_id: str, *, private: bool, exist_ok: bool) -> object:
        """Create a repository where there is none, and return its address."""
        ...

    def repo_info(self, repo_id: str) -> Any:  # noqa: ANN401 (the hub's record)
        """Return a record with ``private``."""
        ...

    def create_commit(self, repo_id: str, operations: list[CommitOperationAdd], *, commit_message: str) -> object:
        """Add all files, or none."""
        ...


def push_to_hub(
    folder: Path,
    repo_id: str,
    *,
    private: bool = True,
    token: str | None = None,
    client: HubClient | None = None,
) -> str:
    """Publish a segmenter in one commit: weights, description, and a page that says what it is and how to use it.

    Args:
        folder: holds ``segmenter.json`` and the weights.
        repo_id: ``owner/name``; made when there is none.
        private: whether only its owner sees it. A public repository is refused when this is True.
        token: of the hub; None takes the one of ``hf auth login`` or of the environment.
        client: takes the place of ``huggingface_hub.HfApi``.

    Returns:
        The address of the repository.

    Raises:
        ArtifactError: when the folder holds no whole segmenter, the repository is public, or the hub refuses.
    """
    description = read_description(folder)
    card = model_card(description, repo_id=repo_id).encode("utf-8", "backslashreplace")
    hub: Any = client or HfApi(token=token, library_name="tagseg", library_version=own_version())
    files: dict[str, bytes | Path] = {
        WEIGHTS_NAME: folder / WEIGHTS_NAME,
        DESCRIPTION_NAME: folder / DESCRIPTION_NAME,
        CARD_NAME: card,
    }
    try:
        address = str(hub.create_repo(repo_id, private=private, exist_ok=True))
        if private and not hub.repo_info(repo_id).private:
            raise ArtifactError(
                f"repository '{repo_id}' must be private, got a public one",
                help="make it private in its settings, name another one, or ask for a public one",
            )
        hub.create_commit(
            repo_id,
            [CommitOperationAdd(path_in_repo=name, path_or_fileobj=content) for name, content in files.items()],
            commit_message=f"Add a {description.design.architecture} segmenter made by tagseg",
        )
    except ArtifactError:
        raise
    except Exception as error:  # the hub's own errors, and those of whatever carries its requests
        raise ArtifactError(
            f"repository '{repo_id}' must take the segmenter in {folder}, got {_reason(error)}",
            help="check the name, the connection, and that 'hf auth login' has a token that may write",
        ) from error
    return address


def load_from_hub(
    repo_id: str,
    *,
    revision: str | None = None,
    cache: Path | None = None,
    token: str | None = None,
    download: Callable[..., str] | None = None,
) -> Path:
    """Fetch a segmenter from the hub, or take it from the cache when there is no connection.

    Only its description, weights and page are fetched, whatever else the repository holds; nothing in them can run.

    Args:
        repo_id: ``owner/name``.
        revision: branch, tag or commit; None is the default branch.
        cache: folder of the hub's cache; None is the one of ``huggingface_hub``.
        token: of the hub, for a private repository; None takes that of ``hf auth login`` or of the environment.
        download: takes the place of ``huggingface_hub.snapshot_download``.

    Returns:
        The local folder with ``segmenter.json``.

    Raises:
        ArtifactError: when there is no such repository or revision, it holds no segmenter, or it is not in the cache
            and the hub cannot be reached.
    """
    fetch = download or snapshot_download
    try:
        folder = Path(
            fetch(
                repo_id,
                revision=revision,
                cache_dir=cache,
                token=token,
                allow_patterns=[DESCRIPTION_NAME, WEIGHTS_NAME, CARD_NAME],
                library_name="tagseg",
                library_version=own_version(),
            )
        )
    except Exception as error:  # the hub's own errors, and those of whatever carries its requests
        raise _not_fetched(repo_id, revision, error) from error
    if not (folder / DESCRIPTION_NAME).is_file():
        raise ArtifactError(
            f"repository '{repo_id}' must hold a segmenter of tagseg, got one without {DESCRIPTION_NAME}",
            help="name one that was pushed by tagseg",
        )
    return folder


def _not_fetched(repo_id: str, revision: str | None, error: Exception) -> TagsegError:
    """Word what kept a repository from being fetched; the narrowest kind first."""
    if isinstance(error, GatedRepoError):
        return ArtifactError(
            f"repository '{repo_id}' must be open to you, got one whose owner asks for consent",
            help="ask for access on its page, then run 'hf auth login'",
        )
    if isinstance(error, RepositoryNotFoundError | HFValidationError):
        return ArtifactError(
            f"segmenter '{repo_id}' must be a folder here or a repository on the hub, got neither",
            help=near_path_help(
                Path(repo_id), "correct the path or the name; for a private repository run 'hf auth login' first"
            ),
        )
    if isinstance(error, RevisionNotFoundError):
        return ArtifactError(
            f"repository '{repo_id}' must have the revision that is asked for, got no '{revision}'",
            help="name a branch, a tag or a commit of it, or leave the revision out",
        )
    if isinstance(error, LocalEntryNotFoundError):
        return ArtifactError(
            f"segmenter '{repo_id}' must be a folder here, or in the hub's cache, or the hub must be reachable, "
            "got none of them",
            help=near_path_help(Path(repo_id), "correct the path, or fetch it once while there is a connection"),
        )
    return ArtifactError(
        f"repository '{repo_id}' must be fetched whole, got {_reason(error)}",
        help="check the connection and the free disk space, then run the same command again",
    )


def _reason(error: Exception) -> str:
    """Return the first line of an error, or its kind when it says nothing."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
