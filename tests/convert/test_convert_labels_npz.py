"""Arrays without a place: the order of axes is found by the CT, or the case is refused."""

import io
import zipfile

import numpy as np
import pytest
from thorax import ORIENTATIONS

from lacaf import volume
from lacaf.coding import builtin
from lacaf.convert.labels import convert_labels
from lacaf.fault import Refusal
from lacaf.grid import Grid
from lacaf.volume import Volume

#: As many voxels along each axis, as in HiPaS: the shape tells nothing.
CUBE = Grid.upright((64, 64, 64), (4.3, 3.8, 4.0), (-136.0, -108.0, -126.0))


@pytest.fixture(scope="module")
def truth():
    """Straight vessels from anywhere to anywhere in the middle of the cube: 1 arteries, 2 veins."""
    rng = np.random.default_rng(4)
    out = np.zeros(CUBE.shape, np.uint8)
    for number in range(40):
        start, end = rng.uniform(12, 52, (2, 3))
        for share in np.linspace(0, 1, 60):
            z, y, x = np.rint(start + share * (end - start)).astype(int)
            out[z : z + 2, y : y + 2, x : x + 2] = 1 + number % 2
    return out


@pytest.fixture(scope="module")
def ct(truth):
    noise = np.random.default_rng(5).normal(0, 20, CUBE.shape)
    return Volume(np.rint(np.where(truth > 0, 40, -850) + noise).astype(np.int16), CUBE)


def handed_over(folder, arrays, key="data"):
    """HiPaS's way: a file a vessel, each in a folder of its own, boolean."""
    for name, array in arrays.items():
        (folder / name).mkdir(parents=True)
        np.savez_compressed(folder / name / "001.npz", **{key: array})
    return folder


def converted(path, ct, out, coding="hipas"):
    out.mkdir()
    return convert_labels(path, builtin()[coding], ct, None, out)


@pytest.mark.parametrize(("axes", "flips"), ORIENTATIONS)
def test_the_order_is_found_whatever_it_is(tmp_path, ct, truth, axes, flips):
    stored = {
        name: np.ascontiguousarray((truth == value).transpose(axes)[tuple(map(slice, [None] * 3,
                                   [None] * 3, flips))])
        for value, name in ((1, "artery"), (2, "vein"))
    }  # fmt: skip
    facts = converted(handed_over(tmp_path / "in", stored), ct, tmp_path / "out")
    for value, name in ((1, "artery"), (2, "vein")):
        got = volume.read(tmp_path / "out" / f"labels_{name}.nii.gz")
        assert np.array_equal(got.array > 0, truth == value)
        assert got.grid.same_as(CUBE)
    arrangement = facts["arrangement"]
    assert arrangement["contrast_hu"] > 400
    assert arrangement["next_best_hu"] < 0.6 * arrangement["contrast_hu"]
    assert "bring no geometry" in facts["flags"][0]


def refused(path, ct, out, **more):
    with pytest.raises(Refusal) as fault:
        converted(path, ct, out, **more)
    return str(fault.value)


def test_another_number_of_slices(tmp_path, ct, truth):
    path = handed_over(tmp_path / "in", {"artery": truth[:-1] == 1, "vein": truth[:-1] == 2})
    assert "is not the CT's (64, 64, 64)" in refused(path, ct, tmp_path / "out")


def test_labels_of_another_ct(tmp_path, ct, truth):
    """Vessels shifted by three centimetres fit no way."""
    moved = np.roll(truth, 7, axis=1)
    path = handed_over(tmp_path / "in", {"artery": moved == 1, "vein": moved == 2})
    message = refused(path, ct, tmp_path / "out")
    assert "in the best of 48 orders of axes" in message


def test_a_symmetric_label_has_no_order(tmp_path, ct):
    ball = np.zeros(CUBE.shape, bool)
    middle = tuple(n // 2 for n in CUBE.shape)
    ball[tuple(slice(m - 5, m + 5) for m in middle)] = True
    symmetric = Volume(np.where(ball, 100, -900).astype(np.int16), CUBE)
    path = handed_over(tmp_path / "in", {"artery": ball})
    assert "one order far before all others" in refused(path, symmetric, tmp_path / "out")


def huge(path):
    """A header that announces a petabyte."""
    head = io.BytesIO()
    fields = {"descr": "|u1", "fortran_order": False, "shape": (100000, 100000, 100000)}
    np.lib.format.write_array_header_1_0(head, fields)
    with zipfile.ZipFile(path, "w") as held:
        held.writestr("data.npy", head.getvalue())


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (lambda p: p.write_bytes(b"PK\3\4 no archive"), "cannot be read"),
        (lambda p: np.savez(p, a=np.zeros(3), b=np.zeros(3)), "no array called `data`"),
        (lambda p: np.savez(p, data=np.zeros((2, 3, 4, 5))), "its array has the shape"),
        (lambda p: np.savez(p, data=np.array([{"a": 1}], object)), "the kind `O`"),
        (huge, "its array has the shape (100000, 100000, 100000)"),
        (lambda p: np.savez(p, data=np.full((4, 4, 4), 0.4)), "fractions or NaN in 64 voxels"),
    ],
    ids=["broken", "two arrays", "four axes", "pickled objects", "huge", "probabilities"],
)
def test_files_that_are_no_labels(tmp_path, ct, write, words):
    (tmp_path / "in").mkdir()
    write(tmp_path / "in" / "artery.npz")
    assert words in refused(tmp_path / "in", ct, tmp_path / "out")


def test_the_array_that_was_looked_at_is_the_one_that_is_read(tmp_path, ct, truth):
    """Another member, under the bare name, is not."""
    path = handed_over(tmp_path / "in", {"artery": truth == 1, "vein": truth == 2})
    other = io.BytesIO()
    np.save(other, np.ones((3, 3, 3, 3), np.uint8))
    with zipfile.ZipFile(path / "artery" / "001.npz", "a") as held:
        held.writestr("data", other.getvalue())
    converted(path, ct, tmp_path / "out")
    got = volume.read(tmp_path / "out" / "labels_artery.nii.gz")
    assert np.array_equal(got.array > 0, truth == 1)


def test_arrays_of_two_shapes(tmp_path, ct, truth):
    path = handed_over(tmp_path / "in", {"artery": truth == 1, "vein": truth[1:] == 2})
    assert "the arrays have the shapes" in refused(path, ct, tmp_path / "out")


def test_one_array_of_values(tmp_path, phantom):
    """Any order of axes for one file of values, on a CT that is no cube."""
    cut = (slice(5, None), slice(4, None), slice(7, None))  # its middle is not the array's
    ct = Volume(phantom.image.array[cut], Grid((21, 26, 37), phantom.image.grid.affine))
    labels = phantom.labels.array[cut]
    np.savez(tmp_path / "av.npz", labels=labels.T[::-1])
    facts = converted(tmp_path / "av.npz", ct, tmp_path / "out", coding="four_classes")
    assert np.array_equal(volume.read(tmp_path / "out" / "labels.nii.gz").array, labels)
    assert facts["files"]["labels.nii.gz"]["kind"] == "npz"
