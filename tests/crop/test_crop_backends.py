"""Lungs from masks that came with the data and from other people's networks."""

import importlib.util
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from chest import chest, image
from scipy import ndimage
from thorax import ORIENTATIONS, dice

from lacaf import layout, volume
from lacaf.cases import Case
from lacaf.crop import networks
from lacaf.fault import Refusal
from lacaf.grid import Grid
from lacaf.params.section import ParamsError
from lacaf.volume import Volume, resample

sitk = pytest.importorskip("SimpleITK")


def with_values(mask, left, right):
    """A lung mask (1 left, 2 right) in other numbers."""
    return Volume(np.array([0, left, right], np.int16)[mask.array], mask.grid)


def reordered(mask, axes, flips):
    """The same voxels in the same place, stored in another order."""
    place = tuple(slice(None, None, f) for f in flips)
    array = mask.array[place].transpose(axes)
    first = [n - 1 if f < 0 else 0 for f, n in zip(flips, mask.array.shape, strict=True)]
    affine = np.eye(4)
    columns = (mask.grid.affine[:3, :3][:, ::-1] * np.array(flips))[:, list(axes)][:, ::-1]
    affine[:3, :3], affine[:3, 3] = columns, mask.grid.to_mm(np.array(first))
    return Volume(np.ascontiguousarray(array), Grid(array.shape, affine))


def as_itk(mask, path):
    found = sitk.GetImageFromArray(mask.array)
    spacing = np.array(mask.grid.spacing_mm[::-1])
    found.SetSpacing(spacing.tolist())
    found.SetDirection((mask.grid.affine[:3, :3] / spacing).ravel().tolist())
    found.SetOrigin(mask.grid.affine[:3, 3].tolist())
    sitk.WriteImage(found, str(path), useCompression=True)


@pytest.fixture
def given(cropped, tmp_path):
    """Crop the chest with a mask handed over in a file."""

    def run(mask, name="lungs.nii.gz", stored=None):
        path = tmp_path / name
        if name.endswith(".nii.gz"):
            volume.write(mask, path)
        else:
            as_itk(mask, path)
        return cropped(stored or image(), masks=[path], lungs="given", spacing_mm=3.0)

    return run


def scores(lungs, truth):
    found = resample(lungs, truth.grid, "nearest").array
    return [dice(found == value, truth.array == value) for value in (1, 2)]


class TestGiven:
    @pytest.mark.parametrize(("left", "right"), [(1, 2), (2, 1), (3, 2), (20, 10)])
    def test_the_place_tells_left_from_right_whatever_the_numbers(self, given, left, right):
        details, _, lungs = given(with_values(chest().lungs, left, right))
        assert min(scores(lungs, chest().lungs)) > 0.975
        assert details["method"]["lungs"] == "given"
        assert details["method"]["values"] == sorted((left, right))

    @pytest.mark.parametrize("name", ["lungs.nrrd", "lungs.mha", "case1_lungs.mhd"])
    def test_formats(self, given, name):
        _, _, lungs = given(chest().lungs, name)
        assert min(scores(lungs, chest().lungs)) > 0.975

    def test_one_value_for_both_lungs_is_parted(self, given):
        details, _, lungs = given(with_values(chest().lungs, 1, 1))
        assert details["method"]["parting"] == "parted"
        assert min(scores(lungs, chest().lungs)) > 0.975

    def test_lobes_are_gathered_to_lungs(self, given):
        truth = chest().lungs
        z = np.indices(truth.array.shape)[0]
        upper = z > z[truth.array > 0].mean()
        lobes = Volume(np.where(truth.array > 0, truth.array + 2 * upper, 0), truth.grid)
        _, _, lungs = given(Volume(lobes.array.astype(np.uint8), truth.grid))
        assert min(scores(lungs, truth)) > 0.975

    @pytest.mark.parametrize(("axes", "flips"), ORIENTATIONS[::5])
    def test_a_mask_stored_in_another_order_lies_where_it_lies(self, given, axes, flips):
        mask = reordered(chest().lungs, axes, flips)
        _, _, lungs = given(mask)
        assert min(scores(lungs, chest().lungs)) > 0.975

    def test_a_finer_grid_of_its_own(self, given):
        truth = chest().lungs
        fine = Grid.upright(
            tuple(2 * n for n in truth.array.shape),
            tuple(s / 2 for s in truth.grid.spacing_mm[::-1]),
            tuple(truth.grid.to_mm(np.full(3, -0.25))),  # two of its voxels in each of the CT's
        )
        _, _, lungs = given(resample(truth, fine, "nearest"))
        assert min(scores(lungs, truth)) > 0.97

    def test_what_cannot_be_this_cts_lungs_is_refused(self, given):
        truth = chest().lungs
        empty = Volume(np.zeros_like(truth.array), truth.grid)
        heart = ndimage.binary_dilation(chest().labels.array > 0, iterations=2) & (truth.array == 0)
        moved = truth.grid.affine.copy()
        moved[:3, 3] += 400
        for mask, words in (
            (empty, "it is empty"),
            (Volume(heart.astype(np.uint8), truth.grid), "of it is air in the CT"),
            (Volume(truth.array, Grid(truth.grid.shape, moved)), "reaches beyond the CT"),
            (Volume(truth.array * np.float32(0.4), truth.grid), "fractions"),
            (with_values(truth, 1, 0), "side by side|part in two|at least 100 ml each"),
        ):
            with pytest.raises(Refusal, match=words) as fault:
                given(mask)
            assert "/" not in str(fault.value), "no path in a message"

    def test_no_mask_or_two_are_refused(self, cropped, tmp_path):
        for paths, words in (
            ([], "no lung masks lie beside the source"),
            ([tmp_path / "lungs.nrrd", tmp_path / "lungs.mha"], "2 lung masks"),
        ):
            with pytest.raises(Refusal, match=words):
                cropped(image(), masks=paths, lungs="given", spacing_mm=4.0)

    def test_a_file_that_is_none_is_refused(self, cropped, tmp_path):
        path = tmp_path / "lungs.nii.gz"
        path.write_bytes(b"no volume")
        with pytest.raises(Refusal, match="cannot be read"):
            cropped(image(), masks=[path], lungs="given", spacing_mm=4.0)


def test_masks_are_found_beside_the_source(tmp_path):
    case = Case("c1", "p1", tmp_path / "ct", None, None, "", "predict")
    assert layout.lung_masks(case) == []
    (tmp_path / "lungs.nrrd").touch()
    (tmp_path / "lungs_old.nrrd").touch()
    assert layout.lung_masks(case) == [tmp_path / "lungs.nrrd"]
    assert layout.inputs("crop", case)["lungs"] == tmp_path / "lungs.nrrd"
    (tmp_path / "c1_lungs.nii.gz").touch()
    assert layout.lung_masks(case) == [tmp_path / "c1_lungs.nii.gz"], "the case's own comes first"


class TestNetworks:
    @pytest.mark.parametrize(
        ("name", "module", "pip"),
        [
            ("lungmask", "lungmask", "pip install lungmask"),
            ("totalsegmentator", "totalsegmentator", "pip install TotalSegmentator"),
        ],
    )
    def test_a_missing_package_is_named_with_its_remedy(self, cropped, name, module, pip):
        if importlib.util.find_spec(module):
            pytest.skip(f"{module} is installed here")
        with pytest.raises(ParamsError, match=pip) as fault:
            cropped(image(), lungs=name, spacing_mm=4.0)
        assert "crop.lungs" in str(fault.value)
        assert "classical" in str(fault.value)

    def test_the_classical_way_imports_no_network(self, tmp_path):
        code = (
            "import sys, lacaf.crop; "
            "bad = {'torch', 'lungmask', 'totalsegmentator', 'SimpleITK'} & set(sys.modules); "
            "sys.exit(str(bad) if bad else 0)"
        )
        subprocess.run([sys.executable, "-c", code], check=True)

    def test_lungmask_calls_the_right_lung_1(self):
        assert networks.lungmask_sides(np.array([0, 1, 2])).tolist() == [0, 2, 1]

    def test_totalsegmentators_lobes_become_lungs(self):
        names = {
            9: "gallbladder",
            10: "lung_upper_lobe_left",
            11: "lung_lower_lobe_left",
            12: "lung_upper_lobe_right",
            13: "lung_middle_lobe_right",
            14: "lung_lower_lobe_right",
            15: "esophagus",
        }
        labels = np.array([0, 9, 10, 11, 12, 13, 14, 15])
        assert networks.lobe_sides(labels, names).tolist() == [0, 0, 1, 1, 2, 2, 2, 0]

    def answering(self, monkeypatch, module, answer):
        """The package's interface, answering with the truth in the package's own numbers."""
        monkeypatch.setitem(sys.modules, module, answer)
        monkeypatch.setattr(networks, "_version", lambda name: "0")

    @pytest.mark.parametrize("mirrored", [False, True])
    def test_lungmasks_answer_goes_through_the_stage(self, cropped, monkeypatch, mirrored):
        """The package is handed an upright copy, and its 1 is the patient's right lung."""
        upright = networks._upright_grid(image().grid, networks.SPACING_MM["lungmask"])
        truth = resample(chest().lungs, upright, "nearest").array

        class Inferer:
            def __init__(self, **_):
                pass

            def apply(self, array):
                assert array.shape == truth.shape
                assert array[truth > 0].mean() < -700, "the copy lies where its grid says"
                return truth if mirrored else np.array([0, 2, 1], np.uint8)[truth]

        self.answering(monkeypatch, "lungmask", SimpleNamespace(LMInferer=Inferer))
        details, _, lungs = cropped(image(), lungs="lungmask", spacing_mm=3.0)
        assert min(scores(lungs, chest().lungs)) > 0.965
        assert details["method"] == {"lungs": "lungmask", "version": "0"}
        assert any("may be mirrored" in flag for flag in details["flags"]) == mirrored

    def test_the_package_itself_where_it_is_installed(self, cropped, monkeypatch, tmp_path):
        """lungmask's own code from preprocessing to answer, with weights of chance."""
        pytest.importorskip("lungmask")
        import torch
        from lungmask.resunet import UNet

        folder = tmp_path / "hub" / "checkpoints"
        folder.mkdir(parents=True)
        net = UNet(
            n_classes=3, padding=True, depth=5, up_mode="upsample", batch_norm=True, residual=False
        )
        torch.save(net.state_dict(), folder / "unet_r231-d5d2fc3d.pth")
        monkeypatch.setenv("TORCH_HOME", str(tmp_path))
        stored = chest().image
        few = Volume(stored.array[40:44], Grid((4, *stored.grid.shape[1:]), stored.grid.affine))
        found, facts, _ = networks.segment("lungmask", few)
        assert found.array.shape == found.grid.shape
        assert set(np.unique(found.array)) <= {0, 1, 2}
        assert facts["version"]
