"""Batch norm over several processes: two of them against one with the joint batch."""

import copy
import datetime

import pytest
import torch
from kit.processes import copies
from timm.layers.norm_act import BatchNormAct2d
from torch import distributed, multiprocessing, nn

from tagseg.models.segmentation_network import SegmenterDesign, build_segmenter
from tagseg.models.synced_norm import SyncedBatchNorm2d, synchronize_batch_norm

SHARES = (slice(0, 1), slice(1, 3))  # of the joint batch of three images: the processes' counts differ


def perturbed(norm: nn.BatchNorm2d) -> nn.BatchNorm2d:
    """Move scale and shift from 1 and 0, where mistakes in them hide."""
    for parameter in norm.parameters():
        nn.init.uniform_(parameter, 0.5, 1.5)
    return norm


def cases() -> dict[str, tuple[nn.Module, torch.Tensor]]:
    """Return networks and joint batches; the same in every process."""
    torch.manual_seed(0)
    maps = torch.randn(3, 4, 5, 6) * 3 + 100  # a mean far from 0, where sums of squares lose their digits
    design = SegmenterDesign("deeplabv3plus", "test_resnet", num_labels=3, decoder_channels=8)
    return {
        "plain": (perturbed(nn.BatchNorm2d(4)), maps),
        "channels_last": (perturbed(nn.BatchNorm2d(4)), maps.contiguous(memory_format=torch.channels_last)),
        "not affine": (nn.BatchNorm2d(4, affine=False), maps),
        "running mean of all batches": (perturbed(nn.BatchNorm2d(4, momentum=None)), maps),
        "no running statistics": (perturbed(nn.BatchNorm2d(4, track_running_stats=False)), maps),
        "with activation": (perturbed(BatchNormAct2d(4)), maps),
        "one value each": (perturbed(nn.BatchNorm2d(4)), maps[:, :, :1, :1]),
        "bfloat16": (perturbed(nn.BatchNorm2d(4)), maps.bfloat16()),
        "a whole network": (build_segmenter(design, weights=None, batch_norm="train"), torch.randn(3, 3, 32, 32)),
    }


def train(network: nn.Module, images: torch.Tensor, share: slice) -> dict[str, torch.Tensor]:
    """Run a step of training on a share of the batch, or two; return outputs, gradients and statistics."""
    images = images[share].clone(memory_format=torch.preserve_format).requires_grad_()
    for factor in (1, 2) if isinstance(network, nn.BatchNorm2d) else (1,):
        output = network(factor * images)
        weights = torch.linspace(-1, 1, 3)[share, None, None, None] + torch.linspace(0, 1, output.shape[-1])
        (output.square() * weights).sum().backward()
    found = {"output": output.detach(), "images": images.grad}
    found |= {f"gradient of {name}": value.grad for name, value in network.named_parameters() if value.requires_grad}
    return found | {f"buffer {name}": value.clone() for name, value in network.named_buffers()}


# Other processes find their work by its name, so it stands at the top of a module.
def work(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    timeout = datetime.timedelta(seconds=280)
    distributed.init_process_group("gloo", f"file://{folder}/meet", timeout, rank=rank, world_size=2)
    found = {
        name: train(synchronize_batch_norm(network), images, SHARES[rank])
        for name, (network, images) in cases().items()
    }
    torch.save(found, f"{folder}/{rank}.pth")
    distributed.destroy_process_group()


@pytest.fixture(scope="module")
def two_processes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("processes")
    copies()
    multiprocessing.start_processes(work, (str(folder),), nprocs=2, start_method="forkserver")
    return [torch.load(folder / f"{rank}.pth") for rank in (0, 1)]


@pytest.mark.parametrize("name", cases())
def test_two_processes_equal_one_with_the_joint_batch(two_processes, name):
    network, images = cases()[name]
    expected = train(network, images, slice(None))
    first, second = (found[name] for found in two_processes)
    assert set(expected) == set(first)
    for key, value in expected.items():
        if key in ("output", "images"):
            joint = torch.cat([first[key], second[key]])
        else:
            joint = first[key] + second[key] if key.startswith("gradient") else first[key]
        tolerance = 0.05 if name == "bfloat16" else 1e-4
        torch.testing.assert_close(joint, value, rtol=tolerance, atol=tolerance * max(1, value.abs().max()))
        if key.startswith("buffer"):
            assert torch.equal(first[key], second[key])
        if key == "output":
            assert joint.dtype == value.dtype


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", ["plain", "not affine", "running mean of all batches", "with activation"])
def test_one_process_is_bit_for_bit_batch_norm(name, training):
    norm, maps = cases()[name]
    synced = synchronize_batch_norm(copy.deepcopy(norm)).train(training)
    assert torch.equal(synced(maps), norm.train(training)(maps))
    for (key, ours), (other_key, theirs) in zip(synced.state_dict().items(), norm.state_dict().items(), strict=True):
        assert key == other_key and torch.equal(ours, theirs)


def test_every_norm_of_a_network_is_replaced_and_every_tensor_kept():
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Sequential(nn.BatchNorm2d(4), nn.ReLU()), BatchNormAct2d(4)).eval()
    network[1][0].weight.requires_grad_(False)
    before = network.state_dict(keep_vars=True)
    assert synchronize_batch_norm(network) is network
    after = network.state_dict(keep_vars=True)
    assert list(after) == list(before)
    assert all(after[name] is before[name] for name in before)
    assert [type(network[1][0]), type(network[2])] == [SyncedBatchNorm2d] * 2
    assert not any(module.training for module in network.modules())
    first = network[2]
    assert synchronize_batch_norm(network)[2] is first  # a second call changes nothing


def test_one_value_a_channel_is_normalised_by_the_running_statistics_which_stay() -> None:
    norm = SyncedBatchNorm2d(nn.BatchNorm2d(3)).train()
    with torch.no_grad():
        norm.running_mean.copy_(torch.tensor([0.0, 1.0, 2.0]))
        norm.running_var.fill_(4.0)
    before = {name: tensor.clone() for name, tensor in norm.state_dict().items()}
    features = torch.full((1, 3, 1, 1), 2.0, requires_grad=True)
    found = norm(features)
    torch.testing.assert_close(found.flatten(), torch.tensor([1.0, 0.5, 0.0]), atol=1e-5, rtol=0)
    found.sum().backward()
    assert (features.grad > 0).all()
    for name, tensor in norm.state_dict().items():
        assert torch.equal(tensor, before[name]), name
