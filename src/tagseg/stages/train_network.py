"""How a stage trains a network: begun or taken up again, on batches that its processes share."""

from collections.abc import Callable
from pathlib import Path
from statistics import mean
from typing import Any, Generic, Literal, TypeVar

from torch import nn

from tagseg.artifacts.layout import TrainingLayout
from tagseg.data.datasets import EpochSampler, TrainingLoader, TrainingSet
from tagseg.stages.context import StageContext
from tagseg.training.curves import has_tensorboard, is_still, lost_points, read_curves
from tagseg.training.loggers import TENSORBOARD
from tagseg.training.loop import Learner, LoopSettings, Session, resume, train
from tagseg.training.seed import seed_everything
from tagseg.training.step import TrainingStep

Network = TypeVar("Network", bound=nn.Module)
TrainingSection = Literal["training", "affinity", "segmenter"]
"""The sections of a recipe that say how a network is trained."""


class NetworkTraining(Generic[Network]):
    """The training of one network: built from the run's seed, then set to the latest checkpoint of the stage's folder.

    Args:
        context: the run.
        folder: of the stage; checkpoints and curves go there.
        build: returns the network whose weights stay, and all that learns.

    Attributes:
        network: the plain network whose weights stay.
        learner: what learns, set up by Fabric.
        step: steps taken.

    Raises:
        ArtifactError: when the checkpoint is damaged or of other networks.
    """

    def __init__(self, context: StageContext, folder: Path, build: Callable[[], tuple[Network, Learner]]) -> None:
        seed_everything(context.recipe.seed)
        self.network, learner = build()
        self.learner = learner.set_up(context.fabric)
        self.step, warning = resume(self.learner, folder, made_of=context.made_of)
        if warning:
            context.progress.warn(warning)
        if TENSORBOARD in context.logged.loggers and not has_tensorboard():
            context.progress.note("no TensorBoard log: pip install tensorboard for one; curves.csv has the same points")
        self._context, self._folder = context, folder

    def run(
        self,
        title: str,
        training_step: TrainingStep[Any],
        loader: TrainingLoader,
        *,
        settings: LoopSettings,
        until_epoch: int,
        validate: Callable[[int], dict[str, float]],
    ) -> dict[str, float]:
        """Train on to the end of an epoch.

        Args:
            title: of the progress.
            training_step: forward pass and loss of one batch.
            loader: batches of this process.
            settings: constants of the loop.
            until_epoch: epochs after which it stops, at most ``settings.epochs``.
            validate: called with the number of finished epochs; returns figures for the curves.

        Returns:
            The figures of the last validation; none when no step was left to take.
        """
        sampler = loader.epoch_sampler
        end, batch = until_epoch * sampler.steps_per_epoch, sampler.batch_size
        if self.step >= end:
            return {}
        curves = TrainingLayout(self._folder).curves
        if self.step and self._context.fabric.is_global_zero and curves.exists():
            lost = lost_points(curves, steps=self.step, every_steps=settings.log_every_steps)
            if lost:
                self._context.progress.warn(f"{lost}; the training itself goes on as it was")
        made_of, logged = self._context.made_of, self._context.logged
        with self._context.progress.task(title, total=end * batch, done=self.step * batch) as task:
            session = Session(self._folder, self.step, until_epoch, task, validate, made_of, logged)
            fabric = self._context.fabric
            figures = train(fabric, self.learner, training_step, loader, settings=settings, session=session)
        self.step = end
        return figures

    def loss_warnings(self, name: str, *, section: TrainingSection, guess: float | None = None) -> dict[str, list[str]]:
        """Warn when a loss did not move; return the warnings as a detail of the stage.

        Args:
            name: of the loss in the curves.
            section: of the recipe that says how the network is trained.
            guess: the loss of a guess that looks at no image; a loss well below it has moved, whenever that was.

        Returns:
            ``loss_warnings`` with the sentences, or nothing.
        """
        curves = TrainingLayout(self._folder).curves
        if not (self._context.fabric.is_global_zero and curves.exists()):
            return {}
        values = [value for _, of, value in read_curves(curves) if of == name]
        third = len(values) // 3
        if not is_still(values) or (guess is not None and mean(values[-third:]) < 0.95 * guess):
            return {}
        first, last = mean(values[:third]), mean(values[-third:])
        told = f"loss '{name.removeprefix('loss_')}'" if name != "loss" else "loss"
        text = f"the {told} did not move: {first:.3g} in the first third of the steps, {last:.3g} in the last"
        text += f"; raise {section}.lr, or give it more steps with {self._longer(section)}"
        self._context.progress.warn(text)
        return {"loss_warnings": [text]}

    def _longer(self, section: TrainingSection) -> str:
        """Return the keys that give a finished training more steps."""
        values = getattr(self._context.recipe, section)
        with_one_more_epoch = self.step + self.step // values.epochs
        bound = values.most_steps is not None and with_one_more_epoch > values.most_steps
        return f"{section}.most_steps and {section}.epochs" if bound else f"{section}.epochs"


def epoch_sampler(context: StageContext, num_images: int, *, section: TrainingSection) -> EpochSampler:
    """Return the order of the images, for this process, in batches of the size that a section of the recipe says."""
    return EpochSampler(
        num_images,
        batch_size=getattr(context.recipe, section).batch_size,
        setting=f"{section}.batch_size",
        seed=context.recipe.seed,
        rank=context.fabric.global_rank,
        world_size=context.fabric.world_size,
    )


def training_loader(context: StageContext, dataset: TrainingSet, *, section: TrainingSection) -> TrainingLoader:
    """Return this process's batches of a data set, read by the run's workers."""
    sampler = epoch_sampler(context, len(dataset), section=section)
    on_gpu = context.fabric.device.type == "cuda"
    return TrainingLoader(dataset, sampler, workers=context.workers, pin_memory=on_gpu)
