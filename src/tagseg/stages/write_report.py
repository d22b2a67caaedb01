"""Stage 8: the page for people; leaves ``report.html``, and a first version of it after every other stage."""

import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from tagseg.artifacts.run_folder import FULL_FOLDER, PLAIN_FOLDER, RunFolder, fingerprint
from tagseg.errors import ArtifactError, DataError
from tagseg.progress import Progress, SilentProgress
from tagseg.results.gallery import gather_gallery
from tagseg.results.source import ReportSource, open_source, running_source
from tagseg.results.summary import gather_report
from tagseg.stages.context import RunContext
from tagseg.system.atomic import atomic_write

STAGE = "report"


def run(context: RunContext) -> dict[str, Any]:
    """Write the page; the first process does it alone."""
    if not context.fabric.is_global_zero:
        return {}
    made_of = _made_of(context.folder)
    images = _write(running_source(context), context.folder.report_path, progress=context.progress)
    return {"images": images, "bytes": context.folder.report_path.stat().st_size, "made_of": made_of}


def why_outdated(context: RunContext) -> str:
    """Return why a finished page is to be made again, or an empty string."""
    made_of = context.folder.stage_status(STAGE).details.get("made_of", {})
    now = _made_of(context.folder)
    if made_of.get("stages") != now["stages"]:
        return "a stage before it was done again"
    return "" if made_of == now else "the runs beside it have other scores"


def show_progress(context: RunContext) -> None:
    """Write the page of a run at work: fewer pictures, and no search for the worst and the best.

    A page that cannot be made ends no run; the last stage tells what is wrong.
    """
    try:
        _write(running_source(context), context.folder.report_path, progress=SilentProgress(), search=False)
    except (ArtifactError, DataError) as error:
        context.progress.warn(f"{context.folder.report_path.name} shows an earlier state: {error}")


def write_report(root: Path, out: Path | None = None, *, progress: Progress | None = None) -> Path:
    """Write the page of any run folder, finished or not.

    Args:
        root: the run folder.
        out: the HTML file; ``report.html`` in the run folder by default.
        progress: told after every image.

    Returns:
        The file.

    Raises:
        ArtifactError: when the folder holds no run, or the page cannot be written.
        DataError: when the data set cannot be read and nothing in the folder tells the classes.
    """
    source = open_source(root)
    path = out or source.folder.report_path
    _write(source, path, progress=progress or SilentProgress())
    return path


def _write(source: ReportSource, path: Path, *, progress: Progress, search: bool = True) -> int:
    """Write a page; return how many images it shows."""
    from tagseg.report.html import render_report  # a template engine that no other stage needs

    gallery = gather_gallery(source, progress=progress, search=search)
    atomic_write(path, render_report(gather_report(source, gallery)).encode())
    return len(gallery.images)


def _made_of(folder: RunFolder) -> Mapping[str, Any]:
    """Name what a page is made of: the stages before it as they finished, and the scores of the runs beside it."""
    stages = folder.read_manifest()["stages"]
    finished = {name: (entry.get("fingerprint"), entry.get("finished")) for name, entry in stages.items()}
    finished.pop(STAGE, None)
    beside = {name: folder.root / name / folder.scores_path.name for name in (PLAIN_FOLDER, FULL_FOLDER)}
    scores = {name: sha256(path.read_bytes()).hexdigest() for name, path in beside.items() if path.exists()}
    return json.loads(json.dumps({"stages": fingerprint(finished), "beside": fingerprint(scores)}))
