"""Is an accepted conversion right? An independent reader of the spoilt files has the last word.

Spoilt files may be sound in another way: a slice that went missing at the end, another HU in a
voxel, a changed spacing in all slices. What counts is that the image is what the files say.
"""

import gzip
import io
import struct
import warnings
import zlib

import nibabel as nib
import numpy as np
import pydicom
import SimpleITK as sitk
from convert.fuzz_bases import FILES, truth_of
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from lacaf import volume

AIR_HU = -1024
#: Slices may stray by the stage's own tolerances: a hundredth of the spacing, a tenth of a pixel.
SLACK_MM = 0.7


def confirmed(path, raw, base):
    """``same`` as the unspoilt, ``as stated`` by the files, or what is wrong."""
    image, truth = volume.read(path), truth_of(base)
    aired = np.where(truth.array < AIR_HU, AIR_HU, truth.array)
    if image.grid.same_as(truth.grid) and np.array_equal(np.maximum(image.array, AIR_HU), aired):
        return "same"
    if base in ("zip", "tar.gz"):
        return "not what was packed" if len(image.array) == len(truth.array) else "as stated"
    if base in FILES:
        return _as_volume(image, raw / base)
    return _as_slices(image, raw)


def _as_volume(image, path):
    """Against nibabel, NumPy, or the voxels unpacked here and the place that ITK reads."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if ".nii" in path.name:
            if path.name.endswith(".gz"):
                gzip.decompress(path.read_bytes())  # raises where the check sum is wrong
            read = nib.load(path)
            array = np.asarray(read.get_fdata()).reshape(read.shape[:3]).T
            affine = np.diag([-1, -1, 1, 1]) @ read.affine
        elif path.name.endswith(".npz"):
            array = np.load(path)["data"]
            affine = None
        else:
            read = sitk.ReadImage(str(path))
            array = _unpacked(path, sitk.GetArrayFromImage(read))
            affine = np.eye(4)
            affine[:3, :3] = np.reshape(read.GetDirection(), (3, 3)) * read.GetSpacing()
            affine[:3, 3] = read.GetOrigin()
    if array.shape != image.array.shape:
        return f"the shape is {image.array.shape}, the file's {array.shape}"
    if affine is not None and np.abs(affine - image.grid.affine).max() > 1e-3:
        return "its place is another one than the file's"
    hu = np.clip(np.rint(array.astype(float)), -32768, 32767)
    hu[hu < -1500] = AIR_HU
    return "as stated" if np.array_equal(image.array, hu) else "its voxels are not the file's"


def _unpacked(path, like):
    """The voxels of a packed NRRD or MetaImage, in the type and shape that ITK says."""
    content = path.read_bytes()
    if path.suffix == ".nrrd":
        packed = content[content.index(b"\n\n") + 2 :]
        plain = gzip.decompress(packed)
    else:
        packed = content[content.index(b"ElementDataFile = LOCAL\n") + 24 :]
        plain = zlib.decompress(packed)
    array = np.frombuffer(plain, like.dtype.newbyteorder("<"), like.size)
    return array.reshape(like.shape)


def _as_slices(image, raw):
    """Every slice of the image is one of the files: its place, its axes, its HU, by pydicom."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        stated = [s for path in sorted(raw.iterdir()) for s in _slices(path)]
    axes = image.grid.affine[:3, :3]
    for index, array in enumerate(image.array):
        corner = image.grid.to_mm(np.array([index, 0, 0]))
        near = [s for s in stated if np.abs(s["corner"] - corner).max() < SLACK_MM]
        if not near:
            return f"no file lies where slice {index} does"
        if not any(_fits(s, axes, array) for s in near):
            return f"slice {index} is not what its file says"
    return "as stated"


def _fits(stated, axes, array):
    """Axes to a thousandth, HU exactly; what is declared as padding may have become air."""
    row, column = stated["axes"]
    if np.abs(axes[:, 0] - row).max() > 0.02 or np.abs(axes[:, 1] - column).max() > 0.02:
        return False
    if stated["hu"].shape != array.shape:
        return False
    hu = np.clip(np.rint(stated["hu"]), -32768, 32767)
    return bool(((hu == array) | (array == AIR_HU) & ((hu < -1500) | stated["padding"])).all())


def _slices(path):
    """What pydicom makes of a file: the slices that can be read at all."""
    content = path.read_bytes()
    for part in (content, _without_tail(content)):
        try:
            dataset = pydicom.dcmread(io.BytesIO(part), force=True)
            if "TransferSyntaxUID" not in dataset.file_meta:
                implicit, _ = dataset.original_encoding
                plain = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
                dataset.file_meta.TransferSyntaxUID = plain
            pixels = dataset.pixel_array
            frames = pixels if pixels.ndim == 3 else pixels[None]
            return [_stated(dataset, number, frame) for number, frame in enumerate(frames)]
        except Exception:
            continue
    return []


def _without_tail(content):
    """A file up to the end of its plain pixels: pydicom gives up over rubbish behind them."""
    for order, tag in (("<", b"\xe0\x7f\x10\x00OW"), (">", b"\x7f\xe0\x00\x10OW")):
        start = content.rfind(tag)
        if start >= 0:
            length = struct.unpack_from(order + "I", content, start + 8)[0]
            return content[: start + 12 + length]
    return content


def _stated(dataset, number, frame):
    groups = [dataset]
    if "PerFrameFunctionalGroupsSequence" in dataset:
        groups = [dataset.PerFrameFunctionalGroupsSequence[number]]
        groups += list(dataset.SharedFunctionalGroupsSequence)
        groups = [inner for group in groups for element in group for inner in element.value]

    def find(keyword):
        return next(group[keyword].value for group in groups if keyword in group)

    cosines = np.array([float(v) for v in find("ImageOrientationPatient")])
    between_rows, between_columns = (float(v) for v in find("PixelSpacing"))
    padding = dataset.get("PixelPaddingValue")
    return {
        "corner": np.array([float(v) for v in find("ImagePositionPatient")]),
        "axes": (cosines[:3] * between_columns, cosines[3:] * between_rows),
        "hu": frame * float(find("RescaleSlope")) + float(find("RescaleIntercept")),
        "padding": np.zeros(frame.shape, bool) if padding is None else frame == padding,
    }
