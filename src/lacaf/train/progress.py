"""How a training goes: a bar in a terminal, plain lines in a log, numbers for the tracker."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch

#: Seconds between two lines of a log.
LINE_EVERY = 60.0


class Pace:
    """Time since the last validation: of steps, and of them waiting for patches."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.restart()

    def restart(self) -> None:
        """Count from here."""
        self.begin, self.waited, self.steps, self.patches = time.monotonic(), 0.0, 0, 0

    def timed(self, batches: Iterator[Any]) -> Iterator[Any]:
        """The batches, with the time that each was waited for."""
        while True:
            begin = time.monotonic()
            try:
                batch = next(batches)
            except StopIteration:
                return
            self.waited += time.monotonic() - begin
            self.patches += len(batch["hu"])
            yield batch

    def numbers(self, world: int) -> dict[str, float | None]:
        """Step time, patches a second of all processes, fraction of time spent waiting, memory."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        elapsed = max(1e-9, time.monotonic() - self.begin)
        return {
            "step_seconds": elapsed / max(1, self.steps),
            "patches_per_second": world * self.patches / elapsed,
            "waiting_fraction": self.waited / elapsed,
            "memory_gb": memory_gb(self.device),
        }


def memory_gb(device: torch.device) -> float:
    """Most memory used so far: the GPU's by PyTorch, or this process's."""
    if device.type == "cuda":
        return torch.cuda.max_memory_reserved(device) / 1e9
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1 if sys.platform == "darwin" else 1024) / 1e9


class Progress:
    """What a person sees of a training; silent in all processes but the first."""

    def __init__(self, name: str, done: int, steps: int, silent: bool = False) -> None:
        self.name, self.steps, self.silent = name, steps, silent
        self.begun, self.from_step, self.told = time.monotonic(), done, time.monotonic()
        self.bar: Any = None

    @contextmanager
    def shown(self) -> Iterator[None]:
        """With a bar while the block runs, where there is a terminal."""
        if self.silent or not sys.stdout.isatty():
            yield
            return
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        columns = (
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
            TimeRemainingColumn(), TextColumn("{task.fields[last]}"),
        )  # fmt: skip
        with Bar(*columns) as self.bar:
            self.bar.add_task(self.name, total=self.steps, completed=self.from_step, last="")
            yield

    def step(self, number: int) -> None:
        """A step is done."""
        if self.silent:
            return
        if self.bar is not None:
            self.bar.update(0, completed=number)
        elif time.monotonic() - self.told > LINE_EVERY:
            self.told = time.monotonic()
            pace = (self.told - self.begun) / max(1, number - self.from_step)
            left = (self.steps - number) * pace
            print(f"step {number} of {self.steps}, about {_span(left)} left", flush=True)

    def validated(self, row: Mapping[str, float | None]) -> None:
        """A validation is done."""
        if self.silent:
            return
        self.told = time.monotonic()
        known = {k: v for k, v in row.items() if v is not None and k != "step"}
        line = f"step {row['step']} of {self.steps}: " + ", ".join(
            f"{k} {v:.4g}" for k, v in known.items()
        )
        if self.bar is None:
            print(line, flush=True)
            return
        score = row.get("val_dice")
        self.bar.update(0, last="" if score is None else f"val_dice {score:.3f}")
        self.bar.console.print(line, highlight=False)


def _span(seconds: float) -> str:
    """A time in the unit that suits it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
