"""Train on a folder of photographs with tags and print what came out.

    python examples/train_on_a_folder.py PHOTOS runs/photos training.epochs=3

Run it again: finished stages are skipped. Words after the run folder are settings, as after ``--set``.
"""

import json
import sys

import tagseg


def main() -> None:
    photos, out, *settings = sys.argv[1:]
    run = tagseg.run("folder", out, overrides=[f"data.root={json.dumps(photos)}", *settings])
    for what, place in (("maps", "2_cams"), ("masks", "4_masks/labels"), ("network", "5_segmenter")):
        if (run.folder / place).exists():  # a setting can leave the network out
            print(f"{what}: {run.folder / place}")
    if not run.scores["seeds"]:
        print(f"no scores: {run.scores['reason']}")
        return
    for kind, seeds in run.scores["seeds"].items():
        best = seeds["best"]
        print(f"{kind}: mIoU {100 * best['mean_iou']:.1f} % at background score {best['background_score']}")


if __name__ == "__main__":
    main()
