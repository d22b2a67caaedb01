"""What the help of several commands says."""

from tagseg.cli.use_options import LABEL_FORMAT_NAMES, SERVER_FORMAT_NAMES
from tagseg.use import label_files


def test_help_names_every_format() -> None:
    assert set(SERVER_FORMAT_NAMES.split(", ")) == label_files.OF_PREDICTIONS
    assert {*LABEL_FORMAT_NAMES.split(", "), *SERVER_FORMAT_NAMES.split(", ")} == set(label_files.LABEL_FORMATS)
