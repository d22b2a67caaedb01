import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from tagseg.artifacts.cam_file import read_cam, write_cam
from tagseg.artifacts.map_medians import write_map_medians
from tagseg.artifacts.run_folder import RunFolder
from tagseg.cams.extract import extract_cams
from tagseg.cams.flatness import lower_by_median
from tagseg.cams.methods.cam import ClassActivation
from tagseg.classes import ClassTable
from tagseg.errors import ArtifactError, ModelError
from tagseg.models.backbone import build_backbone
from tagseg.models.classifier import TagClassifier
from tagseg.ops.activation import tag_logits
from tagseg.ops.resize import resize_maps
from tagseg.prediction.segment import normalize_images
from tagseg.prediction.segmenter import shrink
from tagseg.use.cams import CamPredictor, load_networks

IMAGE = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8).repeat(12, 0).repeat(12, 1)


def pixels(predictor: CamPredictor, image: np.ndarray) -> torch.Tensor:
    backbone = predictor.classifier.backbone
    return normalize_images([image], mean=backbone.mean, std=backbone.std, device=predictor.device)


@pytest.fixture(scope="module")
def predictor(classifier_run: Path) -> CamPredictor:
    found = load_networks(str(classifier_run), device="cpu").cams
    assert found is not None
    return found


class TestLook:
    @pytest.mark.parametrize("views", [{}, {"scales": (1.0, 0.5)}, {"flip": True}, {"scales": (0.5,), "flip": True}])
    def test_maps_are_those_of_the_stage(self, predictor, views):
        tags = torch.ones(1, 3)
        wanted = extract_cams(
            predictor.method, pixels(predictor, IMAGE), tags, **{"scales": (1.0,), "flip": False, **views}
        )
        found = predictor.look(IMAGE, tags=(3, 1, 2, 1), **views).maps
        assert found.label_ids == (1, 2, 3)
        assert found.size == IMAGE.shape[:2]
        np.testing.assert_allclose(found.cam, wanted[0].numpy(), atol=0.5 / 255 + 1e-6)
        assert found.cam.max() == 1

    def test_maps_have_the_steps_of_a_stored_file(self, predictor, tmp_path):
        found = predictor.look(IMAGE, tags=(1, 2)).maps
        write_cam(tmp_path / "maps.npz", found.cam, found.label_ids)
        np.testing.assert_array_equal(read_cam(tmp_path / "maps.npz").cam, found.cam)

    def test_the_network_runs_once_for_one_scale_and_the_mode_stays(self, predictor, monkeypatch):
        calls = []
        forward = TagClassifier.forward
        monkeypatch.setattr(TagClassifier, "forward", lambda self, x: calls.append(x.shape) or forward(self, x))
        predictor.look(IMAGE)
        assert len(calls) == 1
        assert not any(part.training for part in predictor.classifier.modules())

    @pytest.mark.parametrize("views", [{}, {"scales": (1.0, 0.5)}, {"flip": True}])
    def test_no_view_is_looked_at_twice(self, predictor, monkeypatch, views):
        calls = []
        forward = TagClassifier.forward
        monkeypatch.setattr(TagClassifier, "forward", lambda self, x: calls.append(x.shape) or forward(self, x))
        predictor.look(IMAGE, **views)
        assert len(calls) == (1 if not views else 2)

    def test_probabilities_are_those_of_the_logits(self, predictor):
        with torch.no_grad():
            logits = tag_logits(predictor.classifier(pixels(predictor, IMAGE)))[0]
        np.testing.assert_allclose(predictor.look(IMAGE).probabilities, torch.sigmoid(logits).numpy(), atol=1e-6)

    def test_without_names_the_likely_tags_are_taken(self, predictor):
        probabilities = predictor.look(IMAGE).probabilities
        likely = tuple((np.flatnonzero(probabilities > 0.5) + 1).tolist()) or (int(probabilities.argmax()) + 1,)
        assert predictor.look(IMAGE).maps.label_ids == likely
        assert len(predictor.look(IMAGE, most_tags=1).maps.label_ids) == 1

    def test_a_large_image_is_shrunk_and_its_maps_enlarged(self, predictor):
        image = IMAGE[:, :1].repeat(2000, 1)
        with torch.no_grad():
            small = extract_cams(
                predictor.method,
                pixels(predictor, shrink(image, 1024)),
                torch.eye(3)[:1],
                scales=(1.0,),
                flip=False,
            )[0]
        found = predictor.look(image, tags=(1,)).maps
        assert found.size == (72, 2000)
        np.testing.assert_allclose(found.cam, resize_maps(small[None], (72, 2000))[0].numpy(), atol=0.5 / 255 + 1e-6)

    @pytest.mark.parametrize("size", [(1, 1), (1, 40), (17, 33)])
    def test_any_size(self, predictor, size):
        assert predictor.look(np.zeros((*size, 3), np.uint8), tags=(2,)).maps.size == size

    def test_broken_weights_are_an_error_and_no_mask(self, classifier_run):
        broken = load_networks(str(classifier_run), device="cpu").cams
        assert broken is not None
        torch.nn.init.constant_(broken.classifier.head.weight, float("nan"))
        with pytest.raises(ModelError) as caught:
            broken.look(IMAGE)
        assert str(caught.value) == (
            "classifier gives finite class maps, got NaN; train it again with a lower learning rate"
        )


class TestLoad:
    def test_a_classifier_without_its_data_set(self, predictor):
        assert predictor.classes.names == ("cat", "dog", "red fox")
        assert predictor.title == "test_resnet"
        assert predictor.background_score == 0.2  # of the recipe, as nothing is scored

    def test_a_run_with_both_and_a_folder_with_a_segmenter_only(self, full_run, segmenter_folder, classifier_run):
        both = load_networks(str(full_run), device="cpu")
        assert both.segmenter is not None and both.cams is not None
        assert both.segmenter.classes == both.cams.classes
        exported = load_networks(str(segmenter_folder), device="cpu")
        assert exported.segmenter is not None and exported.cams is None
        assert load_networks(str(classifier_run), device="cpu").segmenter is None

    def test_maps_of_flat_classes_are_lowered_as_those_of_the_run(self, tmp_path, classifier_run):
        run = shutil.copytree(classifier_run, tmp_path / "run")
        plain = load_networks(str(run), device="cpu").cams
        text = (run / "recipe.toml").read_text()
        assert 'flat_maps = "keep"' in text
        (run / "recipe.toml").write_text(text.replace('flat_maps = "keep"', 'flat_maps = "lower"'))
        unseen = load_networks(str(run), device="cpu").cams
        write_map_medians(RunFolder(run).map_medians, {"cat": 0.0, "dog": 0.3, "red fox": 0.1})
        found = load_networks(str(run), device="cpu").cams
        assert plain is not None and unseen is not None and found is not None
        assert (plain.flat, unseen.flat, found.flat) == (frozenset(), frozenset(), {2})
        before, after = (each.look(IMAGE, tags=(1, 2)).maps.cam for each in (plain, found))
        np.testing.assert_array_equal(after[0], before[0])
        np.testing.assert_allclose(after[1], lower_by_median(before[1:], [True])[0], atol=2 / 255)

    def test_the_best_score_of_the_sweep_is_the_runs(self, tmp_path, classifier_run):
        run = shutil.copytree(classifier_run, tmp_path / "run")
        (run / "scores.json").write_text('{"seeds": {"network": {"best": {"background_score": 0.35}}}}')
        found = load_networks(str(run), device="cpu").cams
        assert found is not None
        assert found.background_score == 0.35

    def test_a_run_without_anything_trained(self, tmp_path, classifier_run):
        (tmp_path / "recipe.toml").write_text((classifier_run / "recipe.toml").read_text())
        with pytest.raises(ArtifactError) as caught:
            load_networks(str(tmp_path))
        assert str(caught.value) == (
            f"run folder {tmp_path} must hold a trained classifier or segmenter, got neither; "
            "run 'tagseg run' or 'tagseg train-classifier' first"
        )

    def test_weights_of_another_recipe(self, tmp_path, classifier_run):
        run = shutil.copytree(classifier_run, tmp_path / "run")
        recipe = (run / "recipe.toml").read_text().replace('"test_resnet"', '"test_vit"', 1)
        (run / "recipe.toml").write_text(recipe)
        with pytest.raises((ArtifactError, ModelError)):
            load_networks(str(run), device="cpu")

    def test_a_class_table_of_another_size(self):
        classifier = TagClassifier(build_backbone("test_resnet", weights=None), num_classes=2)
        with pytest.raises(ModelError) as caught:
            CamPredictor(ClassActivation(classifier), ClassTable(("cat",)))
        assert str(caught.value) == (
            "classifier has one map a class, 1, got 2; pass the class table that it was trained with"
        )
