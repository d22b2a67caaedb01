"""Superpixels: at most a few tens of 4-connected regions of similar colour an image.

Axis legend: H, W pixels; R regions; E pairs of touching regions.
Images are uint8 (H, W, 3) RGB, regions int32 (H, W) labels 0..R-1. All functions are pure and deterministic.

Measured on 44 VOC images of cats, cows, dogs, horses, sheep and people: giving each region its majority label
reaches this mIoU (the ceiling of any region-wise prediction), and takes this time a 375x500 image on one core.

| initial regions, at half size  | merged to 64 | merged to 32 | time   |
| Felzenszwalb, boundary term on  | 92.8 %      | 89.5 %       | 0.2 s |
| Felzenszwalb, boundary term off | 92.0 %      | 88.3 %       | 0.2 s |
| SLIC 300, boundary term on      | 91.2 %      | 88.0 %       | 0.1 s |
"""

from __future__ import annotations

import heapq
import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from skimage.color import rgb2lab
from skimage.measure import label
from skimage.segmentation import felzenszwalb, slic

from tagseg.types import Image

Regions = NDArray[np.int32]
Method = Literal["felzenszwalb", "slic"]

_FLAT_COLOUR_VARIANCE = 1e-3  # Lab units squared; makes equal colours merge small regions first


def compute_regions(
    image: Image, *, method: Method = "felzenszwalb", max_regions: int = 64, working_side_px: int = 250
) -> Regions:
    """Cut an image into at most `max_regions` regions, whatever its size.

    The image is shrunk by the whole factor that brings its longer side to `working_side_px` or less, over-segmented,
    merged, and enlarged again by repetition. Cost is therefore bounded and a region's edge is at most one block off.

    Source: SSC reads ready-made superpixels of this kind (Felzenszwalb, then merging to 64, as in Fan et al., CVPR
    2020); the working size and the merging criterion are ours.

    Args:
        image: uint8 (H, W, 3), RGB, H and W at least 1.
        method: Over-segmentation that is merged afterwards.
        max_regions: Upper bound of the number of regions, at least 1.
        working_side_px: Longer side at which the work is done, in pixels, at least 1.

    Returns:
        Regions, int32 (H, W), labels 0..R-1 in scan order of their first pixel, R <= max_regions, each 4-connected.

    Raises:
        ValueError: If the image is not uint8 (H, W, 3) or an argument is out of range.

    >>> image = np.zeros((40, 60, 3), np.uint8)
    >>> image[:, 30:] = 255
    >>> regions = compute_regions(image, max_regions=2)
    >>> regions.shape, regions[0, 0].item(), regions[0, 59].item()
    ((40, 60), 0, 1)
    """
    _check_image(image)
    if working_side_px < 1:
        raise ValueError(f"working_side_px must be at least 1, got {working_side_px}; 250 is the default")
    height, width = image.shape[:2]
    block_px = math.ceil(max(height, width) / working_side_px)
    small = _block_mean(image, block_px)
    if method == "felzenszwalb":
        fine = felzenszwalb_regions(small)
    elif method == "slic":
        fine = slic_regions(small)
    else:
        raise ValueError(f"method must be felzenszwalb or slic, got {method!r}; name one of the two")
    merged = merge_regions(small, fine, max_regions=max_regions)
    return merged.repeat(block_px, axis=0).repeat(block_px, axis=1)[:height, :width].copy()


def felzenszwalb_regions(image: Image, *, scale: float = 50.0, sigma: float = 0.8, min_size: int = 10) -> Regions:
    """Over-segment an image by Felzenszwalb and Huttenlocher's graph cut.

    Source: Felzenszwalb and Huttenlocher, IJCV 2004; sigma 0.8 as in Fan et al., CVPR 2020. Regions that touch only
    at corners are split, so there may be regions below `min_size`.

    Args:
        image: uint8 (H, W, 3), RGB.
        scale: Preference for large regions, above 0, in the unit of skimage.
        sigma: Width of the smoothing Gaussian in pixels, 0 or more.
        min_size: Size below which regions are joined to a neighbour, in pixels, at least 1.

    Returns:
        Regions, int32 (H, W), labels 0..R-1, each 4-connected.

    >>> image = np.zeros((8, 16, 3), np.uint8)
    >>> image[:, 8:] = 255
    >>> int(felzenszwalb_regions(image, sigma=0.0).max())
    1
    """
    _check_image(image)
    if min(image.shape[:2]) < 2:  # skimage cannot build a graph on a line of pixels
        return _one_region_a_pixel(image)
    return _split_connected(felzenszwalb(image, scale=scale, sigma=sigma, min_size=min_size))


def slic_regions(image: Image, *, num_segments: int = 300, compactness: float = 10.0, sigma: float = 0.5) -> Regions:
    """Over-segment an image into compact regions by k-means on colour and position.

    Source: SLIC, Achanta et al., TPAMI 2012.

    Args:
        image: uint8 (H, W, 3), RGB.
        num_segments: Approximate number of regions, at least 1.
        compactness: Weight of position against colour, above 0.
        sigma: Width of the smoothing Gaussian in pixels, 0 or more.

    Returns:
        Regions, int32 (H, W), labels 0..R-1, each 4-connected.

    >>> int(slic_regions(np.zeros((20, 20, 3), np.uint8), num_segments=4).max())
    3
    """
    _check_image(image)
    if min(image.shape[:2]) < 2:
        return _one_region_a_pixel(image)
    found = slic(image, n_segments=num_segments, compactness=compactness, sigma=sigma, start_label=0)
    return _split_connected(found)


def merge_regions(image: Image, regions: Regions, *, max_regions: int = 64) -> Regions:
    """Merge touching regions, cheapest pair first, until at most `max_regions` are left.

    cost(i, j) = n_i n_j / (n_i + n_j) * |mean_i - mean_j|^2 / sqrt(shared_ij / min(outline_i, outline_j))

    that is Ward's increase of the squared Lab error, raised where two regions touch along a small part of the
    shorter outline. Equal costs merge the pair with the smaller labels.

    Source: Ward, JASA 1963; the outline factor is ours (+0.8 mIoU of the ceiling at 64 regions, +1.2 at 32).

    Args:
        image: uint8 (H, W, 3), RGB.
        regions: int (H, W), non-negative labels, each region 4-connected.
        max_regions: Upper bound of the number of regions, at least 1.

    Returns:
        Regions, int32 (H, W), labels 0..R-1 in scan order of their first pixel, R <= max_regions, each 4-connected.

    Raises:
        ValueError: If the shapes differ or max_regions is below 1.

    >>> image = np.array([[[0] * 3, [9] * 3, [255] * 3]], np.uint8)
    >>> merge_regions(image, np.array([[0, 1, 2]], np.int32), max_regions=2)
    array([[0, 0, 1]], dtype=int32)
    """
    _check_image(image)
    if regions.shape != image.shape[:2]:
        raise ValueError(f"regions must be {image.shape[:2]} like the image, got {regions.shape}; resize them first")
    if max_regions < 1:
        raise ValueError(f"max_regions must be at least 1, got {max_regions}; 64 is the paper's value")
    fine = _in_scan_order(regions)
    count = int(fine.max()) + 1
    if count <= max_regions:
        return fine
    graph = _RegionGraph(fine, rgb2lab(image), count)
    return _in_scan_order(graph.merge_down_to(max_regions)[fine])


class _RegionGraph:
    """Sizes, colour sums and shared outlines of regions that are being merged."""

    def __init__(self, regions: Regions, lab: NDArray[np.float64], count: int) -> None:
        flat = regions.ravel()
        self.size: list[float] = np.bincount(flat, minlength=count).astype(float).tolist()
        sums = [np.bincount(flat, weights=lab[..., c].ravel(), minlength=count) for c in range(3)]
        self.colour_sum: list[list[float]] = np.stack(sums, axis=1).tolist()
        self.shared: list[dict[int, int]] = [{} for _ in range(count)]
        self.outline = [0] * count
        for i, j, edges in _touching_pairs(regions, count).tolist():
            self.shared[i][j] = self.shared[j][i] = edges
            self.outline[i] += edges
            self.outline[j] += edges

    def cost(self, i: int, j: int) -> float:
        """Ward's cost over the root of the shared share of the shorter outline."""
        size_i, size_j = self.size[i], self.size[j]
        gap = _FLAT_COLOUR_VARIANCE
        for sum_i, sum_j in zip(self.colour_sum[i], self.colour_sum[j], strict=True):
            gap += (sum_i / size_i - sum_j / size_j) ** 2
        contact = self.shared[i][j] / min(self.outline[i], self.outline[j])
        return gap * size_i * size_j / (size_i + size_j) / math.sqrt(contact)

    def absorb(self, i: int, j: int) -> None:
        """Let region i take over region j."""
        self.size[i] += self.size[j]
        self.colour_sum[i] = [a + b for a, b in zip(self.colour_sum[i], self.colour_sum[j], strict=True)]
        inner = self.shared[i].pop(j)
        del self.shared[j][i]
        self.outline[i] += self.outline[j] - 2 * inner
        for k, edges in self.shared[j].items():
            del self.shared[k][j]
            self.shared[i][k] = self.shared[k][i] = self.shared[i].get(k, 0) + edges
        self.shared[j] = {}

    def merge_down_to(self, max_regions: int) -> NDArray[np.int64]:
        """Merge the cheapest pair until `max_regions` are left; return each first region's survivor."""
        count = len(self.size)
        owner = list(range(count))
        pairs = [(i, j) for i in range(count) for j in self.shared[i] if i < j]
        current = {pair: self.cost(*pair) for pair in pairs}
        heap = [(cost, *pair) for pair, cost in current.items()]
        heapq.heapify(heap)
        left = count
        while left > max_regions:
            cost, i, j = heapq.heappop(heap)
            if current.get((i, j)) != cost:
                continue  # out of date: one of the two has changed since
            for k in self.shared[j]:
                current.pop((min(j, k), max(j, k)), None)
            self.absorb(i, j)
            owner[j] = i
            left -= 1
            for k in self.shared[i]:
                pair = (min(i, k), max(i, k))
                current[pair] = self.cost(*pair)
                heapq.heappush(heap, (current[pair], *pair))
        for region in range(count):  # owners have smaller labels, so they are final already
            owner[region] = owner[owner[region]]
        return np.asarray(owner)


def _touching_pairs(regions: Regions, count: int) -> NDArray[np.int64]:
    """List touching pairs as rows (smaller label, larger label, shared pixel edges), (E, 3)."""
    first = np.concatenate([regions[:, :-1].ravel(), regions[:-1].ravel()]).astype(np.int64)
    second = np.concatenate([regions[:, 1:].ravel(), regions[1:].ravel()]).astype(np.int64)
    differ = first != second
    low, high = np.minimum(first, second)[differ], np.maximum(first, second)[differ]
    keys, edges = np.unique(low * count + high, return_counts=True)
    return np.stack([keys // count, keys % count, edges], axis=1)


def _in_scan_order(labels: NDArray[np.integer]) -> Regions:
    """Rename labels to 0..R-1 in the order of their first pixel."""
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    rank = np.empty(first.size, np.int32)
    rank[np.argsort(first)] = np.arange(first.size, dtype=np.int32)
    return rank[inverse].reshape(labels.shape)


def _split_connected(labels: NDArray[np.integer]) -> Regions:
    """Give each 4-connected piece of a label its own label."""
    return (np.asarray(label(labels, connectivity=1, background=-1)) - 1).astype(np.int32)


def _one_region_a_pixel(image: Image) -> Regions:
    height, width = image.shape[:2]
    return np.arange(height * width, dtype=np.int32).reshape(height, width)


def _block_mean(image: Image, block_px: int) -> Image:
    """Average blocks of block_px x block_px pixels; the last blocks repeat the image's edge."""
    if block_px == 1:
        return image
    pad = [(0, -side % block_px) for side in image.shape[:2]]
    full = np.pad(image, [*pad, (0, 0)], mode="edge")
    height, width = full.shape[0] // block_px, full.shape[1] // block_px
    blocks = full.reshape(height, block_px, width, block_px, 3)
    return blocks.mean(axis=(1, 3)).round().astype(np.uint8)


def _check_image(image: Image) -> None:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise ValueError(f"image must be uint8 (H, W, 3), got {image.dtype} {image.shape}; convert it to RGB first")
