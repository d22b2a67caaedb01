"""Maps of one photograph by a run's classifier and by networks of one's own."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from kit.messages import ROW, assert_says, row
from torch import nn

import tagseg
from tagseg.cams.extract import extract_cams
from tagseg.cams.methods.cam import ClassActivation
from tagseg.errors import ArtifactError, DataError, ModelError
from tagseg.models.backbone import build_backbone
from tagseg.models.classifier import TagClassifier
from tagseg.models.perceptual import IMAGENET_MEAN, IMAGENET_STD
from tagseg.prediction.segment import normalize_images
from tagseg.use import activation_maps as module

IMAGE = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8).repeat(12, 0).repeat(12, 1)
NAMES = ("cat", "dog", "red fox")


class TestOfARun:
    def test_maps_are_those_of_its_classifier_in_the_order_of_the_tags(self, classifier_run: Path) -> None:
        finder = tagseg.load_classifier(classifier_run, device="cpu")
        wanted = finder.look(IMAGE, tags=(1, 3), scales=(1.0, 0.5), flip=True).maps.cam
        for source in (classifier_run, str(classifier_run), finder):
            found = tagseg.activation_maps(
                IMAGE, ["red fox", "cat", "red fox"], classifier=source, scales=(1.0, 0.5), flip=True
            )
            assert found.names == ("red fox", "cat")
            np.testing.assert_array_equal(found.maps, wanted[::-1])

    def test_without_tags_the_likely_ones_are_shown(self, classifier_run: Path) -> None:
        finder = tagseg.load_classifier(classifier_run, device="cpu")
        found = tagseg.activation_maps(IMAGE, classifier=finder)
        assert found.names == tuple(NAMES[label - 1] for label in finder.look(IMAGE).maps.label_ids)


class TestOfANetworkOfOnesOwn:
    def test_maps_are_those_that_the_stage_would_make_of_it(self) -> None:
        network = TagClassifier(build_backbone("test_resnet", weights=None), num_classes=3)
        pixels = normalize_images([IMAGE], mean=IMAGENET_MEAN, std=IMAGENET_STD, device=torch.device("cpu"))
        wanted = extract_cams(
            ClassActivation(network), pixels, torch.tensor([[0.0, 1.0, 1.0]]), scales=(1.0, 0.5), flip=True
        )[0]
        found = tagseg.activation_maps(
            IMAGE, ["red fox", "dog"], classifier=network, classes=NAMES, scales=(1.0, 0.5), flip=True
        )
        np.testing.assert_allclose(found["dog"], wanted[0].numpy(), atol=1e-6)
        np.testing.assert_allclose(found["red fox"], wanted[1].numpy(), atol=1e-6)
        assert any(part.training for part in network.modules())  # as before

    def test_three_lines_make_maps_of_any_classifier_with_a_linear_layer(self) -> None:
        import timm

        network = timm.create_model("test_resnet", num_classes=3).eval()
        weight, bias = network.get_classifier().weight[:, :, None, None], network.get_classifier().bias
        found = tagseg.activation_maps(
            IMAGE,
            classifier=lambda images: nn.functional.conv2d(network.forward_features(images), weight, bias),
            classes=NAMES,
        )
        pixels = normalize_images([IMAGE], mean=IMAGENET_MEAN, std=IMAGENET_STD, device=torch.device("cpu"))
        assert found.names == (NAMES[int(network(pixels)[0].argmax())],)  # means of maps are the logits
        assert found.maps.shape == (1, *IMAGE.shape[:2])

    def test_a_large_photograph_comes_back_at_its_size(self) -> None:
        seen = []

        def network(images: torch.Tensor) -> torch.Tensor:
            seen.append(tuple(images.shape[2:]))
            return images[:, :1, ::8, ::8]

        found = tagseg.activation_maps(IMAGE[:, :1].repeat(2000, 1), ["cat"], classifier=network, classes=["cat"])
        assert seen == [(37, 1024)] and found["cat"].shape == (72, 2000)
        assert found.maps.min() >= 0 and found.maps.max() <= 1


def test_maps_print_short_and_show_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    maps = np.stack([np.zeros((4, 5)), np.ones((4, 5))]).astype(np.float32)
    found = tagseg.ActivationMaps(("cat", "<i>"), maps, np.full((4, 5, 3), 100, np.uint8))
    assert repr(found) == "ActivationMaps(4 x 5 px: cat, <i>)"
    assert "<i>" not in found._repr_html_() and "data:image/jpeg" in found._repr_html_()
    assert found.overlay("cat", opacity=1.0).max() == 3  # the black end of the colours
    assert np.array_equal(found.overlay("<i>", opacity=0.0), found.image)
    shown = []
    monkeypatch.setattr(module, "show_picture", lambda picture, **others: shown.append((picture.shape, others)))
    found.show()
    assert shown == [((4, 15, 3), {"shown": found})]


def own(network: Callable[[torch.Tensor], object], *tags: str, classes: tuple[str, ...] = ("cat",)):
    return lambda: tagseg.activation_maps(IMAGE, tags, classifier=network, classes=classes)  # pyright: ignore


SHAPE = "a network of your own gives class maps of shape (1, 1, h, w), got"
LAST_LAYER = "apply its last layer to every cell of its features, and name as many classes as there are maps"


@pytest.mark.parametrize(
    ROW,
    [
        row("logits", own(lambda images: images.mean((2, 3))), f"{SHAPE} (1, 3)", LAST_LAYER),
        row("more_maps_than_names", own(lambda images: images), f"{SHAPE} (1, 3, 72, 96)", LAST_LAYER),
        row(
            "other_images", own(lambda images: images[:, :1].repeat(2, 1, 1, 1)), f"{SHAPE} (2, 1, 72, 96)", LAST_LAYER
        ),
        row("no_cells", own(lambda images: images[:, :1, :0]), f"{SHAPE} (1, 1, 0, 96)", LAST_LAYER),
        row("no_tensor", own(lambda images: [images]), f"{SHAPE} list", LAST_LAYER),
        row(
            "broken_weights",
            own(lambda images: images[:, :1] * float("nan")),
            "a network of your own gives finite class maps, got NaN or inf",
            "check its weights",
        ),
    ],
)
def test_networks_that_give_no_class_maps(call: Callable[[], object], problem: str, help: str) -> None:
    assert_says(call, ModelError, problem, help)


@pytest.mark.parametrize(
    ROW,
    [
        row(
            "no_names",
            own(lambda images: images, classes=()),
            "a network of your own takes the names of its classes, got none",
            'add classes=("cat", "dog")',
        ),
        row(
            "a_tag_that_is_no_class",
            own(lambda images: images, "cta", classes=NAMES),
            "'cta' is not a class of the network",
            "did you mean 'cat'?",
        ),
        row(
            "a_name_of_two_classes",
            own(lambda images: images, "crane", classes=("crane", "dog", "crane")),
            "'crane' is the name of one class, got 2",
            "give classes different names",
        ),
        row(
            "no_scale",
            lambda: tagseg.activation_maps(IMAGE, classifier="run", scales=()),
            "scales are one or more numbers above 0, got []",
            "take [1.0]",
        ),
        row(
            "a_map_that_is_not_there",
            lambda: tagseg.ActivationMaps(("cat",), np.ones((1, 72, 96), np.float32), IMAGE)["dog"],
            "'dog' is not a tag of these maps",
            "use one of: cat",
        ),
        row(
            "opacity",
            lambda: tagseg.ActivationMaps(("cat",), np.ones((1, 72, 96), np.float32), IMAGE).overlay(
                "cat", opacity=2.0
            ),
            "opacity of an overlay lies in [0, 1], got 2.0",
            "take 0.65",
        ),
    ],
)
def test_what_cannot_be_asked(call: Callable[[], object], problem: str, help: str) -> None:
    assert_says(call, DataError, problem, help)


def test_classes_of_a_run_are_its_own(classifier_run: Path) -> None:
    assert_says(
        lambda: tagseg.activation_maps(IMAGE, classifier=classifier_run, classes=NAMES),
        DataError,
        "names of classes go with a network of your own, got the classifier of a run",
        "leave classes out",
    )


def test_a_folder_without_a_run(tmp_path: Path) -> None:
    assert_says(
        lambda: tagseg.activation_maps(IMAGE, classifier=tmp_path),
        ArtifactError,
        f"classifier {tmp_path} must be the folder of a run, got none",
        "give the folder that 'tagseg run' printed",
    )
