"""A training on its way: from its checkpoint to its last step."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lacaf.train.checkpoint import Checkpoint
from lacaf.train.failures import Stopped, TrainingFailed
from lacaf.train.learner import Learner
from lacaf.train.patches import Patches, Portions, loader
from lacaf.train.prepared import Prepared
from lacaf.train.processes import Processes, stop_requests
from lacaf.train.progress import Pace, Progress
from lacaf.train.validate import validate


class Tracker(Protocol):
    """Where numbers are logged while the training runs."""

    run_id: str | None

    def metrics(self, values: Mapping[str, float | None], step: int) -> None:
        """Log numbers at a step."""

    def picture(self, pixels: NDArray[np.uint8], step: int) -> None:
        """Keep a picture ``(rows, columns, 3)`` of a step."""


@dataclass(frozen=True)
class Machine:
    """What a training runs on; none of it changes its numbers but the device and ``compiled``.

    Attributes:
        device: where the network lies.
        processes: this process among those that train the network.
        workers: processes that read patches ahead for each of them; 0 for none.
        compiled: whether PyTorch compiles the network.
        save_every: seconds from one checkpoint to the next, at the latest.
    """

    device: torch.device
    processes: Processes = Processes()  # noqa: RUF009  it is frozen
    workers: int = 0
    compiled: bool = False
    save_every: float = 300.0


class Run:
    """A training on its way.

    Attributes:
        history: one row a validation.
        best: score, step, all scores and weights of the best validation so far.
    """

    def __init__(
        self,
        name: str,
        learner: Learner,
        patches: Patches,
        check: Sequence[Prepared],
        machine: Machine,
        checkpoint: Checkpoint,
        tracker: Tracker,
    ) -> None:
        self.name, self.learner, self.patches, self.check = name, learner, patches, check
        self.machine, self.checkpoint, self.tracker = machine, checkpoint, tracker
        self.recipe = learner.recipe
        self.step, self.seconds = 0, 0.0
        self.history: list[dict[str, float | None]] = []
        self.best: dict[str, Any] = {"score": None, "step": 0, "weights": None, "scores": None}
        self.unsettled: list[Tensor] = []  # losses on the device, not looked at so far
        self.losses: list[float] = []  # losses since the last validation, of all processes

    def go(self) -> None:
        """Take the steps that are left, with validations and checkpoints between them.

        Raises:
            Stopped: it was asked to, and has saved.
            TrainingFailed: the loss is no longer a number.
        """
        self._resume()
        machine, recipe, processes = self.machine, self.recipe, self.machine.processes
        portions = Portions(recipe, self.step, processes.rank, processes.world)
        pin = machine.device.type == "cuda"
        pace = Pace(machine.device)
        progress = Progress(self.name, self.step, recipe.steps, silent=not processes.first)
        begin, saved = time.monotonic() - self.seconds, time.monotonic()
        with stop_requests() as asked, progress.shown():
            batches = pace.timed(loader(self.patches, portions, machine.workers, pin))
            while self.step < recipe.steps and not self._patience_is_out():
                self.step += 1
                self.unsettled.append(self.learner.step(self.step, batches))
                pace.steps += 1
                self.seconds = time.monotonic() - begin
                progress.step(self.step)
                validated = not self.step % recipe.validate_every or self.step == recipe.steps
                if validated:
                    told = self._validate(pace, progress)
                late = time.monotonic() - saved > machine.save_every
                stop, late = processes.agreed(asked(), late)
                if validated or stop or late:
                    self._save()
                    saved = time.monotonic()
                if validated:
                    self._log(*told)
                    pace.restart()
                if stop and self.step < recipe.steps:
                    raise Stopped(
                        f"asked to stop after step {self.step} of {recipe.steps}; the same "
                        f"command goes on from {self.checkpoint.path}"
                    )

    def _resume(self) -> None:
        """Go on from the checkpoint, or note that there is a training now."""
        content = self.checkpoint.read()
        self._check_same(0 if content is None else content["step"])
        if self.machine.processes.first and (told := self.checkpoint.set_aside()):
            print(told, flush=True)
        if content is None:
            self._save()  # the tracker's run is known from here on
            return
        self.learner.restore(content["learner"])
        self.step, self.seconds = content["step"], content["seconds"]
        self.history, self.losses, self.best = (
            content["history"], content["losses"], content["best"]
        )  # fmt: skip
        if self.machine.processes.first:
            print(f"going on after step {self.step} of {self.recipe.steps}", flush=True)
        for row in self.history:  # it may have been stopped before it could tell the tracker
            self._log(row, None)

    def _check_same(self, step: int) -> None:
        """All processes must go on from the same step, or their weights would not be one's."""
        steps = self.machine.processes.all(step)
        if len(set(steps)) > 1:
            raise TrainingFailed(
                f"the processes would go on from different steps ({', '.join(map(str, steps))}); "
                "code, parameters and data, with data/checkpoints, must be the same on all "
                "machines: put them on a disk that all of them share"
            )

    def _save(self) -> None:
        """Write the checkpoint, if what there is to write is sound."""
        self._settle()
        if self.machine.processes.first:
            self.checkpoint.write(
                {
                    "run_id": self.tracker.run_id,
                    "step": self.step,
                    "seconds": self.seconds,
                    "learner": self.learner.state(),
                    "history": self.history,
                    "losses": self.losses,
                    "best": self.best,
                }
            )

    def _settle(self) -> None:
        """Look at the losses of the last steps, as the mean over the processes."""
        if not self.unsettled:
            return
        losses = torch.stack(self.unsettled).double().cpu()
        mean = self.machine.processes.total(losses) / self.machine.processes.world
        self.unsettled.clear()
        if not mean.isfinite().all():
            bad = self.step - len(mean) + 1 + int((~mean.isfinite()).nonzero()[0])
            raise TrainingFailed(
                f"the loss is {float(mean[~mean.isfinite()][0])} at step {bad}; lower "
                "train.learning_rate, or look for an image that holds no HU; what was learnt "
                f"before is in {self.checkpoint.path}"
            )
        self.losses += mean.tolist()

    def _validate(
        self, pace: Pace, progress: Progress
    ) -> tuple[dict[str, float | None], NDArray[np.uint8] | None]:
        """Score the validation cases; keep the weights if they are the best so far.

        Returns:
            What is to be logged once it is saved: numbers, and a picture.
        """
        self._settle()
        processes = self.machine.processes
        speed = pace.numbers(processes.world)
        guess = self.learner.best_guess
        scores, image = validate(guess, self.check, self.recipe, self.machine.device, processes)
        row: dict[str, float | None] = {
            "step": self.step,
            "train_loss": float(np.mean(self.losses)),
            **scores,
            "learning_rate": self.learner.rate(self.step),
            "seconds": round(self.seconds, 2),
        }
        self.losses = []
        self.history.append(row)
        score, best = scores["val_dice"], self.best["score"]
        if score is None or best is None or score >= best:  # without a score the last is kept
            weights = {k: v.detach().cpu().clone() for k, v in guess.state_dict().items()}
            self.best = {"score": score, "step": self.step, "scores": scores, "weights": weights}
        progress.validated(row | speed)
        return row | speed, image

    def _log(self, row: Mapping[str, float | None], image: NDArray[np.uint8] | None) -> None:
        """Tell the tracker; what it cannot take stands in the history all the same."""
        if not self.machine.processes.first:
            return
        step = int(row["step"] or 0)
        try:
            self.tracker.metrics({k: v for k, v in row.items() if k != "step"}, step)
            if image is not None:
                self.tracker.picture(image, step)
        except Exception as error:
            print(f"step {step} could not be logged ({type(error).__name__}): {error}", flush=True)

    def _patience_is_out(self) -> bool:
        """Whether too many validations in a row were no better than the best."""
        if self.recipe.patience is None or self.best["score"] is None:
            return False
        since = sum(int(row["step"] or 0) > self.best["step"] for row in self.history)
        return since >= self.recipe.patience
