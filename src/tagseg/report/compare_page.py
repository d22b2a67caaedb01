"""The page that shows several runs side by side; one HTML file that needs no other file."""

from tagseg.report.compare_view import comparison_view
from tagseg.report.comparison import Comparison
from tagseg.report.html import render_page
from tagseg.report.page_data import comparison_data

_SCRIPTS = ("pixels.js", "controls.js", "tiles.js", "viewer.js", "compare.js")


def render_comparison(comparison: Comparison) -> str:
    """Return the page of several runs, differences against the first one.

    Every text is shown as text, and nothing is fetched, as in :func:`tagseg.report.html.render_report`.

    Args:
        comparison: at least one run.

    >>> from tagseg.report.content import Report
    >>> runs = [Report(title, "runs/x", "", ("background", "cat")) for title in ("plain", "ssc")]
    >>> "<bdi>ssc</bdi>" in render_comparison(Comparison(tuple(runs)))
    True
    """
    return render_page(
        "compare.html.jinja", _SCRIPTS, data=comparison_data(comparison), values=comparison_view(comparison)
    )
