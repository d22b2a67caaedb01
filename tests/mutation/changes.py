"""The changes: each is a mistake that somebody could make in a formula, and names the tests that must see it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Change:
    """One formula, made wrong.

    Args:
        what: which mistake it is.
        file: below ``src/tagseg``.
        old: text that stands in it exactly once.
        new: what takes its place.
        tests: files below ``tests``, of which one test must fail.
    """

    what: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    def __init__(self, what: str, file: str, old: str, new: str, *tests: str) -> None:
        for name, value in (("what", what), ("file", file), ("old", old), ("new", new), ("tests", tests)):
            object.__setattr__(self, name, value)


_AFFINITY_LOSS = ("unit/losses/test_affinity.py", "parity/test_affinity_loss_reference.py")
_SELF_MODULATION = ("unit/losses/test_self_modulation.py", "unit/losses/test_self_modulation_target.py")
_SEGMENTATION_LOSS = ("unit/losses/test_segmentation.py", "properties/test_segmentation_loss_laws.py")
_WALK = ("unit/refine/test_random_walk.py", "parity/test_random_walk_reference.py")
_CRF = ("unit/refine/test_dense_crf.py", "properties/test_dense_crf_laws.py")
_SCORES = ("unit/evaluation/test_scores.py", "parity/test_miou_reference.py")
_PSEUDO_MASK = ("unit/refine/test_pseudo_mask.py", "properties/test_pseudo_mask_laws.py")
_AUGMENT = ("unit/data/test_augment.py", "properties/test_augment_laws.py")
_TILES = ("unit/prediction/test_tiles.py", "properties/test_prediction_tile_laws.py")
_PAIRS = ("unit/ops/test_pairs.py", "properties/test_pair_laws.py")

LOSSES = (
    Change("classification: the tags are turned over", "losses/classification.py",
           "logits.float(), tags.float())", "logits.float(), 1 - tags.float())",
           "unit/losses/test_classification.py"),
    Change("classification: the sum over classes in the place of their mean", "losses/classification.py",
           "return functional.multilabel_soft_margin_loss(logits.float(), tags.float())",
           "return functional.multilabel_soft_margin_loss(logits.float(), tags.float()) * tags.shape[1]",
           "unit/losses/test_classification.py"),
    Change("reconstruction: squares in the place of absolute errors", "losses/reconstruction.py",
           "(rebuilt.float() - fixed).abs().mean(", "(rebuilt.float() - fixed).square().mean(",
           "unit/losses/test_reconstruction.py"),
    Change("reconstruction: the weights are not divided by their sum", "losses/reconstruction.py",
           "[weight / sum(weights) for weight in weights] if normalize", "weights if normalize",
           "unit/losses/test_reconstruction.py"),
    Change("reconstruction: the contrast forgets the means of the channels", "losses/reconstruction.py",
           "(features - features.mean(dim=(2, 3), keepdim=True)).abs()", "features.abs()",
           "unit/losses/test_reconstruction.py"),
    Change("self-modulation: the smaller of the map and its region's mean", "losses/self_modulation.py",
           "return torch.maximum(consistent, cam * reliable)", "return torch.minimum(consistent, cam * reliable)",
           *_SELF_MODULATION),
    Change("self-modulation: reliable pixels are not chosen", "losses/self_modulation.py",
           "consistent, cam * reliable)", "consistent, cam)", *_SELF_MODULATION),
    Change("self-modulation: the target is divided by the peak of the means", "losses/self_modulation.py",
           "spatial_peak(class_maps.relu() * inside)", "spatial_peak(means.relu() * inside)", *_SELF_MODULATION),
    Change("self-modulation: the step falls in the place of rising", "losses/self_modulation.py",
           "settings.contrast * (maps - settings.midpoint)", "settings.contrast * (settings.midpoint - maps)",
           *_SELF_MODULATION),
    Change("self-modulation: the mean over all tagged maps, not per image", "losses/self_modulation.py",
           "(error / num_tags[image]).sum() / len(tags)", "error.sum() / num_tags.sum()", *_SELF_MODULATION),
    Change("self-modulation: weaker classes of the warm-up keep their regions", "losses/self_modulation.py",
           "settings=settings) * strongest, regions)", "settings=settings), regions)", *_SELF_MODULATION),
    Change("affinity loss: sums are not divided by counts", "losses/affinity.py",
           "(sums / counts.clamp_min(1)).unbind()", "sums.unbind()", *_AFFINITY_LOSS),
    Change("affinity loss: pairs of two labels weigh half", "losses/affinity.py",
           "return ((background + foreground) / 2 + different) / 2",
           "return ((background + foreground) / 2 + different / 2) / 2", *_AFFINITY_LOSS),
    Change("affinity loss: one label and two labels change places", "losses/affinity.py",
           "-torch.log(1 - strengths + COST_FLOOR), -torch.log(strengths + COST_FLOOR)",
           "-torch.log(strengths + COST_FLOOR), -torch.log(1 - strengths + COST_FLOOR)", *_AFFINITY_LOSS),
    Change("affinity labels: pairs with an unknown end count as two labels", "losses/affinity.py",
           "torch.where(labels == VOID, IGNORED, DIFFERENT)", "torch.where(labels == VOID, DIFFERENT, DIFFERENT)",
           *_AFFINITY_LOSS),
    Change("affinity labels: void is foreground", "losses/affinity.py",
           "((labels != BACKGROUND) & (labels != VOID))", "(labels != BACKGROUND)", *_AFFINITY_LOSS),
    Change("displacement: it leads away from the centre", "losses/affinity.py",
           "(difference - shift.view(2, 1, 1, 1)).sign_()", "(difference + shift.view(2, 1, 1, 1)).sign_()",
           *_AFFINITY_LOSS),
    Change("displacement: the neighbour gets the sign of the source", "losses/affinity.py",
           "neighbour -= signs", "neighbour += signs", *_AFFINITY_LOSS),
    Change("segmentation: void pixels are counted", "losses/segmentation.py",
           "weights = (labels != VOID).to(logits.dtype)", "weights = (labels >= 0).to(logits.dtype)",
           *_SEGMENTATION_LOSS),
    Change("segmentation: classes without a tag may win", "losses/segmentation.py",
           "functional.pad(tagged > 0, (1, 0), value=True)", "functional.pad(tagged >= 0, (1, 0), value=True)",
           *_SEGMENTATION_LOSS),
    Change("segmentation: the balance forgets its root", "losses/segmentation.py",
           "(median / counts).sqrt().clamp(", "(median / counts).clamp(", *_SEGMENTATION_LOSS),
)  # fmt: skip

MAPS = (
    Change("suppression: the cap is the peak", "ops/activation.py",
           "delta * spatial_peak(positive)", "spatial_peak(positive)",
           "unit/models/test_suppression.py", "properties/test_activation_laws.py"),
    Change("suppression: what is negative is lost inside a backbone", "models/suppression.py",
           "suppress(maps, delta=self.delta) - torch.relu(-maps)", "suppress(maps, delta=self.delta)",
           "unit/models/test_suppression.py"),
    Change("tag logits: the peak in the place of the mean", "ops/activation.py",
           "class_maps.mean(dim=(-2, -1))", "class_maps.amax(dim=(-2, -1))", "unit/ops/test_activation.py"),
    Change("CAM: divided by its sum", "ops/activation.py",
           "return positive / spatial_peak(positive).clamp_min(eps)",
           "return positive / positive.sum(dim=(2, 3), keepdim=True).clamp_min(eps)",
           "unit/ops/test_activation.py", "properties/test_activation_laws.py"),
    Change("CAM: the mirrored view is not mirrored back", "cams/extract.py",
           "return upright + mirrored.flip(-1)", "return upright + mirrored", "unit/cams/test_extract.py"),
    Change("CAM: only the last view counts", "cams/extract.py",
           "total += resize_maps(view[:, None], size)", "total = resize_maps(view[:, None], size)",
           "unit/cams/test_extract.py"),
    Change("region mean: the sum", "ops/regions.py",
           "(sums / sizes.clamp_min(1)).to(values.dtype)", "sums.to(values.dtype)", "unit/ops/test_regions.py"),
    Change("region mean: pixels of no region are of the first", "ops/regions.py",
           "return regions.flatten(1) + 1", "return regions.flatten(1).clamp_min(0) + 1", "unit/ops/test_regions.py"),
    Change("erosion: the square is off by a pixel", "ops/regions.py",
           "(size // 2, (size - 1) // 2)", "((size - 1) // 2, size // 2)", "unit/ops/test_regions.py"),
    Change("region affinity: it does not sum to 1", "ops/region_affinity.py",
           "torch.where(total > 0, weights / total.clamp_min(torch.finfo(weights.dtype).tiny), alone)",
           "torch.where(total > 0, weights, alone)", "unit/ops/test_region_affinity.py"),
    Change("region affinity: sizes do not count", "ops/region_affinity.py",
           ".clamp_min(0) ** power * sizes", ".clamp_min(0) ** power", "unit/ops/test_region_affinity.py"),
    Change("region affinity: unlike regions share", "ops/region_affinity.py",
           "(units @ units.T).clamp_min(0) ** power", "(units @ units.T).abs() ** power",
           "unit/ops/test_region_affinity.py"),
    Change("region affinity: spread backwards", "ops/region_affinity.py",
           "spread = means @ transition.T", "spread = means @ transition", "unit/ops/test_region_affinity.py"),
    Change("walk: boundaries start with scores", "refine/random_walk.py",
           ".walk(maps * (1 - boundary), steps", ".walk(maps, steps", *_WALK),
    Change("walk: as many steps as doublings", "refine/random_walk.py",
           "steps=2**doublings)", "steps=doublings)", *_WALK),
    Change("walk: beta does nothing", "refine/random_walk.py",
           "radius=radius)) ** beta", "radius=radius))", *_WALK),
    Change("walk: a cell has no affinity to itself", "refine/random_walk.py",
           "degree = walled.new_ones(places)", "degree = walled.new_full((places,), 1e-3)", *_WALK),
    Change("walk: half of the neighbours are left out of the degree", "refine/random_walk.py",
           "            degree[shift:] += affinity\n", "", *_WALK),
    Change("pairs: those at the radius itself", "ops/pairs.py",
           "if dy**2 + dx**2 < radius**2)", "if dy**2 + dx**2 <= radius**2)", *_PAIRS),
    Change("pairs: the path forgets its cells", "ops/pairs.py",
           "(dy * x - dx * y) ** 2 < dy**2 + dx**2)", "(dy * x - dx * y) ** 2 < 1)", *_PAIRS),
    Change("CRF: neighbours push apart", "refine/dense_crf.py",
           "(unary + agreement.t().view_as(unary))", "(unary - agreement.t().view_as(unary))", *_CRF),
    Change("CRF: colours count in pixels", "refine/dense_crf.py",
           "colors / settings.bilateral_sigma_rgb", "colors / settings.bilateral_sigma_px",
           *_CRF, "parity/test_dense_crf_reference.py"),
    Change("CRF: other labels share too much", "refine/dense_crf.py",
           "(1 - certainty) / (num_labels - 1)", "(1 - certainty)", *_CRF),
    Change("seeds: unsure pixels are background", "refine/seeds.py",
           "labels[not_background & ~sure_foreground] = VOID", "labels[not_background & ~sure_foreground] = BACKGROUND",
           "unit/refine/test_seeds.py"),
    Change("background: nothing is left out of Otsu's histogram", "refine/background.py",
           "    counts[0] = 0\n", "", "unit/refine/test_background.py", "properties/test_background_laws.py"),
    Change("background: the threshold counts bins", "refine/background.py",
           "np.arange(BINS) / (BINS - 1)", "np.arange(BINS) / BINS",
           "unit/refine/test_background.py", "properties/test_background_laws.py"),
    Change("confidence: fewer pixels than asked for", "refine/pseudo_mask.py",
           "math.ceil(round(keep_fraction * int(counts[label]), 6))",
           "math.floor(round(keep_fraction * int(counts[label]), 6))", *_PSEUDO_MASK),
    Change("confidence: ties are trusted", "refine/pseudo_mask.py",
           "(margin >= cuts[labels]) & (margin > 0)", "margin >= cuts[labels]", *_PSEUDO_MASK),
    Change("confidence: one cut for all labels", "refine/pseudo_mask.py",
           "np.partition(margin[labels == label], rank)", "np.partition(margin[labels != VOID], rank)", *_PSEUDO_MASK),
    Change("seeds: a pixel at the background score is an object", "artifacts/cam_file.py",
           "return score > np.float32(background_score)", "return score >= np.float32(background_score)",
           "unit/artifacts/test_cam_file.py", "unit/evaluation/test_threshold.py"),
    Change("superpixels: regions do not vote", "refine/superpixel_snap.py",
           "paint_regions(shares, regions[None])[0], votes)", "votes, votes)", "unit/refine/test_superpixel_snap.py"),
    Change("pixel-adaptive: one round only", "refine/pixel_adaptive.py",
           "for _ in range(settings.iterations):", "for _ in range(1):",
           "unit/refine/test_pixel_adaptive.py", "parity/test_pixel_adaptive_reference.py"),
)  # fmt: skip

SCORES = (
    Change("IoU: the intersection counts twice", "evaluation/scores.py",
           "union = in_truth + in_prediction - right", "union = in_truth + in_prediction", *_SCORES),
    Change("mIoU: absent labels count as 0", "evaluation/scores.py",
           "math.fsum(present) / len(present) if", "math.fsum(present) / len(iou) if", *_SCORES),
    Change("precision: background is a class", "evaluation/scores.py",
           "int(right[1:].sum()), int(in_prediction[1:].sum())", "int(right.sum()), int(in_prediction.sum())",
           *_SCORES),
    Change("recall: over the prediction", "evaluation/scores.py",
           "int(right[1:].sum()), int(in_truth[1:].sum())", "int(right[1:].sum()), int(in_prediction[1:].sum())",
           *_SCORES),
    Change("accuracy: objects only", "evaluation/scores.py",
           "pixel_accuracy=_ratio(int(right.sum()), int(counts.sum()))",
           "pixel_accuracy=_ratio(int(right[1:].sum()), int(counts.sum()))", *_SCORES),
    Change("confusion: void is an error", "evaluation/confusion.py",
           "known = truth != VOID", "known = truth >= 0", "unit/evaluation/test_confusion.py"),
    Change("confusion: rows and columns change places", "evaluation/confusion.py",
           "np.bincount(rows * columns + cells,", "np.bincount(cells * columns + rows,",
           "unit/evaluation/test_confusion.py"),
    Change("sweep: the score itself is an object", "evaluation/threshold.py",
           'np.searchsorted(self._cuts, score, side="left")', 'np.searchsorted(self._cuts, score, side="right")',
           "unit/evaluation/test_threshold.py"),
    Change("sweep: of equal scores the highest", "evaluation/threshold.py",
           "(_rank(point.scores.mean_iou), -point.background_score)",
           "(_rank(point.scores.mean_iou), point.background_score)", "unit/evaluation/test_threshold.py"),
    Change("activation: over the object in the place of the image", "evaluation/activation_share.py",
           "cam[known].sum(dtype=np.float64)", "cam[truth == label].sum(dtype=np.float64)",
           "unit/evaluation/test_activation_share.py"),
    Change("average precision: ties in the order of the images", "evaluation/tag_precision.py",
           "np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))", "np.arange(len(ranked))",
           "unit/evaluation/test_tag_precision.py"),
)  # fmt: skip

TRAINING = (
    Change("poly: rises", "training/optimizer.py",
           "max(0.0, 1.0 - step / total_steps) ** power", "(step / total_steps) ** power",
           "unit/training/test_optimizer.py"),
    Change("poly: a straight line", "training/optimizer.py",
           "max(0.0, 1.0 - step / total_steps) ** power", "max(0.0, 1.0 - step / total_steps)",
           "unit/training/test_optimizer.py"),
    Change("optimizer: no weight decay", "training/optimizer.py",
           "lr=settings.lr, momentum=settings.momentum, weight_decay=settings.weight_decay)",
           "lr=settings.lr, momentum=settings.momentum)", "unit/training/test_optimizer.py"),
    Change("optimizer: the head learns at the rate of the rest", "training/optimizer.py",
           '"lr": settings.lr * settings.head_lr_factor', '"lr": settings.lr', "unit/training/test_optimizer.py"),
    Change("objective: balance does nothing", "training/objective.py",
           "torch.where(norm > 0, reference / norm, 0.0)", "torch.where(norm > 0, 1.0, 0.0)",
           "unit/training/test_objective.py"),
    Change("objective: terms start at once", "training/objective.py",
           "if epoch >= term.first_epoch]", "if epoch >= 0]", "unit/training/test_objective.py"),
    Change("running mean: the share of the past", "training/weight_average.py",
           ".clamp_min(1 - self.decay)", ".clamp_min(self.decay)",
           "unit/training/test_weight_average.py"),
    Change("evenly spaced: the first ones", "ops/spacing.py",
           "items[(2 * position + 1) * total // (2 * count)]", "items[position]",
           "unit/ops/test_spacing.py", "properties/test_spacing_laws.py"),
    Change("evenly spaced: from the first on", "ops/spacing.py",
           "items[(2 * position + 1) * total // (2 * count)]", "items[position * total // count]",
           "unit/ops/test_spacing.py", "properties/test_spacing_laws.py"),
    Change("crop: always at the corner", "data/augment.py",
           "steps = int(fraction * (abs(slack) + 1))", "steps = 0 * int(fraction)", *_AUGMENT),
    Change("crop: the last place is never taken", "data/augment.py",
           "int(fraction * (abs(slack) + 1))", "int(fraction * abs(slack))", *_AUGMENT),
    Change("flip: masks stay as they are", "data/augment.py",
           "if placement.flipped:", "if placement.flipped and not nearest:", *_AUGMENT),
    Change("scale: the short side", "data/augment.py",
           "scale = long_side / max(size)", "scale = long_side / min(size)", *_AUGMENT),
    Change("padding: pixels of no mask are background", "data/augment.py",
           '("mask", mask, VOID)', '("mask", mask, 0)', *_AUGMENT),
    Change("normalisation: pixels stay in 0..255", "data/augment.py",
           "to(torch.float32) / 255", "to(torch.float32)", *_AUGMENT),
    Change("prediction: logits are averaged in the place of probabilities", "prediction/segment.py",
           "return _view_logits(network, images, view).softmax(dim=1)", "return _view_logits(network, images, view)",
           "unit/prediction/test_segment.py", "unit/prediction/test_segment_reference.py"),
    Change("prediction: the mirrored view is not mirrored back", "prediction/segment.py",
           "resize_maps(logits.flip(-1) if view.mirrored else logits, size)", "resize_maps(logits, size)",
           "unit/prediction/test_segment.py", "unit/prediction/test_segment_reference.py"),
    Change("tiles: weights of two tiles do not sum to 1", "prediction/tiles.py",
           "weights[-overlap:] *= 1 - ramp", "weights[-overlap:] *= ramp", *_TILES),
)  # fmt: skip

CHANGES = (*LOSSES, *MAPS, *SCORES, *TRAINING)
