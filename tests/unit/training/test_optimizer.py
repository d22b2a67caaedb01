"""Known answers of the poly schedule, and what each preset hands to SGD."""

import pytest
import torch
from torch import nn

from tagseg.training.optimizer import (
    OptimizerSettings,
    build_decoder_optimizer,
    build_optimizer,
    initial_rates,
    poly,
    set_rates,
)

CORRECTED = OptimizerSettings("sgd", lr=0.1, head_lr_factor=10.0, momentum=0.9, weight_decay=1e-4)


@pytest.mark.parametrize(
    ("share", "factor"), [(0.1, 0.909533), (0.25, 0.771890), (0.5, 0.535887), (0.75, 0.287175), (0.9, 0.125893)]
)
def test_poly_known_answers(share, factor):
    assert poly(round(1000 * share), total_steps=1000, power=0.9) == pytest.approx(factor, abs=5e-7)


def test_poly_ends_at_zero_and_never_below():
    assert poly(10, total_steps=10, power=0.9) == 0
    assert poly(11, total_steps=10, power=0.9) == 0


def test_momentum_and_weight_decay_go_to_their_places():
    optimizer = build_optimizer(nn.Linear(2, 2), nn.Linear(2, 1), settings=CORRECTED)
    assert [group["momentum"] for group in optimizer.param_groups] == [0.9, 0.9]
    assert [group["weight_decay"] for group in optimizer.param_groups] == [1e-4, 1e-4]
    assert initial_rates(optimizer) == [0.1, 1.0]


def test_a_frozen_backbone_leaves_one_group():
    backbone = nn.Linear(2, 2).requires_grad_(False)
    assert initial_rates(build_optimizer(backbone, nn.Linear(2, 1), settings=CORRECTED)) == [1.0]


def test_rates_follow_the_factor_from_where_they_started():
    optimizer = build_optimizer(nn.Linear(2, 2), nn.Linear(2, 1), settings=CORRECTED)
    rates = initial_rates(optimizer)
    for factor in (0.5, 0.25):
        set_rates(optimizer, rates, factor=factor)
        assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.1 * factor, factor])
        assert initial_rates(optimizer) == [0.1, 1.0]


def test_decoder_has_adam_with_the_papers_betas():
    optimizer = build_decoder_optimizer(nn.Linear(1, 1), lr=5e-4)
    assert isinstance(optimizer, torch.optim.Adam)
    assert optimizer.defaults["betas"] == (0.5, 0.999)
    assert optimizer.defaults["lr"] == 5e-4
