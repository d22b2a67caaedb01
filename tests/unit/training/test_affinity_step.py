"""What a step of the affinity network tells and leaves behind, alone and as one of two processes."""

import pytest
import torch
from kit.steps import take_step
from lightning_fabric import Fabric
from torch import nn

from tagseg.classes import VOID
from tagseg.losses.affinity import affinity_loss, boundary_loss, pair_sums
from tagseg.training.affinity_step import AffinityStep

RADIUS, SIDE = 3, 64
GROUPS = ("same_background", "same_foreground", "different", "displacement_foreground", "displacement_background")
FIGURES = {"loss", "loss_boundary", *(f"loss_{name}" for name in GROUPS)}


class TinyNetwork(nn.Module):
    """Boundary logits and displacement at stride 4 from one convolution."""

    def __init__(self, *, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Conv2d(3, 3, kernel_size=4, stride=4)
        self.dtype = dtype

    def forward(self, images):
        maps = self.layer(images).to(self.dtype)
        return maps[:, 0], maps[:, 1:]

    def gradients(self):
        """Return all gradients in one row and forget them."""
        found = [parameter.grad.flatten() for parameter in self.parameters() if parameter.grad is not None]
        assert len(found) == 2  # weight and bias
        self.zero_grad()
        return torch.cat(found)


class OneOfTwo(Fabric):
    """One of two processes: what it reduces has the other's counts added."""

    def __init__(self, others_counts: torch.Tensor) -> None:
        super().__init__(accelerator="cpu", devices=1)
        self.others_counts = others_counts

    @property
    def world_size(self) -> int:
        return 2

    def all_reduce(self, data, group=None, reduce_op="mean"):
        assert isinstance(data, torch.Tensor)
        assert reduce_op == "sum"
        assert data.shape == self.others_counts.shape
        return data + self.others_counts


def alone() -> Fabric:
    return Fabric(accelerator="cpu", devices=1)


def blocks(*rows: str) -> torch.Tensor:
    """Return labels (64, 64) from a 4 x 4 grid of digits; a dot is unknown.

    All is moved by 2 px, so that labels change in the middle of cells and not between them.
    """
    grid = torch.tensor([[VOID if digit == "." else int(digit) for digit in row] for row in rows])
    return grid.repeat_interleave(SIDE // 4, 0).repeat_interleave(SIDE // 4, 1).roll((2, 2), dims=(0, 1))


def make_batch(*labels: torch.Tensor, seed: int = 0) -> dict[str, torch.Tensor]:
    images = torch.randn(len(labels), 3, SIDE, SIDE, generator=torch.Generator().manual_seed(seed))
    return {"image": images, "mask": torch.stack(labels)}


# The second half knows little, and what it knows are other groups of pairs: no share of one half is that of the other.
FIRST = (blocks("0000", "0110", "0220", "0000"), blocks("1111", "1221", "1221", "1111"))
SECOND = (blocks("....", ".0..", "....", "...."), blocks("....", "..3.", "..3.", "...."))


@pytest.fixture
def batch():
    return make_batch(*FIRST, *SECOND)


def halves(batch):
    return [{name: values[part] for name, values in batch.items()} for part in (slice(0, 2), slice(2, 4))]


def sums_of(network, batch):
    """Return the pairs of a batch; cell i of 4 px has its centre at pixel 4 i + 2."""
    logits, displacement = network(batch["image"])
    return pair_sums(logits.sigmoid(), displacement, batch["mask"][:, 2::4, 2::4], radius=RADIUS)


def test_figures_are_the_loss_and_the_means_of_its_groups(batch):
    network = TinyNetwork()
    figures = take_step(AffinityStep(alone(), network, radius=RADIUS), batch)
    sums, counts = sums_of(network, batch)
    assert counts.min() > 0
    assert set(figures) == FIGURES
    assert not any(figure.requires_grad for figure in figures.values())
    torch.testing.assert_close(figures["loss"], affinity_loss(sums, counts).detach())
    torch.testing.assert_close(figures["loss_boundary"], boundary_loss(sums, counts).detach())
    for name, mean in zip(GROUPS, (sums / counts).detach(), strict=True):
        torch.testing.assert_close(figures[f"loss_{name}"], mean)
    # All different, so that no name can stand for another.
    assert len({round(figure.item(), 6) for figure in figures.values()}) == len(FIGURES)


def test_gradients_are_those_of_the_loss(batch):
    network = TinyNetwork()
    take_step(AffinityStep(alone(), network, radius=RADIUS), batch)
    found = network.gradients()
    affinity_loss(*sums_of(network, batch)).backward()
    expected = network.gradients()
    assert expected.abs().max() > 0
    torch.testing.assert_close(found, expected)


def test_the_radius_is_the_one_that_was_asked_for(batch):
    losses = [take_step(AffinityStep(alone(), TinyNetwork(), radius=radius), batch)["loss"] for radius in (2, 3, 5)]
    assert len({round(loss.item(), 6) for loss in losses}) == 3


def in_two_processes(network, batch):
    """Return figures and gradients of both halves, each knowing the other's counts."""
    parts = halves(batch)
    counts = [sums_of(network, part).counts.detach() for part in parts]
    results = []
    for part, others_counts in zip(parts, counts[::-1], strict=True):
        figures = take_step(AffinityStep(OneOfTwo(others_counts), network, radius=RADIUS), part)
        results.append((figures, network.gradients()))
    return results


def test_the_mean_gradient_of_two_processes_is_that_of_the_whole_batch(batch):
    network = TinyNetwork()
    whole = take_step(AffinityStep(alone(), network, radius=RADIUS), batch)
    expected = network.gradients()
    (first, first_gradients), (second, second_gradients) = in_two_processes(network, batch)
    torch.testing.assert_close((first_gradients + second_gradients) / 2, expected)
    for name in FIGURES:
        torch.testing.assert_close((first[name] + second[name]) / 2, whole[name])


def test_means_within_each_process_would_give_another_gradient(batch):
    network = TinyNetwork()
    affinity_loss(*sums_of(network, batch)).backward()
    expected = network.gradients()
    separate = []
    for part in halves(batch):
        take_step(AffinityStep(alone(), network, radius=RADIUS), part)
        separate.append(network.gradients())
    wrong = (separate[0] + separate[1]) / 2
    assert (wrong - expected).norm() > 0.1 * expected.norm()


def test_a_process_without_known_pixels_adds_nothing(batch):
    network, unknown = TinyNetwork(), blocks(*["...."] * 4)
    known = make_batch(*FIRST)
    counts = sums_of(network, known).counts.detach()
    figures = take_step(AffinityStep(OneOfTwo(counts), network, radius=RADIUS), make_batch(unknown, unknown))
    assert {name: figure.item() for name, figure in figures.items()} == dict.fromkeys(FIGURES, 0.0)
    # Zeros and not None: a parameter without gradient would leave the other process waiting.
    assert network.gradients().abs().max() == 0


def test_no_known_pixel_anywhere_is_no_division_by_zero():
    network, unknown = TinyNetwork(), blocks(*["...."] * 4)
    figures = take_step(AffinityStep(alone(), network, radius=RADIUS), make_batch(unknown))
    assert all(figure.item() == 0 for figure in figures.values())
    assert network.gradients().abs().max() == 0


def test_halves_from_mixed_precision_are_counted_as_float32(batch):
    full = take_step(AffinityStep(alone(), TinyNetwork(), radius=RADIUS), batch)
    figures = take_step(AffinityStep(alone(), TinyNetwork(dtype=torch.bfloat16), radius=RADIUS), batch)
    for name, figure in figures.items():
        assert figure.dtype == torch.float32
        torch.testing.assert_close(figure, full[name], rtol=0.02, atol=0.02)
