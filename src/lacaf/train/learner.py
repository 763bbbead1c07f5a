"""A network and all that a step changes: weights, the optimizer's moments, their moving average."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import AdamW
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from lacaf.facts import NO_IMAGE, deep_of, label_of, skeleton_of
from lacaf.model.deep import supervised
from lacaf.model.device import precision
from lacaf.model.inputs import channels
from lacaf.model.losses import partial_label_loss
from lacaf.model.supervision import SUPERVISIONS
from lacaf.params.train import Recipe
from lacaf.train.augment import augment, geometry, shown
from lacaf.train.muon import Muon
from lacaf.train.patches import of_step, parts_of
from lacaf.train.pooled import Pooled
from lacaf.train.processes import Processes
from lacaf.train.teacher import guess, sure, weight_at

#: By their names in ``train.optimizer``.
OPTIMIZERS: dict[str, type[AdamW]] = {"adamw": AdamW, "muon": Muon}

#: Length to which a step's gradient is cut: one strange patch must not undo many steps.
LARGEST_GRADIENT = 5.0


@dataclass(frozen=True, eq=False)
class Seen:
    """Patches after their changes, on the device.

    Attributes:
        inputs: ``(B, C, z, y, x)``, what the network sees.
        targets: ``(B, K, z, y, x)`` bool.
        valid: the same shape, where they are to be learnt.
        skeleton: ``(B, z, y, x)`` bool, on the tubed skeleton of a vessel.
        guess: ``(B, K, z, y, x)``, a teacher's probabilities; None without one.
    """

    inputs: Tensor
    targets: Tensor
    valid: Tensor
    skeleton: Tensor
    guess: Tensor | None


class Learner:
    """One network in training, in one of the processes that train it."""

    def __init__(
        self,
        network: nn.Module,
        recipe: Recipe,
        seed: int,
        device: torch.device,
        processes: Processes,
        compiled: bool = False,
    ) -> None:
        self.network = network.to(device).to(memory_format=torch.channels_last_3d)
        self.recipe, self.seed, self.device, self.processes = recipe, seed, device, processes
        self.supervision = SUPERVISIONS[recipe.supervision]
        self.average = (
            AveragedModel(self.network, multi_avg_fn=get_ema_multi_avg_fn(recipe.ema))
            if recipe.ema
            else None
        )
        self.optimizer = OPTIMIZERS[recipe.optimizer](
            self.network.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
        )
        whole = torch.compile(self.network) if compiled else self.network
        self.parallel = processes.around(whole, device)  # type: ignore[arg-type]

    @property
    def best_guess(self) -> nn.Module:
        """The network to be validated and kept: the average where there is one."""
        return self.network if self.average is None else self.average.module

    def step(self, number: int, batches: Iterator[Mapping[str, Any]]) -> Tensor:
        """One update from this process's batches of the step; returns the step's loss.

        It is not a number, too, if the gradient is none: the weights are lost then. What is
        random in the network follows from the seed and the number of the step.
        """
        seed = np.random.SeedSequence([self.seed, number, self.processes.rank])
        torch.manual_seed(int(seed.generate_state(1)[0]))
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate(number)
        self.parallel.train()
        self.optimizer.zero_grad(set_to_none=True)
        own = of_step(number, self.recipe)[1] // self.processes.world
        parts = parts_of(own, self.recipe)
        seen = [self._seen(next(batches)) for _ in range(parts)]
        pooled = Pooled(self.processes, parts)
        if parts > 1:
            with torch.no_grad():
                for part, patches in enumerate(seen):
                    self._loss(number, patches, pooled.noting(part))
        for part, patches in enumerate(seen):
            apart = self.processes.world > 1 and part < parts - 1
            with self.parallel.no_sync() if apart else nullcontext():  # type: ignore[operator]
                loss = self._loss(number, patches, pooled.adding(part))
                loss.backward()
        length = nn.utils.clip_grad_norm_(self.network.parameters(), LARGEST_GRADIENT)
        self.optimizer.step()
        if self.average is not None:
            self.average.update_parameters(self.network)
        return loss.detach().where(length.isfinite(), torch.nan)

    def rate(self, number: int) -> float:
        """Learning rate of a step: linear warm-up, a plateau, half a cosine to a hundredth.

        On the plateau most is learnt; it is the fall that makes it show (Hägele 2024).
        """
        done, recipe = number - 1, self.recipe
        if done < recipe.warmup_steps:
            return recipe.learning_rate * (done + 1) / recipe.warmup_steps
        begin = max(recipe.warmup_steps, (1 - recipe.cooldown) * recipe.steps)
        fraction = max(0.0, done - begin) / max(1, recipe.steps - begin)
        return recipe.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * fraction)))

    def state(self) -> dict[str, Any]:
        """All that :meth:`restore` needs."""
        average = None if self.average is None else self.average.state_dict()
        return {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": average,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Be as one was at a checkpoint."""
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])

    def _seen(self, batch: Mapping[str, Any]) -> Seen:
        """Patches as the network sees them, and what it is to learn from them."""
        there = {
            name: batch[name].to(self.device, non_blocking=True)
            for name in ("hu", "side", "height", "depth", "facts", "covered")
        }
        inputs, facts, covered = self._changed(there, batch["changes"])
        label, deep = label_of(facts), deep_of(facts)
        targets, valid = self.supervision.of(label, deep, covered)
        probability = None
        if self.supervision.teacher and self.average is not None:
            plain, _, _ = self._changed(there, geometry(batch["changes"]))
            with precision(self.device):
                probability = guess(self.average.module, plain)
            # Of what lies beyond the image there is nothing to be sure of.
            probability = probability.masked_fill((deep == NO_IMAGE)[:, None], 0.5)
        return Seen(inputs, targets, valid, skeleton_of(facts), probability)

    def _changed(
        self, there: Mapping[str, Tensor], changes: Mapping[str, Tensor]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The network's input after changes, with ``facts`` and ``covered`` after the same."""
        recipe = self.recipe
        seen = augment(there, changes, recipe.blood_window)
        facts, covered = seen.pop("facts"), seen.pop("covered")
        inputs = channels(**seen, hu_window=recipe.hu_window, blood_window=recipe.blood_window)
        inputs = shown(inputs, changes)
        return inputs.contiguous(memory_format=torch.channels_last_3d), facts, covered

    def _loss(self, number: int, seen: Seen, pool: Callable[[Tensor], Tensor]) -> Tensor:
        """The loss of a step: of what is known, and of what a teacher is sure of."""
        recipe = self.recipe
        with precision(self.device):
            output = self.parallel(seen.inputs)

        def of(logits: Tensor) -> Tensor:
            known = seen.targets, seen.valid
            return partial_label_loss(logits, *known, recipe.loss, pool, seen.skeleton)

        loss, logits = supervised(output, recipe.deep_supervision, of)
        if seen.guess is None:
            return loss
        taught = sure(seen.guess) & ~seen.valid
        weight = recipe.teacher_weight * weight_at(number, recipe.steps)
        return loss + weight * partial_label_loss(logits, seen.guess, taught, {"bce": 1.0}, pool)
