"""What is said of a network that segmentation_models_pytorch cannot use, and of a library that changed."""

import pytest

from tagseg.errors import ModelError
from tagseg.models import smp_network
from tagseg.models.smp_network import create_smp_network


class Changed:
    """Stands in for a decoder of another version of the library."""

    def __init__(self, *_: object, **__: object) -> None:
        raise AttributeError("the encoder has no attribute 'model'")


def test_a_network_without_the_strides_is_called_unsuitable() -> None:
    with pytest.raises(ModelError) as caught:
        create_smp_network("upernet", "test_vit", num_labels=3, channels=16, stride=32)
    assert caught.value.problem == (
        "UPerNet needs feature maps at strides 4, 8, 16 and 32, for images of any size, got the network test_vit"
    )


def test_a_changed_library_is_not_called_an_unsuitable_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(smp_network._KINDS, "upernet", Changed)  # type: ignore[arg-type]
    with pytest.raises(ModelError) as caught:
        create_smp_network("upernet", "test_resnet", num_labels=3, channels=16, stride=32)
    problem = caught.value.problem
    assert problem.startswith("Changed of segmentation_models_pytorch ")
    assert problem.endswith("got AttributeError: the encoder has no attribute 'model'")
    assert "constraints.txt" in caught.value.help
