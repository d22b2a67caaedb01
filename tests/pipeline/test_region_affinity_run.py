"""Region affinity of a run with the features of another frozen network: a random ViT, read from its weights file."""

from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from kit.heard import Heard
from kit.small_run import quick_recipe
from safetensors.torch import save_file

from tagseg.artifacts.cam_file import read_cam
from tagseg.artifacts.layout import STAGE_OUTPUTS
from tagseg.assemble.first_weights import first_weights, require_first_weights
from tagseg.data.drawn_pictures import write_dataset
from tagseg.errors import ArtifactError, ModelError
from tagseg.pipeline import run_pipeline
from tagseg.progress import SilentProgress

EVERYWHERE = [
    "cams.region_affinity=true",
    "masks.refine=['region_affinity']",
    "self_modulation.target='warmup'",
    "self_modulation.target_refine=['region_affinity']",
    "region_affinity.features='test_vit'",
]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("photos")
    write_dataset(root, num_images=6, size=(64, 96), seed=5)
    return root


def vit_file(folder: Path, *, seed: int) -> Path:
    """Write the weights of a random ViT and return the file."""
    torch.manual_seed(seed)
    path = folder / f"vit-{seed}.safetensors"
    save_file(timm.create_model("test_vit", pretrained=False).state_dict(), path)
    return path


def region_scores(run: Path) -> list[np.ndarray]:
    return [read_cam(path).region_scores for path in sorted((run / "2_cams").rglob("*.npz"))]


def test_features_of_a_vit_share_maps_target_and_masks(photos: Path, tmp_path: Path) -> None:
    found = {}
    for seed in (0, 1):
        weights = f"region_affinity.weights='{vit_file(tmp_path, seed=seed)}'"
        recipe = quick_recipe(photos, tmp_path / "cache", *EVERYWHERE, weights)
        scores = run_pipeline(recipe, tmp_path / f"run-{seed}", progress=SilentProgress()).scores
        assert list(scores["seeds"])[-1] == "affinity"
        assert scores["pseudo_masks"]["refine"] == ["region_affinity"]
        found[seed] = region_scores(tmp_path / f"run-{seed}")
    assert any(scores.size for scores in found[0])
    assert any(not np.array_equal(one, other) for one, other in zip(found[0], found[1], strict=True))


@pytest.mark.parametrize("settings", [EVERYWHERE, ["cams.region_affinity=false", "masks.refine=[]"]])
def test_a_weights_file_of_another_network_is_refused_before_training(
    photos: Path, tmp_path: Path, settings: list[str]
) -> None:
    path = tmp_path / "other.safetensors"
    save_file(timm.create_model("test_resnet", pretrained=False).state_dict(), path)
    chosen = [*EVERYWHERE, *settings, f"region_affinity.weights='{path}'"]
    recipe = quick_recipe(photos, tmp_path / "cache", *chosen)
    with pytest.raises(ModelError, match=r"other\.safetensors"):
        run_pipeline(recipe, tmp_path / "run", progress=SilentProgress())
    assert not (tmp_path / "run" / "1_classifier").exists()


def test_weights_that_nothing_reads_need_not_be_there(photos: Path, tmp_path: Path) -> None:
    settings = [*EVERYWHERE, "cams.region_affinity=false", "masks.refine=[]", "self_modulation.enabled=false"]
    settings += ["masks.background_rule=otsu"]
    recipe = quick_recipe(photos, tmp_path / "cache", *settings, "region_affinity.weights='gone.safetensors'")
    assert [each.key for each in first_weights(recipe, STAGE_OUTPUTS)] == ["classifier.weights", "segmenter.weights"][
        :1
    ]


def test_the_network_that_the_background_rule_asks_is_known_by_its_content_too(photos: Path, tmp_path: Path) -> None:
    path = vit_file(tmp_path, seed=0)
    settings = [*EVERYWHERE, "cams.region_affinity=false", "masks.refine=[]", "self_modulation.enabled=false"]
    settings += ["masks.background_rule=auto", f"region_affinity.weights='{path}'"]
    recipe = quick_recipe(photos, tmp_path / "cache", *settings)
    (asked,) = [each for each in first_weights(recipe, STAGE_OUTPUTS) if each.key == "region_affinity.weights"]
    assert (asked.named, asked.required) == (str(path), False)
    out = tmp_path / "run"
    run_pipeline(recipe, out, progress=SilentProgress())
    vit_file(tmp_path, seed=1).rename(path)
    with pytest.raises(ArtifactError, match="'make_masks' of the same recipe, got other values"):
        run_pipeline(recipe, out, progress=SilentProgress())
    path.unlink()
    require_first_weights(recipe, ["make_masks"])  # a rule helps, and no run ends for it


def test_a_file_of_weights_is_known_by_its_content(photos: Path, tmp_path: Path) -> None:
    path = vit_file(tmp_path, seed=0)
    recipe = quick_recipe(photos, tmp_path / "cache", *EVERYWHERE, f"region_affinity.weights='{path}'")
    out = tmp_path / "run"
    run_pipeline(recipe, out, progress=SilentProgress())
    path.rename(tmp_path / "kept.safetensors")
    heard = Heard()
    run_pipeline(recipe, out, progress=heard)  # all is done: no weights are needed
    assert {status for _, status, _ in heard.stages} == {"skip"}
    vit_file(tmp_path, seed=1).rename(path)
    with pytest.raises(ArtifactError, match="got other values: the images, tags, corrections, weights or the earlier"):
        run_pipeline(recipe, out, progress=SilentProgress())
    (tmp_path / "kept.safetensors").rename(path)
    run_pipeline(recipe, out, progress=heard)
    assert {status for _, status, _ in heard.stages} == {"skip"}
