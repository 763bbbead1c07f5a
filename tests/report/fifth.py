"""A project with an airway as fifth class; run as a script on a package whose table has it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import mini
import numpy as np

from lacaf.classes import CLASSES, UNKNOWN
from lacaf.report.errors import errors
from lacaf.report.mistakes import mistakes

#: The row that a package's table gets, and where it goes.
ROW = """    Class(
        5, "airway", "airway", "", "airway", "airway",
        {"safe": "#b9a6ff", "paper": "#b9a6ff"}, ("89187006", "Airway structure"),
    ),
"""
END = ")  # fmt: skip\n"
AIRWAY = 5
#: In the middle of the mediastinum, of the length of the vessels.
PLACE = (slice(4, 20), slice(13, 16), slice(18, 21))

without = mini.truth


def truth() -> np.ndarray:
    """The vessels and an airway between the lungs."""
    labels = without()
    labels[PLACE] = AIRWAY
    return labels


def build(root: Path) -> None:
    """Pages of a phantom: one run finds all, the other takes the airway for a left artery."""
    mini.truth = truth
    project = mini.Mini(root)
    project.case("phantom001", "test")
    wrong = truth()
    wrong[wrong == AIRWAY] = 1
    wrong[:, :, 25:][wrong[:, :, 25:] == 1] = AIRWAY
    for run, labels in (("lacaf-s0", truth()), ("unet-s0", wrong)):
        project.trained(run)
        project.predicted(run, "phantom001", labels)
    project.report()
    known = dict.fromkeys(CLASSES, "labelled")
    codes = errors(
        np.array([5, 0, 1, 5, 5, 5], np.uint8), np.array([5, 5, 5, 1, 0, UNKNOWN], np.uint8), known
    )
    listed = mistakes(wrong, truth(), known, mini.GRID, None)
    told = {"codes": codes.tolist(), "mistakes": [one.sentence() for one in listed]}
    (root / "told.json").write_text(json.dumps(told))


if __name__ == "__main__":
    build(Path(sys.argv[1]))
