"""Cut one photograph into at most 64 regions and save it with their outlines.

python examples/superpixels_of_a_photo.py photo.jpg regions.png
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

from tagseg.data.images import read_image
from tagseg.data.superpixels import compute_regions


def main() -> None:
    image_path, out_path = (Path(word) for word in sys.argv[1:])
    image = read_image(image_path)
    regions = compute_regions(image, method="felzenszwalb", max_regions=64)
    outline = np.zeros(regions.shape, bool)
    outline[1:] |= regions[1:] != regions[:-1]
    outline[:, 1:] |= regions[:, 1:] != regions[:, :-1]
    Image.fromarray(np.where(outline[..., None], np.uint8(255), image)).save(out_path)
    sizes = np.bincount(regions.ravel())
    print(f"{len(sizes)} regions of {sizes.min()} to {sizes.max()} pixels")


if __name__ == "__main__":
    main()
