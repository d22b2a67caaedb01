"""Stage 8: the page for people; leaves ``report.html``, and a first version of it after every other stage."""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from tagseg.artifacts.layout import FULL_FOLDER, PLAIN_FOLDER, RunLayout
from tagseg.artifacts.run_folder import RunFolder, fingerprint
from tagseg.assemble.data import Splits
from tagseg.data.seen_files import require_unchanged
from tagseg.errors import ArtifactError, DataError
from tagseg.progress import SilentProgress
from tagseg.results.open_run import read_run_recipe
from tagseg.results.page import write_page
from tagseg.results.source import ReportSource
from tagseg.stages.context import StageContext

STAGE = "report"


def run(context: StageContext) -> dict[str, Any]:
    """Write the page; the first process does it alone."""
    if not context.fabric.is_global_zero:
        return {}
    made_of = _made_of(context.folder)
    images = write_page(_source(context), context.folder.report_path, progress=context.progress)
    for split in filter(None, (context.train, context.evaluation, context.test)):
        for record in split.records:
            require_unchanged(record)  # the page names an image that it cannot show, and goes on
    return {"images": images, "bytes": context.folder.report_path.stat().st_size, "made_of": made_of}


def why_outdated(context: StageContext) -> str:
    """Return why a finished page is to be made again, or an empty string."""
    if why := context.folder.why_outdated(STAGE):
        return why
    made_of = context.folder.stage_status(STAGE).details["made_of"]
    return "" if made_of == _made_of(context.folder) else "the runs to compare with have other scores"


def show_progress(context: StageContext) -> None:
    """Write the page of a run at work: fewer pictures, and no search for the worst and the best.

    A page that cannot be made ends no run; the last stage tells what is wrong.
    """
    path = context.folder.report_path
    try:
        write_page(_source(context), path, progress=SilentProgress(), search=False)
    except (ArtifactError, DataError) as error:
        context.progress.warn(f"{path.name} shows an earlier state: {error}")


def _source(context: StageContext) -> ReportSource:
    """Return the run as its page sees it: read back from its folder, with the images that the stages have."""
    # Images to test on are those of the evaluation where none are apart; Splits knows that itself.
    test = context.test if context.test is not context.evaluation else None
    splits = Splits(context.train, context.evaluation, test)
    return ReportSource(context.folder, read_run_recipe(context.folder.root), context.train.classes, splits)


def _made_of(folder: RunFolder) -> Mapping[str, Any]:
    """Name what a page is made of: the stages before it with their files, and the scores of comparison runs."""
    beside = {name: RunLayout(folder.root / name).scores_path for name in (PLAIN_FOLDER, FULL_FOLDER)}
    scores = {name: sha256(path.read_bytes()).hexdigest() for name, path in beside.items() if path.exists()}
    return {**folder.made_of(STAGE), "beside": fingerprint(scores)}
