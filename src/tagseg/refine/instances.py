"""Instance pseudo masks: follow the displacement to the objects' centres, and walk each object's map by itself.

Axes: C classes of one image, M maps (pairs of class and group), G groups of cells, H W pixels, h w cells at stride 4.
Positions and displacements are (y, x) in cells, from the centre of the first cell.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from skimage.measure import label
from skimage.segmentation import expand_labels
from torch import Tensor
from torch.nn import functional

from tagseg.artifacts.instance_file import Instance
from tagseg.errors import RecipeError
from tagseg.ops.resize import resize_maps
from tagseg.refine.random_walk import random_walk
from tagseg.refine.walk import mean_with_walked


@dataclass(frozen=True, slots=True)
class InstanceSettings:
    """How instances are found.

    Source: IRN (Ahn, Cho and Kwak, "Weakly Supervised Learning of Instance Segmentation with Inter-pixel Relations",
    CVPR 2019, arXiv:1904.05044) and its release.

    Args:
        steps: how often a cell is moved by the field, at least 1.
        centroid_cells: a displacement shorter than this many cells makes its cell part of a centroid, above 0.
        radius: of the random walk, see :func:`tagseg.refine.random_walk.random_walk`.
        beta: power of the walk's affinities.
        doublings: the walk takes 2^doublings steps.
        background_score: in [0, 1), what a map must exceed to take a pixel from the background.
        share: of the walked maps in their mean with the maps that walked, in [0, 1]; 1 is IRN's.

    Raises:
        RecipeError: when a number is out of range.
    """

    steps: int = 300
    centroid_cells: float = 2.5
    radius: int = 5
    beta: float = 10.0
    doublings: int = 8
    background_score: float = 0.25
    share: float = 1.0

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise RecipeError(f"steps of the displacement are at least 1, got {self.steps}", help="take IRN's 300")
        if self.centroid_cells <= 0:
            raise RecipeError(f"centroid_cells is above 0, got {self.centroid_cells}", help="take IRN's 2.5")
        if not 0 <= self.background_score < 1:
            raise RecipeError(
                f"background_score of instances lies in [0, 1), got {self.background_score}", help="take IRN's 0.25"
            )
        if not 0 <= self.share <= 1:
            raise RecipeError(f"share of walked maps lies in [0, 1], got {self.share}", help="take IRN's 1")


def find_instances(
    cam: Float[Tensor, "C H W"],
    label_ids: Sequence[int],
    *,
    boundary: Float[Tensor, "h w"],
    displacement: Float[Tensor, "2 h w"],
    settings: InstanceSettings,
) -> list[Instance]:
    """Cut class activation maps into instances, walk each of them, and give every pixel to the strongest.

    Source: IRN, instance pseudo masks. Departures: a map that cannot win a pixel is not walked, which changes no
    result; an instance keeps all its parts, where IRN's release makes each connected part one of its own; with a share
    below 1 the walked map of an instance has its mean with the same map before the walk, as pseudo masks have.

    Args:
        cam: in [0, 1], of the tagged classes.
        label_ids: the class of each map.
        boundary: in [0, 1], of :func:`tagseg.models.affinity.predict_boundary`.
        displacement: of :func:`tagseg.models.affinity.predict_displacement`.
        settings: the constants.

    Returns:
        Instances in the order of the classes; without tags none.

    >>> cam, still = torch.ones(1, 24, 32), torch.zeros(2, 6, 8)
    >>> settings = InstanceSettings(radius=2)
    >>> (found,) = find_instances(cam, [7], boundary=torch.zeros(6, 8), displacement=still, settings=settings)
    >>> found.label_id, found.score, bool(found.mask.all())
    (7, 1.0, True)
    """
    size = (cam.shape[1], cam.shape[2])
    if not label_ids:
        return []
    positions = follow_displacement(displacement, steps=settings.steps)
    groups = centroid_groups(positions, displacement, centroid_cells=settings.centroid_cells)
    maps, owners = instance_maps(resize_maps(cam[None], (boundary.shape[0], boundary.shape[1]))[0], groups)
    if not len(maps):
        return []
    walked, contends = _walk_contenders(maps, boundary, size=size, settings=settings)
    ids = [label_ids[owner] for owner in owners[contends].tolist()]
    return instance_masks(
        walked,
        ids,
        size=size,
        background_score=settings.background_score,
        parts=maps[contends],
        share=settings.share,
    )


def follow_displacement(displacement: Float[Tensor, "2 h w"], *, steps: int = 300) -> Float[Tensor, "2 h w"]:
    """Move every cell along the field, again and again, to where it comes to rest.

    ``p_0 = (y, x)``, ``p_{t+1} = p_t + D(p_t)``, with D bilinear between cells and p kept inside the grid.

    Source: IRN, centroids by refinement.

    Args:
        displacement: D, (dy, dx) in cells.
        steps: how often, at least 0.

    Returns:
        The final position of each cell's track, inside [0, h - 1] x [0, w - 1].

    >>> left = torch.tensor([[[0.0, 0.0, 0.0]], [[0.0, -1.0, -1.0]]])
    >>> follow_displacement(left)[1].tolist()
    [[0.0, 0.0, 0.0]]
    """
    height, width = displacement.shape[1:]
    # grid_sample wants (x, y) from -1, the centre of the first cell, to 1, that of the last.
    reach = displacement.new_tensor([(width - 1) / 2, (height - 1) / 2])
    scale = reach.clamp_min(0.5)  # an axis of a single cell has no reach
    rows, columns = (
        torch.arange(side, dtype=displacement.dtype, device=displacement.device) for side in (height, width)
    )
    start = torch.stack(torch.meshgrid(columns, rows, indexing="xy"), dim=-1)[None]
    field = (displacement.flip(0) / scale[:, None, None])[None]
    track = start / scale - 1
    for _ in range(steps):
        step = functional.grid_sample(field, track, mode="bilinear", padding_mode="border", align_corners=True)
        track = (track + step.movedim(1, -1)).clamp(-1, 1)
    return ((track[0] + 1) * reach).movedim(-1, 0).flip(0)


def centroid_groups(
    positions: Float[Tensor, "2 h w"], displacement: Float[Tensor, "2 h w"], *, centroid_cells: float = 2.5
) -> Int64[Tensor, "h w"]:
    """Group the cells whose tracks end in the same centroid.

    A centroid is a connected set (by edges) of cells with ``|D| < centroid_cells``. A track ends in the centroid of the
    cell nearest to its end.

    Source: IRN, clustering of centroids. Departure: a track that ends in no centroid goes to the one nearest to its
    end; IRN's release gathers all such cells of an image in a group of their own, wherever they lie.

    Args:
        positions: where each cell's track ends.
        displacement: the field.
        centroid_cells: above 0.

    Returns:
        0..G-1, every number in use, in the order in which rows meet the centroids. One group without any centroid.

    >>> pull = torch.tensor([[[0.0, 0.0, 0.0, 0.0]], [[0.0, -9.0, 9.0, 0.0]]])
    >>> centroid_groups(follow_displacement(pull), pull).tolist()
    [[0, 0, 1, 1]]
    """
    weak = displacement.norm(dim=0) < centroid_cells
    centroids = label(weak.cpu().numpy(), connectivity=1)
    # With no centroid at all every cell stays 0, one group.
    nearest = torch.from_numpy(expand_labels(centroids, distance=sum(weak.shape))).to(positions.device)
    rows, columns = positions.round().long()
    return nearest[rows, columns].unique(return_inverse=True)[1]


def instance_maps(
    cam: Float[Tensor, "C h w"], groups: Int64[Tensor, "h w"]
) -> tuple[Float[Tensor, "M h w"], Int64[Tensor, " M"]]:
    """Cut each class map into one map a group of cells, zero outside the group.

    ``A_cg(p) = A_c(p) if g(p) = g, else 0``

    Source: IRN, instance-wise class activation maps.

    Args:
        cam: in [0, 1].
        groups: 0..G-1.

    Returns:
        The maps that are not zero everywhere, by class and then by group; and the class each one comes from, 0..C-1.

    >>> maps, owners = instance_maps(torch.tensor([[[0.5, 0.0]], [[0.2, 1.0]]]), torch.tensor([[0, 1]]))
    >>> maps[:, 0], owners.tolist()
    (tensor([[0.5000, 0.0000],
            [0.2000, 0.0000],
            [0.0000, 1.0000]]), [0, 1, 1])
    """
    flat = groups.flatten().expand(len(cam), -1)
    peaks = cam.new_zeros(len(cam), int(groups.max()) + 1).scatter_reduce(1, flat, cam.flatten(1), "amax")
    owners, members = peaks.nonzero(as_tuple=True)
    return cam[owners] * (groups == members[:, None, None]), owners


def instance_masks(
    walked: Float[Tensor, "M h w"],
    label_ids: Sequence[int],
    *,
    size: tuple[int, int],
    background_score: float = 0.25,
    parts: Float[Tensor, "M h w"] | None = None,
    share: float = 1.0,
) -> list[Instance]:
    """Give every pixel to the map with the highest score, or to the background.

    ``s_m = share * resize(walked_m) / (max over all maps and pixels) + (1 - share) * resize(part_m)``; pixel p belongs
    to ``argmax_m s_m(p)`` if that score exceeds ``background_score``, to the earlier map of equal ones.

    Source: IRN's release, with a share of 1; the score of an instance is the largest inside its mask. The mean is that
    of pseudo masks, see :func:`tagseg.refine.walk.mean_with_walked`; here each part has it with itself, in cells.

    Args:
        walked: maps of at least 0.
        label_ids: the class of each map.
        size: (H, W) of the image in pixels.
        background_score: in [0, 1).
        parts: the maps before the walk, in [0, 1]; None with a share of 1.
        share: of the walked maps, in [0, 1].

    Returns:
        The instances with a pixel, in the order of the maps.

    >>> walked = torch.tensor([[[4.0, 0.0]], [[0.0, 2.0]], [[0.0, 1.0]]])
    >>> [(found.label_id, found.mask.tolist(), found.score) for found in instance_masks(walked, [3, 3, 8], size=(1, 2))]
    [(3, [[True, False]], 1.0), (3, [[False, True]], 0.5)]
    """
    # One map at a time: of many large ones, only the best so far is held.
    peak = _peak(resize_maps(one[None, None], size).amax() for one in walked)
    mixed = walked if parts is None else mean_with_walked(peak * parts, walked, share=share)
    best = walked.new_zeros(size)
    winner = torch.full(size, -1, device=walked.device)
    for index, one in enumerate(mixed):
        score = resize_maps(one[None, None], size)[0, 0]
        winner[score > best] = index
        best = torch.maximum(best, score)
    best = (best / peak).clamp_max(1)  # a mean may round to more
    winner[best <= background_score] = -1
    masks = ((index, winner == index) for index in range(len(walked)))
    return [
        Instance(label_ids[index], mask.cpu().numpy(), float(best[mask].max())) for index, mask in masks if mask.any()
    ]


def _peak(peaks: Iterable[Float[Tensor, ""]]) -> Float[Tensor, ""] | float:
    """Return the largest of the peaks of maps, or 1 where all maps are 0."""
    return max((peak for peak in peaks if peak > 0), default=1.0)


def _walk_contenders(
    maps: Float[Tensor, "M h w"], boundary: Float[Tensor, "h w"], *, size: tuple[int, int], settings: InstanceSettings
) -> tuple[Float[Tensor, "K h w"], Bool[Tensor, " M"]]:
    """Walk the maps that can win a pixel, and say which these are.

    Every walked value is an average of the values that set out, at most the peak of ``map * (1 - boundary)``. A map
    whose peak is below ``background_score`` times what one walked map reaches is below the background everywhere, and
    with a share below 1 one whose mean with the map's own peak is.
    """

    def walk(chosen: Float[Tensor, "_ h w"]) -> Float[Tensor, "_ h w"]:
        return random_walk(chosen, boundary, radius=settings.radius, beta=settings.beta, doublings=settings.doublings)

    bounds = (maps * (1 - boundary)).amax(dim=(1, 2))
    strongest = int(bounds.argmax())
    walked = torch.zeros_like(maps)
    walked[strongest] = walk(maps[strongest : strongest + 1])[0]
    reached = _peak([resize_maps(walked[None, strongest : strongest + 1], size).amax()])
    mixed = settings.share * bounds + (1 - settings.share) * reached * maps.amax(dim=(1, 2))
    contends = torch.maximum(bounds, mixed) > settings.background_score * reached
    others = contends & (torch.arange(len(maps), device=maps.device) != strongest)
    if others.any():
        walked[others] = walk(maps[others])
    return walked[contends], contends
