import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from tagseg.errors import ModelError
from tagseg.models.weights import fit_weights, read_weights


def damaged(path: Path, old: bytes, new: bytes) -> Path:
    """Save a torch file without compression, with some bytes of its list of tensors changed."""
    torch.save({"weight": torch.ones(2, 3)}, path)
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new, 1))
    return path


@pytest.mark.parametrize(
    ("old", "new"),
    [(b"weight", b"we\xe9ght"), (b"FloatStorage", b"FlxatStorage"), (b"_rebuild_tensor_v2", b"_rebuild_tensor_v9")],
)
def test_a_damaged_torch_file_is_refused_in_one_sentence(tmp_path: Path, old: bytes, new: bytes) -> None:
    path = damaged(tmp_path / "a.pth", old, new)
    with pytest.raises(ModelError) as caught:
        read_weights(path)
    assert caught.value.problem.startswith(f"weights file {path} is a safetensors file or a torch state dict, got ")


@pytest.mark.parametrize("content", [b"\x80\x02.", b"\x80\x02N.", pickle.dumps(7, 2), b"\x80", b"\x80\x05K\x07."])
def test_a_pickle_of_anything_else_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.pth"
    path.write_bytes(content)
    with pytest.raises(ModelError, match="weights file"):
        read_weights(path)


@pytest.mark.parametrize("keys", [(1, 2), (None, "weight"), (b"weight", "bias")])
def test_tensors_under_other_keys_than_names_are_refused(tmp_path: Path, keys: tuple[Any, ...]) -> None:
    path = tmp_path / "a.pth"
    torch.save(dict.fromkeys(keys, torch.ones(1)), path)
    with pytest.raises(ModelError, match=r"weights file .* holds tensors by name, got"):
        fit_weights(nn.Linear(1, 1), read_weights(path), network_name="layer", source=path)
