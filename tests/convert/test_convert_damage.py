"""Damage that can be found is found: check sums, ends, sizes, and what a header must say."""

import gzip
import zlib
from itertools import product

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.encaps import encapsulate
from pydicom.uid import DeflatedExplicitVRLittleEndian, RLELossless

from lacaf import volume
from lacaf.cases import Case
from lacaf.dicom import deflated
from lacaf.dicom.hounsfield import from_stored, table


def a_ct(path):
    return Case("case1", "patient1", path, None, None, "", "predict")


def finding(record):
    assert record["status"] == "refused", record
    return record["refusal"]["finding"]


@pytest.fixture
def packed_files(phantom, tmp_path):
    """The thorax in each format that packs its voxels: path, and where the stream begins."""
    found = {}
    image = sitk.GetImageFromArray(phantom.image.array)
    image.SetSpacing((2.0, 2.4, 3.0))
    for end, mark in (("nrrd", b"\n\n"), ("mha", b"= LOCAL\n"), ("nii.gz", b"")):
        path = tmp_path / f"ct.{end}"
        volume.write(phantom.image, path) if end == "nii.gz" else sitk.WriteImage(
            image, str(path), useCompression=True
        )
        found[end] = path, path.read_bytes().index(mark) + len(mark)
    return found


@pytest.mark.parametrize("end", ["nrrd", "mha", "nii.gz"])
def test_a_packed_file_whose_check_sum_is_wrong_is_refused(packed_files, run, end):
    path, start = packed_files[end]
    assert run(a_ct(path))["status"] == "ok"
    content = path.read_bytes()
    plain = bytearray(zlib.decompress(content[start:], 47))
    plain[9000] ^= 1  # sound in itself, but not what the sum was made of
    packer = zlib.compressobj(9, zlib.DEFLATED, 15 if end == "mha" else 31)
    again = packer.compress(bytes(plain)) + packer.flush()
    tail = 4 if end == "mha" else 8
    spoilt = again[:-tail] + content[-tail:]
    head = content[:start].replace(
        f"CompressedDataSize = {len(content) - start}".encode(),
        f"CompressedDataSize = {len(spoilt)}".encode(),
    )
    path.write_bytes(head + spoilt)
    assert "it cannot be read" in finding(run(a_ct(path)))


@pytest.mark.parametrize("end", ["nrrd", "mha", "nii.gz"])
def test_a_packed_file_that_breaks_off_is_refused(packed_files, run, end):
    path, _ = packed_files[end]
    path.write_bytes(path.read_bytes()[:-3])
    assert "it cannot be read" in finding(run(a_ct(path)))


def test_a_metaimage_must_hold_as_much_as_its_head_says(packed_files, run):
    path, start = packed_files["mha"]
    content = path.read_bytes()
    size = str(len(content) - start).encode()
    assert b"CompressedDataSize = " + size in content
    path.write_bytes(content.replace(size, b"10".ljust(len(size)), 1))
    assert "it cannot be read" in finding(run(a_ct(path)))


def test_a_metaimage_is_packed_by_any_word_for_yes(packed_files, run):
    path, _ = packed_files["mha"]
    content = bytearray(
        path.read_bytes().replace(b"CompressedData = True", b"CompressedData = T   ")
    )
    path.write_bytes(bytes(content))
    assert run(a_ct(path))["status"] == "ok"
    content[-2] ^= 1
    path.write_bytes(bytes(content))
    assert "it cannot be read" in finding(run(a_ct(path)))


def rle(change):
    """Pack all slices; of the tenth, ``change`` the pixel data as bytes."""

    def edit(delivery):
        for number, path in enumerate(delivery.slices()):
            dataset = pydicom.dcmread(path)
            dataset.compress(RLELossless, generate_instance_uid=False)
            dataset.save_as(path)
            if number == 9:
                content = path.read_bytes()
                start = content.rindex(b"\xe0\x7f\x10\x00OB") + 12
                path.write_bytes(content[:start] + change(content[start:]))

    return edit


def without_item(pixels):
    """The offset table alone."""
    return pixels[:8] + pixels[-8:]


@pytest.mark.parametrize(
    "change",
    [lambda p: p[:-8], lambda p: p[:-100], lambda p: p[:40] + p[48:], without_item,
     lambda p: p[8:], lambda p: b"\0" * len(p)],
    ids=["no-end", "cut", "shorter", "empty", "no-table", "zeros"],
)  # fmt: skip
def test_encapsulated_pixels_must_be_whole_to_their_last_part(deliver, run, change):
    delivery = deliver()
    rle(lambda pixels: pixels)(delivery)
    assert run(delivery.case)["status"] == "ok"
    rle(change)(deliver())
    told = finding(run(delivery.case))
    assert "break off or are no whole parts" in told or "cannot be decoded" in told


def test_a_jpeg_ls_stream_needs_its_end_mark(deliver, run):
    delivery = deliver(syntax="jpeg-ls")
    path = delivery.slices()[5]
    dataset = pydicom.dcmread(path)
    frame = next(pydicom.encaps.generate_frames(dataset.PixelData, number_of_frames=1))
    dataset.PixelData = encapsulate([frame.rstrip(b"\0")[:-2]])
    dataset["PixelData"].is_undefined_length = True
    dataset.save_as(path)
    assert "its encapsulated pixel data break off or are no whole parts" in finding(
        run(delivery.case)
    )


def test_signed_or_unsigned_must_be_said(deliver, run):
    delivery = deliver()
    delivery.edit(lambda d: d.pop("PixelRepresentation"))
    assert "PixelRepresentation is missing" in finding(run(delivery.case))


def test_a_file_without_transfer_syntax_is_read_by_its_look(deliver, run):
    delivery = deliver()
    run(delivery.case)
    expected = volume.read(run.folder / "image.nii.gz")
    for path in delivery.slices():
        content = path.read_bytes()
        path.write_bytes(content.replace(b"\x02\x00\x10\x00UI", b"\x02\x00\x11\x00UI", 1))
    record = run(delivery.case)
    assert record["chosen"]["transfer_syntax"] == ["Explicit VR Little Endian"]
    assert np.array_equal(volume.read(run.folder / "image.nii.gz").array, expected.array)


def test_a_deflated_file_that_would_fill_the_memory_is_not_read(deliver, run, monkeypatch):
    delivery = deliver()
    for path in delivery.slices():
        dataset = pydicom.dcmread(path)
        dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
        dataset.save_as(path)
    assert run(delivery.case)["status"] == "ok"
    monkeypatch.setattr(deflated, "MOST_BYTES", 1000)
    assert "no DICOM file, 0 volume files and 26 other files" in finding(run(delivery.case))


@pytest.mark.parametrize("bits", [9, 12, 13, 16])
@pytest.mark.parametrize("signed", [False, True])
def test_looking_words_up_gives_what_reckoning_gives(bits, signed):
    words = np.random.default_rng(bits).integers(0, 65536, (40, 50)).astype(np.uint16)
    stored = words.astype(int) & (2**bits - 1)
    if signed:
        stored = np.where(stored >= 2 ** (bits - 1), stored - 2**bits, stored)
    rescale = [(1.0, -1024.0), (0.5, -1000.0), (1.0, 0.5), (37.123, -1e5)]
    padding = [None, (0, 0), (-2000, -2000), (3, 70)]
    for (slope, intercept), padded in product(rescale, padding):
        reckoned = from_stored(stored.astype(np.int32), slope, intercept, padded)
        out = np.empty(words.shape, np.int16)
        found = table(bits, signed, slope, intercept, padded).of(words, out)
        assert np.array_equal(out, reckoned.array)
        for count in ("padding", "air", "cut_off"):
            assert getattr(found, count) == getattr(reckoned, count)


def test_bits_above_the_stored_ones_are_counted_unless_they_carry_the_sign():
    words = np.array([0x0005, 0xF005, 0x0FFF, 0xFFFF, 0x8001], np.uint16)
    out = np.empty(5, np.int16)
    assert table(12, False, 1.0, 0.0, None).of(words, out).spare == 3
    assert table(12, True, 1.0, 0.0, None).of(words, out).spare == 2
    assert out.tolist() == [5, 5, -1, -1, 1]


def test_gzip_may_have_several_members(phantom, run, tmp_path):
    path = tmp_path / "ct.nii"
    volume.write(phantom.image, path)
    content = path.read_bytes()
    packed = gzip.compress(content[:5000]) + gzip.compress(content[5000:])
    (tmp_path / "ct.nii.gz").write_bytes(packed)
    assert run(a_ct(tmp_path / "ct.nii.gz"))["status"] == "ok"
