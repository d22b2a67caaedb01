"""The pyramid of DeepLab-v2 against loops over cells, taps and channels in float64."""

import numpy as np
import torch

from tagseg.models.deeplab import AtrousPyramid


def slow_pyramid(features, weights, biases, rates):
    images, _, height, width = features.shape
    logits = np.zeros((images, weights[0].shape[0], height, width))
    for weight, bias, rate in zip(weights, biases, rates, strict=True):
        logits += bias[:, None, None]
        for row in range(height):
            for column in range(width):
                for tap_row in range(3):
                    for tap_column in range(3):
                        y, x = row + (tap_row - 1) * rate, column + (tap_column - 1) * rate
                        if 0 <= y < height and 0 <= x < width:
                            logits[:, :, row, column] += features[:, :, y, x] @ weight[:, :, tap_row, tap_column].T
    return logits


@torch.no_grad()
def test_the_pyramid_equals_an_explicit_sum_of_convolutions():
    torch.manual_seed(0)
    rates = (1, 3, 4, 9)  # the last reaches beyond the map in one direction
    pyramid = AtrousPyramid(5, num_labels=3, rates=rates).double()
    for branch in pyramid.branches:
        branch.bias.normal_()
    features = torch.randn(2, 5, 8, 11, dtype=torch.float64)
    weights = [branch.weight.numpy() for branch in pyramid.branches]
    biases = [branch.bias.numpy() for branch in pyramid.branches]
    expected = slow_pyramid(features.numpy(), weights, biases, rates)
    np.testing.assert_allclose(pyramid(features).numpy(), expected, rtol=1e-10, atol=1e-12)
