"""Tags from Label Studio's export as JSON: the choices of each task, else the labels of its regions.

Source: labelstud.io, "Export annotations" ("Raw JSON format of completed labeled tasks"): a task has ``data`` and
``annotations``, whose ``result`` has an entry a choice or region, its names in ``value`` under the name of its type.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tagseg.classes import is_text
from tagseg.data.problems import Problem, ProblemKind, report_problem
from tagseg.data.tag_cells import TAG_COLUMNS, Row
from tagseg.data.tag_formats.photograph_keys import photograph_of
from tagseg.errors import DataError

_CHOICES = "choices"

Json = Mapping[str, Any]


def is_label_studio(content: object) -> bool:
    """Return whether the content of a JSON file is a list of Label Studio's tasks.

    >>> is_label_studio([{"data": {"image": "a.jpg"}, "annotations": []}]), is_label_studio([{"image": "a.jpg"}])
    (True, False)
    """
    if not isinstance(content, list) or not content or not isinstance(content[0], dict):
        return False
    return isinstance(content[0].get("data"), dict) and ("annotations" in content[0] or "predictions" in content[0])


def short_entry(entry: Json) -> tuple[object, object]:
    """Return image and names of an entry of Label Studio's short export (JSON-MIN), which has a key for the choices.

    >>> short_entry({"image": "a.jpg", "choice": "cat", "annotator": 1})
    ('a.jpg', ['cat'])
    >>> short_entry({"image": "a.jpg", "choice": {"choices": ["cat", "dog"]}, "annotator": 1})
    ('a.jpg', ['cat', 'dog'])
    """
    names = next((entry[key] for key in TAG_COLUMNS if key in entry), None)
    if isinstance(names, dict):
        names = names.get(_CHOICES)
    return photograph_of(entry), [names] if isinstance(names, str) else names


def label_studio_rows(path: Path, tasks: Sequence[object], problems: list[Problem] | None) -> Iterator[Row]:
    """Yield the annotated tasks of a file.

    A task that nobody annotated gives no row. Where several people annotated one, the annotation that is marked as
    ground truth counts; without such a mark they must agree.

    Args:
        path: of the file, for messages.
        tasks: its content.
        problems: where to collect tasks that cannot be used, which are then left out; None raises.

    Raises:
        DataError: when no task is annotated or choices are made about two things, and for bad tasks without
            ``problems``.
    """
    answers = [_answers(task) for task in tasks]
    if not any(answers):
        raise DataError(
            f"{path} must hold annotated tasks, got {len(tasks)} without an annotation",
            help="annotate them in Label Studio and export them again as JSON",
        )
    asked = {_asked(entry): None for found in answers for answer in found for entry in answer if _is_choice(entry)}
    if len(asked) > 1:
        raise DataError(
            f"{path} must hold one set of choices, got {' and '.join(map(repr, list(asked)[:2]))}",
            help="leave the others out of the labelling configuration, or write tags.csv",
        )
    for number, (task, found) in enumerate(zip(tasks, answers, strict=True), start=1):
        if not found:
            continue
        image = photograph_of(task.get("data")) if isinstance(task, dict) else None
        names = [_names(answer, choices=bool(asked)) for answer in found]
        wrong, help = None, "export the project again as JSON"
        if image is None:
            wrong = "name a photograph in its data, got none"
        elif any(each is None for each in names):
            wrong = "hold names of choices or labels, got something else"
        elif len({frozenset(each or ()) for each in names}) > 1:
            shown = " and ".join(", ".join(each or ()) or "none" for each in names[:2])
            wrong, help = f"be annotated in one way, got {shown}", "mark the right annotation as ground truth"
        if image is not None and wrong is None:
            yield f"task {number}", image, names[0] or ()
        else:
            message = f"{path} at task {number} must {wrong}"
            report_problem(Problem(ProblemKind.BAD_TAGS, path, message, help), problems)


def _answers(task: object) -> list[list[Any]]:
    """Return the results of the annotations of a task that count."""
    annotations = task.get("annotations") if isinstance(task, dict) else None
    given = [
        annotation
        for annotation in (annotations if isinstance(annotations, list) else [])
        if isinstance(annotation, dict) and not annotation.get("was_cancelled")
    ]
    marked = [annotation for annotation in given if annotation.get("ground_truth")]
    results = [annotation.get("result") for annotation in marked or given]
    return [result if isinstance(result, list) else [None] for result in results]


def _is_choice(entry: object) -> bool:
    return isinstance(entry, dict) and entry.get("type") == _CHOICES


def _asked(entry: Json) -> str:
    return str(entry.get("from_name", _CHOICES))


def _names(answer: Sequence[Any], *, choices: bool) -> tuple[str, ...] | None:
    """Return the names in an answer, each once, or None when it holds something else."""
    names: dict[str, None] = {}
    for entry in answer:
        if not isinstance(entry, dict):
            return None
        if choices != _is_choice(entry):
            continue
        value = entry.get("value")
        found = value.get(entry.get("type")) if isinstance(value, dict) else None
        if found is None and not choices:  # a relation, a text, a number: nothing that is shown
            continue
        if not isinstance(found, list) or not all(
            isinstance(name, str) and name.strip() and is_text(name) for name in found
        ):
            return None
        names |= dict.fromkeys(name.strip() for name in found)
    return tuple(names)
