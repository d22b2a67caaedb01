import json
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import nn

from tagseg.artifacts.model_card import model_card, plain_code
from tagseg.artifacts.segmenter_file import (
    DESCRIPTION_NAME,
    WEIGHTS_NAME,
    label_colors,
    load_segmenter,
    read_description,
    save_segmenter,
)
from tagseg.classes import ClassTable
from tagseg.errors import ArtifactError
from tagseg.models.segmentation_network import SegmentationNetwork, SegmenterDesign, build_segmenter

CLASSES = ClassTable(("cat", "größe | <b>"))

DESIGNS = {
    "deeplabv2": SegmenterDesign("deeplabv2", "test_resnet", num_labels=3, output_stride=8),
    "deeplabv2_mobilenet": SegmenterDesign("deeplabv2", "mobilenetv2_035", num_labels=3, output_stride=16),
    "deeplabv3plus": SegmenterDesign("deeplabv3plus", "test_resnet", num_labels=3, decoder_channels=16),
    "segformer": SegmenterDesign("segformer", "test_resnet", num_labels=3, output_stride=32, decoder_channels=16),
    "upernet": SegmenterDesign("upernet", "test_resnet", num_labels=3, output_stride=32, decoder_channels=16),
}


def build(name: str, seed: int = 0) -> SegmentationNetwork:
    """A network whose batch norms have statistics of their own, so that a forgotten buffer shows."""
    torch.manual_seed(seed)
    network = build_segmenter(DESIGNS[name], weights=None)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d) and module.running_mean is not None and module.running_var is not None:
            module.running_mean.normal_(std=0.1)
            module.running_var.uniform_(0.5, 2)
    return network.eval()


@pytest.fixture(scope="module", params=DESIGNS)
def saved(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[SegmentationNetwork, Path]:
    folder = tmp_path_factory.mktemp("segmenter") / request.param
    network = build(request.param)
    save_segmenter(folder, network, CLASSES, prediction={"scales": [0.5, 1.0]}, notes={"scores": {"mean IoU": 0.5}})
    return network, folder


@torch.no_grad()
def test_a_segmenter_comes_back_bit_by_bit(saved: tuple[SegmentationNetwork, Path]) -> None:
    network, folder = saved
    loaded = load_segmenter(folder)
    assert loaded.classes == CLASSES
    assert loaded.prediction == {"scales": [0.5, 1.0]}
    assert loaded.notes == {"scores": {"mean IoU": 0.5}}
    assert (loaded.network.design, loaded.network.mean) == (network.design, network.mean)
    assert not any(module.training for module in loaded.network.modules())
    images = torch.randn(2, 3, 50, 33)
    assert torch.equal(loaded.network(images), network(images))


def test_the_weights_have_the_names_of_smp_and_timm(saved: tuple[SegmentationNetwork, Path]) -> None:
    network, folder = saved
    names = set(safetensors.torch.load_file(folder / WEIGHTS_NAME))
    assert names == set(network.network.state_dict())
    parts = {name.partition(".")[0] for name in names}
    assert parts == ({"encoder", "head"} if "v2" in folder.name else {"encoder", "decoder", "segmentation_head"})


@torch.no_grad()
def test_the_printed_code_gives_the_same_logits_without_tagseg(
    saved: tuple[SegmentationNetwork, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    network, folder = saved
    code = plain_code(read_description(folder))
    assert "tagseg" not in code
    assert f"```python\n{code}```" in model_card(read_description(folder), repo_id="me/cats")
    monkeypatch.chdir(folder)
    images = torch.rand(2, 3, 64, 96)
    names: dict[str, torch.Tensor] = {"x": images}
    exec(code, names)  # what a reader of the page does
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (network.mean, network.std))
    torch.testing.assert_close(names["logits"], network((images - mean) / std), rtol=0, atol=1e-5)
    assert names["labels"].shape == (2, 64, 96)


def test_the_description_is_for_people_too(saved: tuple[SegmentationNetwork, Path]) -> None:
    content = json.loads((saved[1] / DESCRIPTION_NAME).read_text(encoding="utf-8"))
    assert content["labels"] == ["background", "cat", "größe | <b>"]
    assert content["palette"] == [[0, 0, 0], [128, 0, 0], [0, 128, 0]] == label_colors(CLASSES)
    assert (content["format"], content["weights"]["file"]) == (1, WEIGHTS_NAME)


def test_the_stored_mean_counts_whatever_timm_says(tmp_path: Path) -> None:
    network = build("deeplabv2")
    network.mean, network.std = (0.1, 0.2, 0.3), (0.4, 0.5, 0.6)
    save_segmenter(tmp_path, network, CLASSES, prediction={}, notes={})
    loaded = load_segmenter(tmp_path).network
    assert (loaded.mean, loaded.std) == ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))


def test_the_same_network_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        save_segmenter(tmp_path / name, build("deeplabv2"), CLASSES, prediction={}, notes={})
    for file in (WEIGHTS_NAME, DESCRIPTION_NAME):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


class KilledAt(dict[str, Any]):
    """A note at which the process stops: it is read when the weights are written and the description is not."""

    def items(self) -> Any:
        raise KeyboardInterrupt


def test_a_save_that_is_killed_between_the_two_files_is_noticed(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        save_segmenter(tmp_path, build("deeplabv2"), CLASSES, prediction={}, notes={"from": KilledAt(a=1)})
    assert [file.name for file in tmp_path.iterdir()] == [WEIGHTS_NAME]
    with pytest.raises(ArtifactError, match=r"segmenter\.json must exist"):
        load_segmenter(tmp_path)

    save_segmenter(tmp_path, build("deeplabv2"), CLASSES, prediction={}, notes={})
    with pytest.raises(KeyboardInterrupt):
        save_segmenter(tmp_path, build("deeplabv2", seed=1), CLASSES, prediction={}, notes={"from": KilledAt(a=1)})
    with pytest.raises(ArtifactError, match="got other bytes"):
        load_segmenter(tmp_path)


def test_a_card_shows_labels_scores_and_origin_and_survives_strange_names(tmp_path: Path) -> None:
    notes = {"scores": {"mean IoU on val": 0.6543, "pairs": "n/a"}, "recipe": "voc", "nested": {"a": 1}, "seed": 7}
    save_segmenter(tmp_path, build("segformer"), CLASSES, prediction={}, notes=notes)
    card = model_card(read_description(tmp_path), repo_id="me/cats")
    assert card.startswith("---\nlibrary_name: tagseg\n")
    assert "| 2 | größe \\| &lt;b> | 0, 128, 0 |" in card
    assert "| mean IoU on val | 65.4 % |" in card
    assert "| pairs | n/a |" in card
    assert "- recipe: voc\n- seed: 7\n" in card
    assert "nested" not in card
    assert 'tagseg.load("me/cats")' in card


def test_a_card_without_notes_has_no_empty_parts(tmp_path: Path) -> None:
    save_segmenter(tmp_path, build("segformer"), CLASSES, prediction={}, notes={})
    card = model_card(read_description(tmp_path), repo_id="me/cats")
    assert "## Scores" not in card
    assert "## Origin" not in card
    assert "## Licence" in card
