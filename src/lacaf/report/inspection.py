"""One case looked at by a person: what was decided, in the terminal and as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lacaf import fault, files, layout
from lacaf.report.casepage import decision_figure, page_content
from lacaf.report.casevolumes import converted
from lacaf.report.decisions import decisions
from lacaf.report.findings import Findings
from lacaf.report.overlay import save
from lacaf.report.palette import CLASS_NAME, PALETTES
from lacaf.report.rendering import render

if TYPE_CHECKING:
    from rich.console import Console

MARKS = {"ok": "green", "refused": "bold red", "not reached": "dim", "not run": "dim"}
STATES = {"labelled": "green", "absent": "cyan", "unknown": "yellow"}


def inspect(findings: Findings, case: str, out: Path, chosen: str, title: str) -> None:
    """Write what the stages decided about a case, before any training.

    Args:
        findings: what there is to report; of other cases nothing is needed.
        case: its name.
        out: a PNG gets the picture alone, anything else a page with it and all decisions.
        chosen: name of the palette.
        title: of the report.

    Raises:
        Missing: no stage has been run for the case.
    """
    if not findings.case_records[case]:
        path = layout.record("harmonize", case)
        raise fault.Missing(f"nothing is known of case {case} yet: run `snakemake {path}` first")
    palette, base = PALETTES[chosen], converted(findings, case)
    if out.suffix == ".png":
        save(decision_figure(findings, base, palette), out)
        return
    content = page_content(findings, base, palette) | {"title": title, "linked": False}
    files.write_text(out, render("case.html", chosen, **content))


def show(findings: Findings, case: str, console: Console | None = None) -> None:
    """Print the decisions, stage by stage; a refusal with what to do about it."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = console or Console()
    row = findings.cases[case]
    console.print(Text.assemble((case, "bold"), f"  patient {row.patient}, split {row.split}"))
    table = Table(show_header=False, box=None, padding=(0, 1))
    for told in decisions(findings, case):
        table.add_row(Text(told.stage, "bold"), Text(told.status, MARKS[told.status]))
        for name, fact in told.facts:
            table.add_row(Text(f"  {name}"), Text(fact))
        for note in told.notes:
            table.add_row(Text("  note", "yellow"), Text(note, "yellow"))
    console.print(table)
    refusal = findings.refusal(case)
    if refusal:
        where = f"{refusal['file']}: " if refusal["file"] else ""
        console.print(
            Text(f"REFUSED by {refusal['stage']}: {where}{refusal['finding']}", "bold red")
        )
        console.print(Text(f"  expected   {refusal['expectation']}"))
        console.print(Text(f"  what to do {refusal['remedy']}"))
    for name, state in findings.coverage(case).items():
        console.print(Text.assemble(f"{CLASS_NAME[name]:14}", (state, STATES.get(state, ""))))
