"""A plain handed-over series to convert, whole or broken on purpose."""

import json
from pathlib import Path

import pydicom
import pytest
from phantom.simple import case_in, simple

from lacaf import records
from lacaf.coding import builtin
from lacaf.convert import convert
from lacaf.params import whole as params
from lacaf.phantom.handling import Handling
from lacaf.phantom.handover import hand_over


@pytest.fixture(scope="session")
def settings():
    return params.load(Path(__file__).parents[2] / "params" / "demo.yaml")


@pytest.fixture(scope="session")
def phantom():
    return simple()


@pytest.fixture
def run(settings, tmp_path):
    """Convert a case as the command does: the record; the files are in ``run.folder``.

    Keywords change parameters of the stage.
    """

    def once(case, **changes):
        rules = settings.convert.model_copy(update=changes)
        coding = settings.all_codings()[case.coding] if case.coding else None
        record = records.carry_out(
            "convert",
            case.case,
            once.folder,
            {},
            lambda folder: convert(case, rules, coding, folder),
        )
        assert json.loads((once.folder / "source.json").read_text()) == record
        return record

    once.folder = tmp_path / "convert" / "case1"
    return once


class Delivery:
    """A handed-over case whose DICOM files can be tampered with."""

    def __init__(self, phantom, folder, coding="", side="both", labels="labels.nii.gz", **way):
        self.case = case_in(folder, coding, side, labels)
        self.raw, self.truth = folder / "case1", folder / "truth"
        meaning = builtin()[coding] if coding else None
        self.details = hand_over(
            phantom, self.case, meaning, 5, self.raw, self.truth, handling=Handling(**way)
        )

    def slices(self):
        """The slices' files from the feet up."""
        files = [p for p in self.case.source.rglob("IM??????") if p.is_file()]
        place = {p: pydicom.dcmread(p, stop_before_pixels=True) for p in files}
        return sorted(files, key=lambda p: float(place[p].ImagePositionPatient[2]))

    def edit(self, change, which=slice(None)):
        """Apply ``change(dataset)`` to some slices, counted from the feet."""
        for path in self.slices()[which]:
            dataset = pydicom.dcmread(path)
            change(dataset)
            dataset.save_as(path)


@pytest.fixture
def deliver(phantom, tmp_path):
    return lambda *args, **way: Delivery(phantom, tmp_path / "raw", *args, **way)
