"""The cohort as the page shows it: counts, coverage at a glance, refusals, decisions."""

from __future__ import annotations

from collections import Counter
from typing import Any

from lacaf.classes import CLASSES
from lacaf.report.findings import Findings

SPLITS = ("train", "val", "test", "predict")


def nature(findings: Findings) -> dict[str, str]:
    """Whether the cohort is synthetic, real or mixed, as a word and as a sentence."""
    synthetic, total = len(findings.synthetic()), len(findings.cases)
    if not total:
        return {"kind": "EMPTY", "text": "The case table has no case."}
    if synthetic == total:
        return {
            "kind": "SYNTHETIC",
            "text": f"Every case here ({total}) is a computer-made phantom. Nothing on this page "
            "says how the model would do on patients.",
        }
    if synthetic:
        return {
            "kind": "PARTLY SYNTHETIC",
            "text": f"Of {total} cases, {synthetic} computer-made phantoms and "
            f"{total - synthetic} real CT.",
        }
    return {"kind": "REAL CT", "text": f"Every case here ({total}) is a real CT."}


def counts(findings: Findings) -> list[dict[str, Any]]:
    """One row a split: cases, patients, refused, and in how many each class is labelled."""
    rows = []
    for split in SPLITS:
        names = [name for name, case in findings.cases.items() if case.split == split]
        if not names:
            continue
        labelled = {
            c: sum(findings.coverage(name).get(c) == "labelled" for name in names) for c in CLASSES
        }
        rows.append(
            {
                "split": split,
                "cases": len(names),
                "patients": len({findings.cases[name].patient for name in names}),
                "refused": sum(findings.refusal(name) is not None for name in names),
                "labelled": labelled,
            }
        )
    return rows


def matrix(findings: Findings) -> list[dict[str, Any]]:
    """One row a case: split, coding, labelled side, notes, and the state of each class.

    A state is labelled, absent or unknown, ``refused``, or ``pending`` where harmonize has not
    run.
    """
    rows = []
    for name, case in findings.cases.items():
        coverage = findings.coverage(name)
        otherwise = "refused" if findings.refusal(name) else "pending"
        rows.append(
            {
                "case": name,
                "patient": case.patient,
                "split": case.split,
                "coding": case.coding or "no labels",
                "side": findings.side(name) or case.labelled_side,
                "notes": [
                    findings.redacted(name, str(flag))
                    for record in findings.case_records[name].values()
                    for flag in record.get("flags") or []
                    if flag != "no labels"
                ],
                "states": {c: coverage.get(c, otherwise) for c in CLASSES},
            }
        )
    return rows


def codings(findings: Findings) -> list[tuple[str, int]]:
    """How often each coding occurs."""
    found = Counter(case.coding or "no labels" for case in findings.cases.values())
    return found.most_common()


def refused(findings: Findings) -> list[dict[str, str]]:
    """The refused cases: stage, finding, expectation, remedy."""
    rows = []
    for name in findings.cases:
        refusal = findings.refusal(name)
        if refusal:
            rows.append({"case": name, **refusal})
    return rows
