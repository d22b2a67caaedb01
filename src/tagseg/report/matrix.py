"""The confusion matrix as a table of HTML: a row is the truth, shaded by the share of its pixels.

Axes: K labels with background.
"""

from collections.abc import Sequence

from markupsafe import Markup, escape

_LEVELS = (0.005, 0.05, 0.15, 0.3, 0.5)
"""Shares from which a cell has the next shade; below the first it is empty."""


def confusion_table(names: Sequence[str], confusion: Sequence[Sequence[int]]) -> Markup:
    """Return the table: each cell the share of its row in whole percent, its pixels in an attribute.

    Cells on the diagonal have a class of their own, so that what is right and what is wrong differ in colour.

    Args:
        names: of the K labels.
        confusion: pixels, (K, K), rows are the truth.

    >>> table = confusion_table(["background", "cat"], [[3, 1], [0, 0]])
    >>> '<td class="same h5" data-pixels="3">75</td><td class="h3" data-pixels="1">25</td>' in table
    True
    """
    head = "".join(f'<th scope="col"><span>{escape(name)}</span></th>' for name in names)
    rows = "".join(_row(names[truth], truth, counts) for truth, counts in enumerate(confusion))
    return Markup(
        f'<table class="matrix"><thead><tr><th scope="col">Truth</th>{head}</tr></thead><tbody>{rows}</tbody></table>'
    )


def _row(name: str, truth: int, counts: Sequence[int]) -> str:
    total = sum(counts)
    cells = "".join(_cell(count, total, same=found == truth) for found, count in enumerate(counts))
    return (
        f'<tr data-pixels="{total}"><th scope="row"><bdi title="{escape(name)}">{escape(name)}</bdi></th>{cells}</tr>'
    )


def _cell(count: int, total: int, *, same: bool) -> str:
    if not count:
        return '<td class="same"></td>' if same else "<td></td>"
    share = count / total
    level = sum(share >= bound for bound in _LEVELS)
    css = " ".join((["same"] if same else []) + ([f"h{level}"] if level else []))
    text = f"{100 * share:.0f}" if level else ""
    return f'<td class="{css}" data-pixels="{count}">{text}</td>'
