"""The training loop of every network: fetch, forward, loss, backward, step, log, save."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn, optim

from tagseg.artifacts.checkpoint import join_tensors, load_latest_checkpoint, save_checkpoint, split_tensors
from tagseg.artifacts.layout import TrainingLayout
from tagseg.data.datasets import TrainingLoader
from tagseg.errors import ArtifactError, TrainingError
from tagseg.progress import Task
from tagseg.training.curves import Curves
from tagseg.training.loggers import Logged
from tagseg.training.optimizer import initial_rates, poly, set_rates
from tagseg.training.step import TrainingStep
from tagseg.training.weight_average import WeightAverage


@dataclass(frozen=True, slots=True)
class LoopSettings:
    """The constants of the loop.

    Args:
        epochs: passes over the images, at least 1.
        poly_power: power of the poly schedule, 0 or more.
        clip_norm: upper bound of the gradient's norm of each network that the learner clips, or None.
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
    """What learns. The learning rate of the first network is logged.

    Args:
        networks: by name.
        optimizers: that move them, under the same names.
        averages: of the weights of some of them.
        clipped: names of those whose gradient is clipped, each by itself; None for all.
    """

    networks: dict[str, nn.Module]
    optimizers: dict[str, optim.Optimizer]
    averages: dict[str, WeightAverage[Any]] = field(default_factory=dict)
    clipped: tuple[str, ...] | None = None

    def set_up(self, fabric: Fabric) -> "Learner":
        """Return the same learner handed to Fabric, which moves and wraps networks and optimizers."""
        pairs = {name: fabric.setup(network, self.optimizers[name]) for name, network in self.networks.items()}
        return Learner(
            {name: network for name, (network, _) in pairs.items()},
            {name: optimizer for name, (_, optimizer) in pairs.items()},
            {name: average.to(fabric.device) for name, average in self.averages.items()},
            self.clipped,
        )

    def clip(self, fabric: Fabric, *, max_norm: float) -> None:
        """Shrink gradients to a norm of at most ``max_norm``; what is not finite shows in the next loss."""
        for name in self.networks if self.clipped is None else self.clipped:
            network, optimizer = self.networks[name], self.optimizers[name]
            fabric.clip_gradients(network, optimizer, max_norm=max_norm, error_if_nonfinite=False)


@dataclass(frozen=True, slots=True)
class Session:
    """One sitting of a training that may have been interrupted.

    Args:
        folder: where checkpoint and curves go (written by the first process).
        start_step: steps taken already, see :func:`resume`.
        until_epoch: stop after this many epochs of ``settings.epochs``.
        task: moves on with every step.
        validate: called with the number of finished epochs; returns figures for the curves. They decide nothing.
        made_of: name of what is trained on and how; it tells them from those of another training.
        logged: the loggers of the curves, and what they get.
    """

    folder: Path
    start_step: int
    until_epoch: int
    task: Task
    validate: Callable[[int], dict[str, float]]
    made_of: str = ""
    logged: Logged | None = None


def train(
    fabric: Fabric,
    learner: Learner,
    training_step: TrainingStep[Any],
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
        learner: networks and optimizers, set up by Fabric.
        training_step: forward pass and loss of one batch.
        loader: batches of this process.
        settings: constants of the loop.
        session: where it starts, where it writes, what shows its progress.

    Returns:
        The figures of the last validation.

    Raises:
        TrainingError: when the loss is not a finite number.
    """
    sampler, step = loader.epoch_sampler, session.start_step
    per_epoch = sampler.steps_per_epoch
    total_steps = per_epoch * settings.epochs
    main, *_ = learner.networks
    rates = {name: initial_rates(optimizer) for name, optimizer in learner.optimizers.items()}
    scores: dict[str, float] = {}
    unreported_images = 0
    first = fabric.is_global_zero
    with Curves(session.folder, start_step=step, logged=session.logged) if first else nullcontext() as curves:
        for epoch in range(step // per_epoch, session.until_epoch):
            sampler.set_position(epoch=epoch, step=step - epoch * per_epoch)
            for network in learner.networks.values():
                network.train()
            for batch in loader:
                batch = fabric.to_device(batch)
                factor = poly(step, total_steps=total_steps, power=settings.poly_power)
                for name, optimizer in learner.optimizers.items():
                    set_rates(optimizer, rates[name], factor=factor)
                    optimizer.zero_grad()

                outputs = training_step.forward(batch)
                loss = training_step.loss(outputs, batch, epoch=epoch)
                fabric.backward(loss.value)
                del outputs  # large, and the next batch needs the room
                if settings.clip_norm is not None:
                    learner.clip(fabric, max_norm=settings.clip_norm)
                for optimizer in learner.optimizers.values():
                    optimizer.step()
                for name, average in learner.averages.items():
                    average.update(learner.networks[name])

                step += 1
                unreported_images += sampler.batch_size
                epoch_ends = step == (epoch + 1) * per_epoch
                if epoch_ends or step % settings.log_every_steps == 0:
                    figures = _averaged(fabric, loss.figures, step=step)
                    if curves:
                        curves.add(step, {**figures, "lr": rates[main][0] * factor})
                    session.task.advance(unreported_images, **figures)
                    unreported_images = 0
                if step % settings.checkpoint_every_steps == 0 and not epoch_ends:
                    save(fabric, learner, session.folder, step=step, made_of=session.made_of)
            scores = session.validate(epoch + 1)
            if curves:
                curves.add(step, scores)
            save(fabric, learner, session.folder, step=step, made_of=session.made_of)
    return scores


def save(fabric: Fabric, learner: Learner, folder: Path, *, step: int, made_of: str = "") -> None:
    """Write everything that the next step depends on; the checkpoint before this one stays as a reserve."""
    if fabric.is_global_zero:
        tensors, layouts = {}, {}
        for name, part in _parts(learner):
            tensors[name], layouts[name] = split_tensors(part.state_dict())
        path = TrainingLayout(folder).checkpoint
        state = {"step": step, "layouts": layouts, "made_of": made_of}
        save_checkpoint(path, tensors=tensors, state=state, keep_previous=True)
    fabric.barrier()


def resume(learner: Learner, folder: Path, *, made_of: str = "") -> tuple[int, str]:
    """Load the latest whole checkpoint of ``folder`` into ``learner``.

    Args:
        learner: what learns, set up by Fabric: that moves networks to their device, and no state of an optimizer. The
            state goes to the weights that it belongs to when it is loaded.
        folder: of the stage.
        made_of: as of the :class:`Session` that saved it; a checkpoint of version 0.1 does not say.

    Returns:
        The steps taken (0 without a checkpoint), and a warning when an older checkpoint had to be taken.

    Raises:
        ArtifactError: when checkpoints are there and none is whole, or they are of other networks or another training.
    """
    checkpoint = load_latest_checkpoint(TrainingLayout(folder).checkpoint)
    if checkpoint is None:
        return 0, ""
    if checkpoint.state.get("made_of", made_of) != made_of:
        raise ArtifactError(
            f"checkpoint {checkpoint.path} must be of this training, got one of other images or another recipe",
            help="delete it and run the same command again",
        )
    for name, part in _parts(learner):
        try:
            part.load_state_dict(join_tensors(checkpoint.tensors[name], checkpoint.state["layouts"][name]))
        except (KeyError, RuntimeError, ValueError) as error:
            raise ArtifactError(
                f"checkpoint {checkpoint.path} fits the recipe's networks, got another '{name}'",
                help="choose another --out, or delete the stage's folder to train again",
            ) from error
    return int(checkpoint.state["step"]), checkpoint.warning


def _parts(learner: Learner) -> list[tuple[str, Any]]:
    optimizers = ((f"{name}_optimizer", one) for name, one in learner.optimizers.items())
    averages = ((f"{name}_average", one) for name, one in learner.averages.items())
    return [*learner.networks.items(), *optimizers, *averages]


def _averaged(fabric: Fabric, figures: dict[str, Tensor], *, step: int) -> dict[str, float]:
    """Return the figures as numbers, averaged over processes, or raise when the loss is not finite."""
    names = list(figures)
    values = fabric.all_reduce(torch.stack([figures[name].float() for name in names]), reduce_op="mean")
    numbers = dict(zip(names, torch.as_tensor(values).tolist(), strict=True))
    if not all(abs(value) < float("inf") for value in numbers.values()):
        broken = ", ".join(name for name, value in numbers.items() if not abs(value) < float("inf"))
        raise TrainingError(
            f"the loss is a finite number, got {broken} = nan or inf at step {step}",
            help="lower the learning rate of this stage, or set its clip_norm=1",
        )
    return numbers
