"""The project as a whole: refresh, check."""

from __future__ import annotations

from typing import Annotated

import typer

from lacaf import cases as case_table
from lacaf import layout
from lacaf.cli.entry import app, read_project
from lacaf.stages import CASE_STAGES


@app.command()
def refresh(
    stages: Annotated[list[str] | None, typer.Argument(help="Stages; all when none.")] = None,
) -> None:
    """After data came from DVC: keep what is still true, remove what is not."""
    from lacaf.refresh import refresh as work

    if strange := set(stages or ()) - set(CASE_STAGES):
        raise typer.BadParameter(
            f"{', '.join(sorted(strange))}: only {', '.join(CASE_STAGES)} can be refreshed"
        )
    params, cases = read_project()
    outcome = work(stages or CASE_STAGES, cases.values(), params)
    for name in outcome["removed"]:
        print(f"removed {name}: it was made from something else")
    print(f"kept {len(outcome['kept'])}, removed {len(outcome['removed'])}")


@app.command()
def check() -> None:
    """Check params.yaml and data/cases.csv without running anything."""
    _, cases = read_project()
    case_table.present(case for case in cases.values() if not layout.is_phantom(case))
    layout.check_raw(cases.values())
    print(f"params.yaml and data/cases.csv are sound: {len(cases)} cases")
