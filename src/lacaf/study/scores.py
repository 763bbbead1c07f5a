"""What a run of a study is judged by: a row a test case, a column a metric."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lacaf.classes import CLASSES

#: Columns of ``scores.csv`` that are no metrics: whose row it is, and against what.
ABOUT = ("case", "patient", "against")

#: So many metrics, from the first, are shown and tested; those of single classes are parts of the
#: first, and tests of them would only make the correction for many tests dearer.
HEADLINES = 5

Row = dict[str, Any]


@dataclass(frozen=True)
class Scored:
    """One run of a study with its scores.

    Attributes:
        experiment: the experiment's name.
        seed: of the training.
        rows: one for each test case that was not refused, as :func:`row` makes them.
        about: further facts for ``study.json``.
    """

    experiment: str
    seed: int
    rows: Sequence[Row]
    about: Mapping[str, Any] = field(default_factory=dict)

    def by_patient(self, metric: str) -> dict[str, float]:
        """A patient's value is the mean over his cases; who has none is left out."""
        found: dict[str, list[float]] = {}
        for one in self.rows:
            if one[metric] is not None:
                found.setdefault(one["patient"], []).append(one[metric])
        return {patient: float(np.mean(values)) for patient, values in found.items()}


def row(case: str, patient: str, against: str, scores: Mapping[str, Any]) -> Row:
    """The scores of a case.

    Args:
        case: its name.
        patient: whose it is.
        against: what it was scored against: ``truth`` or ``labels``.
        scores: classes, groups, mean and identity, as ``lacaf.evaluate`` gives them for a
            reference.

    Returns:
        ``ABOUT`` and the metrics: ``dsc`` (mean of the classes), NSD at the first tolerance,
        ``cldice``, ``identity`` (artery–vein accuracy along the centreline), ``dsc_vessel``
        (arteries and veins as one), ``dsc_<class>``; None where the reference does not know.
    """
    mean = scores["mean"]
    nsd = next(name for name in mean if name.startswith("nsd_"))
    found = {"case": case, "patient": patient, "against": against}
    found |= {name: mean[name] for name in ("dsc", nsd, "cldice")}
    found["identity"] = scores["identity"]["both"].get("accuracy")
    found["dsc_vessel"] = scores["groups"].get("vessel", {}).get("dsc")
    return found | {f"dsc_{name}": scores["classes"][name]["dsc"] for name in CLASSES}


def metrics(rows: Sequence[Row]) -> list[str]:
    """The metrics that the rows hold, in order."""
    return [name for name in (rows[0] if rows else {}) if name not in ABOUT]


def heading(metric: str) -> str:
    """What a metric is called in a table."""
    if metric.startswith("nsd_"):
        return f"NSD {metric.removeprefix('nsd_').removesuffix('mm')} mm"
    if metric.startswith("dsc_"):
        return f"DSC {metric.removeprefix('dsc_').replace('_', ' ')}"
    return {"dsc": "DSC", "cldice": "clDice", "identity": "A/V right"}[metric]


def means(scored: Scored) -> dict[str, float | None]:
    """The mean over patients of each metric; None where no patient has it."""
    found = {metric: scored.by_patient(metric).values() for metric in metrics(scored.rows)}
    return {k: float(np.mean(list(v))) if v else None for k, v in found.items()}


def matrix(runs: Sequence[Scored], metric: str, patients: Sequence[str]) -> NDArray[np.float64]:
    """Values ``(seeds, patients)`` of an experiment's runs."""
    values = [run.by_patient(metric) for run in runs]
    return np.array([[own[patient] for patient in patients] for own in values], float)


def known_to_all(runs: Sequence[Scored], metric: str) -> list[str]:
    """The patients who have a value in every run, in the order of the first."""
    values = [run.by_patient(metric) for run in runs]
    return [patient for patient in values[0] if all(patient in own for own in values)]


def as_csv(rows: Sequence[Row]) -> str:
    """Rows as CSV with a header; an empty value was not evaluated."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [*ABOUT, *metrics(rows)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def read(path: Path) -> list[Row]:
    """Rows from the file that :func:`as_csv` fills."""
    with path.open(newline="", encoding="utf-8") as handle:
        return [
            {k: v if k in ABOUT else (float(v) if v else None) for k, v in line.items()}
            for line in csv.DictReader(handle)
        ]
