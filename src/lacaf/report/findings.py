"""What there is to report: every record and table below ``data``, any of which may be missing."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lacaf import layout, records
from lacaf.cases import Case
from lacaf.classes import CLASSES
from lacaf.params.whole import Params
from lacaf.stages import CASE_STAGES

#: The stages that work on every case that came, in order; each may refuse it. The phantom is made.
STAGES = tuple(word for word in CASE_STAGES if word not in ("phantom", "prepare"))


@dataclass
class Run:
    """A model: trained here, or elsewhere and named under ``infer.models``.

    Attributes:
        name: ``lacaf-s0``.
        experiment: ``lacaf``.
        seed: None for a model trained elsewhere.
        model: content of ``model.json``; empty if there is none.
        history: rows of ``history.csv``, numbers or None by column.
        predictions: record of stage infer by case.
    """

    name: str
    experiment: str
    seed: int | None
    model: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, float | None]] = field(default_factory=list)
    predictions: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass
class Findings:
    """Everything that the page is made from, but for the volumes themselves.

    Attributes:
        data: the folder of the stages.
        cases: rows of the case table by case.
        case_records: stage to record, by case; only stages that have run.
        runs: all models by name, whether or not they have been trained.
        summary: content of ``evaluate/summary.json``; empty if there is none.
        scores: rows of ``evaluate/scores.csv`` as text.
    """

    data: Path
    cases: dict[str, Case]
    case_records: dict[str, dict[str, dict[str, Any]]]
    runs: dict[str, Run]
    summary: dict[str, Any]
    scores: list[dict[str, str]]

    def refusal(self, case: str) -> dict[str, str] | None:
        """Why a case was refused, by the first stage that did; None if none did."""
        for record in self.case_records[case].values():
            if record.get("status") == "refused":
                return {k: self.redacted(case, v) for k, v in record["refusal"].items()}
        return None

    def redacted(self, case: str, text: str) -> str:
        """A text without the paths of the case table, which may hold more than a pseudonym."""
        paths = {"source": self.cases[case].source, "labels": self.cases[case].labels}
        for column, path in paths.items():
            if path is not None:
                text = text.replace(str(path), f"({column})")
        return text

    def side(self, case: str) -> str:
        """The side that was found to be labelled; empty if there is none."""
        record = self.case_records[case].get("harmonize", {})
        return str((record.get("labelled_side") or {}).get("found") or "")

    def case_scores(self, run: str, case: str) -> dict[str, Any]:
        """Content of a case's ``scores.json``; empty if it was not scored."""
        record = read_json(records.path(self.data / "evaluate" / run / case, "evaluate"))
        return record if record.get("status") == "ok" else {}

    def coverage(self, case: str) -> dict[str, str]:
        """State of each class; empty if the case was refused or not harmonized yet."""
        record = self.case_records[case].get("harmonize", {})
        return dict(record.get("coverage", {}))

    def synthetic(self) -> list[str]:
        """The cases that are phantoms."""
        return [name for name, case in self.cases.items() if layout.is_phantom(case)]

    def truth(self, case: str) -> Path | None:
        """The hidden truth of a phantom, if it is there."""
        path = self.data / "truth" / case / "labels.nii.gz"
        return path if layout.is_phantom(self.cases[case]) and path.exists() else None

    def segmented(self) -> list[str]:
        """Cases with at least one prediction on disk: test cases first."""
        found = [
            name
            for name in self.cases
            if any(self.prediction(run, name) is not None for run in self.runs)
        ]
        return sorted(found, key=lambda name: self.cases[name].split != "test")

    def prediction(self, run: str, case: str) -> Path | None:
        """The label volume of a run for a case, if there is one."""
        record = self.runs[run].predictions.get(case)
        path = self.data / "infer" / run / case / "labels.nii.gz"
        return path if record and record.get("status") == "ok" and path.exists() else None

    def trained(self) -> list[Run]:
        """The runs that have a model."""
        return [run for run in self.runs.values() if run.model]


def gather(params: Params, cases: Mapping[str, Case], data: Path) -> Findings:
    """Read all records and tables; what is missing is left empty."""
    case_records = {
        name: {
            stage: record
            for stage in STAGES
            if (record := read_json(records.path(data / stage / name, stage)))
        }
        for name in cases
    }
    planned: dict[str, tuple[str, int | None, Path]] = {
        name: (experiment, seed, data / "train" / name)
        for name, (experiment, seed) in params.runs().items()
    }
    planned |= {name: (name, None, Path(at)) for name, at in params.infer.models.items()}
    runs = {}
    for name, (experiment, seed, folder) in planned.items():
        run = Run(name, experiment, seed, read_json(folder / "model.json"))
        run.history = [
            {column: parsed(text) for column, text in row.items()}
            for row in read_table(folder / "history.csv")
        ]
        for case in cases:
            record = read_json(records.path(data / "infer" / name / case, "infer"))
            if record:
                run.predictions[case] = record
        runs[name] = run
    return Findings(
        data,
        dict(cases),
        case_records,
        runs,
        read_json(data / "evaluate" / "summary.json"),
        read_table(data / "evaluate" / "scores.csv"),
    )


def read_json(path: Path) -> dict[str, Any]:
    """Content of a JSON file; empty if the file is not there."""
    return json.loads(path.read_text()) if path.exists() else {}


def read_table(path: Path, delimiter: str = ",") -> list[dict[str, str]]:
    """Rows of a table with a header; none if the file is not there."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle, delimiter=delimiter))


def parsed(text: str | None) -> float | None:
    """The number in a field of a table; None if it holds none."""
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if value == value else None


def complete(coverage: Mapping[str, str]) -> Mapping[str, str]:
    """A coverage in which a class that is not mentioned is unknown."""
    return {name: coverage.get(name, "unknown") for name in CLASSES}
