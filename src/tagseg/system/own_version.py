"""The versions that are installed, and that of tagseg, also from a source tree that nobody installed."""

from importlib.metadata import PackageNotFoundError, version

OF_A_SOURCE_TREE = "0+source"
"""What stands in the place of a version where none is known; Python's rules of versions allow it."""


def own_version(package: str = "tagseg") -> str:
    """Return the version that is installed, ``0+source`` where the package is imported without an installation.

    >>> own_version("a package that nobody has")
    '0+source'
    """
    return installed_version(package) or OF_A_SOURCE_TREE


def installed_version(package: str) -> str | None:
    """Return the version of a package, None where it is not installed.

    >>> installed_version("a package that nobody has") is None
    True
    """
    try:
        return version(package)
    except PackageNotFoundError:
        return None
