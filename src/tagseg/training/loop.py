"""The training loop of the tag classifier: fetch, forward, loss terms, backward, step, log, save."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn, optim

from tagseg.artifacts.checkpoint import join_tensors, load_latest_checkpoint, save_checkpoint, split_tensors
from tagseg.data.datasets import EpochSampler, TrainingLoader
from tagseg.errors import ArtifactError, TrainingError
from tagseg.progress import Task
from tagseg.training.curves import Curves
from tagseg.training.objective import Objective, evaluate_objective
from tagseg.training.optimizer import initial_rates, poly, set_rates


@dataclass(frozen=True, slots=True)
class LoopSettings:
    """The constants of the loop.

    Args:
        epochs: passes over the images, at least 1.
        poly_power: power of the poly schedule, 0 or more.
        clip_norm: upper bound of the gradient's norm over the classifier, or None.
        checkpoint_every_steps: steps between checkpoints, at least 1; one more follows every epoch.
        log_every_steps: steps between points of the curves, at least 1.
    """

    epochs: int
    poly_power: float
    clip_norm: float | None
    checkpoint_every_steps: int
    log_every_steps: int = 10


@dataclass(frozen=True, slots=True)
class Learner:
    """What learns: networks and their optimizers, set up by Fabric; the decoder's are None without reconstruction."""

    classifier: nn.Module
    optimizer: optim.Optimizer
    decoder: nn.Module | None
    decoder_optimizer: optim.Optimizer | None


@dataclass(frozen=True, slots=True)
class Session:
    """One sitting of a training that may have been interrupted.

    Args:
        folder: where checkpoint and curves go (written by the first process).
        start_step: steps taken already, see :func:`resume`.
        until_epoch: stop after this many epochs of ``settings.epochs``.
        task: told about every step.
        validate: called with the number of finished epochs; returns figures for the curves. They decide nothing.
    """

    folder: Path
    start_step: int
    until_epoch: int
    task: Task
    validate: Callable[[int], dict[str, float]]


def train_classifier(
    fabric: Fabric,
    learner: Learner,
    objective: Objective,
    loader: TrainingLoader,
    *,
    settings: LoopSettings,
    session: Session,
) -> dict[str, float]:
    """Train on, leaving ``checkpoint.safetensors`` and the curves in the session's folder.

    Every random choice is a function of (seed, epoch, image) and the checkpoint holds all the rest, so a run that was
    killed and resumed ends in the same bits as one that was not.

    Args:
        fabric: device, precision, processes.
        learner: networks and optimizers.
        objective: the terms of the loss; its decoder is the learner's.
        loader: batches of this process; its sampler is an :class:`EpochSampler`.
        settings: constants of the loop.
        session: where it starts, where it writes, who is told.

    Returns:
        The figures of the last validation.

    Raises:
        TrainingError: when the loss is not a finite number.
    """
    sampler = loader.batch_sampler
    assert isinstance(sampler, EpochSampler)
    per_epoch, step = sampler.steps_per_epoch, session.start_step
    total_steps = per_epoch * settings.epochs
    rates = initial_rates(learner.optimizer)
    decoder_rates = initial_rates(learner.decoder_optimizer) if learner.decoder_optimizer else []
    figures: dict[str, float] = {}
    with Curves(session.folder, start_step=step) if fabric.is_global_zero else _NoCurves() as curves:
        for epoch in range(step // per_epoch, session.until_epoch):
            sampler.set_position(epoch=epoch, step=step - epoch * per_epoch)
            learner.classifier.train()
            for batch in loader:
                batch = fabric.to_device(batch)
                factor = poly(step, total_steps=total_steps, power=settings.poly_power)
                set_rates(learner.optimizer, rates, factor=factor)
                learner.optimizer.zero_grad()
                if learner.decoder_optimizer:
                    set_rates(learner.decoder_optimizer, decoder_rates, factor=factor)
                    learner.decoder_optimizer.zero_grad()

                class_maps = learner.classifier(batch["image"])
                result = evaluate_objective(
                    objective, class_maps, batch, epoch=epoch, backward=fabric.backward, sum_over_processes=_sum(fabric)
                )
                fabric.backward(class_maps, gradient=result.gradient.to(class_maps.dtype))
                if settings.clip_norm is not None:
                    fabric.clip_gradients(learner.classifier, learner.optimizer, max_norm=settings.clip_norm)
                learner.optimizer.step()
                if learner.decoder_optimizer:
                    learner.decoder_optimizer.step()

                step += 1
                epoch_ends = step == (epoch + 1) * per_epoch
                if epoch_ends or step % settings.log_every_steps == 0:
                    terms = _averaged(fabric, result.figures, step=step)
                    curves.add(step, {**terms, "lr": rates[0] * factor})
                    unseen = step - max(session.start_step, _last_log(step, settings, per_epoch))
                    session.task.advance(unseen * sampler.batch_size, **terms)
                if step % settings.checkpoint_every_steps == 0 and not epoch_ends:
                    save(fabric, learner, session.folder, step=step)
            figures = session.validate(epoch + 1)
            curves.add(step, figures)
            save(fabric, learner, session.folder, step=step)
    return figures


def save(fabric: Fabric, learner: Learner, folder: Path, *, step: int) -> None:
    """Write everything that the next step depends on; the checkpoint before this one stays as a reserve."""
    if fabric.is_global_zero:
        tensors, layouts = {}, {}
        for name, part in _parts(learner):
            tensors[name], layouts[name] = split_tensors(part.state_dict())
        path = checkpoint_path(folder)
        save_checkpoint(path, tensors=tensors, state={"step": step, "layouts": layouts}, keep_previous=True)
    fabric.barrier()


def resume(learner: Learner, folder: Path) -> tuple[int, str]:
    """Load the latest whole checkpoint of ``folder`` into ``learner``.

    Returns:
        The steps taken (0 without a checkpoint), and a warning when an older checkpoint had to be taken.

    Raises:
        ArtifactError: when checkpoints are there and none is whole, or they belong to other networks.
    """
    checkpoint = load_latest_checkpoint(checkpoint_path(folder))
    if checkpoint is None:
        return 0, ""
    for name, part in _parts(learner):
        try:
            part.load_state_dict(join_tensors(checkpoint.tensors[name], checkpoint.state["layouts"][name]))
        except (KeyError, RuntimeError, ValueError) as error:
            raise ArtifactError(
                f"checkpoint {checkpoint.path} fits the recipe's networks, got another '{name}'",
                help="choose another --out, or delete the stage's folder to train again",
            ) from error
    return int(checkpoint.state["step"]), checkpoint.warning


def checkpoint_path(folder: Path) -> Path:
    """Return where a training stage keeps its checkpoint."""
    return folder / "checkpoint.safetensors"


def _parts(learner: Learner) -> list[tuple[str, Any]]:
    parts = [("classifier", learner.classifier), ("optimizer", learner.optimizer)]
    if learner.decoder is not None:
        parts += [("decoder", learner.decoder), ("decoder_optimizer", learner.decoder_optimizer)]
    return parts


def _sum(fabric: Fabric) -> Callable[[Tensor], Tensor]:
    return lambda values: torch.as_tensor(fabric.all_reduce(values, reduce_op="sum"))


def _averaged(fabric: Fabric, figures: dict[str, Tensor], *, step: int) -> dict[str, float]:
    """Return the figures as numbers, averaged over processes, or raise when the loss is not finite."""
    names = list(figures)
    values = fabric.all_reduce(torch.stack([figures[name].float() for name in names]), reduce_op="mean")
    numbers = dict(zip(names, torch.as_tensor(values).tolist(), strict=True))
    if not all(abs(value) < float("inf") for value in numbers.values()):
        broken = ", ".join(name for name, value in numbers.items() if not abs(value) < float("inf"))
        raise TrainingError(
            f"the loss is a finite number, got {broken} = nan or inf at step {step}",
            help="lower training.lr, or set training.clip_norm=1",
        )
    return numbers


def _last_log(step: int, settings: LoopSettings, per_epoch: int) -> int:
    """Return the step of the report before this one: they come every ``log_every_steps`` and after every epoch."""
    every = settings.log_every_steps
    return max((step - 1) // every * every, (step - 1) // per_epoch * per_epoch)


class _NoCurves:
    """Stands in for the curves in all processes but the first."""

    def add(self, step: int, figures: dict[str, float]) -> None:
        """Do nothing."""

    def __enter__(self) -> "_NoCurves":
        return self

    def __exit__(self, *args: object) -> None:
        return None
