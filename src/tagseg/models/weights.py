"""Weight files: read without running code in them, and fit them to a network or say what does not fit."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor, nn

from tagseg.errors import ModelError

_WRAPPERS = ("state_dict", "model")
_SHOWN = 3


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """Read a state dict from a ``.safetensors`` file, or from a ``.pth`` file with ``weights_only=True``.

    Neither reader can execute code. A state dict stored under ``state_dict`` or ``model`` is unwrapped.

    Args:
        path: the file; an ending other than ``.safetensors`` is read as a torch file.

    Returns:
        Tensors by name, on the CPU.

    Raises:
        ModelError: when the file is missing, unreadable, or holds no state dict.
    """
    path = Path(path)
    if not path.is_file():
        raise ModelError(f"weights file {path} is missing", help='correct the path, or write "pretrained" to download')
    try:
        if path.suffix == ".safetensors":
            return safetensors.torch.load_file(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file trips zipfile, pickle and torch in ways that nobody lists
        raise ModelError(
            f"weights file {path} is a safetensors file or a torch state dict, got neither ({type(error).__name__})",
            help="copy the file again, or save the tensors as .safetensors",
        ) from error
    for wrapper in _WRAPPERS:
        if isinstance(content, dict) and isinstance(content.get(wrapper), dict):
            content = content[wrapper]
    if not isinstance(content, dict) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in content.items()
    ):
        raise ModelError(
            f"weights file {path} holds tensors by name, got {type(content).__name__} with other values",
            help="save network.state_dict() alone",
        )
    return content


def fit_weights(
    network: nn.Module,
    weights: Mapping[str, Tensor],
    *,
    network_name: str,
    source: str | Path,
    ignored: Sequence[str] = (),
) -> None:
    """Copy weights into a network when every tensor has its place, its shape, and none is left over.

    A left-over tensor is an error, since ResNet-101's weights would otherwise fit a ResNet-50 silently.

    Args:
        network: receives the values, in place.
        weights: tensors by name.
        network_name: the network's name, for the error.
        source: where the weights come from, for the error.
        ignored: names of sub-modules whose tensors may be left over, such as the ImageNet classifier.

    Raises:
        ModelError: naming the first tensors that are missing, unknown or of another shape.

    >>> layer = nn.Linear(2, 1)
    >>> fit_weights(layer, {"weight": torch.ones(1, 2), "bias": torch.ones(1)}, network_name="layer", source="memory")
    >>> layer.weight.tolist()
    [[1.0, 1.0]]
    """
    own = network.state_dict()
    # Counters of batch norm play no part in its output, and old files lack them.
    missing = [key for key in own if key not in weights and not key.endswith("num_batches_tracked")]
    unknown = [key for key in weights if key not in own and not key.startswith(tuple(f"{name}." for name in ignored))]
    reshaped = [key for key in own if key in weights and own[key].shape != weights[key].shape]
    found = [
        f"{len(keys)} {kind} ({', '.join(keys[:_SHOWN])}{', ...' if len(keys) > _SHOWN else ''})"
        for kind, keys in (("missing", missing), ("unknown", unknown), ("of another shape", reshaped))
        if keys
    ]
    if found:
        raise ModelError(
            f"weights {source} fit {network_name} tensor by tensor, got {', '.join(found)}",
            help="give weights of this very network, or name the network that they belong to",
        )
    network.load_state_dict({key: weights[key] for key in own if key in weights}, strict=False)
