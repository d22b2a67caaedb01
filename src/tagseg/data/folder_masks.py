"""Which mask each image of a folder has: a file of its path, or what a tool exported."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from tagseg.classes import ClassTable
from tagseg.data.image_files import open_image
from tagseg.data.mask_formats.find_masks import tool_masks
from tagseg.data.mask_formats.found_masks import FoundMasks, ToolMask, image_of
from tagseg.data.mask_images import PaletteMask, label_ids, mask_paths
from tagseg.data.names import composed
from tagseg.data.problems import Problem, ProblemKind, report_problem
from tagseg.errors import DataError
from tagseg.types import MaskSource

_ID_MODES = ("1", "L", "P", "I;16")  # Pillow's names of one number a pixel


def report_masks_as_class(images: Path, paths: Sequence[Path], problems: list[Problem] | None) -> None:
    """Report folders of classes that look like masks: one number a pixel, under the names of photographs elsewhere.

    Args:
        images: the folder of the data set's images, whose sub-folders are classes.
        paths: the images.
        problems: where to collect such folders; they are worth a look, so None passes over them.
    """
    by_folder: dict[str, list[Path]] = defaultdict(list)
    by_stem: dict[str, dict[str, Path]] = defaultdict(dict)
    for path in paths:
        folder = path.relative_to(images).parts[0]
        by_folder[folder].append(path)
        by_stem[path.stem][folder] = path
    for name, members in by_folder.items():
        if any(len(by_stem[path.stem]) == 1 for path in members):
            continue
        other = next(path for folder, path in by_stem[members[0].stem].items() if folder != name)
        if not _has_ids(members[0]) or _has_ids(other):
            continue
        message = f"folder {images / name} should hold photographs of its class, got what looks like masks"
        help = f"rename it to masks, or set data.masks={images / name}, if it holds the masks of the others"
        report_problem(Problem(ProblemKind.MASKS_AS_CLASS, images / name, message, help), problems)


def _has_ids(path: Path) -> bool:
    """Return whether a picture has one number a pixel; one that cannot be read is reported where it is decoded."""
    try:
        with open_image(path) as image:
            return image.mode in _ID_MODES
    except DataError:
        return False


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
