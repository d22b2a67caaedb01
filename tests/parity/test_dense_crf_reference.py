"""The dense CRF against the authors' code where it is installed, and against slow references that share no code."""

import math
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional

from tagseg.refine.dense_crf import FINAL_CRF, PROBABILITY_FLOOR, CrfSettings, DenseCrf, label_probabilities
from tagseg.refine.permutohedral import lattice_filter

VOC = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "voc2012_animals"
SETTINGS = {"affinity labels": CrfSettings(), "final": FINAL_CRF}


def slow_simplex(point: np.ndarray) -> list[tuple[tuple[int, ...], float]]:
    """Return corners and weights of one point, in the plane of Adams et al. with coordinates that sum to 0.

    The nearest point of remainder 0 is found by rounding, then corners follow from the ranks of the differences.
    """
    dimensions, corners = len(point), len(point) + 1
    scaled = [point[i] * corners * math.sqrt(2 / 3) / math.sqrt((i + 1) * (i + 2)) for i in range(dimensions)]
    elevated = [sum(scaled[i:]) - (i * scaled[i - 1] if i else 0) for i in range(corners)]
    nearest = [corners * round(value / corners) for value in elevated]
    excess = sum(nearest) // corners
    by_difference = sorted(range(corners), key=lambda i: elevated[i] - nearest[i])
    for i in by_difference[:excess] if excess > 0 else by_difference[excess:] if excess < 0 else []:
        nearest[i] -= corners * int(math.copysign(1, excess))
    order = sorted(range(corners), key=lambda i: nearest[i] - elevated[i])
    differences = [elevated[i] - nearest[i] for i in order]
    weights = [0.0] * corners
    for rank, difference in enumerate(differences):
        weights[corners - 1 - rank] += difference / corners
        weights[(corners - rank) % corners] -= difference / corners
    weights[0] += 1
    found = []
    for remainder, weight in enumerate(weights):
        corner = list(nearest)
        for rank, i in enumerate(order):
            corner[i] += remainder - (corners if rank >= corners - remainder else 0)
        found.append((tuple(corner), weight))
    return found


def slow_lattice_filter(features: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Splat, blur and slice with a dictionary, one point at a time."""
    dimensions = features.shape[0]
    simplices = [slow_simplex(point) for point in features.T]
    lattice: dict[tuple[int, ...], np.ndarray] = defaultdict(lambda: np.zeros(values.shape[1]))
    for corners, value in zip(simplices, values, strict=True):
        for corner, weight in corners:
            lattice[corner] = lattice[corner] + weight * value
    zero = np.zeros(values.shape[1])
    for axis in range(dimensions + 1):
        step = np.ones(dimensions + 1, int)
        step[axis] = -dimensions
        blurred = {}
        for vertex, value in lattice.items():
            sides = [lattice.get(tuple(np.array(vertex) + sign * step), zero) for sign in (-1, 1)]
            blurred[vertex] = value + sum(sides) / 2
        lattice = blurred
    read = [sum(weight * lattice[corner] for corner, weight in corners) for corners in simplices]
    return np.array(read) / (1 + 2**-dimensions)


def slow_dense_crf(image: np.ndarray, probabilities: np.ndarray, crf: CrfSettings) -> np.ndarray:
    """Run mean field with exact Gaussian kernels between all pairs of pixels, in float64."""
    height, width, _ = image.shape
    places = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).reshape(-1, 2).astype(float)
    colors = image.reshape(-1, 3).astype(float)

    def kernel(features: np.ndarray) -> np.ndarray:
        squares = ((features[:, None] - features[None]) ** 2).sum(-1)
        weights = np.exp(-squares / 2)
        return weights / np.sqrt(np.outer(weights.sum(1), weights.sum(1)))

    both = np.concatenate([places / crf.bilateral_sigma_px, colors / crf.bilateral_sigma_rgb], axis=1)
    pairs = crf.gaussian_weight * kernel(places / crf.gaussian_sigma_px) + crf.bilateral_weight * kernel(both)
    unary = np.log(np.maximum(probabilities.reshape(len(probabilities), -1).T, PROBABILITY_FLOOR))
    marginals = np.exp(unary) / np.exp(unary).sum(1, keepdims=True)
    for _ in range(crf.iterations):
        energy = unary + pairs @ marginals
        marginals = np.exp(energy - energy.max(1, keepdims=True))
        marginals /= marginals.sum(1, keepdims=True)
    return marginals.T.reshape(probabilities.shape)


def patchwork(seed: int, height: int, width: int, num_labels: int) -> tuple[np.ndarray, torch.Tensor]:
    """Return nine patches of colour with noise, and labels of patches of which a quarter of the pixels is redrawn."""
    random = np.random.default_rng(seed)
    cell = (height // 3 + 1, width // 3 + 1)
    colors = np.kron(random.integers(0, 256, (3, 3, 3)), np.ones((*cell, 1)))[:height, :width]
    image = (colors + random.normal(0, 4, colors.shape)).clip(0, 255).astype(np.uint8)
    labels = np.kron(random.integers(0, num_labels, (3, 3)), np.ones(cell, int))[:height, :width]
    redrawn = random.random((height, width)) < 0.25
    labels = np.where(redrawn, random.integers(0, num_labels, (height, width)), labels)
    return image, torch.from_numpy(labels)


def pydensecrf(image: np.ndarray, probabilities: np.ndarray, crf: CrfSettings) -> np.ndarray:
    densecrf = pytest.importorskip("pydensecrf.densecrf", reason="the reference is not installed: make reference")
    utils = pytest.importorskip("pydensecrf.utils")
    num_labels, height, width = probabilities.shape
    model = densecrf.DenseCRF2D(width, height, num_labels)
    model.setUnaryEnergy(np.ascontiguousarray(utils.unary_from_softmax(probabilities)))
    model.addPairwiseGaussian(sxy=crf.gaussian_sigma_px, compat=crf.gaussian_weight)
    model.addPairwiseBilateral(
        sxy=crf.bilateral_sigma_px,
        srgb=crf.bilateral_sigma_rgb,
        rgbim=np.ascontiguousarray(image),
        compat=crf.bilateral_weight,
    )
    return np.array(model.inference(crf.iterations)).reshape(probabilities.shape)


def agreement(ours: torch.Tensor, reference: np.ndarray) -> float:
    return float((ours.argmax(0).numpy() == reference.argmax(0)).mean())


@pytest.mark.parametrize("dimensions", [1, 2, 5])
@pytest.mark.parametrize("spread", [1.0, 5.0])
def test_lattice_equals_the_formulation_of_its_paper(dimensions, spread):
    random = np.random.default_rng(dimensions)
    features = random.normal(0, spread, (dimensions, 80))
    values = random.random((80, 2))
    ours = lattice_filter(torch.from_numpy(features).float())(torch.from_numpy(values).float())
    np.testing.assert_allclose(ours.numpy(), slow_lattice_filter(features, values), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(("dimensions", "tolerance"), [(2, 0.12), (5, 0.25)])
def test_lattice_is_a_rough_gaussian(dimensions, tolerance):
    """The whole kernel matrix, after normalisation, is about 9 % off in two dimensions and 19 % in five."""
    features = torch.rand(dimensions, 400, generator=torch.Generator().manual_seed(0)) * 3
    exact = torch.exp(-(torch.cdist(features.t(), features.t()) ** 2) / 2)
    exact = exact / exact.sum(1).sqrt() / exact.sum(1).sqrt()[:, None]
    ours = lattice_filter(features).normalized()(torch.eye(400))
    assert (ours - exact).norm() / exact.norm() < tolerance


@pytest.mark.parametrize("name", SETTINGS)
def test_labels_agree_with_exact_kernels_on_a_small_image(name):
    """The lattice is an approximation: a few pixels in a thousand differ, where two labels are about equal."""
    shares = []
    for seed in range(10):
        image, labels = patchwork(seed, 12, 15, 3)
        unary = label_probabilities(labels, num_labels=3)
        ours = DenseCrf(image, settings=SETTINGS[name]).infer(unary)
        reference = slow_dense_crf(image, unary.double().numpy(), SETTINGS[name])
        changed = 1 - agreement(unary, reference)
        assert changed > 0.05, "the CRF changes too little here for agreement to mean anything"
        shares.append(agreement(ours, reference))
    assert min(shares) >= 0.95
    assert np.mean(shares) >= 0.985


@pytest.mark.parametrize("name", SETTINGS)
def test_marginals_equal_pydensecrf_on_a_small_image(name):
    image, labels = patchwork(0, 40, 53, 3)
    unary = label_probabilities(labels, num_labels=3)
    ours = DenseCrf(image, settings=SETTINGS[name]).infer(unary)
    reference = pydensecrf(image, unary.numpy(), SETTINGS[name])
    assert agreement(ours, reference) >= 0.999
    assert np.abs(ours.numpy() - reference).mean() < 1e-3


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("image_id", ["2007_000063", "2007_000528"])
def test_labels_agree_with_pydensecrf_on_photographs(name, image_id):
    if not VOC.is_dir():
        pytest.skip("the real images are not here: ../shared/data/voc2012_animals")
    image = np.array(Image.open(VOC / "JPEGImages" / f"{image_id}.jpg").convert("RGB"))
    mask = np.array(Image.open(VOC / "SegmentationClass" / f"{image_id}.png"))
    present = np.unique(mask[mask != 255])
    # One vote every 20 pixels: what a network at a coarse stride would say of the image.
    coarse = torch.from_numpy(np.searchsorted(present, np.where(mask == 255, 0, mask))[10::20, 10::20])
    votes = functional.one_hot(coarse, len(present)).permute(2, 0, 1)[None].float()
    unary = functional.interpolate(votes, size=mask.shape, mode="bilinear")[0]
    if name == "affinity labels":
        unary = label_probabilities(unary.argmax(0), num_labels=len(present))
    ours = DenseCrf(image, settings=SETTINGS[name]).infer(unary)
    reference = pydensecrf(image, unary.numpy(), SETTINGS[name])
    assert agreement(unary, reference) < 0.99, "the CRF changes too little here for agreement to mean anything"
    assert agreement(ours, reference) >= 0.98


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device to compare with the CPU")
def test_cpu_and_gpu_agree():
    image, labels = patchwork(0, 40, 53, 3)
    unary = label_probabilities(labels, num_labels=3)
    for settings in SETTINGS.values():
        on_cpu = DenseCrf(image, settings=settings).infer(unary)
        on_gpu = DenseCrf(image, settings=settings, device="cuda").infer(unary.cuda()).cpu()
        assert (on_cpu.argmax(0) == on_gpu.argmax(0)).float().mean() >= 0.999
        assert (on_cpu - on_gpu).abs().mean() < 1e-4
