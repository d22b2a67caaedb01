"""Lay the class activation maps of one image over it, each class in its colour.

python examples/overlay_maps.py runs/demo/2_cams/000000.npz photo.png overlay.png
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

from tagseg.artifacts.cam_file import read_cam
from tagseg.classes import voc_color
from tagseg.data.images import read_image


def main() -> None:
    cam_path, image_path, overlay_path = (Path(word) for word in sys.argv[1:])
    maps, image = read_cam(cam_path), read_image(image_path)
    label_map, score = maps.strongest()
    colors = np.array([voc_color(label) for label in range(256)])[label_map]
    strength = 0.7 * score[..., None]
    overlay = (1 - strength) * image + strength * colors
    Image.fromarray(overlay.round().astype(np.uint8)).save(overlay_path)
    for label, cam in zip(maps.label_ids, maps.cam, strict=True):
        print(f"label {label}: {100 * (cam > 0.3).mean():.1f} % of the image above 0.3")


if __name__ == "__main__":
    main()
