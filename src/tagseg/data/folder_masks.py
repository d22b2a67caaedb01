"""Which mask each image of a folder has: a file of its path, or what a tool exported."""

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from tagseg.classes import ClassTable
from tagseg.data.mask_formats.find_masks import tool_masks
from tagseg.data.mask_formats.found_masks import FoundMasks, ToolMask, image_of
from tagseg.data.mask_images import PaletteMask, label_ids, mask_paths
from tagseg.data.names import composed
from tagseg.data.problems import Problem, ProblemKind, report_problem
from tagseg.types import MaskSource


def masks_of(
    masks: Path,
    names: Mapping[Path, str],
    *,
    known: Sequence[str],
    classes: ClassTable,
    is_chosen: bool,
    problems: list[Problem] | None,
) -> Mapping[Path, MaskSource]:
    """Return the masks of the images that have one.

    Args:
        masks: folder or file of masks, which need not exist.
        names: path below their folder of each image.
        known: all classes of the data set, in the order of the ids in pictures of ids.
        classes: those of them that are labels.
        is_chosen: whether somebody named the classes to learn, so that others are background.
        problems: where to collect masks of no image, and other classes; None raises.

    Raises:
        DataError: when the masks are of several tools, or cannot be read, and for single masks without ``problems``.
    """
    found = tool_masks(masks)
    if found is None:
        return _pictures(mask_paths(masks, problems=problems), names, label_ids(known, classes), problems)
    _compare_classes(found, known, is_chosen=is_chosen, problems=problems)
    table = label_ids(found.classes, classes)
    images = {composed(_without_ending(name)): path for path, name in names.items()}
    images |= {composed(name): path for path, name in names.items()}
    of_images: dict[Path, MaskSource] = {}
    for mask in found.masks:
        path = image_of(mask.names, images)
        if path is not None and path not in of_images:
            of_images[path] = ToolMask(mask.drawing, path, table)
            continue
        rule = "have the path of an image" if path is None else "be the only one of its image"
        message = f"mask {mask.drawing} must {rule}, got {'none that fits' if path is None else 'another one too'}"
        kind = ProblemKind.UNUSED_MASK if path is None else ProblemKind.REPEATED_MASK
        report_problem(Problem(kind, mask.drawing.path, message, "rename it like its image or remove it"), problems)
    return of_images


def _compare_classes(
    found: FoundMasks, known: Sequence[str], *, is_chosen: bool, problems: list[Problem] | None
) -> None:
    """Report classes of a tool's masks that the data set does not have."""
    others = [name for name in found.classes if name not in known]
    shown = ", ".join(f"'{name}'" for name in others[:5])
    if others and len(others) == len(found.classes):
        message = f"masks {found.place} must show classes of the data set ({', '.join(known)}), got {shown}"
        problem = Problem(ProblemKind.OTHER_CLASSES, found.place, message, "give a class one name in tags and masks")
        report_problem(problem, problems)
    elif others and not is_chosen:
        message = f"masks {found.place} should show classes of the data set only, got {shown}"
        help = "learn the class too; until then its objects are scored as background"
        report_problem(Problem(ProblemKind.UNLEARNED_CLASS, found.place, message, help), problems)


def _without_ending(name: str) -> str:
    return PurePosixPath(name).with_suffix("").as_posix()


def _pictures(
    files: Mapping[str, Path], names: Mapping[Path, str], table: tuple[int, ...], problems: list[Problem] | None
) -> dict[Path, MaskSource]:
    """Return the masks of images by relative path: ``a.jpg.png`` before ``a.png``."""
    pictures = {composed(name): path for name, path in files.items()}
    unused, found = set(pictures), {}
    for path, name in names.items():
        for form in (composed(name), composed(_without_ending(name))):
            if form in pictures:
                unused.discard(form)
                found[path] = PaletteMask(pictures[form], table)
                break
    for name in sorted(unused):
        message = f"mask {pictures[name]} must have the path of an image, got none that fits"
        problem = Problem(ProblemKind.UNUSED_MASK, pictures[name], message, "rename it like its image or remove it")
        report_problem(problem, problems)
    return found
