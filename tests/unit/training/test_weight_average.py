"""The running mean of weights: known answers, what it copies, and that it only ever predicts."""

import pytest
import torch
from lightning_fabric import Fabric
from torch import nn

from tagseg.training.weight_average import WeightAverage


def scalar(value: float) -> nn.Linear:
    layer = nn.Linear(1, 1, bias=False)
    nn.init.constant_(layer.weight, value)
    return layer


def set_to(layer: nn.Linear, value: float) -> None:
    nn.init.constant_(layer.weight, value)


def test_the_first_updates_follow_the_ramp():
    network = scalar(0.0)
    average = WeightAverage(network, decay=0.999)
    expected = 0.0
    for number, value in enumerate((1.0, -2.0, 5.0, 0.5)):
        set_to(network, value)
        average.update(network)
        keep = (1 + number) / (10 + number)
        expected = keep * expected + (1 - keep) * value
        assert average.network.weight.item() == pytest.approx(expected, rel=1e-6)
    assert average.num_updates.item() == 4


def test_the_decay_bounds_the_ramp():
    # (1 + n) / (10 + n) is 0.1, 2 / 11 and then 0.25, so 0.2 rules from the third update on.
    network = scalar(0.0)
    average = WeightAverage(network, decay=0.2)
    average.update(network)
    average.update(network)
    set_to(network, 1.0)
    average.update(network)
    assert average.network.weight.item() == pytest.approx(0.8, rel=1e-6)


def test_a_long_average_moves_by_one_minus_the_decay():
    network = scalar(0.0)
    average = WeightAverage(network, decay=0.9999)
    average.num_updates.fill_(10**6)
    set_to(network, 1.0)
    average.update(network)
    # Computed as 1 - float32(0.9999), the share would be wrong in the fourth digit.
    assert average.network.weight.item() == pytest.approx(1e-4, rel=1e-6)


def test_without_decay_it_is_the_network():
    network = scalar(3.0)
    average = WeightAverage(network, decay=0.0)
    set_to(network, -1.5)
    average.update(network)
    assert average.network.weight.item() == -1.5


def test_buffers_are_copied_and_constant_weights_stay_in_every_bit():
    network = nn.Sequential(nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3))
    network[0].requires_grad_(False)
    average = WeightAverage(network, decay=0.99)
    for _ in range(3):
        network(torch.randn(4, 2, 5, 5))
        average.update(network)
    assert torch.equal(average.network[0].weight, network[0].weight)
    for name, buffer in network.named_buffers():
        assert torch.equal(average.network.get_buffer(name), buffer)
    assert average.network[1].num_batches_tracked.item() == 3


def test_it_always_predicts_in_evaluation_mode():
    network = nn.Sequential(nn.Dropout(0.9), nn.BatchNorm1d(4))
    average = WeightAverage(network, decay=0.5)
    assert network.training
    for mode in (True, False):
        average.train(mode)
        assert not any(module.training for module in average.modules())
    images = torch.randn(8, 4)
    torch.testing.assert_close(average(images), images / (1 + 1e-5) ** 0.5)


def test_it_is_a_copy_that_learns_nothing():
    network = scalar(2.0)
    average = WeightAverage(network, decay=0.5)
    set_to(network, 7.0)
    assert average(torch.ones(1, 1)).item() == 2
    assert not average(torch.ones(1, 1)).requires_grad
    assert not any(parameter.requires_grad for parameter in average.parameters())
    assert all(parameter.requires_grad for parameter in network.parameters())


def test_its_state_comes_back():
    network = scalar(1.0)
    average = WeightAverage(network, decay=0.9)
    set_to(network, 4.0)
    average.update(network)
    again = WeightAverage(scalar(0.0), decay=0.9)
    again.load_state_dict(average.state_dict())
    set_to(network, -3.0)
    for one in (average, again):
        one.update(network)
    assert torch.equal(again.network.weight, average.network.weight)
    assert set(average.state_dict()) == {"num_updates", "network.weight"}


def test_a_network_that_fabric_set_up_updates_the_average_of_the_plain_one():
    fabric = Fabric(accelerator="cpu", devices=1)
    plain = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    average, reference = WeightAverage(plain, decay=0.5), WeightAverage(plain, decay=0.5)
    wrapped = fabric.setup_module(plain)
    nn.init.ones_(plain[0].weight)
    average.update(wrapped)
    reference.update(plain)
    assert average.state_dict().keys() == reference.state_dict().keys()
    for name, value in reference.state_dict().items():
        assert torch.equal(average.state_dict()[name], value)


def test_another_network_is_refused():
    average = WeightAverage(nn.Linear(2, 2), decay=0.5)
    with pytest.raises(ValueError, match="shorter"):
        average.update(nn.Linear(2, 2, bias=False))
