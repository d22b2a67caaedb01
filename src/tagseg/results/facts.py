"""What ran, in groups of lines: data, recipe, versions, machine."""

from collections.abc import Iterator, Mapping
from typing import Any

from tagseg.artifacts.run_scores import AFFINITY, AVERAGED, NETWORK
from tagseg.recipe import Recipe
from tagseg.report.content import Fact
from tagseg.results.source import ReportSource

_HANDED_ON = {
    NETWORK: "",
    AVERAGED: "; averaged over regions for the seeds",
    AFFINITY: "; shared by regions that look alike for the seeds",
}


def facts(source: ReportSource, manifest: Mapping[str, Any]) -> tuple[Fact, ...]:
    """Return what ran; what an older manifest does not say is left out."""
    groups = {
        "data": _data(source, manifest),
        "recipe": [*_recipe(source.recipe), *_cut(source.recipe, manifest), *_corrected(manifest)],
        "versions": _versions(manifest),
        "machine": _machine(source.recipe, manifest),
    }
    return tuple(Fact(group, name, value) for group, lines in groups.items() for name, value in lines if value)


def _data(source: ReportSource, manifest: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    data, splits = source.recipe.data, source.splits
    yield "format", data.format
    yield "place", data.place
    if splits:
        yield "learns from", f"{len(splits.train)} images of split '{splits.train.name}'"
        if evaluation := splits.evaluation:
            masks = sum(record.mask is not None for record in evaluation.records)
            yield "seeds and masks scored on", f"split '{evaluation.name}', {masks} images with ground truth"
        if splits.test:
            yield "segmenter scored on", f"{len(splits.test)} images of split '{splits.test.name}'"
    else:
        yield "learns from", f"{manifest['counts']['train_images']} images" if "counts" in manifest else ""
    yield "classes", f"{source.classes.num_classes}: {', '.join(source.classes.names)}"
    for key, name in (("data", "left out"), ("test_data", "left out of the test images")):
        known = manifest.get(key, {})
        bad, maskless = len(known.get("bad_files", [])), len(known.get("bad_masks", []))
        yield name, f"{bad} images, {maskless} masks" if bad or maskless else ""
    yield "fingerprint", manifest.get("data", {}).get("fingerprint", "")


def _recipe(recipe: Recipe) -> Iterator[tuple[str, str]]:
    yield "name", recipe.name
    yield "preset", recipe.preset
    yield "seed", str(recipe.seed)
    if recipe.needs_masks:
        constraints = ", ".join(name.replace("_", "-") for name in recipe.constraints)
        yield "spatial structure constraints", constraints or "none: plain CAM"
        classifier, training = recipe.classifier, recipe.training
        yield "classifier", f"{classifier.backbone}, weights {classifier.weights}, stride {classifier.output_stride}"
        yield (
            "training",
            f"{training.epochs} epochs, batch {training.batch_size}, {training.optimizer}, lr {training.lr:g}",
        )
        scales = ", ".join(f"{scale:g}" for scale in recipe.cams.scales)
        flip = ", each with its flip" if recipe.cams.flip else ""
        regions = _HANDED_ON[recipe.cams.kinds[-1]]
        yield "maps", f"scales {scales}{flip}{regions}"
        yield "pseudo masks", " + ".join(recipe.masks.refine) or "no refinement"
    if recipe.segmenter.enabled:
        segmenter = recipe.segmenter
        taught = "ground truth" if segmenter.labels == "truth" else f"pseudo masks, strategy {segmenter.strategy}"
        yield "segmenter", f"{segmenter.architecture}, {segmenter.epochs} epochs, taught by {taught}"


def _cut(recipe: Recipe, manifest: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the background score that the pseudo masks were cut at, and where it comes from."""
    details = manifest["stages"].get("make_masks", {}).get("details", {})
    if not recipe.needs_masks or "background_score" not in details:
        return
    asked = recipe.masks.background_rule
    # An older manifest does not say which rule found it.
    found = details.get("background_rule", "fixed" if asked == "fixed" else "otsu")
    why = "" if asked == "fixed" else ", since the maps have fewer than two different scores above 0"
    origin = {"auto": "which frozen features ask for", "otsu": "Otsu's threshold on the maps"}
    yield (
        "background score of the pseudo masks",
        f"{details['background_score']:.2f}, {origin.get(found, f'of the recipe{why}')}",
    )


def _corrected(manifest: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield how many masks of the trainings a person corrected."""
    trainings = ("train_segmenter", "train_affinity")
    counts = [manifest["stages"].get(name, {}).get("details", {}).get("corrected", 0) for name in trainings]
    too = "; they taught the affinity network too" if counts[1] else ""
    said = f"corrected {counts[0]}: these masks are a person's, in the place of pseudo masks{too}"
    yield "corrections", said if counts[0] else ""


def _versions(manifest: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    environment = manifest.get("environment", {})
    yield "python", environment.get("python", "")
    yield from ((name, version) for name, version in environment.get("packages", {}).items() if version)
    yield "commit of tagseg", environment.get("commit") or ""


def _machine(recipe: Recipe, manifest: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    details = [entry.get("details", {}) for entry in manifest["stages"].values()]
    yield "platform", manifest.get("environment", {}).get("platform", "")
    yield "device", ", ".join(sorted({found["device"] for found in details if "device" in found}))
    yield "processes", str(recipe.engine.devices * recipe.engine.nodes)
    yield "precision", recipe.engine.precision
    threads = {str(found["threads"]) for found in details if "threads" in found}
    yield "threads of each process", ", ".join(sorted(threads))
    seconds = [found.get("total_time_s", found.get("time_s", 0.0)) for found in details]
    yield "time of all stages", f"{sum(seconds):.0f} s" if seconds else ""
    peaks = [found["peak_memory_bytes"] for found in details if "peak_memory_bytes" in found]
    yield "peak memory", f"{max(peaks) / 2**30:.2f} GiB" if peaks else ""
    yield "begun", manifest.get("created", "")
