"""Plain slices become one enhanced CT file, as PS3.3 A.38 has it."""

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import EnhancedCTImageStorage, ExplicitVRLittleEndian, generate_uid

#: Functional groups: the sequence, and what of a plain slice's header it holds.
GROUPS = {
    "PlanePositionSequence": ("ImagePositionPatient",),
    "PlaneOrientationSequence": ("ImageOrientationPatient",),
    "PixelMeasuresSequence": ("PixelSpacing", "SliceThickness"),
    "PixelValueTransformationSequence": ("RescaleSlope", "RescaleIntercept", "RescaleType"),
    "CTReconstructionSequence": ("ConvolutionKernel",),
}
TOP = ("PatientName", "PatientID", "StudyInstanceUID", "SeriesInstanceUID", "Modality",
       "FrameOfReferenceUID", "Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation",
       "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "ImageType")  # fmt: skip


def group(plain, names):
    """The functional groups of a plain slice, of the given names."""
    item = Dataset()
    for name in names:
        inner = Dataset()
        for keyword in GROUPS[name]:
            if keyword in plain:
                setattr(inner, keyword, plain[keyword].value)
        setattr(item, name, Sequence([inner]))
    return item


def enhanced(slices, shared=("PlaneOrientationSequence", "PixelMeasuresSequence"), flavours=()):
    """One data set of all ``slices`` (pydicom, uncompressed), in their order.

    ``shared``: the groups that stand once for all frames. ``flavours``: FrameType by frame.
    """
    first = slices[0]
    dataset = Dataset()
    for keyword in TOP:
        setattr(dataset, keyword, first[keyword].value)
    dataset.SOPClassUID = EnhancedCTImageStorage
    dataset.SOPInstanceUID = generate_uid(entropy_srcs=[first.SOPInstanceUID, "enhanced"])
    dataset.NumberOfFrames = len(slices)
    dataset.SharedFunctionalGroupsSequence = Sequence([group(first, shared)])
    own = [name for name in GROUPS if name not in shared]
    frames = [group(plain, own) for plain in slices]
    for frame, flavour in zip(frames, flavours, strict=False):
        inner = Dataset()
        inner.FrameType = flavour
        frame.CTImageFrameTypeSequence = Sequence([inner])
    dataset.PerFrameFunctionalGroupsSequence = Sequence(frames)
    dataset.PixelData = b"".join(plain.PixelData for plain in slices)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    return dataset


def save(dataset, path, syntax=ExplicitVRLittleEndian):
    """Write it, packed if the syntax packs."""
    meta = dataset.file_meta
    dataset = Dataset({element.tag: element for element in dataset})  # forgets how it was written
    dataset.file_meta = meta
    if syntax.is_encapsulated:
        plugin = "pyjpegls" if "JPEG-LS" in syntax.name else ""
        dataset.compress(syntax, encoding_plugin=plugin, generate_instance_uid=False)
    else:
        if syntax.name == "Explicit VR Big Endian":
            dataset.PixelData = np.frombuffer(dataset.PixelData, "<u2").byteswap().tobytes()
        dataset.file_meta.TransferSyntaxUID = syntax
    dataset.save_as(
        path, enforce_file_format=True,
        implicit_vr=syntax.is_implicit_VR, little_endian=syntax.is_little_endian,
    )  # fmt: skip
