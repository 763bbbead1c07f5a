"""The cohort for nnU-Net: nothing unknown as background, nothing of the test set to learn from."""

import gzip
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from cohort import ORIGINAL
from tubes import GRID, case_arrays
from typer.testing import CliRunner

from lacaf import volume
from lacaf.classes import CLASSES
from lacaf.cli import app
from lacaf.export import nnunet
from lacaf.export.nnunet import ExportError
from lacaf.fault import Missing

FOLDER = Path("data/nnunet/Dataset501_PulmonaryArteryVein")


def export(*options):
    """Run the command; what it printed. A fault is raised as it is."""
    answer = CliRunner().invoke(app, ["export", "nnunet", *options])
    if answer.exception:
        raise answer.exception
    return answer.stdout


def label(case, part="Tr", folder=FOLDER):
    return volume.read(folder / f"labels{part}" / f"{case}.nii.gz").array


def truth(number):
    """Lungs and full truth of the case of this number in the cohort."""
    return case_arrays(np.random.default_rng(number))[1:]


def names(folder):
    return sorted(path.name for path in (FOLDER / folder).iterdir())


class TestWhatIsWritten:
    def test_train_and_val_are_learnt_from_and_test_is_apart(self, project):
        export()
        learnt = ["arteries", "check", "full", "left"]
        assert names("labelsTr") == [f"{case}.nii.gz" for case in learnt]
        assert names("imagesTr") == [f"{case}_0000.nii.gz" for case in learnt]
        assert names("labelsTs") == ["secret.nii.gz"]
        assert names("imagesTs") == ["secret_0000.nii.gz"]

    def test_the_one_fold_is_the_case_tables(self, project):
        told = export()
        assert json.loads((FOLDER / "splits_final.json").read_text()) == [
            {"train": ["arteries", "full", "left"], "val": ["check"]}
        ]
        assert f"copies {FOLDER}/splits_final.json to $nnUNet_preprocessed/{FOLDER.name}/" in told

    def test_dataset_json_says_what_nnunet_asks_for(self, project):
        export("--id", "7", "--name", "Lungs", "--out", "elsewhere")
        about = json.loads(Path("elsewhere/Dataset007_Lungs/dataset.json").read_text())
        assert about["channel_names"] == {"0": "CT"}
        assert list(about["labels"]) == ["background", *CLASSES, "ignore"]
        assert list(about["labels"].values()) == [0, 1, 2, 3, 4, 5]
        assert (about["numTraining"], about["file_ending"]) == (4, ".nii.gz")

    def test_without_a_case_of_val_no_fold_is_written(self, project):
        table = Path("data/cases.csv")
        table.write_text(table.read_text().replace(",val", ",train"))
        assert "no case of split val" in export()
        assert not (FOLDER / "splits_final.json").exists()

    def test_refused_and_unlabelled_cases_are_left_out_and_told(self, project):
        told = export()
        assert "case refused: left out, refused by crop" in told
        assert "case empty: left out, no voxel of it is labelled" in told
        assert "3 train, 1 val, 1 test; left out: 1 refused, 1 without a labelled voxel" in told


class TestGeometry:
    @pytest.mark.parametrize(("grid", "expected"), [("working", GRID), ("original", ORIGINAL)])
    def test_image_and_labels_have_one_header_and_the_grid_that_was_asked_for(
        self, project, grid, expected
    ):
        export("--grid", grid)
        images = sorted(FOLDER.glob("images*/*.nii.gz"))
        assert len(images) == 5
        for path in images:
            part, case = path.parent.name[-2:], path.name.removesuffix("_0000.nii.gz")
            other = FOLDER / f"labels{part}" / f"{case}.nii.gz"
            assert header(path) == header(other)
            assert volume.read_grid(path).same_as(expected)
            source = "crop" if grid == "working" else "convert"
            came = volume.read(Path("data", source, case, "image.nii.gz"))
            np.testing.assert_array_equal(volume.read(path).array, came.array)

    def test_on_the_cts_grid_the_lungs_are_found_and_what_crop_left_out_is_ignored(self, project):
        export("--grid", "original")
        lungs = volume.resample(volume.Volume(truth(1)[0], GRID), ORIGINAL, "nearest").array
        found = label("left")
        assert set(np.unique(found[lungs == 1])) == {0, 1, 2, nnunet.IGNORE}
        assert set(np.unique(found[lungs != 1])) == {nnunet.IGNORE}


def header(path):
    """A NIfTI file's header without the type of the voxels (bytes 70 to 73)."""
    with gzip.open(path) as handle:
        read = handle.read(352)
    return read[:70] + read[74:]


class TestWhatIsIgnored:
    def test_in_a_full_case_nothing_is(self, project):
        export()
        np.testing.assert_array_equal(label("full"), truth(0)[1])

    def test_of_a_case_with_the_left_lung_drawn_the_right_vessels_are_never_background(
        self, project
    ):
        export()
        _, vessels = truth(1)
        found = label("left")
        assert (found[np.isin(vessels, (3, 4))] == nnunet.IGNORE).all()
        for value in (1, 2):
            np.testing.assert_array_equal(found == value, vessels == value)

    def test_and_background_is_only_deep_in_the_left_lung(self, project):
        export()
        lungs, vessels = truth(1)
        found = label("left")
        inside = np.zeros(lungs.shape, bool)
        inside[4:-4, 4:-4, 19:28] = True  # more than 10 mm from the first voxel outside
        assert lungs[inside].min() == lungs[inside].max() == 1
        np.testing.assert_array_equal(found == 0, inside & (vessels == 0))

    def test_where_arteries_alone_were_drawn_no_voxel_is_background(self, project):
        """Harmonize says 0 of a vein that the coding cannot name, and that the class is unknown."""
        export()
        vessels = truth(2)[1]
        expected = np.where(np.isin(vessels, (1, 3)), vessels, nnunet.IGNORE)
        np.testing.assert_array_equal(label("arteries"), expected)

    def test_the_test_sets_labels_say_the_same(self, project):
        export()
        np.testing.assert_array_equal(label("secret", "Ts"), truth(6)[1])


class TestNothingIsLost:
    def test_its_own_folder_is_written_anew(self, project):
        export()
        shutil.rmtree(Path("data/harmonize/left"))
        table = Path("data/cases.csv").read_text().splitlines(keepends=True)
        Path("data/cases.csv").write_text("".join(r for r in table if not r.startswith("left,")))
        export()
        assert "left.nii.gz" not in names("labelsTr")

    @pytest.mark.parametrize("foreign", ["dataset.json", "notes.txt"])
    def test_a_folder_of_somebody_elses_is_left_alone_unless_forced(self, project, foreign):
        FOLDER.mkdir(parents=True)
        (FOLDER / foreign).write_text("{}")
        with pytest.raises(ExportError, match="--force"):
            export()
        assert names("") == [foreign]
        export("--force")
        assert "imagesTr" in names("")

    def test_so_is_an_export_to_which_somebody_added(self, project):
        export()
        (FOLDER / "predictions").mkdir()
        with pytest.raises(ExportError, match="did not write"):
            export()

    def test_a_number_belongs_to_one_data_set(self, project):
        export()
        with pytest.raises(ExportError, match="holds Dataset501_PulmonaryArteryVein"):
            export("--name", "Other")

    def test_a_name_is_no_path(self, project):
        with pytest.raises(ExportError, match="no name of a data set"):
            export("--name", "../x")

    def test_a_case_whose_stage_has_not_run_stops_it_before_anything_is_written(self, project):
        shutil.rmtree(Path("data/harmonize/secret"))
        with pytest.raises(Missing, match=r"harmonize/secret/coverage\.json is missing: run"):
            export()
        assert not list(Path("data/nnunet").iterdir())

    def test_a_fault_on_the_way_leaves_nothing_behind_and_the_old_as_it_was(self, project):
        export()
        shutil.copy("data/crop/full/image.nii.gz", "kept.nii.gz")
        smaller = volume.resample(volume.read(Path("kept.nii.gz")), ORIGINAL, "nearest")
        volume.write(smaller, Path("data/crop/secret/image.nii.gz"))
        with pytest.raises(ExportError, match="case secret: image and labels lie on different"):
            export()
        assert len(names("imagesTr")) == 4
        assert [path.name for path in FOLDER.parent.iterdir()] == [FOLDER.name]

    def test_without_a_case_to_learn_from_there_is_no_data_set(self, project):
        table = Path("data/cases.csv")
        table.write_text(table.read_text().replace(",train", ",test"))
        with pytest.raises(ExportError, match="no case of split train"):
            export()


def test_the_export_starts_without_what_it_does_not_need():
    code = (
        "import sys, lacaf.export.nnunet; heavy = {'torch', 'monai', 'mlflow', 'SimpleITK', "
        "'pydicom', 'matplotlib', 'pandas', 'nnunetv2'}; print(heavy & set(sys.modules))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "set()"
