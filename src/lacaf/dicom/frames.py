"""Enhanced CT: many slices in one file, each described by functional groups.

DICOM PS3.3 A.38 (Enhanced CT) and A.70 (Legacy Converted Enhanced CT): what a plain slice says
at the top of its header stands in a group of the frame's own, or in one that all frames share.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pydicom import Dataset

from lacaf.dicom.header import Header
from lacaf.dicom.values import MOST_THICKNESS_MM, number, numbers, text, value

ENHANCED_CT = ("1.2.840.10008.5.1.4.1.1.2.1", "1.2.840.10008.5.1.4.1.1.2.2")


def expand(header: Header, dataset: Dataset) -> list[Header]:
    """The frames of an enhanced CT, each with its own place; any other image as it is.

    Frames that no group describes, one for one, stay one image (``frame`` is -1): nothing says
    where each lies.
    """
    own = value(dataset, "PerFrameFunctionalGroupsSequence") or []
    if header.sop_class not in ENHANCED_CT or len(own) != header.frames:
        return [header if header.frames == 1 else replace(header, frame=-1)]
    shared = value(dataset, "SharedFunctionalGroupsSequence") or [Dataset()]
    return [_frame(header, index, (own[index], shared[0])) for index in range(header.frames)]


def _frame(header: Header, index: int, groups: Sequence[Dataset]) -> Header:
    measures = _group(groups, "PixelMeasuresSequence")
    orientation = numbers(_group(groups, "PlaneOrientationSequence"), "ImageOrientationPatient", 6)
    rescale = _group(groups, "PixelValueTransformationSequence")
    kind = text(_group(groups, "CTImageFrameTypeSequence"), "FrameType").upper()
    kernel = text(_group(groups, "CTReconstructionSequence"), "ConvolutionKernel")
    return replace(
        header,
        frame=index,
        image_type=tuple(kind.split("\\")) if kind else header.image_type,
        position=numbers(_group(groups, "PlanePositionSequence"), "ImagePositionPatient", 3),
        row=orientation[:3] if orientation else None,
        column=orientation[3:] if orientation else None,
        spacing=numbers(measures, "PixelSpacing", 2),
        thickness=number(measures, "SliceThickness", MOST_THICKNESS_MM),
        tilt=number(_group(groups, "CTAcquisitionDetailsSequence"), "GantryDetectorTilt", 90),
        slope=number(rescale, "RescaleSlope"),
        intercept=number(rescale, "RescaleIntercept"),
        rescale_type=text(rescale, "RescaleType").upper(),
        kernel_as_written=(kernel or header.kernel_as_written).split("\\")[0],
    )


def _group(groups: Sequence[Dataset], name: str) -> Dataset:
    """The first item of a functional group: the frame's own, else the shared one."""
    for group in groups:
        items = value(group, name)
        if items:
            return items[0]
    return Dataset()
