"""Text for CSV files that spreadsheets open: what begins like a formula stays text."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What spreadsheets take for the beginning of a formula (full-width signs too), or pass over before it."""

_MARK = "'"


def as_cell(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula: ``'`` goes in front of what looks like one.

    It goes in front of a ``'`` too, so that :func:`from_cell` knows: whoever reads the file takes one away.

    >>> as_cell("=1+1"), as_cell("'tis"), as_cell("cat")
    ("'=1+1", "''tis", 'cat')
    """
    return f"{_MARK}{text}" if text.lstrip(" ").startswith((*_FORMULA, _MARK)) else text


def from_cell(cell: str) -> str:
    """Return the text of what :func:`as_cell` returned.

    >>> from_cell("'=1+1"), from_cell("cat")
    ('=1+1', 'cat')
    """
    return cell.removeprefix(_MARK)
