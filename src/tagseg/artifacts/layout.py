"""Where every file of a run folder lies: the only place that knows."""

from dataclasses import dataclass
from pathlib import Path

from tagseg.types import ImageRecord

STAGE_OUTPUTS = {
    "train_classifier": "1_classifier",
    "extract_cams": "2_cams",
    "train_affinity": "3_affinity",
    "make_masks": "4_masks",
    "train_segmenter": "5_segmenter",
    "predict": "6_predictions",
    "evaluate": "scores.json",
    "report": "report.html",
}
"""What each stage leaves in the run folder, in the order of the pipeline."""

PLAIN_FOLDER, FULL_FOLDER = "plain", "full"
"""Runs to compare a run with, inside its folder: plain CAM, and the upper bound."""


@dataclass(frozen=True, slots=True)
class TrainingLayout:
    """The paths of a training in the folder of its stage, besides what it leaves for the next stage.

    Args:
        root: the folder.

    >>> TrainingLayout(Path("runs/demo/1_classifier")).curves.as_posix()
    'runs/demo/1_classifier/curves.csv'
    """

    root: Path

    @property
    def checkpoint(self) -> Path:
        """All that the next step depends on."""
        return self.root / "checkpoint.safetensors"

    @property
    def curves(self) -> Path:
        """Rows of step, name and value."""
        return self.root / "curves.csv"

    @property
    def events(self) -> Path:
        """The same for TensorBoard."""
        return self.root / "tensorboard"

    @property
    def logger_keys(self) -> Path:
        """What finds the runs of other loggers again; hidden, since it is of no use to people."""
        return self.root / ".loggers.json"


class RunLayout:
    """The paths of a run folder; none of them needs to exist.

    Args:
        root: the folder.

    >>> from tagseg.types import ImageRecord
    >>> RunLayout(Path("runs/demo")).cam(ImageRecord("trip/a", Path("trip/a.jpg"), (1,))).as_posix()
    'runs/demo/2_cams/trip/a.npz'
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def recipe_path(self) -> Path:
        """The recipe as it ran, with every override."""
        return self.root / "recipe.toml"

    @property
    def manifest_path(self) -> Path:
        """Versions, device, seeds, times, fingerprints, bad files."""
        return self.root / "manifest.json"

    @property
    def scores_path(self) -> Path:
        """The scores of every evaluated artifact."""
        return self.output("evaluate")

    @property
    def scores_table_path(self) -> Path:
        """The same scores as rows."""
        return self.root / "scores.csv"

    @property
    def report_path(self) -> Path:
        """The page for people."""
        return self.output("report")

    @property
    def wrong_tags(self) -> Path:
        """Tags that are probably wrong or missing, where somebody asked for them."""
        return self.root / "wrong_tags.csv"

    @property
    def held_out_tags(self) -> Path:
        """How well the same look found tags that its classifiers had not seen."""
        return self.root / "held_out_tags.json"

    @property
    def lock_path(self) -> Path:
        """Held by the run that is at work in the folder."""
        return self.root / ".lock"

    @property
    def seals_path(self) -> Path:
        """What every finished file was when it was made."""
        return self.root / ".seals"

    def log_beside(self, name: str) -> Path:
        """What a run beside this one printed, where both ran at once; ``name`` is that of its folder."""
        return self.root / f"{name}.log"

    @property
    def drawn_data(self) -> Path:
        """The embedded data set, where the recipe draws it."""
        return self.root / "0_data"

    def output(self, stage: str) -> Path:
        """Return the folder or file that ``stage`` writes."""
        return self.root / STAGE_OUTPUTS[stage]

    def lasting_files(self, stage: str) -> list[Path]:
        """Return what a finished stage left for the next ones and for people, as far as it is there, in order.

        Not what is kept to go on with a training, as its checkpoints, nor the curves, which grow.
        """
        output = self.output(stage)
        if stage == "evaluate":
            return [path for path in (output, self.scores_table_path) if path.is_file()]
        if output.is_file():
            return [output]
        training = TrainingLayout(output)
        growing = {
            training.curves,
            self.region_scores,
            *output.glob(f"{training.checkpoint.stem}*{training.checkpoint.suffix}"),
        }
        found = sorted(path for path in output.rglob("*") if path.is_file() and path not in growing)
        return [path for path in found if path.name[0] != "." and not path.is_relative_to(training.events)]

    def curves(self, stage: str) -> Path:
        """Return the curves of a stage that trains, rows of step, name and value."""
        return TrainingLayout(self.output(stage)).curves

    @property
    def classifier_weights(self) -> Path:
        """The trained tag classifier."""
        return self.output("train_classifier") / "classifier.safetensors"

    @property
    def region_scores(self) -> Path:
        """The target of self-modulation that the warm-up sets."""
        return self.output("train_classifier") / "region_scores.npz"

    @property
    def target_parts(self) -> Path:
        """Folder of the target of each image, until all of them are in the file of region scores."""
        return self.output("train_classifier") / "target"

    def target_part(self, step: str, record: ImageRecord) -> Path:
        """Return the target of one image after a step, ``measured`` or ``drawn``."""
        return self.target_parts / step / f"{record.image_id}.npz"

    def cam(self, record: ImageRecord) -> Path:
        """Return the maps of an image as the network gave them; sub-folders are those of its id."""
        return self.output("extract_cams") / f"{record.image_id}.npz"

    @property
    def map_medians(self) -> Path:
        """How high the middle of each class's maps lies, where flat maps are lowered."""
        return self.output("extract_cams") / "medians.json"

    def seeds(self, record: ImageRecord) -> Path:
        """Return the sure seeds of an image, a palette PNG of label ids, 255 where nothing is sure."""
        return self.output("train_affinity") / "seeds" / f"{record.image_id}.png"

    @property
    def affinity_weights(self) -> Path:
        """The trained affinity network."""
        return self.output("train_affinity") / "affinity.safetensors"

    def refined_cam(self, record: ImageRecord) -> Path:
        """Return the maps of an image after the steps of refinement that come before the cut, such as the walk."""
        return self.output("make_masks") / "maps" / f"{record.image_id}.npz"

    @property
    def background_cut(self) -> Path:
        """The background score that a rule found for the pseudo masks, and the rule."""
        return self.output("make_masks") / "background.json"

    @property
    def pseudo_mask_folder(self) -> Path:
        """Where the pseudo masks are."""
        return self.output("make_masks") / "labels"

    def pseudo_mask(self, record: ImageRecord) -> Path:
        """Return the pseudo mask, a palette PNG of label ids."""
        return self.output("make_masks") / "labels" / f"{record.image_id}.png"

    def confidence(self, record: ImageRecord) -> Path:
        """Return the confidence mask, a PNG that is white where the pseudo mask is to be trusted."""
        return self.output("make_masks") / "confidence" / f"{record.image_id}.png"

    def soft_scores(self, record: ImageRecord) -> Path:
        """Return the soft scores of the pseudo mask, where the recipe asks for them."""
        return self.output("make_masks") / "scores" / f"{record.image_id}.npz"

    def instances(self, record: ImageRecord) -> Path:
        """Return the object masks, a JSON file, where the recipe asks for them."""
        return self.output("make_masks") / "instances" / f"{record.image_id}.json"

    @property
    def segmenter(self) -> Path:
        """The folder of the trained segmenter: its weights, and JSON that explains them."""
        return self.output("train_segmenter")

    @property
    def prediction_settings(self) -> Path:
        """How the segmenter was used on the images to test on."""
        return self.output("predict") / "settings.json"

    def prediction(self, record: ImageRecord) -> Path:
        """Return the predicted mask of an image to test on, a palette PNG of label ids."""
        return self.output("predict") / "labels" / f"{record.image_id}.png"
