import json
from fnmatch import fnmatch
from pathlib import Path
from shutil import copy2, copytree
from types import SimpleNamespace
from typing import Any

import huggingface_hub
import numpy as np
import pytest
import torch

from tagseg.artifacts.segmenter_file import read_description, save_segmenter
from tagseg.classes import ClassTable
from tagseg.errors import ArtifactError
from tagseg.models.segmentation_network import SegmenterDesign, build_segmenter
from tagseg.progress import SilentProgress
from tagseg.use.export import export_segmenter, publish_segmenter, segmenter_scores
from tagseg.use.hub import HubClient, load_from_hub, push_to_hub
from tagseg.use.load import load

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class FakeHub:
    """A hub whose repositories are folders."""

    def __init__(self, root: Path, *, public: tuple[str, ...] = ()) -> None:
        self.root, self.public, self.calls = root, set(public), list[str]()

    def create_repo(self, repo_id: str, *, private: bool, exist_ok: bool) -> str:
        self.calls.append("create_repo")
        if not (self.root / repo_id).exists() and not private:
            self.public.add(repo_id)
        (self.root / repo_id).mkdir(parents=True, exist_ok=exist_ok)
        return f"https://hub.example/{repo_id}"

    def repo_info(self, repo_id: str) -> SimpleNamespace:
        self.calls.append("repo_info")
        return SimpleNamespace(private=repo_id not in self.public)

    def create_commit(
        self, repo_id: str, operations: list[huggingface_hub.CommitOperationAdd], *, commit_message: str
    ) -> None:
        self.calls.append(commit_message)
        for operation in operations:
            with operation.as_file() as file:
                (self.root / repo_id / operation.path_in_repo).write_bytes(file.read())

    def snapshot_download(self, repo_id: str, *, allow_patterns: list[str], **options: Any) -> str:
        folder = self.root / "fetched"
        folder.mkdir(exist_ok=True)
        for file in (self.root / repo_id).iterdir():
            if any(fnmatch(file.name, pattern) for pattern in allow_patterns):
                copy2(file, folder)
        return str(folder)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported")
    torch.manual_seed(0)
    network = build_segmenter(SegmenterDesign("deeplabv2", "test_resnet", num_labels=3), weights=None)
    notes = {"scores": {"mean IoU on val": 0.625}}
    save_segmenter(folder, network, ClassTable(("cat", "dog")), prediction={"flip": True}, notes=notes)
    (folder / "private_notes.txt").write_text("not for everybody")
    return folder


def test_the_real_client_has_what_pushing_calls() -> None:
    assert isinstance(huggingface_hub.HfApi(), HubClient)


def test_pushing_sends_weights_description_and_page_in_one_commit(exported: Path, tmp_path: Path) -> None:
    hub = FakeHub(tmp_path)
    assert push_to_hub(exported, "me/cats", client=hub) == "https://hub.example/me/cats"
    assert hub.calls == ["create_repo", "repo_info", "Add a deeplabv2 segmenter made by tagseg"]
    sent = tmp_path / "me" / "cats"
    names = sorted(file.name for file in sent.iterdir())
    assert names == ["README.md", "segmenter.json", "segmenter.safetensors"]
    assert read_description(sent).classes.names == ("cat", "dog")
    card = (sent / "README.md").read_text(encoding="utf-8")
    assert "# cats\n" in card
    assert "| mean IoU on val | 62.5 % |" in card
    assert "README.md" not in [file.name for file in exported.iterdir()]


def test_pushing_twice_replaces(exported: Path, tmp_path: Path) -> None:
    hub = FakeHub(tmp_path)
    for _ in range(2):
        push_to_hub(exported, "me/cats", client=hub)
    assert (tmp_path / "me" / "cats" / "segmenter.json").exists()


def test_a_public_repository_takes_only_what_is_meant_to_be_public(exported: Path, tmp_path: Path) -> None:
    hub = FakeHub(tmp_path, public=("me/open",))
    with pytest.raises(ArtifactError, match="must be private, got a public one"):
        push_to_hub(exported, "me/open", client=hub)
    assert list((tmp_path / "me" / "open").iterdir()) == []
    push_to_hub(exported, "me/open", private=False, client=hub)
    assert (tmp_path / "me" / "open" / "README.md").exists()


def test_a_damaged_segmenter_is_not_pushed(exported: Path, tmp_path: Path) -> None:
    for file in exported.iterdir():
        copy2(file, tmp_path)
    (tmp_path / "segmenter.safetensors").write_bytes(b"half")
    hub = FakeHub(tmp_path / "hub")
    with pytest.raises(ArtifactError, match="got other bytes"):
        push_to_hub(tmp_path, "me/cats", client=hub)
    assert hub.calls == []


def test_of_what_was_pushed_only_the_segmenter_is_fetched(exported: Path, tmp_path: Path) -> None:
    hub = FakeHub(tmp_path)
    push_to_hub(exported, "me/cats", client=hub)
    (tmp_path / "me" / "cats" / "run_me.py").write_text("raise SystemExit")
    segmenter = load(load_from_hub("me/cats", download=hub.snapshot_download), device="cpu")
    assert segmenter.names == ("background", "cat", "dog")
    assert segmenter.settings.flip
    assert not (tmp_path / "fetched" / "run_me.py").exists()
    image = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    assert np.array_equal(segmenter.predict(image).labels, load(exported, device="cpu").predict(image).labels)


@pytest.mark.parametrize("revision", [None, "main", COMMIT])
def test_without_a_connection_the_cache_is_used(
    exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, revision: str | None
) -> None:
    """The hub's own code, told to stay offline, on a cache laid out as it lays it out."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    repository = tmp_path / "models--me--cats"
    snapshot = repository / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    for name in ("segmenter.json", "segmenter.safetensors"):
        copy2(exported / name, snapshot)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(COMMIT)
    assert load_from_hub("me/cats", revision=revision, cache=tmp_path) == snapshot
    assert load("me/cats", revision=revision, device="cpu").names == ("background", "cat", "dog")


def test_a_run_tells_the_page_and_the_exported_folder_what_its_segmenter_scored(exported: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    copytree(exported, run / "5_segmenter")
    scored = {"split": "val", "mean_iou": 0.6834, "precision": 0.88, "recall": None}
    (run / "scores.json").write_text(json.dumps({"seeds": None, "segmenter": scored}))
    shown = {"mean IoU on val": 0.6834, "precision on val": 0.88}
    assert segmenter_scores(run) == shown
    export_segmenter(run, tmp_path / "out", format="safetensors", check_images=[], progress=SilentProgress())
    assert read_description(tmp_path / "out").notes["scores"] == shown
    publish_segmenter(run, "me/cats", client=FakeHub(tmp_path / "hub"))
    card = (tmp_path / "hub" / "me" / "cats" / "README.md").read_text(encoding="utf-8")
    assert "| mean IoU on val | 68.3 % |" in card and "62.5 %" not in card


def test_without_scores_nothing_is_claimed(exported: Path, tmp_path: Path) -> None:
    assert segmenter_scores(exported) == segmenter_scores("me/cats") == {}
    (tmp_path / "scores.json").write_text('{"seeds": null, "segmenter": null}')
    assert segmenter_scores(tmp_path) == {}
    (tmp_path / "scores.json").write_text("[]")
    with pytest.raises(ArtifactError, match=r"scores\.json must be scores that tagseg wrote"):
        segmenter_scores(tmp_path)
