"""The case table ``data/cases.csv``: the spine, one row a case, under Git."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path
from typing import Literal, get_args

from lacaf.fault import Fault

Split = Literal["train", "val", "test", "predict"]
LabelledSide = Literal["left", "right", "both", "auto", ""]

COLUMNS = ("case", "patient", "source", "labels", "coding", "labelled_side", "split")
#: A column that may follow: which CT series of the source is meant.
SERIES = "series"
NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")
#: The number of a series in lacaf's messages, or a SeriesInstanceUID.
SERIES_NAME = re.compile(r"^(?:[1-9]\d{0,3}|[0-9]+(?:\.[0-9]+){2,})$")


class CasesError(Fault, ValueError):
    """The case table is not usable; the message names the row, the finding and the remedy."""


@dataclass(frozen=True)
class Case:
    """One row of the table.

    Attributes:
        case: name of the case, also of its folders; a pseudonym, never a patient's name or ID.
        patient: pseudonym of the patient; one patient is in one split only.
        source: the CT: a DICOM folder or archive, or a NIfTI, NRRD or MHA file.
        labels: label file, or folder with one file a vessel; None if there are no labels.
        coding: name of the labels' coding (``coding.py``); None if there are no labels.
        labelled_side: which lung was labelled: left, right, both, or ``auto`` to find out.
        split: train, val, test, or ``predict`` for cases that are only segmented.
        series: which CT series of the source is meant: the number that convert gives it, or its
            SeriesInstanceUID, which is compared and never shown; empty to choose by the rules.
    """

    case: str
    patient: str
    source: Path
    labels: Path | None
    coding: str | None
    labelled_side: LabelledSide
    split: Split
    series: str = field(default="", repr=False)


def read(
    path: Path = Path("data/cases.csv"), codings: Mapping[str, object] | None = None
) -> dict[str, Case]:
    """Read and check the table: cases by name, in the table's order.

    Paths in the table are relative to the working directory. All faults are reported at once.

    Raises:
        CasesError: a column, a value, a coding (if ``codings`` is given) or a split is wrong.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as handle:
            reader = csv.DictReader(handle)
            header = tuple(reader.fieldnames or ())
            rows = [
                row
                for row in reader
                if any((v or "").strip() for v in row.values() if isinstance(v, str))
            ]
    except FileNotFoundError:
        raise CasesError(f"{path}: no such file; it lists the cases, one row each") from None
    except (UnicodeDecodeError, csv.Error):
        raise CasesError(f"{path}: is no CSV text; save it as CSV in UTF-8") from None
    if header not in (COLUMNS, (*COLUMNS, SERIES)):
        raise CasesError(
            f"{path}: the columns are {', '.join(header) or 'missing'}; "
            f"expected exactly {', '.join(COLUMNS)}, and {SERIES} after them if you need it"
        )
    faults: list[str] = []
    cases: dict[str, Case] = {}
    taken: set[str] = set()
    for number, row in enumerate(rows, start=2):
        where = f"{path}, row {number}"
        found = _faults(row, codings)
        if not found and row["case"].strip().casefold() in taken:
            found = [
                f"case {row['case'].strip()!r} stands in an earlier row; give it a name of its own"
            ]
        faults += [f"{where}: {fault}" for fault in found]
        if not found:
            case = _case(row)
            cases[case.case] = case
            taken.add(case.case.casefold())  # some disks take c1 and C1 for one folder
    if not rows:
        faults.append(f"{path}: no cases; add one row a case")
    faults += [f"{path}: {fault}" for fault in leakage(cases)]
    if faults:
        raise CasesError("\n".join(faults))
    return cases


def leakage(cases: Mapping[str, Case]) -> list[str]:
    """What stands in more than one of train, val and test: a message for each patient and scan.

    A source holds one patient, whatever the table calls him, so a source in two splits is a leak
    under two names.
    """
    messages = []
    learnt_or_scored = [case for case in cases.values() if case.split != "predict"]
    for kind, key in (("patient", attrgetter("patient")), ("source", _place)):
        splits: dict[str, dict[str, list[str]]] = {}
        for case in learnt_or_scored:
            splits.setdefault(key(case), {}).setdefault(case.split, []).append(case.case)
        messages += [
            f"{f'patient {name!r}' if kind == 'patient' else 'one source'} is in "
            f"{' and '.join(where)} ({', '.join(c for group in where.values() for c in group)}): "
            "scores would be flattered; put all of a patient's cases into one split"
            for name, where in splits.items()
            if len(where) > 1
        ]
    return messages


def _place(case: Case) -> str:
    return os.path.normpath(case.source)


def present(cases: Iterable[Case]) -> None:
    """Check that the files that the table names are there.

    Raises:
        CasesError: with one line for each file that is not.
    """
    faults = [
        f"case {case.case}: {column} {str(path)!r} does not exist; correct the path in the table "
        "or fetch the data (make pull)"
        for case in cases
        for column, path in (("source", case.source), ("labels", case.labels))
        if path is not None and not path.exists()
    ]
    if faults:
        raise CasesError("\n".join(faults))


def _case(row: Mapping[str, str]) -> Case:
    value = {column: row[column].strip() for column in COLUMNS}
    return Case(
        case=value["case"],
        patient=value["patient"],
        source=Path(value["source"]),
        labels=Path(value["labels"]) if value["labels"] else None,
        coding=value["coding"] or None,
        labelled_side=value["labelled_side"],  # type: ignore[arg-type]
        split=value["split"],  # type: ignore[arg-type]
        series=(row.get(SERIES) or "").strip(),
    )


def _faults(row: Mapping, codings: Mapping[str, object] | None) -> list[str]:
    if None in row or any(row[column] is None for column in COLUMNS):
        return [f"has not {len(COLUMNS)} fields; check the commas"]
    value = {column: row[column].strip() for column in COLUMNS}
    faults = []
    for column in ("case", "patient"):
        if not NAME.match(value[column]):
            faults.append(
                f"{column} {_shown(value[column])}: expected a pseudonym of letters, digits, "
                "- and _"
            )
    if not value["source"]:
        faults.append("source is empty: expected the path of the CT")
    for column, allowed in (("split", get_args(Split)), ("labelled_side", get_args(LabelledSide))):
        if value[column] not in allowed:
            faults.append(
                f"{column} {_shown(value[column])}: expected one of "
                f"{', '.join(repr(a) if a else 'empty' for a in allowed)}"
            )
    labelled = [bool(value[c]) for c in ("labels", "coding", "labelled_side")]
    if any(labelled) and not all(labelled):
        faults.append("labels, coding and labelled_side are given together or not at all")
    if value["split"] in ("train", "val", "test") and not value["labels"]:
        faults.append(f"split {value['split']!r} needs labels; use 'predict' for a case without")
    if codings is not None and value["coding"] and value["coding"] not in codings:
        faults.append(
            f"coding {_shown(value['coding'])} is unknown; known are {', '.join(sorted(codings))}; "
            "declare your own under codings in params.yaml"
        )
    elif value["split"] == "test" and getattr((codings or {}).get(value["coding"]), "generated", 0):
        faults.append(
            f"coding {value['coding']!r} is of labels that a model made: they may train, never "
            "score; use split 'train', or labels drawn by people"
        )
    series = (row.get(SERIES) or "").strip()
    if series and not SERIES_NAME.match(series):
        faults.append(
            "series is neither the number that convert gives a series nor a SeriesInstanceUID"
        )
    return faults


def _shown(value: str) -> str:
    """A value as a message may quote it: a UID that slipped into another column stays unsaid."""
    return "(a UID)" if SERIES_NAME.match(value) and "." in value else repr(value)
