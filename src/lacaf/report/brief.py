"""The report in one minute: how good the model is, and where it fails, in sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lacaf.classes import CLASSES
from lacaf.report.classscores import by_calibre
from lacaf.report.findings import Findings
from lacaf.report.palette import CLASS_NAME
from lacaf.report.scores import (
    AGAINST,
    across,
    best_reference,
    by_experiment,
    cell,
    entry,
    guided,
    of_runs,
)

#: Below so many patients an interval is a rough guess, and the report says so.
FEW_PATIENTS = 20


def main_run(findings: Findings) -> str:
    """The run that the report speaks of first: the first language-guided one, else the first."""
    scored = list(of_runs(findings, best_reference(findings)))
    runs = scored or [run.name for run in findings.trained()] or list(findings.runs)
    language = (r for r in runs if r in findings.runs and guided(findings.runs[r].model))
    return next(language, runs[0] if runs else "")


def in_brief(findings: Findings, worst: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Pairs of a question and its answer; empty without scores.

    Args:
        findings: what there is to report.
        worst: the longest errors of all cases, see :func:`worst_errors`.
    """
    against = best_reference(findings)
    scored = of_runs(findings, against)
    if not scored:
        return []
    run = main_run(findings)
    subjects = scored[run]
    answers = [
        ("How good?", _how_good(findings, run, against)),
        ("Artery or vein?", _artery_or_vein(subjects)),
        ("Where does it fail?", _failures(findings, subjects, run, against, worst)),
        ("How sure?", _how_sure(findings, subjects, against)),
    ]
    return [(question, answer) for question, answer in answers if answer]


def worst_errors(
    findings: Findings, pages: Mapping[str, Mapping[str, Any]], run: str, most: int
) -> list[dict[str, Any]]:
    """The longest errors of a run over all cases of split test, longest first.

    Args:
        findings: what there is to report.
        pages: what :func:`lacaf.report.casepage.write_case` told of each case.
        run: the run.
        most: how many.
    """
    found = [
        {"case": case, "run": run, "number": number, **one}
        for case, about in pages.items()
        if findings.cases[case].split == "test"
        for number, one in enumerate(about.get("mistakes", {}).get(run, []), start=1)
    ]
    return sorted(found, key=lambda one: -one["length_mm"])[:most]


def percent(fraction: float) -> str:
    """A fraction as people say it."""
    return f"{fraction:.0%}".replace("%", " %")


def _how_good(findings: Findings, run: str, against: str) -> str:
    experiments = by_experiment(findings, against)
    own = next(name for name, runs in experiments.items() if run in runs)
    told = []
    for name in sorted(experiments, key=lambda name: name != own):
        runs = experiments[name]
        dsc = cell(across(findings, against, runs, "mean", "dsc"))
        spread = [f"95 %: {dsc['interval']}"] if dsc["interval"] else []
        spread += [f"seeds: {dsc['seeds']}"] if dsc["seeds"] else []
        joined = "; ".join(spread)
        who = runs[0] if len(runs) == 1 else name
        told.append(f"{who} {dsc['mean']}{f' ({joined})' if spread else ''}")
    found = across(findings, against, experiments[own], "both", "found_share").get("mean")
    also = f" It finds {percent(found)} of the vessels' length." if found is not None else ""
    measured = f"Measured against the {AGAINST[against].split(' (')[0]}."
    return f"Mean DSC: {'; '.join(told)}. {measured}{also}"


def _artery_or_vein(subjects: Mapping[str, Any]) -> str:
    accuracy = entry(subjects, "both", "accuracy").get("mean")
    if accuracy is None:
        return "Cannot be told: no case has both vessel types labelled on one side."
    told = f"Of the length that it finds, {percent(accuracy)} is called by the right name"
    always = entry(subjects, "both", "always_artery").get("mean")
    if always is not None:
        told += f"; calling everything an artery would reach {percent(always)}"
    side = entry(subjects, "both", "side_accuracy").get("mean")
    return (
        told + "." + (f" Left and right are right for {percent(side)}." if side is not None else "")
    )


def _failures(
    findings: Findings,
    subjects: Mapping[str, Any],
    run: str,
    against: str,
    worst: Sequence[Mapping[str, Any]],
) -> str:
    by_class = {
        name: mean
        for name in CLASSES
        if (mean := entry(subjects, name, "dsc").get("mean")) is not None
    }
    told = []
    if by_class:
        weakest = min(by_class, key=lambda name: by_class[name])
        best = max(by_class, key=lambda name: by_class[name])
        low, high = f"{by_class[weakest]:.2f}", f"{by_class[best]:.2f}"
        told.append(
            f"Weakest on the {CLASS_NAME[weakest]} (DSC {low}), best on the "
            f"{CLASS_NAME[best]} ({high})."
            if low != high
            else f"No class is weaker than another (DSC {low})."
        )
    told += _thin_vessels(findings, run, against)
    if worst:
        one = worst[0]
        told.append(
            f"Longest error: {one['text'].lower()} over {one['length_mm']:.0f} mm in {one['case']}"
            f"{', ' + one['place'] if one['place'] else ''}."
        )
    return " ".join(told)


def _thin_vessels(findings: Findings, run: str, against: str) -> list[str]:
    bands = by_calibre(findings, against)
    line = next((row for row in bands["rows"] if row["run"] == run), None)
    if line is None:
        return []
    known = [
        (name, value["value"])
        for name, value in zip(bands["columns"], line["cells"], strict=True)
        if value["value"] is not None
    ]
    if len(known) < 2:
        return []
    (thin, low), (thick, high) = known[0], known[-1]
    return [f"Found of vessels of {thin}: {percent(low)}; of {thick}: {percent(high)}."]


def _how_sure(findings: Findings, subjects: Mapping[str, Any], against: str) -> str:
    dsc = entry(subjects, "mean", "dsc")
    patients, cases = dsc.get("patients", 0), dsc.get("cases", 0)
    scored = {row["case"] for row in findings.scores}
    told = [f"{cases} test cases of {patients} patients."]
    if patients < FEW_PATIENTS:
        told.append("So few that the interval is no more than a hint.")
    if scored and scored <= set(findings.synthetic()):
        told.append("All of them are phantoms: nothing here says how it would do on patients.")
    refused = sum(findings.refusal(case) is not None for case in findings.cases)
    if refused:
        told.append(f"{refused} of {len(findings.cases)} cases of the cohort were refused.")
    seeds = {run.seed for run in findings.trained()}
    if len(seeds) == 1:
        told.append("One training seed: how much another seed would change is not known.")
    return " ".join(told)
