"""A folder that Hugging Face's ``datasets`` loads: photographs, masks, a line of JSON for each, and a card.

Source: huggingface.co/docs/datasets, "Create an image dataset" (``metadata.jsonl``: the column ``file_name`` becomes
``image``, other columns that end in ``_file_name`` become images, too) and huggingface.co/docs/hub, "Dataset Cards".
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from tagseg.artifacts.json_file import json_bytes
from tagseg.artifacts.label_formats.id_pictures import save_ids
from tagseg.artifacts.label_formats.labelled_image import About, AddImage, LabelledImage, labels_by_id
from tagseg.artifacts.label_formats.photographs import copy_photograph
from tagseg.classes import BACKGROUND, VOID, ClassTable


@contextmanager
def hugging_face_folder(folder: Path, classes: ClassTable, about: About) -> Iterator[AddImage]:
    """Lend a function that adds a photograph and its mask of label ids.

    A row has ``image``, ``mask`` and ``classes``, the names of the classes in it. ``id2label.json`` names the ids.
    """
    root = folder / about.split
    root.mkdir(parents=True)
    count = 0
    with (root / "metadata.jsonl").open("x", encoding="utf-8") as file:

        def add(image: LabelledImage) -> None:
            nonlocal count
            photograph = copy_photograph(image.photograph, root / "images" / image.name)
            mask = root / "masks" / f"{image.name}.png"
            save_ids(mask, image.labels)
            row = {
                "file_name": photograph.relative_to(root).as_posix(),
                "mask_file_name": mask.relative_to(root).as_posix(),
                "classes": [classes.name(label) for label in _shown(image)],
            }
            file.write(f"{json.dumps(row, ensure_ascii=False)}\n")
            count += 1

        yield add
    (folder / "id2label.json").write_bytes(json_bytes(labels_by_id(classes)))
    (folder / "README.md").write_text(dataset_card(classes, about, images=count), encoding="utf-8")


def dataset_card(classes: ClassTable, about: About, *, images: int) -> str:
    """Return the page of the data set: what it is, where its masks are from, and how it is loaded."""
    named = {label: name.replace("|", "\\|") for label, name in labels_by_id(classes).items()}
    rows = "".join(f"| {label} | {name} |\n" for label, name in named.items())
    made = "pseudo masks made from image-level tags" if about.split == "train" else "predictions of a trained network"
    by_hand = f"a person corrected {about.corrected} of them" if about.corrected else "no person drew them"
    return (
        f"---\ntask_categories:\n- image-segmentation\ntags:\n- tagseg\n- weakly-supervised\n---\n\n# {about.title}\n\n"
        f"{images} photographs with masks. The masks are {made} by {about.maker}; {by_hand}.\n\n"
        "## Load\n\n```python\nfrom datasets import load_dataset\n\n"
        f'data = load_dataset("imagefolder", data_dir="FOLDER", split="{about.split}")\n'
        'data[0]["image"], data[0]["mask"], data[0]["classes"]\n```\n\n'
        "Values of `mask` are ids of labels; 255 is void: nothing is said of these pixels, leave them out of losses "
        f"and scores.\n\n## Labels\n\n| id | name |\n| --- | --- |\n{rows}\n## Licence\n\nPhotographs keep the licence "
        "that they have. Whoever publishes this folder says here which.\n"
    )


def _shown(image: LabelledImage) -> list[int]:
    return [label for label in np.unique(image.labels).tolist() if label not in (BACKGROUND, VOID)]
