"""The case table of a synthetic cohort: mostly half-labelled, in everybody's coding."""

from __future__ import annotations

from pathlib import PurePosixPath

from lacaf.cases import COLUMNS

Pattern = tuple[str, str, str]  # coding, labelled side, label file or folder

#: About seven in ten cases are half-labelled, as in the field; some know arteries only.
TRAIN: tuple[Pattern, ...] = (
    ("artery1_vein2", "both", "labels.nii.gz"),
    ("four_classes", "left", "labels.nrrd"),
    ("vein1_artery2", "right", "labels.mha"),
    ("file_per_vessel", "left", "labels"),
    ("artery_only", "right", "labels.nii.gz"),
    ("artery1_vein2", "right", "labels.mha"),
    ("vein1_artery2", "left", "labels.nii.gz"),
    ("file_per_vessel", "auto", "labels"),
    ("artery_only", "left", "labels.nrrd"),
)
#: Validation and test hold more full cases: scores of both lungs need them.
VAL: tuple[Pattern, ...] = (
    ("four_classes", "both", "labels.nii.gz"),
    ("artery1_vein2", "left", "labels.nrrd"),
)
TEST: tuple[Pattern, ...] = (
    ("artery1_vein2", "both", "labels.nrrd"),
    ("file_per_vessel", "both", "labels"),
    ("vein1_artery2", "right", "labels.mha"),
)
RAW = PurePosixPath("data/raw")
TEST_FRACTION, VAL_FRACTION = 0.2, 0.15


def table(n: int) -> str:
    """A case table (CSV text) of ``n`` phantoms, split into train, val and test by patient.

    The second and third case are two scans of one patient.

    Raises:
        ValueError: fewer than three cases, one for each split.
    """
    if n < 3:
        raise ValueError(f"{n} phantom cases: needs at least 3, one each to train, val and test")
    test, val = max(1, round(TEST_FRACTION * n)), max(1, round(VAL_FRACTION * n))
    splits = [("train", TRAIN)] * (n - val - test) + [("val", VAL)] * val + [("test", TEST)] * test
    lines = [",".join(COLUMNS)]
    seen = {"train": 0, "val": 0, "test": 0}
    second_scan = n - val - test >= 3
    for number, (split, patterns) in enumerate(splits, start=1):
        coding, side, labels = patterns[seen[split] % len(patterns)]
        seen[split] += 1
        case = f"phantom{number:03d}"
        patient = f"patient{2 if number == 3 and second_scan else number:03d}"
        folder = RAW / case
        lines.append(
            f"{case},{patient},{folder / 'dicom'},{folder / labels},{coding},{side},{split}"
        )
    return "\n".join(lines) + "\n"
