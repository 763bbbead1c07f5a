"""Where slices may lie, or not."""

import numpy as np
import pydicom
from convert.enhanced import enhanced, save
from odd.delivered import Delivered, dicom, tags
from pydicom.uid import JPEGLSLossless, generate_uid


def drop(*numbers: int):
    return lambda delivered: [delivered.files[n].unlink() for n in numbers]


def keep(count: int):
    return lambda delivered: [path.unlink() for path in delivered.files[count:]]


def shift(by, which=slice(None)):
    """Move slices: ``by(z)`` is the shift in mm."""

    def change(dataset: pydicom.Dataset) -> None:
        place = np.array([float(v) for v in dataset.ImagePositionPatient])
        dataset.ImagePositionPatient = [round(float(v), 4) for v in place + by(place[2])]

    return lambda delivered: delivered.edit(change, which)


def twin(delivered: Delivered) -> None:
    delivered.add("twin", slice(7, 8))


def two_phases(delivered: Delivered) -> None:
    delivered.add("again")


def crop(delivered: Delivered) -> None:
    def change(dataset: pydicom.Dataset) -> None:
        dataset.PixelData = dataset.pixel_array[:-2].tobytes()
        dataset.Rows -= 2

    delivered.edit(change, slice(3, 4))


def lying_numbers(delivered: Delivered) -> None:
    """Everything that is not asked says something wrong."""

    def change(dataset: pydicom.Dataset) -> None:
        number = int(dataset.InstanceNumber)
        dataset.InstanceNumber = (number * 7) % 26
        dataset.SliceLocation = str(-5 * number)
        dataset.SpacingBetweenSlices = "-1.25"

    delivered.edit(change)


def one_file(syntax=None, damage=lambda dataset: None):
    """All slices in one enhanced file, in another order."""

    def spoil(delivered: Delivered) -> None:
        slices = [pydicom.dcmread(path) for path in delivered.files]
        dataset = enhanced([slices[i] for i in np.random.default_rng(0).permutation(26)])
        damage(dataset)
        for path in delivered.files:
            path.unlink()
        save(dataset, delivered.files[0], *([syntax] if syntax else []))

    return spoil


def as_frames(delivered: Delivered) -> None:
    delivered.edit(lambda d: setattr(d, "NumberOfFrames", 3))


def raw_text(keyword: str, text: bytes):
    """A value that no program would write: put past pydicom's checks."""

    def change(dataset: pydicom.Dataset) -> None:
        element = dataset[keyword]
        dataset[keyword] = pydicom.dataelem.RawDataElement(
            element.tag, element.VR, len(text), text, 0, False, True
        )

    return lambda delivered: delivered.edit(change, slice(5, 6))


def new_uid(delivered: Delivered) -> None:
    delivered.edit(lambda d: setattr(d, "SeriesInstanceUID", generate_uid()))


LEAN = {"ImageOrientationPatient": [1, 0, 0, 0, 0, -1]}

KINDS = [
    dicom("missing-slice", "one slice is missing", "refused",
          "missing slice: a gap of 6.00 mm after slice 10 of 25", drop(10)),
    dicom("missing-slices", "slices are missing in two places", "refused", "and 1 more gaps",
          drop(5, 6, 12)),
    dicom("one-slice", "a single slice", "refused", "too few slices (series 1: 1 slice,", keep(1)),
    dicom("few-slices", "five slices of a chest", "refused", "too few slices", keep(5)),
    dicom("twin", "two slices in one place", "refused", "1 slices lie where another one lies",
          twin),
    dicom("phases", "two phases in one series", "refused", "26 slices lie where another one lies",
          two_phases),
    dicom("uneven", "one slice out of step", "refused", "uneven slice spacing",
          shift(lambda z: [0, 0, 0.4], slice(9, 10))),
    dicom("spacing-changes", "a spacing that changes midway", "refused", "uneven slice spacing",
          shift(lambda z: [0, 0, -0.3 * max(z, 0)])),
    dicom("aside", "a slice beside the others", "refused", "5.00 mm beside the line of the others",
          shift(lambda z: [5, 0, 0], slice(12, 13))),
    dicom("tilt", "gantry tilt", "refused", "gantry tilt: the slices are stacked 11.3 degrees",
          shift(lambda z: [0, 0.2 * z, 0])),
    dicom("tilt-resampled", "gantry tilt, to be resampled", "flagged",
          "gantry tilt of 11.3 degrees: each slice was resampled",
          shift(lambda z: [0, 0.2 * z, 0]), rules={"tilt": "resample"}, same=False),
    dicom("tilt-in-header", "a tilt in the header that the slices do not show", "flagged",
          "the header names a gantry tilt, the slices show none", tags(GantryDetectorTilt="15")),
    dicom("planes", "slices of another plane among them", "refused",
          "the slices lie in 2 different planes", tags(slice(4, 8), **LEAN)),
    dicom("coronal", "a coronal series", "refused", "26 × CT that is not axial", tags(**LEAN)),
    dicom("mirrored-slice", "one slice is mirrored", "refused", "2 different planes or directions",
          tags(slice(6, 7), ImageOrientationPatient=[-1, 0, 0, 0, 1, 0])),
    dicom("matrix", "one slice of another matrix", "refused", "28x44 pixels of", crop),
    dicom("pixel-size", "one slice of another pixel size", "refused", "others have 30x44 of",
          tags(slice(2, 3), PixelSpacing=[2.0, 2.0])),
    dicom("no-position", "no ImagePositionPatient", "refused", "ImagePositionPatient is missing",
          tags(ImagePositionPatient=None)),
    dicom("no-orientation", "one slice without ImageOrientationPatient", "refused",
          "ImageOrientationPatient is missing or unreadable in 1 of 26",
          tags(slice(2, 3), ImageOrientationPatient=None)),
    dicom("no-spacing", "no PixelSpacing", "refused", "PixelSpacing is missing or unreadable",
          tags(PixelSpacing=None)),
    dicom("position-nan", "a position that is no number", "refused",
          "ImagePositionPatient is missing or unreadable in 1 of 26",
          raw_text("ImagePositionPatient", b"nan\\nan\\nan ")),
    dicom("position-text", "a position that is text", "refused",
          "ImagePositionPatient is missing or unreadable in 1 of 26",
          raw_text("ImagePositionPatient", b"here\\and\\there ")),
    dicom("position-far", "a position beyond all measure", "refused",
          "ImagePositionPatient is missing or unreadable in 1 of 26",
          raw_text("ImagePositionPatient", b"1e300\\0\\0 ")),
    dicom("no-axes", "direction cosines that span no plane", "refused", "no axial CT series",
          tags(ImageOrientationPatient=[1, 0, 0, 1, 0, 0])),
    dicom("long-axes", "direction cosines that are no unit vectors", "refused", "no unit vectors",
          tags(ImageOrientationPatient=[1, 0, 0, 0, 2, 0])),
    dicom("wrong-unit", "pixel sizes in a wrong unit", "refused", "its voxels measure 3 x 0.01",
          tags(PixelSpacing=[0.01, 0.01])),
    dicom("zero-spacing", "pixel sizes of zero", "refused", "PixelSpacing is 0x0 mm",
          tags(PixelSpacing=[0, 0])),
    dicom("gaps", "slices thinner than their distance", "flagged",
          "slices lie further apart than they are thick", tags(SliceThickness="1.0")),
    dicom("lying-numbers", "wrong InstanceNumber, SliceLocation and SpacingBetweenSlices",
          "accepted", "", lying_numbers),
    dicom("no-numbers", "neither InstanceNumber nor SliceLocation nor SliceThickness", "accepted",
          "", tags(InstanceNumber=None, SliceLocation=None, SliceThickness=None)),
    dicom("turned", "an oblique series with negated and swapped axes", "accepted", "", swap=True,
          flip_x=True, flip_y=True, turn_degrees=(5.0, -8.0, 3.0), offset_mm=(9.0, -8.0, -700.0)),
    dicom("series-each", "a series of its own for each slice", "refused",
          "too few slices (series 1: 1 slice,", new_uid),
    dicom("enhanced", "an enhanced CT: all slices in one file, in any order", "accepted", "",
          one_file()),
    dicom("enhanced-packed", "an enhanced CT in JPEG-LS", "accepted", "", one_file(JPEGLSLossless)),
    dicom("enhanced-lost", "an enhanced CT with a frame that nothing describes", "refused",
          "1 × CT with several frames in a file",
          one_file(damage=lambda d: d.PerFrameFunctionalGroupsSequence.pop())),
    dicom("frames", "plain CT files that hold several frames", "refused",
          "26 × CT with several frames in a file", as_frames),
]  # fmt: skip
