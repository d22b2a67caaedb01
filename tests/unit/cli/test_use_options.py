"""What the help of several commands says."""

from tagseg.cli.use_options import LABEL_FORMATS, SERVER_FORMATS
from tagseg.use import label_files


def test_help_names_every_format() -> None:
    assert set(SERVER_FORMATS.split(", ")) == label_files.OF_PREDICTIONS
    assert {*LABEL_FORMATS.split(", "), *SERVER_FORMATS.split(", ")} == set(label_files.LABEL_FORMATS)
