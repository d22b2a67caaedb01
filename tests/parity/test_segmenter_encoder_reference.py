"""Encoders and decoders of our networks against those that users of plain timm and smp build."""

from pathlib import Path

import pytest
import safetensors.torch
import segmentation_models_pytorch as smp
import timm
import torch
from torch.nn import functional

from tagseg.models.segmentation_network import SegmenterDesign, build_segmenter

WEIGHTS = Path(__file__).resolve().parents[2].parent / "shared" / "weights" / "mobilenetv2_100_imagenet.safetensors"


@pytest.mark.skipif(not WEIGHTS.exists(), reason=f"real weights are not at {WEIGHTS}")
@pytest.mark.parametrize(("architecture", "stride"), [("deeplabv3plus", 16), ("segformer", 32)])
@torch.no_grad()
def test_imagenet_weights_give_timms_features(architecture, stride):
    design = SegmenterDesign(architecture, "mobilenetv2_100", num_labels=3, output_stride=stride, decoder_channels=8)
    network = build_segmenter(design, weights=WEIGHTS).eval()
    plain = timm.create_model("mobilenetv2_100", features_only=True, output_stride=stride)
    stored = safetensors.torch.load_file(WEIGHTS)
    plain.load_state_dict({name: stored[name] for name in plain.state_dict()})
    images = torch.randn(1, 3, 96, 64)
    for ours, theirs in zip(network.encoder(images)[1:], plain.eval()(images), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
    assert (network.mean, network.std) == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@torch.no_grad()
def test_weights_reach_an_encoder_whose_names_timm_flattens(tmp_path):
    whole = timm.create_model("test_convnext", num_classes=7)
    safetensors.torch.save_file(whole.state_dict(), tmp_path / "weights.safetensors")
    design = SegmenterDesign("upernet", "test_convnext", num_labels=3, output_stride=32, decoder_channels=8)
    network = build_segmenter(design, weights=tmp_path / "weights.safetensors").eval()
    images = torch.randn(1, 3, 64, 96)
    expected = whole.eval().forward_intermediates(images, intermediates_only=True)
    for ours, theirs in zip(network.encoder(images)[2:], expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_plain_smp_users_read_our_tensors_and_get_our_logits():
    design = SegmenterDesign("deeplabv3plus", "test_efficientnet", num_labels=3, decoder_channels=8)
    network = build_segmenter(design, weights=None).eval()
    rates = {"decoder_atrous_rates": (6, 12, 18)}
    options = {"encoder_weights": None, "encoder_output_stride": 16, "decoder_channels": 8, **rates}
    plain = smp.DeepLabV3Plus("tu-test_efficientnet", classes=3, upsampling=1, **options).eval()
    plain.load_state_dict(network.network.state_dict())
    images = torch.randn(2, 3, 45, 64)
    logits = plain(functional.pad(images, (0, 0, 0, 3)))
    expected = functional.interpolate(logits, size=(48, 64), mode="bilinear")[..., :45, :]
    torch.testing.assert_close(network(images), expected, rtol=1e-4, atol=1e-5)
