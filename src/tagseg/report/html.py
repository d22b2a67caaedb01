"""The report of a run as one HTML file that needs no other file: no network, no font, no picture of its own."""

import base64
from collections.abc import Mapping, Sequence
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from tagseg.report.bars import percent, sentence
from tagseg.report.content import Report
from tagseg.report.page_data import report_data, script_json
from tagseg.report.report_view import report_view

_TEMPLATES = "templates"
_SCRIPTS = ("pixels.js", "controls.js", "tiles.js", "viewer.js", "gallery.js", "report.js")


def render_report(report: Report) -> str:
    """Return the page of a run.

    Every text of the report is shown as text, whatever stands in it. The page holds its pictures, style and scripts;
    its policy lets the browser run these scripts alone and fetch nothing.

    Args:
        report: what to show.

    >>> page = render_report(Report("demo", "runs/demo", "2026-01-01T00:00:00", ("background", "<b>cat</b>")))
    >>> page.startswith("<!doctype html>"), "<b>cat" in page, "http" in page.replace("http-equiv", "")
    (True, False, False)
    """
    return render_page("report.html.jinja", _SCRIPTS, data=report_data(report), values=report_view(report))


def render_page(template: str, scripts: Sequence[str], *, data: Mapping[str, Any], values: Mapping[str, Any]) -> str:
    """Return a page from a template, with the style of all pages, its scripts and their data.

    Args:
        template: file in ``templates``; it extends ``base.html.jinja``.
        scripts: files in ``templates``, in the order in which they run.
        data: JSON values for the scripts.
        values: for the template.
    """
    theme_script = _resource("theme.js")
    script = "\n".join(_resource(name) for name in scripts)
    page = _environment().get_template(template).render(
        **values,
        csp=_policy(theme_script, script),
        style=Markup(_resource("page.css")),
        theme_script=Markup(theme_script),
        script=Markup(script),
        page_data=script_json(data),
    )  # fmt: skip
    # Names of files may hold bytes that are not text; they could not be written, nor shown.
    return page.encode("utf-8", "replace").decode("utf-8")


def _policy(*scripts: str) -> str:
    """Return the content security policy: nothing is fetched, only these scripts run."""
    hashes = " ".join(f"'sha256-{base64.b64encode(sha256(script.encode()).digest()).decode()}'" for script in scripts)
    return (
        f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src {hashes}; "
        "base-uri 'none'; form-action 'none'"
    )


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("tagseg.report", _TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": percent, "sentence": sentence}
    return environment


@cache
def _resource(name: str) -> str:
    return files("tagseg.report").joinpath(_TEMPLATES, name).read_text(encoding="utf-8")
