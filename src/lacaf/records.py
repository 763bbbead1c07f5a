"""What a stage leaves behind for a case: a folder, and in it one record in JSON.

The record says what was decided, or why the case was refused, and from what the folder was
made (digests of inputs, parameters and code). A folder appears whole or not at all.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lacaf.fault import Refusal
from lacaf.files import read_json, replacing, write_json
from lacaf.stages import stage_of


def path(folder: Path, stage: str) -> Path:
    """The file that holds a stage's record, in a folder of that stage."""
    return folder / stage_of(stage).record


def read(folder: Path, stage: str) -> dict[str, Any]:
    """The record of a stage in a case's folder.

    Raises:
        Missing: the stage has not been run for this case.
    """
    return read_json(path(folder, stage))


def carry_out(
    stage: str,
    case: str,
    folder: Path,
    made_from: Mapping[str, Any],
    work: Callable[[Path], Mapping[str, Any]],
    upstream: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Run a stage for one case and leave its folder behind, whole, with its record.

    Args:
        stage: the stage's word.
        case: the case's name.
        folder: where the result goes; replaced as a whole.
        made_from: what the result depends on, see :func:`lacaf.layout.made_from`.
        work: gets an empty folder, writes the result's files into it and returns the details
            for the record; raises :class:`Refusal` if the case cannot be used.
        upstream: record of the stage before; if that one refused the case, so does this.

    Returns:
        The record: ``case``, ``stage``, ``status`` (ok, refused), ``refusal``, ``made_from``
        and the details.
    """
    record: dict[str, Any] = {"case": case, "stage": stage, "status": "ok"}
    with replacing(folder) as temporary:
        if upstream is not None and upstream["status"] == "refused":
            record |= {"status": "refused", "refusal": upstream["refusal"]}
        else:
            try:
                record |= work(temporary)
            except Refusal as refusal:
                for leftover in temporary.iterdir():
                    shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
                record |= {"status": "refused", "refusal": {"stage": stage, **refusal.details}}
        record["made_from"] = dict(made_from)
        write_json(path(temporary, stage), record)
    return record
