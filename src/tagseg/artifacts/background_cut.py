"""The background score that the pseudo masks of a run are cut at, kept from the first mask on."""

from pathlib import Path
from typing import NamedTuple, get_args

from tagseg.artifacts.json_file import Json, json_bytes, mapping_of, read_json, share_of
from tagseg.artifacts.run_scores import BackgroundRule
from tagseg.errors import ArtifactError
from tagseg.system.atomic import atomic_write


class BackgroundCut(NamedTuple):
    """Where masks are cut.

    Args:
        score: of background, in [0, 1].
        rule: that found it; ``fixed`` where it is the recipe's.
    """

    score: float
    rule: BackgroundRule


def rule_of(value: Json) -> BackgroundRule:
    """Return the name of a rule.

    Raises:
        ValueError: when it is none.
    """
    if value not in get_args(BackgroundRule):
        raise ValueError("a rule for the background score is expected")
    return value


def write_background_cut(path: Path, cut: BackgroundCut) -> None:
    """Write a background score and its rule, atomically.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "background.json"
    >>> write_background_cut(path, BackgroundCut(0.31, "auto"))
    >>> read_background_cut(path)
    BackgroundCut(score=0.31, rule='auto')
    """
    atomic_write(path, json_bytes({"background_score": cut.score, "background_rule": cut.rule}))


def read_background_cut(path: Path) -> BackgroundCut:
    """Read what :func:`write_background_cut` wrote.

    Raises:
        ArtifactError: when the file holds no such score.
    """
    try:
        content = mapping_of(read_json(path))
        return BackgroundCut(share_of(content["background_score"]), rule_of(content["background_rule"]))
    except (ValueError, KeyError) as error:
        raise ArtifactError(
            f"{path} must be a background score that tagseg wrote, got a file that cannot be read as such",
            help=f"delete the folder {path.parent} and run 'tagseg run' again: its masks are cut at that score",
        ) from error
