import json
import os
import resource
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn, optim

from tagseg.artifacts.checkpoint import (
    join_tensors,
    load_checkpoint,
    load_latest_checkpoint,
    previous_path,
    save_checkpoint,
    split_tensors,
)
from tagseg.errors import ArtifactError


def same(left: Any, right: Any) -> bool:
    """Return whether two nests are equal in types, keys, order and every bit of every tensor."""
    if isinstance(left, Tensor):
        return (
            isinstance(right, Tensor)
            and left.dtype == right.dtype
            and left.shape == right.shape
            and left.contiguous().reshape(-1).view(torch.uint8).equal(right.contiguous().reshape(-1).view(torch.uint8))
        )
    if type(left) is not type(right):
        return False
    if isinstance(left, dict):
        return list(left) == list(right) and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list | tuple):
        return len(left) == len(right) and all(map(same, left, right))
    return left == right


DTYPES = [torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.uint8, torch.bool]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 4), (2, 3, 4, 5)], ids=str)
def test_every_type_and_shape_comes_back_bit_by_bit(tmp_path: Path, dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    tensor = (torch.randn(shape) * 3).to(dtype)
    save_checkpoint(tmp_path / "c.safetensors", tensors={"g": {"t": tensor}}, state={})
    assert same(load_checkpoint(tmp_path / "c.safetensors").tensors, {"g": {"t": tensor}})


def test_special_floats_keep_their_bits(tmp_path: Path) -> None:
    tensor = torch.tensor([float("nan"), float("inf"), -float("inf"), -0.0, 1e-45])
    save_checkpoint(tmp_path / "c.safetensors", tensors={"g": {"t": tensor}}, state={})
    assert same(load_checkpoint(tmp_path / "c.safetensors").tensors["g"]["t"], tensor)


def test_groups_names_order_and_state_come_back(tmp_path: Path) -> None:
    tensors = {"z": {"b/c.d": torch.ones(1), "a": torch.zeros(2)}, "empty": {}, "a": {"x": torch.ones(3)}}
    state = {"step": 7, "lr": 0.1 + 0.2, "name": "größe", "nested": {"list": [1, None, True]}}
    save_checkpoint(tmp_path / "c.safetensors", tensors=tensors, state=state)
    loaded = load_checkpoint(tmp_path / "c.safetensors")
    assert same(loaded.tensors, tensors)
    assert same(loaded.state, state)
    assert loaded.warning == ""


def test_strided_shared_and_gradient_carrying_tensors_are_stored_as_values(tmp_path: Path) -> None:
    base = torch.arange(24.0).reshape(2, 3, 2, 2)
    tensors = {
        "turned": base.permute(0, 2, 3, 1),
        "channels_last": base.to(memory_format=torch.channels_last),
        "expanded": torch.ones(1).expand(5),
        "view": base[1],
        "same": base,
        "parameter": nn.Parameter(base),
    }
    save_checkpoint(tmp_path / "c.safetensors", tensors={"g": tensors}, state={})
    loaded = load_checkpoint(tmp_path / "c.safetensors").tensors["g"]
    assert all(loaded[name].equal(tensors[name]) for name in tensors)
    assert not loaded["parameter"].requires_grad


def test_the_same_tensors_and_values_give_the_same_bytes_in_every_process(tmp_path: Path) -> None:
    # safetensors keeps several keys of metadata in an order that changes from process to process.
    path = tmp_path / "c.safetensors"
    save_checkpoint(path, tensors={"g": {"w": torch.ones(2)}}, state={"step": 7})
    with safe_open(path, framework="pt") as file:
        assert list(file.metadata()) == ["tagseg_sealed"]


def test_a_file_of_the_version_before_is_read(tmp_path: Path) -> None:
    tensors = {"g": {"w": torch.ones(2)}}
    save_checkpoint(tmp_path / "new.safetensors", tensors=tensors, state={"step": 7})
    with safe_open(tmp_path / "new.safetensors", framework="pt") as file:
        seal, _, header = file.metadata()["tagseg_sealed"].partition(" ")
    old = tmp_path / "old.safetensors"
    save_file({"g/w": torch.ones(2)}, old, metadata={"tagseg": header, "tagseg_crc32": seal})
    loaded = load_checkpoint(old)
    assert same(loaded.tensors, tensors)
    assert loaded.state == {"step": 7}


OPTIMIZERS = {
    "sgd": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=1e-4, nesterov=True),
    "adam": lambda p: optim.Adam(p, lr=5e-4, betas=(0.5, 0.999)),
    "adamw": lambda p: optim.AdamW(p, lr=1e-3, amsgrad=True),
}


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_training_that_goes_on_from_a_file_equals_training_that_never_stopped(tmp_path: Path, kind: str) -> None:
    torch.manual_seed(0)
    inputs = torch.randn(6, 4)

    def build() -> tuple[nn.Linear, optim.Optimizer]:
        torch.manual_seed(1)
        model = nn.Linear(4, 2)
        groups = [{"params": [model.weight], "lr": 0.01}, {"params": [model.bias]}]
        return model, OPTIMIZERS[kind](groups)

    def step(model: nn.Linear, optimizer: optim.Optimizer) -> None:
        optimizer.zero_grad()
        model(inputs).square().mean().backward()
        optimizer.step()

    model, optimizer = build()
    for _ in range(3):
        step(model, optimizer)
    tensors, layout = split_tensors(optimizer.state_dict())
    path = tmp_path / "c.safetensors"
    save_checkpoint(path, tensors={"model": model.state_dict(), "optimizer": tensors}, state={"optimizer": layout})
    for _ in range(3):
        step(model, optimizer)

    resumed, resumed_optimizer = build()
    loaded = load_checkpoint(path)
    resumed.load_state_dict(loaded.tensors["model"])
    resumed_optimizer.load_state_dict(join_tensors(loaded.tensors["optimizer"], loaded.state["optimizer"]))
    for _ in range(3):
        step(resumed, resumed_optimizer)
    assert same(dict(resumed.state_dict()), dict(model.state_dict()))
    assert same(resumed_optimizer.state_dict(), optimizer.state_dict())


leaves = (
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False)
    | st.text(max_size=5)
    | st.lists(st.floats(width=32, allow_nan=False), max_size=3).map(torch.tensor)
)
nests = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=5) | st.integers(0, 9), inner, max_size=3)
    ),
    max_leaves=12,
)


@settings(max_examples=60, deadline=None)
@given(nests)
def test_splitting_and_joining_through_json_changes_nothing(nested: Any) -> None:
    tensors, layout = split_tensors(nested)
    assert same(join_tensors(tensors, json.loads(json.dumps(layout))), nested)


def test_places_that_read_alike_stay_apart() -> None:
    nested = {"a": {"b": torch.ones(1)}, "a.b": torch.zeros(1), 0: torch.ones(2), "0": torch.zeros(2)}
    assert same(join_tensors(*split_tensors(nested)), nested)


def write(path: Path, step: int, *, keep_previous: bool = True) -> None:
    tensors = {"model": {"w": torch.full((50,), float(step))}}
    save_checkpoint(path, tensors=tensors, state={"step": step}, keep_previous=keep_previous)


def test_the_one_before_is_kept_and_no_older_one(tmp_path: Path) -> None:
    path = tmp_path / "last.safetensors"
    for step in (1, 2, 3):
        write(path, step)
    assert load_checkpoint(path).state == {"step": 3}
    assert load_checkpoint(previous_path(path)).state == {"step": 2}
    assert sorted(file.name for file in tmp_path.iterdir()) == ["last.previous.safetensors", "last.safetensors"]


def test_a_kill_while_a_checkpoint_is_written_costs_neither_file_nor_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "last.safetensors"
    for step in (1, 2):
        write(path, step)

    def stop(descriptor: int) -> None:
        raise KeyboardInterrupt

    for _ in range(2):  # the second time, both names are of one file
        with monkeypatch.context() as patches, pytest.raises(KeyboardInterrupt):
            patches.setattr(os, "fsync", stop)
            write(path, 3)
        loaded = load_latest_checkpoint(path)
        assert loaded is not None
        assert (loaded.state, loaded.path, loaded.warning) == ({"step": 2}, path, "")
        assert sorted(file.name for file in tmp_path.iterdir()) == ["last.previous.safetensors", "last.safetensors"]


def test_a_file_system_without_second_names_keeps_the_one_before_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path, target: Path) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    path = tmp_path / "last.safetensors"
    for step in (1, 2):
        write(path, step)
    assert [load_checkpoint(file).state["step"] for file in (path, previous_path(path))] == [2, 1]


def test_without_keep_previous_there_is_one_file(tmp_path: Path) -> None:
    path = tmp_path / "last.safetensors"
    write(path, 1, keep_previous=False)
    write(path, 2, keep_previous=False)
    assert [file.name for file in tmp_path.iterdir()] == ["last.safetensors"]


def damage_cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def damage_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-3] ^= 1  # inside the tensor's values: safetensors itself would not see it
    path.write_bytes(content)


def damage_empty(path: Path) -> None:
    path.write_bytes(b"")


def damage_gone(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize("damage", [damage_cut, damage_bit, damage_empty, damage_gone])
def test_a_damaged_last_file_falls_back_to_the_one_before(tmp_path: Path, damage: Any) -> None:
    path = tmp_path / "last.safetensors"
    write(path, 1)
    write(path, 2)
    damage(path)
    loaded = load_latest_checkpoint(path)
    assert loaded is not None
    assert (loaded.state, loaded.path) == ({"step": 1}, previous_path(path))
    assert loaded.warning.startswith(f"checkpoint {path} must ")
    assert loaded.warning.endswith("; continuing from last.previous.safetensors")


def test_two_damaged_files_are_an_error_and_none_is_a_fresh_start(tmp_path: Path) -> None:
    path = tmp_path / "last.safetensors"
    assert load_latest_checkpoint(path) is None
    write(path, 1)
    write(path, 2)
    damage_cut(path)
    damage_cut(previous_path(path))
    with pytest.raises(ArtifactError, match=r"last\.previous\.safetensors must be a whole file"):
        load_latest_checkpoint(path)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_changed_byte_is_noticed_or_harmless(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = tmp_path_factory.mktemp("fuzz") / "c.safetensors"
    tensors, state = {"g": {"w": torch.arange(4.0), "v": torch.ones(2)}}, {"step": 3}
    save_checkpoint(path, tensors=tensors, state=state)
    content = bytearray(path.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content)
    try:
        loaded = load_checkpoint(path)
    except ArtifactError:
        return
    assert same(loaded.tensors, tensors)
    assert same(loaded.state, state)


def test_a_pickle_is_refused_unopened(tmp_path: Path) -> None:
    path = tmp_path / "evil.safetensors"
    torch.save({"w": torch.ones(1)}, path)
    with pytest.raises(ArtifactError, match="must be a whole file written by tagseg"):
        load_checkpoint(path)


def test_a_full_disk_keeps_the_last_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "last.safetensors"
    write(path, 1)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(ArtifactError, match="could not be written"):
            save_checkpoint(path, tensors={"g": {"w": torch.ones(5000)}}, state={}, keep_previous=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert load_checkpoint(path).state == {"step": 1}
    assert os.listdir(tmp_path) == ["last.safetensors"]  # noqa: PTH208
