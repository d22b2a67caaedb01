"""A segmentation network whose background is matched to its masks: as many pixels get a class as there."""

import json

import numpy as np
from kit.small_segmenter_run import run, small_recipe
from safetensors.numpy import load_file

import tagseg
from tagseg.artifacts.mask_file import read_mask
from tagseg.data.drawn_pictures import write_dataset


def test_the_network_labels_as_much_as_its_masks(tmp_path):
    write_dataset(tmp_path / "learn", num_images=8, size=(64, 64), seed=3)
    write_dataset(tmp_path / "test", num_images=2, size=(64, 64), seed=3, first_index=8)
    shares, outs = {}, {}
    for matched in (False, True):
        out = outs[matched] = tmp_path / f"run{matched}"
        run(small_recipe(tmp_path, f"segmenter.match_background={json.dumps(matched)}"), out)
        network = tagseg.load(out)
        network.settings = type(network.settings)(max_side_px=80)
        photos = sorted((tmp_path / "learn" / "images").glob("*"))
        assert len(photos) == 8
        found = [network.predict(photo).labels != 0 for photo in photos]
        made = [read_mask(path) != 0 for path in sorted((out / "4_masks" / "labels").rglob("*.png"))]
        shares[matched] = np.mean(found), np.mean(made)
    assert shares[False][1] == shares[True][1]
    (before, wanted), (after, _) = shares[False], shares[True]
    assert abs(before - wanted) > 0.02  # else there is nothing to move
    assert abs(after - wanted) < 0.01
    one, other = (load_file(out / "5_segmenter" / "segmenter.safetensors") for out in outs.values())
    changed = [name for name in one if not np.array_equal(one[name], other[name])]
    assert len(changed) == 1
    moved = other[changed[0]] - one[changed[0]]
    assert moved[0] != 0
    assert not moved[1:].any()
