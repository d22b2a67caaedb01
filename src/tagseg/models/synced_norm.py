"""Batch norm over the batches of all processes, so that two processes train as one with the joint batch.

Axes: N images, C channels, H W rows and columns.
"""

from typing import Any, cast

import torch
from jaxtyping import Float
from timm.layers.norm_act import BatchNormAct2d
from torch import Tensor, distributed, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm

from tagseg.errors import ModelError


class SyncedBatchNorm2d(nn.BatchNorm2d):
    """Batch norm whose mean and variance are those of the batches of all processes together.

    ``y = (x - mean) / sqrt(var + eps) * weight + bias``, mean and biased var over the pixels of all processes' images

    Source: Ioffe and Szegedy, "Batch Normalization", ICML 2015, arXiv:1502.03167; the running variance is unbiased, as
    torch's. Departure: the processes add up their sums. torch's own SyncBatchNorm does so on GPUs only.

    In evaluation mode, and in training by one process, it is exactly ``BatchNorm2d``; only that in training one value a
    channel, such as the mean of a batch of one image, is normalised by the running statistics. Made by
    :func:`synchronize_batch_norm`.

    Attributes:
        drop, act: what a timm layer does after the norm (its norms of MobileNet and EfficientNet hold their
            activation); identities for a plain one.
    """

    def __init__(self, norm: nn.BatchNorm2d) -> None:
        super().__init__(norm.num_features, norm.eps, norm.momentum, norm.affine, norm.track_running_stats)
        self.weight, self.bias = norm.weight, norm.bias
        self.running_mean, self.running_var = norm.running_mean, norm.running_var
        self.num_batches_tracked = norm.num_batches_tracked
        after: Any = norm if isinstance(norm, BatchNormAct2d) else None
        self.drop: nn.Module = after.drop if after else nn.Identity()
        self.act: nn.Module = after.act if after else nn.Identity()
        self.train(norm.training)

    def forward(self, input: Float[Tensor, "N C H W"]) -> Float[Tensor, "N C H W"]:
        """Return the normalised features, of the input's type."""
        synced = self.training and distributed.is_available() and distributed.is_initialized()
        synced = synced and distributed.get_world_size() > 1
        normalised = self._normalise_together(input) if synced else self._normalise_alone(input)
        return self.act(self.drop(normalised))

    def _normalise_alone(self, features: Float[Tensor, "N C H W"]) -> Float[Tensor, "N C H W"]:
        if self.training and features.numel() == features.shape[1]:
            # One value is its own mean and would always come out as the bias. The running statistics serve, and stay.
            return functional.batch_norm(
                features, self.running_mean, self.running_var, self.weight, self.bias, training=False, eps=self.eps
            )
        return super().forward(features)

    def _normalise_together(self, features: Float[Tensor, "N C H W"]) -> Float[Tensor, "N C H W"]:
        normalised, mean, variance, count = _JointNorm.apply(features, self.weight, self.bias, self.eps)
        if self.running_mean is not None and self.running_var is not None and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            share = 1 / self.num_batches_tracked.item() if self.momentum is None else self.momentum
            self.running_mean.lerp_(mean.to(self.running_mean.dtype), share)
            self.running_var.lerp_((variance * count / (count - 1)).to(self.running_var.dtype), share)
        return normalised


class _JointNorm(torch.autograd.Function):
    """Normalise by the statistics of all processes; only the input is kept for the gradient.

    Two passes (the mean, then the squared distances from it) keep the digits that sums of squares lose. Two exchanges
    forward and one backward; every process runs the same layers in the same order, so they meet.
    """

    @staticmethod
    def forward(  # returns normalised features, mean, biased variance, and the values of each channel
        ctx: Any,  # noqa: ANN401 - torch's context
        features: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        eps: float,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        channels = features.shape[1]
        values = features.to(torch.promote_types(features.dtype, torch.float32))
        sums = torch.cat([values.sum((0, 2, 3)), values.new_tensor([values.numel() // channels])])
        distributed.all_reduce(sums)
        mean, count = sums[:-1] / sums[-1], sums[-1]  # on the device: nothing waits for it
        squares = (values - mean[:, None, None]).square_().sum((0, 2, 3))
        distributed.all_reduce(squares)
        variance = squares / count
        inverse_std = (variance + eps).rsqrt()
        scale = inverse_std if weight is None else inverse_std * weight
        shift = -mean * scale if bias is None else bias - mean * scale
        ctx.save_for_backward(features, scale, mean, inverse_std, count)
        ctx.affine = weight is not None
        ctx.mark_non_differentiable(mean, variance, count)
        normalised = torch.addcmul(shift[:, None, None], values, scale[:, None, None])
        return normalised.to(features.dtype), mean, variance, count

    @staticmethod
    @once_differentiable  # its typing hides the name of ctx
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401 # pyright: ignore[reportIncompatibleMethodOverride]
        features, scale, mean, inverse_std, count = ctx.saved_tensors
        gradient = gradients[0].to(scale.dtype)
        centred = features.to(scale.dtype) - mean[:, None, None]
        own = torch.stack([gradient.sum((0, 2, 3)), (gradient * centred).sum((0, 2, 3))])
        joint = own.clone()
        distributed.all_reduce(joint)
        mean_gradient, slope = joint / count * torch.stack([torch.ones_like(scale), inverse_std.square()])
        to_features = centred.mul_(-slope[:, None, None]).add_(gradient).sub_(mean_gradient[:, None, None])
        to_features = to_features.mul_(scale[:, None, None]).to(features.dtype)
        if not ctx.affine:
            return to_features, None, None, None
        return to_features, own[1] * inverse_std, own[0], None


def synchronize_batch_norm(module: nn.Module) -> nn.Module:
    """Replace every batch norm of a network, in place, by one that shares its statistics between processes.

    Parameters, buffers and their names stay, so optimisers, checkpoints and weight files see no difference.

    Args:
        module: a network, or a batch norm itself.

    Returns:
        The module; a new one where it is a batch norm.

    Raises:
        ModelError: for a kind of batch norm that is neither torch's nor timm's own.

    >>> network = synchronize_batch_norm(nn.Sequential(nn.Conv2d(3, 8, 1), nn.BatchNorm2d(8)))
    >>> type(network[1]).__name__, list(network.state_dict())[2:4]
    ('SyncedBatchNorm2d', ['1.weight', '1.bias'])
    """
    if isinstance(module, SyncedBatchNorm2d):
        return module
    if isinstance(module, _BatchNorm):
        if type(module) not in (nn.BatchNorm2d, BatchNormAct2d):
            raise ModelError(
                f"batch norms of a network that several processes train are torch's or timm's BatchNormAct2d, "
                f"got {type(module).__name__}",
                help="choose another backbone",
            )
        return SyncedBatchNorm2d(cast("nn.BatchNorm2d", module))
    for name, child in module.named_children():
        module.add_module(name, synchronize_batch_norm(child))
    return module
