"""Where all commands begin: the application, its faults, and what they read and tell."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from lacaf import cases as case_table
from lacaf import layout, records
from lacaf.coding import Coding
from lacaf.fault import Fault, Interrupted
from lacaf.params import whole as parameters
from lacaf.stages import stage_of

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Pulmonary arteries and veins from half-labelled chest CT, stage by stage. "
    "Run in a folder with params.yaml and data/cases.csv.",
)

#: The exit code of a command that was asked to stop: what a shell says of SIGTERM.
STOPPED = 143

CaseName = Annotated[str, typer.Argument(help="Name of a case in data/cases.csv.")]
RunName = Annotated[str, typer.Argument(help="Name of a run, e.g. lacaf-s0.")]


def main() -> None:
    """Run the command line; a user's fault ends with a message and exit code 2, a
    request to stop with ``STOPPED``."""
    try:
        check_system(sys.platform)
        app()
    except Interrupted as stopped:
        print(f"lacaf: {stopped}", file=sys.stderr)
        sys.exit(STOPPED)
    except Fault as fault:
        print(f"lacaf: {fault}", file=sys.stderr)
        sys.exit(2)


def check_system(platform: str) -> None:
    """Say so at once where the software cannot run, instead of failing somewhere inside.

    Raises:
        Fault: on Windows, which lacks the file locks and links that the pipeline stands on.
    """
    if platform == "win32":
        raise Fault("lacaf runs on Linux; on Windows use it inside WSL 2, which is Linux")


def read_project() -> tuple[parameters.Params, dict[str, case_table.Case]]:
    """The configuration and the case table of the working directory, checked."""
    params = parameters.load()
    return params, case_table.read(codings=params.all_codings())


def read_case(name: str) -> tuple[parameters.Params, case_table.Case]:
    """The configuration and one row of the case table.

    Raises:
        CasesError: the table has no such case.
    """
    params, cases = read_project()
    if name not in cases:
        raise case_table.CasesError(f"data/cases.csv has no case {name!r}")
    return params, cases[name]


def coding_of(params: parameters.Params, case: case_table.Case) -> Coding | None:
    """What a case's labels mean; None if it has none."""
    return params.all_codings()[case.coding] if case.coding else None


def carry_out(
    stage: str,
    params: parameters.Params,
    case: case_table.Case,
    work: Callable[[Path], Mapping[str, Any]],
    *,
    nothing_there: bool = False,
) -> None:
    """Do a stage's work on a case as the stage is declared, and tell how it ended.

    Args:
        stage: one of ``stages.CASE_STAGES``; if the last stage that it reads refused the case, so
            does it.
        params: the configuration.
        case: the case's row.
        work: see ``records.carry_out``.
        nothing_there: what it reads is missing, so that the record can name no digests of it.
    """
    before = stage_of(stage).reads[-1:]
    upstream = [records.read(layout.folder(word, case.case), word) for word in before]
    made_from = {} if nothing_there else layout.made_from(stage, case, params)
    folder = layout.folder(stage, case.case)
    tell(records.carry_out(stage, case.case, folder, made_from, work, *upstream))


def tell(record: Mapping[str, Any]) -> None:
    """Print how a stage ended for a case: done, or refused and why."""
    refusal = record.get("refusal")
    if refusal:
        print(
            f"case {record['case']} REFUSED by {refusal['stage']}: "
            f"{refusal['file'] + ': ' if refusal['file'] else ''}{refusal['finding']}; "
            f"expected {refusal['expectation']}; {refusal['remedy']}"
        )
    else:
        print(f"case {record['case']}: {record['stage']} done")


@contextmanager
def redacted() -> Iterator[None]:
    """Keep an unexpected error loud, but without its message.

    For the stage that reads a hospital's files: the message of somebody else's code may quote a
    file's name or a header. The place and the type of the error are enough to find a bug.
    """
    try:
        yield
    except Fault:
        raise
    except Exception as error:
        why = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else ""
        print("".join(traceback.format_tb(error.__traceback__)), end="", file=sys.stderr)
        print(
            f"lacaf: {type(error).__name__}{' (' + why + ')' if why else ''}; its message is "
            "left out, it may quote a patient's data",
            file=sys.stderr,
        )
        raise typer.Exit(1) from None
