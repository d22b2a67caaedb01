import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from tagseg.models.reconstructor import Reconstructor


@settings(max_examples=20, deadline=None)
@given(rows=st.integers(2, 5), columns=st.integers(2, 5), height=st.integers(1, 90), width=st.integers(1, 90))
def test_any_size_comes_out_exactly(rows, columns, height, width):
    decoder = Reconstructor(3, width=8)
    assert decoder(torch.randn(1, 3, rows, columns), size=(height, width)).shape == (1, 3, height, width)


@pytest.mark.parametrize(
    ("output_stride", "target_stride", "steps"),
    [(16, 1, 4), (16, 4, 2), (8, 1, 3), (32, 4, 3), (14, 1, 4), (16, 16, 0)],
)
def test_steps_bring_the_maps_to_the_target_stride(output_stride, target_stride, steps):
    decoder = Reconstructor(2, width=32, target_stride=target_stride, output_stride=output_stride)
    assert len(decoder.steps) == steps
    assert decoder.steps(torch.zeros(1, 32, 3, 4)).shape[-2:] == (3 * 2**steps, 4 * 2**steps)


def test_channels_halve_from_step_to_step():
    decoder = Reconstructor(20)
    assert [step[3].out_channels for step in decoder.steps] == [256, 128, 64, 32]


def test_output_is_unbounded_so_that_a_normalised_white_pixel_can_be_reached():
    decoder = Reconstructor(3, width=8)
    nn.init.zeros_(decoder.to_rgb.weight)
    nn.init.constant_(decoder.to_rgb.bias, 2.64)
    output = decoder(torch.randn(1, 3, 2, 2), size=(20, 30))
    torch.testing.assert_close(output, torch.full((1, 3, 20, 30), 2.64))


def test_every_image_is_decoded_by_itself():
    torch.manual_seed(0)
    decoder, maps = Reconstructor(3, width=16), torch.randn(3, 3, 3, 4)
    together = decoder(maps, size=(40, 50))
    alone = torch.cat([decoder(one[None], size=(40, 50)) for one in maps])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


def test_gradient_reaches_every_class_map_of_either_sign():
    torch.manual_seed(0)
    maps = torch.randn(1, 4, 3, 3, requires_grad=True)
    Reconstructor(4, width=16)(maps, size=(48, 48)).square().mean().backward()
    assert (maps.grad != 0).all()


def slow_layer_norm(values, norm):
    """Normalise each image by the mean and the deviation over all of it, in Python's order of the equation."""
    out = torch.empty_like(values)
    for index, image in enumerate(values):
        deviation = (image - image.mean()).square().mean().add(1e-5).sqrt()
        out[index] = (image - image.mean()) / deviation * norm.weight[:, None, None] + norm.bias[:, None, None]
    return out


@torch.no_grad()
def test_entry_and_residual_block_are_those_of_the_paper():
    torch.manual_seed(0)
    decoder, maps = Reconstructor(3, width=16, target_stride=16), torch.randn(2, 3, 4, 5)
    entry, body = decoder.entry, decoder.residual.body
    mirrored = torch.cat([maps[:, :, 1:2], maps, maps[:, :, -2:-1]], dim=2)
    mirrored = torch.cat([mirrored[..., 1:2], mirrored, mirrored[..., -2:-1]], dim=3)
    features = slow_layer_norm(nn.functional.conv2d(mirrored, entry[0].weight), entry[1]).relu()
    inner = slow_layer_norm(nn.functional.conv2d(features, body[0].weight, body[0].bias, padding=1), body[1]).relu()
    added = slow_layer_norm(nn.functional.conv2d(inner, body[3].weight, body[3].bias, padding=1), body[4])
    expected = decoder.to_rgb(features + added)
    torch.testing.assert_close(decoder(maps, size=(4, 5)), expected, rtol=1e-4, atol=1e-5)


def test_norms_have_a_scale_in_0_to_1_and_an_offset_of_0():
    norms = [module for module in Reconstructor(20).modules() if isinstance(module, nn.GroupNorm)]
    assert [sum(p.numel() for p in norm.parameters()) for norm in norms] == [512, 512, 512, 512, 256, 128, 64]
    assert all(0 <= norm.weight.min() < norm.weight.max() < 1 and not norm.bias.any() for norm in norms)


@torch.no_grad()
def test_a_map_that_rises_everywhere_changes_the_image():
    torch.manual_seed(0)
    decoder, maps = Reconstructor(5, width=64).eval(), torch.randn(4, 5, 8, 8)
    risen = maps.clone()
    risen[:, 2] += 5.0
    before, after = (decoder(each, size=(128, 128)) for each in (maps, risen))
    assert (after - before).square().mean().sqrt() > 0.5 * before.std()


@pytest.mark.parametrize("cells", [(1, 1), (1, 4), (3, 1)])
def test_maps_of_one_row_or_column_are_decoded(cells):
    assert Reconstructor(2, width=16)(torch.randn(1, 2, *cells), size=(20, 30)).shape == (1, 3, 20, 30)


def test_it_learns_to_rebuild_images_from_maps_that_hold_them():
    torch.manual_seed(0)
    maps = torch.randn(2, 3, 4, 4)
    target = nn.functional.interpolate(maps, size=(16, 16), mode="bilinear")
    decoder = Reconstructor(3, width=32, target_stride=4)
    optimizer = torch.optim.Adam(decoder.parameters(), lr=2e-3)
    losses = []
    for _ in range(60):
        loss = (decoder(maps, size=(16, 16)) - target).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.35 * losses[0]
