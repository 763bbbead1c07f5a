"""How many steps, and how often to validate, in the time that there is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lacaf.plan.size import LEAST_EDGE, MULTIPLE, Cost, DoesNotFit, Given, Patch, Size

#: As many as nnU-Net trains.
MOST_STEPS = 250_000
#: Of the time, what validation may take; and how often there should be one, least and most.
FOR_VALIDATION, VALIDATIONS = 0.1, (5, 100)
#: Small patches come first only where a step with them takes no more than this of a whole one.
WORTHWHILE = 0.5


@dataclass(frozen=True)
class Early:
    """The first part of a training, with small patches."""

    patch: Patch
    batch: int
    steps: int = 0


@dataclass(frozen=True)
class Duration:
    """How a training's time is spent.

    Attributes:
        steps: of all.
        validate_every: steps from one validation to the next.
        early: the part with small patches; None for none.
        step_seconds: a step with whole patches.
        validation_seconds: one validation.
        hours: all together.
    """

    steps: int
    validate_every: int
    early: Early | None
    step_seconds: float
    validation_seconds: float
    hours: float


def duration(size: Size, volume: Sequence[int], cases: int, given: Given, cost: Cost) -> Duration:
    """The steps that fit into the time.

    Args:
        size: of patch, batch and network.
        volume: voxels ``(z, y, x)`` of the median case.
        cases: how many are validated.
        given: time, and whether there is a GPU: without one half of the time goes to steps with
            small patches.
        cost: of a step and a validation.

    Raises:
        DoesNotFit: not even a few steps do.
    """
    counted = cost.seconds(size.patch, size.batch, size.width)
    slower = 1.0 if given.step_seconds is None else given.step_seconds / counted
    step = slower * counted
    validation = slower * cases * cost.validation_seconds(volume, size.patch, size.width)
    total = given.hours * 3600
    least, most = VALIDATIONS
    count = most if not validation else int(FOR_VALIDATION * total / validation)
    count = min(most, max(least, count))
    early = None if given.gpu else _early(size)
    mean = step
    if early is not None:
        short = slower * cost.seconds(early.patch, early.batch, size.width)
        if short <= 1.001 * WORTHWHILE * step:
            mean = 2 / (1 / short + 1 / step)
        else:
            early = None
    every = (total - count * validation) / count / mean
    if every < 1:
        raise DoesNotFit(
            f"{given.hours:g} hours are too short: a step takes {step:.1f} s and a validation "
            f"{validation:.0f} s; give more time or fewer validation cases"
        )
    every = _round_down(min(every, MOST_STEPS / count))
    steps = count * every
    if early is not None:
        early = Early(early.patch, early.batch, round(steps * step / (step + short)))
    hours = (steps * mean + count * validation) / 3600
    return Duration(steps, every, early, step, validation, hours)


def _early(size: Size) -> Early | None:
    """Patches of half the edges, twice as many."""
    z, y, x = (max(LEAST_EDGE, MULTIPLE * (n // (2 * MULTIPLE))) for n in size.patch)
    return Early((z, y, x), 2 * size.batch)


def _round_down(value: float) -> int:
    """Two digits of a number, at least 1."""
    whole = int(value)
    unit = 10 ** max(0, len(str(whole)) - 2)
    return max(1, whole // unit * unit)
