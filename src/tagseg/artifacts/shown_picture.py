"""Pictures for a person at work: inside the page of a notebook, or in the viewer of the system.

Axes: H W pixels, 3 RGB.
"""

import base64
from collections.abc import Iterable
from html import escape
from io import BytesIO

from PIL import Image as PillowImage

from tagseg.system.notebook import display_in_notebook, in_notebook
from tagseg.types import Image

_SIDE_PX, _QUALITY = 1024, 90
_MOST = 6  # names in one line of text

Color = tuple[int, int, int]

Entry = tuple[Color | None, str]
"""An entry of a legend: a colour or none, and a text."""


def picture_html(picture: Image, *, alt: str, lines: Iterable[Entry] = ()) -> str:
    """Return a picture with a legend as HTML that needs no other file.

    Args:
        picture: (H, W, 3) RGB; shown with at most 1024 px on the long side.
        alt: what it shows, for whoever cannot see it.
        lines: colour and text of each entry of the legend; no colour for a plain line. Texts are shown as text.

    >>> import numpy as np
    >>> page = picture_html(np.zeros((2, 3, 3), np.uint8), alt="a <b>", lines=[((255, 0, 0), "cat 3 %")])
    >>> "a &lt;b&gt;" in page, "#ff0000" in page, "cat 3 %" in page
    (True, True, True)
    """
    image, encoded = PillowImage.fromarray(picture), BytesIO()
    image.thumbnail((_SIDE_PX, _SIDE_PX))
    image.save(encoded, format="JPEG", quality=_QUALITY)
    source = f"data:image/jpeg;base64,{base64.b64encode(encoded.getvalue()).decode()}"
    legend = " &nbsp; ".join(f"{_swatch(color)}{escape(text)}" for color, text in lines)
    return (
        f'<figure style="margin:0"><img src="{source}" alt="{escape(alt)}" style="max-width:100%">'
        f"<figcaption>{legend}</figcaption></figure>"
    )


def shares_text(shares: Iterable[tuple[str, float]]) -> str:
    """Return names with their shares in one line, the largest first, the smallest of many left out.

    >>> shares_text([("background", 0.25), ("cat", 0.75), ("dog", 0.0)])
    'cat 75.0 %, background 25.0 %'
    """
    known = sorted(((name, share) for name, share in shares if share), key=lambda each: -each[1])
    more = [f"{len(known) - _MOST} more"] if len(known) > _MOST else []
    return ", ".join([*(f"{name} {100 * share:.1f} %" for name, share in known[:_MOST]), *more])


def show_picture(picture: Image, *, shown: object = None) -> None:
    """Show a picture below the cell of a notebook, elsewhere in the viewer of the system.

    Args:
        picture: (H, W, 3) RGB.
        shown: what a notebook shows in its place.
    """
    image = PillowImage.fromarray(picture)
    if in_notebook():
        display_in_notebook(image if shown is None else shown)
    else:
        image.show()


def _swatch(color: Color | None) -> str:
    if color is None:
        return ""
    return f'<span style="display:inline-block;width:1em;height:1em;background:#{bytes(color).hex()}"></span> '
