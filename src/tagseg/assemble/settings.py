"""From recipe values to the constants that the activities are told."""


def initial_weights(named: str) -> str | None:
    """Return what a network's weights are read from, None for random ones."""
    return None if named == "random" else named
