"""RTSTRUCT and DICOM-SEG objects as planning systems and viewers write them, built by hand."""

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels.utils import pack_bits
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian

RTSTRUCT = "1.2.840.10008.5.1.4.1.1.481.3"
SEG = "1.2.840.10008.5.1.4.1.1.66.4"
LABELMAP = "1.2.840.10008.5.1.4.1.1.66.7"
SERIES, FRAME = "2.25.11", "2.25.22"
#: What must never come out again.
PERSON = "Doe^Jane"


def _object(sop_class, modality):
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = sop_class
    dataset.file_meta.MediaStorageSOPInstanceUID = "2.25.33"
    dataset.SOPClassUID, dataset.SOPInstanceUID = sop_class, "2.25.33"
    dataset.Modality, dataset.PatientName, dataset.PatientID = modality, PERSON, "4711"
    return dataset


def _item(**values):
    item = Dataset()
    for keyword, value in values.items():
        setattr(item, keyword, value)
    return item


def save(dataset, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)
    return path


def rtstruct(regions, series=SERIES, frame=FRAME):
    """A structure set: ``regions`` maps names to contours, each points ``(N, 3)`` mm or
    ``(points, geometric type)``."""
    dataset = _object(RTSTRUCT, "RTSTRUCT")
    if series:
        referenced = _item(SeriesInstanceUID=series)
        study = _item(RTReferencedSeriesSequence=Sequence([referenced]))
        reference = _item(RTReferencedStudySequence=Sequence([study]))
        reference.FrameOfReferenceUID = frame
        dataset.ReferencedFrameOfReferenceSequence = Sequence([reference])
    rois, contours = [], []
    for number, (name, drawn) in enumerate(regions.items(), start=1):
        roi = _item(ROINumber=number, ROIName=name)
        if frame:
            roi.ReferencedFrameOfReferenceUID = frame
        rois.append(roi)
        items = []
        for one in drawn:
            points, kind = one if isinstance(one, tuple) else (one, "CLOSED_PLANAR")
            items.append(
                _item(
                    ContourGeometricType=kind,
                    NumberOfContourPoints=len(points),
                    ContourData=[f"{v:.6f}"[:16] for v in np.ravel(points)],
                )
            )
        contours.append(_item(ReferencedROINumber=number, ContourSequence=Sequence(items)))
    dataset.StructureSetROISequence = Sequence(rois)
    dataset.ROIContourSequence = Sequence(contours)
    return dataset


def segmentation(
    segments, grid, kind="BINARY", keep_empty=False, order=None, series=SERIES, frame=FRAME
):
    """A segmentation: ``segments`` maps names to arrays ``(slice, row, column)`` on ``grid``.

    Frames without a voxel are left out unless ``keep_empty``; ``order`` permutes the frames.
    ``kind``: BINARY, FRACTIONAL (values 0 to 1) or LABELMAP.
    """
    dataset = _object(LABELMAP if kind == "LABELMAP" else SEG, "SEG")
    dataset.SegmentationType, dataset.FrameOfReferenceUID = kind, frame
    if series:
        dataset.ReferencedSeriesSequence = Sequence([_item(SeriesInstanceUID=series)])
    dataset.SegmentSequence = Sequence(
        [_item(SegmentNumber=n, SegmentLabel=name) for n, name in enumerate(segments, start=1)]
    )
    rows, columns = grid.affine[:3, 1], grid.affine[:3, 0]  # steps down the rows, along a row
    pixel = [float(np.linalg.norm(rows)), float(np.linalg.norm(columns))]
    cosines = [*(columns / pixel[1]), *(rows / pixel[0])]
    shared = Dataset()
    shared.PixelMeasuresSequence = Sequence(
        [_item(PixelSpacing=pixel, SliceThickness=grid.spacing_mm[0])]
    )
    shared.PlaneOrientationSequence = Sequence(
        [_item(ImageOrientationPatient=[f"{c:.10f}"[:16] for c in cosines])]
    )
    dataset.SharedFunctionalGroupsSequence = Sequence([shared])
    frames = _frames(segments, kind, keep_empty)
    frames = frames if order is None else [frames[i] for i in order(len(frames))]
    dataset.PerFrameFunctionalGroupsSequence = Sequence(
        [_description(grid, number, place) for number, place, _ in frames]
    )
    _store(dataset, np.stack([plane for _, _, plane in frames]), kind)
    return dataset


def _frames(segments, kind, keep_empty):
    """Segment number (None in a label map), slice and pixels of each frame."""
    if kind == "LABELMAP":
        merged = sum(n * (array > 0) for n, array in enumerate(segments.values(), start=1))
        whole = {None: merged.astype(np.uint8)}
    else:
        whole = dict(enumerate(segments.values(), start=1))
    return [
        (number, place, plane)
        for number, array in whole.items()
        for place, plane in enumerate(array)
        if keep_empty or plane.any()
    ]


def _description(grid, number, place):
    group = Dataset()
    position = grid.to_mm(np.array([place, 0, 0]))
    group.PlanePositionSequence = Sequence(
        [_item(ImagePositionPatient=[f"{v:.8f}"[:16] for v in position])]
    )
    if number is not None:
        group.SegmentIdentificationSequence = Sequence([_item(ReferencedSegmentNumber=number)])
    return group


def _store(dataset, pixels, kind):
    dataset.NumberOfFrames, dataset.Rows, dataset.Columns = pixels.shape
    dataset.SamplesPerPixel, dataset.PixelRepresentation = 1, 0
    dataset.PhotometricInterpretation = "MONOCHROME2"
    bits = 1 if kind == "BINARY" else 8
    dataset.BitsAllocated = dataset.BitsStored = bits
    dataset.HighBit = bits - 1
    if kind == "FRACTIONAL":
        dataset.MaximumFractionalValue = 200
        dataset.SegmentationFractionalType = "PROBABILITY"
        pixels = np.rint(pixels * 200)
    pixels = pixels.astype(np.uint8)
    dataset.PixelData = pack_bits(pixels) if bits == 1 else pixels.tobytes()
    if len(dataset.PixelData) % 2:
        dataset.PixelData += b"\0"
