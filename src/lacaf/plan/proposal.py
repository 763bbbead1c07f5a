"""From what a cohort is like and what a machine can do to parameters, each with its reason."""

from __future__ import annotations

import math
from collections.abc import Sequence

from lacaf.params.whole import Params
from lacaf.plan.duration import MOST_STEPS, Duration, duration
from lacaf.plan.fingerprint import Fingerprint, medians
from lacaf.plan.line import Line, line, mm
from lacaf.plan.size import (
    LEAST_STEPS,
    MOST_OF_COHORT,
    WIDTHS,
    Cost,
    Given,
    Size,
    sized,
    whole,
)
from lacaf.plan.spacing import spacing
from lacaf.plan.windows import windows


def propose(found: Fingerprint, present: Params, given: Given, cost: Cost) -> list[Line]:
    """The parameters that suit a cohort and a machine, in the order of ``params.yaml``.

    Raises:
        DoesNotFit: the memory is too small for the smallest patch, or the time for a few steps.
    """
    grid = spacing(found, present)
    extent = [n / grid.value for n in medians(found.lungs_mm)]
    volume = [max(1, round(n / grid.value)) for n in medians(found.grid_mm)]
    cohort = found.cases["train"] * math.prod(volume)
    size = sized(extent, cohort, given, cost)
    spent = duration(size, volume, found.cases["val"], given, cost)
    return [
        grid,
        *_of_size(size, extent, grid.value, present, given, cost),
        *_of_early(spent, present, given),
        *_of_time(spent, present, given),
        line(
            present,
            "train.learning_rate",
            present.train.learning_rate,
            "kept: neither cohort nor machine tells it; the method's authors train with 0.0008",
        ),
        *windows(found, present),
    ]


def _of_size(
    size: Size,
    extent: Sequence[float],
    spacing_mm: float,
    present: Params,
    given: Given,
    cost: Cost,
) -> list[Line]:
    lungs = whole(extent)
    if size.patch == lungs:
        shown = "the lungs whole"
    else:
        seen = math.prod(min(1.0, p / n) for p, n in zip(size.patch, extent, strict=True))
        shown = (
            f"{seen:.0%} of the median lungs of {mm(n * spacing_mm for n in extent)} mm, kept from "
            f"more by {'time' if size.by_time else 'memory'}"
        )
    needed = cost.gigabytes(size.patch, size.at_once, size.width)
    patch = (
        f"{mm(n * spacing_mm for n in size.patch)} mm, {shown}; {needed:.1f} of "
        f"{given.memory_gb:g} GB with {size.at_once} at once"
    )
    width = (
        "as many as nnU-Net has at full resolution"
        if size.width == WIDTHS[0]
        else f"with {2 * size.width} channels a patch of 96 × 96 × 96 voxels, or the lungs whole, "
        f"does not fit into memory, or {LEAST_STEPS} steps of it into the time"
    )
    room = size.patch == lungs and size.accumulate == 1 and not size.by_time
    another = cost.gigabytes(size.patch, size.batch + 1, size.width)
    if not room:
        batch = "nnU-Net's least, so that the patch gets the memory"
    elif another > given.memory_gb:
        batch = f"the patch holds the lungs; another would need {another:.1f} GB"
    else:
        batch = (
            "the patch holds the lungs; another would make the steps too few, or put more than "
            f"{MOST_OF_COHORT:.0%} of the training cases' voxels into each, which nnU-Net avoids"
        )
    accumulate = (
        "all patches of a step fit into memory at once"
        if size.accumulate == 1
        else "the patches of a step go one after the other, so that they can be larger"
    )
    return [
        line(present, "train.width", size.width, width),
        line(present, "train.patch", list(size.patch), patch),
        line(present, "train.batch", size.batch, batch),
        line(present, "train.accumulate", size.accumulate, accumulate),
    ]


def _of_early(spent: Duration, present: Params, given: Given) -> list[Line]:
    early = spent.early
    if early is None:
        why = (
            "a GPU has no need of small patches to begin with"
            if given.gpu
            else "smaller patches would save too little"
        )
        return [line(present, "train.early.steps", 0, why)]
    return [
        line(present, "train.early.patch", list(early.patch), "half of the patch's edges"),
        line(present, "train.early.batch", early.batch, "twice as many of a size so small"),
        line(
            present,
            "train.early.steps",
            early.steps,
            "half of the time on a CPU, which takes many steps with small patches in it",
        ),
    ]


def _of_time(spent: Duration, present: Params, given: Given) -> list[Line]:
    source = "measured" if given.step_seconds is not None else "estimated"
    if spent.steps > 0.95 * MOST_STEPS:
        steps = (
            f"about as many as nnU-Net trains; they take {spent.hours:.1f} of {given.hours:g} "
            f"hours at {spent.step_seconds:.3g} s a step ({source})"
        )
    else:
        few = f", fewer than the {LEAST_STEPS} wished for" if spent.steps < LEAST_STEPS else ""
        steps = (
            f"what {given.hours:g} hours hold at {spent.step_seconds:.3g} s a step ({source}){few}"
        )
    count = spent.steps // spent.validate_every
    share = count * spent.validation_seconds / (spent.hours * 3600)
    every = (
        f"{count} validations of about {spent.validation_seconds:.0f} s, {share:.0%} of the time"
    )
    return [
        line(present, "train.steps", spent.steps, steps),
        line(present, "train.validate_every", spent.validate_every, every),
    ]
