"""Label photographs with a trained segmenter, without any tags, and say how much of each shows what.

python examples/label_photos.py runs/photos masks one.jpg two.jpg
"""

import sys
from pathlib import Path

import tagseg


def main(source: str, out: str, *photos: str) -> None:
    segmenter = tagseg.load(source)
    Path(out).mkdir(parents=True, exist_ok=True)
    for photo in photos:
        prediction = segmenter.predict(photo)
        prediction.save(Path(out) / f"{Path(photo).stem}.png")
        pixels = prediction.labels.size
        shares = {name: f"{100 * count / pixels:.0f} %" for name, count in prediction.area().items() if count}
        print(f"{photo}: {', '.join(f'{share} {name}' for name, share in shares.items())}")


if __name__ == "__main__":
    main(*sys.argv[1:])
