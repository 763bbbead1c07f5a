"""Enhanced CT: the frames of one file are the slices of one volume."""

from copy import deepcopy

import numpy as np
import pydicom
import pytest
from convert.enhanced import enhanced, save
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGLSLossless,
    RLELossless,
)

from lacaf import volume

EVERY_GROUP = (
    "PlanePositionSequence", "PlaneOrientationSequence", "PixelMeasuresSequence",
    "PixelValueTransformationSequence", "CTReconstructionSequence",
)  # fmt: skip
SYNTAXES = [
    ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian, JPEGLSLossless, RLELossless,
]  # fmt: skip


class Packed:
    """A plain series, what it converts to, and the same slices to be packed into one file."""

    def __init__(self, delivery, run):
        self.case, self.run = delivery.case, run
        files = delivery.slices()
        self.slices = [pydicom.dcmread(path) for path in files]
        run(self.case)
        self.plain = volume.read(run.folder / "image.nii.gz")
        for path in files:
            path.unlink()
        self.file = files[0]

    def same(self, record):
        assert record["status"] == "ok", record
        image = volume.read(self.run.folder / "image.nii.gz")
        assert np.array_equal(image.array, self.plain.array)
        assert image.grid.same_as(self.plain.grid)


@pytest.fixture
def pack(deliver, run):
    return lambda **way: Packed(deliver(**way), run)


@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda syntax: syntax.name)
def test_an_enhanced_ct_is_the_same_volume_as_its_slices(pack, run, syntax):
    packed = pack(swap=True, flip_x=True, turn_degrees=(3.0, -5.0, 8.0), offset_mm=(9, -8, -300))
    shuffled = np.random.default_rng(0).permutation(len(packed.slices))
    save(enhanced([packed.slices[i] for i in shuffled]), packed.file, syntax)
    record = run(packed.case)
    packed.same(record)
    assert record["chosen"]["slices"] == 26
    assert record["chosen"]["kernel"] == "STANDARD"
    assert record["chosen"]["slice_thickness_mm"] == 3.0
    assert record["chosen"]["transfer_syntax"] == [syntax.name]


@pytest.mark.parametrize("count", range(len(EVERY_GROUP) + 1))
def test_a_group_may_be_shared_or_each_frames_own(pack, run, count):
    packed = pack()
    shared = [g for g in EVERY_GROUP if g != "PlanePositionSequence"][:count]
    save(enhanced(packed.slices, shared), packed.file)
    packed.same(run(packed.case))


def test_a_series_may_come_in_several_enhanced_files(pack, run):
    packed = pack()
    for part, start in enumerate(range(0, 26, 7)):
        slices = packed.slices[start : start + 7]
        save(enhanced(slices), packed.file.with_name(f"part{part}"))
    packed.same(run(packed.case))


def test_rescale_values_may_differ_from_frame_to_frame(pack, run):
    packed = pack(storage="unsigned -1024")
    for index, plain in enumerate(packed.slices[::2]):
        higher = 100 + index
        plain.PixelData = (plain.pixel_array + np.uint16(higher)).tobytes()
        plain.RescaleIntercept = str(-1024 - higher)
    save(enhanced(packed.slices), packed.file)
    packed.same(run(packed.case))


def test_a_scout_among_the_frames_is_left_aside(pack, run):
    packed = pack()
    scout = deepcopy(packed.slices[3])
    scout.ImageOrientationPatient = [1, 0, 0, 0, 0, -1]
    kinds = [["ORIGINAL", "PRIMARY", "LOCALIZER", "NONE"]]
    kinds += [["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]] * 26
    shared = ("PixelMeasuresSequence",)
    save(enhanced([scout, *packed.slices], shared, kinds), packed.file)
    record = run(packed.case)
    packed.same(record)
    assert record["left_aside"] == {"localizer": 1}


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda d: d.PerFrameFunctionalGroupsSequence.pop(), "1 × CT with several frames"),
        (lambda d: d.pop("PerFrameFunctionalGroupsSequence"), "1 × CT with several frames"),
        (
            lambda d: d.PerFrameFunctionalGroupsSequence[4].pop("PlanePositionSequence"),
            "DICOM file 1, frame 5: ImagePositionPatient is missing",
        ),
        (
            lambda d: d.PerFrameFunctionalGroupsSequence[4].pop("PixelValueTransformationSequence"),
            "DICOM file 1, frame 5: RescaleSlope or RescaleIntercept is missing",
        ),
        (lambda d: setattr(d, "PixelData", d.PixelData[:-900]), "its header asks for 68640"),
    ],
)
def test_a_broken_enhanced_ct_is_refused_with_its_frame(pack, run, damage, message):
    packed = pack()
    dataset = enhanced(packed.slices)
    damage(dataset)
    save(dataset, packed.file)
    record = run(packed.case)
    assert record["status"] == "refused", record
    assert message in f"{record['refusal']['file']}: {record['refusal']['finding']}"
