"""A plan as text: what the cohort is like, what follows from it, and how sure that is."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from lacaf.classes import CLASSES
from lacaf.params.whole import Params
from lacaf.plan.cost import ADDED_GB, EDGES, FACTOR, PAIR, Cost
from lacaf.plan.fingerprint import STATES, Fingerprint, medians
from lacaf.plan.histogram import Histogram
from lacaf.plan.line import Line
from lacaf.plan.spacing import KEY, kept
from lacaf.plan.writing import flow

AXES = ("z, mm", "y, mm", "x, mm")
#: Spacings that are set side by side with the proposed one, mm.
LADDER_MM = (0.7, 1.0, 1.5, 2.0, 3.0)


def told(found: Fingerprint) -> str:
    """The fingerprint."""
    splits = ", ".join(f"{count} {split}" for split, count in found.cases.items())
    states = [(name, *(found.coverage[name][state] for state in STATES)) for name in CLASSES]
    hu = [(kind, *_quantiles(values)) for kind, values in found.hu.items()]
    return "\n\n".join(
        [
            f"Cases: {sum(found.cases.values())} ({splits}); {found.full} full, {found.half} half. "
            f"Left out: {found.refused} refused. Not opened: {found.unopened} of test or predict.",
            table(("", *AXES), _axes(found)),
            table(("class", *STATES), states),
            table(("HU on the present working grid", "0.5 %", "median", "99.5 %"), hu),
        ]
    )


def trade(found: Fingerprint, lines: Sequence[Line]) -> str:
    """What coarser and finer grids keep of the vessels, and what they cost."""
    [grid] = [line for line in lines if line.key == KEY]
    [patch] = [line.value for line in lines if line.key == "train.patch"]
    extent = np.array(medians(found.lungs_mm))
    rows = []
    for spacing in sorted({grid.value, grid.present, *LADDER_MM}):
        notes = {grid.value: "proposed", grid.present: "present"}
        if grid.value == grid.present:
            notes = {grid.value: "present and proposed"}
        share = float(np.minimum(1, np.array(patch) * spacing / extent).prod())
        rows.append(
            (
                f"{spacing:g} {notes.get(spacing, '')}".strip(),
                *(f"{kept(found, spacing, across):.0%}" for across in (1, 1.5, 2)),
                " × ".join(str(round(n)) for n in extent / spacing),
                f"{share:.0%}",
            )
        )
    head = (
        "spacing, mm", "≥ 1 voxel", "≥ 1.5 voxels", "≥ 2 voxels", "lungs, voxels",
        "of them in the patch",
    )  # fmt: skip
    return table(head, rows)


def proposal(lines: Iterable[Line], present: Params) -> str:
    """The parameters with their reasons."""
    rows = []
    for line in lines:
        now = f"now {flow(line.present)}" if line.changed else "as it is"
        rows.append(f"{line.key}: {flow(line.value)}    ({now})")
        rows += [_indented(note) for note in (line.why, *_overridden(line, present))]
        rows.append("")
    return "\n".join(rows).rstrip()


def certainty(cost: Cost, lines: Sequence[Line], measured: bool) -> str:
    """How the numbers came about, and how far they may be off."""
    [grid] = [line for line in lines if line.key == KEY]
    [width] = [line.value for line in lines if line.key == "train.width"]
    counted = cost.count(EDGES[0], PAIR, width)
    where = (
        "counted on the network, tensor by tensor"
        if counted.seen == "meta"
        else "counted on a small patch, since this network does not run without content"
    )
    if cost.kind == "gpu":
        where += ", in bfloat16 as on a GPU" if counted.halved else ", in float32"
    sentences = [
        f"Memory of {cost.network.network}: {where}; times {FACTOR[cost.kind]:g} for gaps and the "
        f"scratch space of libraries, and {ADDED_GB[cost.kind]:g} GB for what is not the network's."
    ]
    speed = f"a step's operations at {cost.flops_per_second / 1e12:.3g} × 10^12 a second"
    better = (
        "train some hundred steps, read step_seconds in what is printed at a validation, and "
        "plan again with --step-seconds"
    )
    if measured:
        sentences.append("Time: as you measured it.")
    elif cost.timed:
        sentences.append(f"Time: {speed}, as in a small step on this machine just now; {better}.")
    else:
        sentences.append(f"Time: {speed}. That may be off by a factor of three: {better}.")
    if grid.changed:
        sentences.append(
            f"A new {KEY} makes crop stale and all that follows; distances and HU in this plan "
            "are those of the present grid."
        )
    return "\n".join(textwrap.fill(sentence, 100, break_on_hyphens=False) for sentence in sentences)


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table in Markdown whose columns stand below each other; numbers to the right."""
    cells = [list(head), *([str(cell) for cell in row] for row in rows)]
    wide = [max(len(row[column]) for row in cells) for column in range(len(head))]

    def shown(row: Sequence[str]) -> str:
        first, *others = zip(row, wide, strict=True)
        return " | ".join([f"| {first[0]:<{first[1]}}", *(f"{c:>{w}}" for c, w in others)]) + " |"

    rule = "|" + "|".join("-" * (w + 1) + (":" if n else "-") for n, w in enumerate(wide)) + "|"
    return "\n".join([shown(cells[0]), rule, *map(shown, cells[1:])])


def _indented(text: str) -> str:
    return textwrap.fill(text, 100, initial_indent="    ", subsequent_indent="    ")


def _axes(found: Fingerprint) -> Iterator[tuple[str, ...]]:
    """Spacings of the CTs, extents of the lungs."""
    spacing = np.array(found.spacing_mm)
    for name, values in (("CT's spacing", spacing), ("lungs", np.array(found.lungs_mm))):
        digits = 2 if values is spacing else 0
        for label, row in (
            ("median", np.median(values, axis=0)),
            ("10 %", np.quantile(values, 0.1, axis=0)),
            ("90 %", np.quantile(values, 0.9, axis=0)),
        ):
            yield f"{name}, {label}", *(f"{n:.{digits}f}" for n in row)
        if values is spacing:
            yield f"{name}, finest", *(f"{n:.{digits}f}" for n in values.min(axis=0))


def _quantiles(values: Histogram) -> tuple[str, ...]:
    if not values.total:
        return ("–",) * 3
    return tuple(f"{values.quantile(q):.0f}" for q in (0.005, 0.5, 0.995))


def _overridden(line: Line, present: Params) -> Iterator[str]:
    """Which experiments have a key otherwise, so that the proposal does not reach them."""
    section, key, *_ = line.key.split(".")
    if section == "train":
        for name, changes in present.train.experiments.items():
            if key in changes:
                yield f"experiment {name} has its own {key}: {flow(changes[key])}"
