"""Make modification times tell the truth again.

Snakemake decides by modification times, DVC by content; after a checkout, DVC's files carry
new times, or old ones, in no order. Before DVC hands a stage to Snakemake, ``lacaf refresh``
looks at every case's record: if what it was made from has the same content now, its time is
set to now; if not, the folder is removed and Snakemake makes it again. So one changed case is
one job, and a stale result never survives, whatever the cache type.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

from lacaf import layout, records
from lacaf.cases import Case
from lacaf.params.whole import Params
from lacaf.stages import CASE_STAGES

#: A folder that a stage was filling when it was stopped, see ``files.replacing``.
HALF_MADE = re.compile(r"\..+\.\d+\.part")


def refresh(stages: Iterable[str], cases: Iterable[Case], params: Params) -> dict[str, list[str]]:
    """Touch what is still true, remove what is not.

    Args:
        stages: some of ``stages.CASE_STAGES``; they are worked through in the pipeline's order.
        cases: the case table; folders of cases that left the table are removed too, if they
            hold the stage's record. What else lies there is somebody's own and is left alone.
        params: the configuration as it is now.

    Returns:
        ``kept`` and ``removed``: lists of ``stage/case``.
    """
    outcome: dict[str, list[str]] = {"kept": [], "removed": []}
    cases = list(cases)
    for stage in (s for s in CASE_STAGES if s in set(stages)):
        chosen = [c for c in cases if stage != "phantom" or layout.is_phantom(c)]
        for case in chosen:
            if not layout.record(stage, case.case).exists():
                _remove(stage, case.case)
            elif _still_true(stage, case, params):
                _touch(layout.record(stage, case.case))
                outcome["kept"].append(f"{stage}/{case.case}")
            else:
                _remove(stage, case.case)
                outcome["removed"].append(f"{stage}/{case.case}")
        names = {case.case for case in chosen}
        for folder in layout.folder(stage, "x").parent.glob("*"):
            if folder.is_dir() and folder.name not in names and _made_by(stage, folder):
                _remove(stage, folder.name)
                outcome["removed"].append(f"{stage}/{folder.name}")
    return outcome


def _still_true(stage: str, case: Case, params: Params) -> bool:
    needed = list(layout.inputs(stage, case).values())
    if stage == "phantom":
        needed = [layout.RAW / case.case]
    if not all(path.exists() for path in needed):
        return False
    recorded = records.read(layout.folder(stage, case.case), stage).get("made_from")
    return recorded == layout.made_from(stage, case, params)


def _made_by(stage: str, folder: Path) -> bool:
    return records.path(folder, stage).exists() or bool(HALF_MADE.fullmatch(folder.name))


def _remove(stage: str, case: str) -> None:
    """Remove a stage's folder; raw data only where a record tells that they are a phantom's."""
    if stage == "phantom" and layout.record(stage, case).exists():
        shutil.rmtree(layout.RAW / case, ignore_errors=True)
    shutil.rmtree(layout.folder(stage, case), ignore_errors=True)


def _touch(path: Path) -> None:
    """Set the time of a file, and of a link itself where it is one."""
    os.utime(path)
    if path.is_symlink():
        os.utime(path, follow_symlinks=False)
