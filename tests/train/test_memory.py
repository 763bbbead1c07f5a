"""A cohort that is larger than the memory it is trained in gives the same numbers."""

import resource
from pathlib import Path

import numpy as np
import pytest
from trainings import apart, history, without_time
from tubes import lay_out

from lacaf import chunked, files
from lacaf.cases import Case
from lacaf.classes import CLASSES

SHAPE = (224, 224, 224)
CASES = 12
#: What a training of these takes beside PyTorch itself; all cases together are 670 MB.
ROOM_MB = 400
PLAN = {"experiment": "plain", "steps": 8, "validate_every": 4, "width": 4}


def large_case(folder):
    """A case of 56 MB that takes kilobytes on the disk: a bar of an artery, and nothing else."""
    folder.mkdir(parents=True)
    hu = np.full(SHAPE, -850, np.int16)
    hu[:, 100:104, 160:164] = 300
    known = (hu > 0).astype(np.uint8)  # all of it is
    chunked.write(hu, folder / "hu.b2nd")
    chunked.write(known, folder / "facts.b2nd")
    chunked.write(np.zeros(SHAPE, np.float16), folder / "side.b2nd")
    line = np.linspace(-1, 1, SHAPE[0], dtype=np.float32)
    np.savez(folder / "place.npz", height=line, depth=line)
    centres = np.flatnonzero(hu > 0)
    np.save(folder / "centres.npy", centres)
    record = {
        "case": folder.name, "status": "ok", "shape": list(SHAPE), "spacing_mm": 4.0,
        "coverage": dict.fromkeys(CLASSES, "labelled"),
        "centres": {"left_artery": len(centres)} | dict.fromkeys(
            [*CLASSES[1:], "labelled", "unlabelled"], 0
        ),
    }  # fmt: skip
    files.write_json(folder / "prepare.json", record)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("project")
    cases = lay_out(folder / "data", {"check": "val"})
    for number in range(CASES):
        name = f"large{number}"
        large_case(folder / "data" / "prepare" / name)
        cases[name] = Case(name, name, name, name, "four_classes", "both", "train")
    return folder, cases


def limited():
    """Allow this process ``ROOM_MB`` more than it holds."""
    status = Path("/proc/self/status").read_text()
    held = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmData"))
    limit = held * 1024 + ROOM_MB * 1_000_000
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


def greedy():
    """Hold all cases at once, as a training did that kept its cohort in memory."""
    limited()
    kept = [np.ones((5, *SHAPE), np.uint8) for _ in range(CASES)]
    assert len(kept) == CASES


def test_the_same_numbers_with_less_memory_than_the_cohort_takes(project):
    free = apart(project, name="free", **PLAN)
    free.join()
    tight = apart(project, name="tight", before=limited, **PLAN)
    tight.join()
    assert (free.exitcode, tight.exitcode) == (0, 0)
    rows = [without_time(history(project[0] / name)) for name in ("free", "tight")]
    assert rows[0] == rows[1]


def test_the_limit_is_one(project):
    """The whole cohort in memory would have met it."""
    process = apart(project, name="greedy", before=greedy, **PLAN)
    process.join()
    assert process.exitcode == 1
