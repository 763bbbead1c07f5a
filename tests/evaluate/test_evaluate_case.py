"""What a case's scores say, and what they never say."""

import json
import subprocess
import sys

import numpy as np
import pytest

from lacaf.classes import CLASSES
from lacaf.evaluate import evaluate, show
from lacaf.fault import Refusal
from lacaf.grid import Grid
from lacaf.params import whole as params
from lacaf.volume import Volume, write

SHARES = ("dsc", "nsd_1mm", "nsd_2mm", "cldice", "tree_detected", "branches_detected")
ALL = dict.fromkeys(CLASSES, "labelled")
LEFT_ONLY = {**ALL, "right_artery": "unknown", "right_vein": "unknown"}
ARTERY_ONLY = {**ALL, "left_vein": "unknown", "right_vein": "unknown"}


def diagonal(grid):
    return float(np.linalg.norm((np.array(grid.shape) - 1) * grid.spacing_mm))


def test_a_perfect_prediction_is_perfect(score, labels):
    scores = score(labels, labels)
    for entry in scores["classes"].values():
        assert [entry[k] for k in ("dsc", "sensitivity", "precision", "nsd_1mm", "cldice")] == [
            1
        ] * 5
        assert entry["hd95_mm"] == 0
        assert not entry["missed"]
        assert entry["reference_ml"] == pytest.approx(40 * 5 * 5 * 0.7 * 0.8 * 1.2 / 1000)
    assert scores["mean"] == {
        **dict.fromkeys(SHARES, 1),
        **dict.fromkeys(("hd95_mm", "assd_mm", "false_branches", "b0_error"), 0),
        "classes_scored": 4,
        "classes_unknown": 0,
    }
    for side in ("left", "right", "both"):
        assert scores["identity"][side]["found_share"] == 1
        assert scores["identity"][side]["accuracy"] == 1
        assert scores["identity"][side]["side_accuracy"] == 1
        assert scores["identity"][side]["artery_as_vein"] == 0
        assert scores["identity"][side]["always_artery"] == pytest.approx(0.5)


def test_swapped_artery_and_vein_have_no_identity(score, labels):
    swapped = np.array([0, 2, 1, 4, 3], np.uint8)[labels]
    scores = score(swapped, labels)
    assert scores["mean"]["dsc"] == 0
    identity = scores["identity"]["both"]
    assert identity["found_share"] == 1
    assert identity["accuracy"] == 0
    assert identity["artery_as_vein"] == identity["vein_as_artery"] == 1
    assert identity["side_accuracy"] == 1


def test_swapped_sides_are_caught(score, labels):
    swapped = np.array([0, 3, 4, 1, 2], np.uint8)[labels]
    scores = score(swapped, labels)
    assert scores["mean"]["dsc"] == 0
    assert scores["identity"]["both"]["accuracy"] == 1
    assert scores["identity"]["both"]["side_accuracy"] == 0


def test_one_swapped_vessel_costs_its_length_and_no_more(score, labels):
    prediction = labels.copy()
    prediction[labels == 1] = 2
    identity = score(prediction, labels)["identity"]
    assert identity["left"]["artery_as_vein"] == 1
    assert identity["left"]["vein_as_artery"] == 0
    assert identity["left"]["accuracy"] == pytest.approx(0.5)
    assert identity["right"]["accuracy"] == 1
    assert identity["both"]["accuracy"] == pytest.approx(0.75)


def test_the_majority_is_told_beside_the_accuracy(score, labels):
    reference = labels.copy()
    reference[24:][reference[24:] == 1] = 0  # half of the left artery
    always = np.where(reference > 0, reference - (reference - 1) % 2, 0).astype(np.uint8)
    identity = score(always, reference)["identity"]["left"]
    assert identity["accuracy"] == pytest.approx(identity["always_artery"])
    assert identity["always_artery"] == pytest.approx(1 / 3, abs=0.05)
    assert identity["majority"] == pytest.approx(1 - identity["always_artery"])


def test_the_unknown_never_counts(score, labels):
    reference = labels.copy()
    reference[:, :, :30] = 255
    results = []
    for seed in range(3):
        prediction = labels.copy()
        noise = np.random.default_rng(seed).integers(0, 5, prediction[:, :, :30].shape)
        prediction[:, :, :30] = noise
        results.append(score(prediction, reference, LEFT_ONLY))
    assert results[0] == results[1] == results[2]
    for name in ("right_artery", "right_vein"):
        entry = results[0]["classes"][name]
        assert entry.pop("state") == "unknown"
        assert set(entry.values()) == {None}
    assert results[0]["mean"]["dsc"] == 1
    assert results[0]["mean"]["classes_scored"] == results[0]["mean"]["classes_unknown"] == 2
    assert set(results[0]["identity"]["right"].values()) == {None}
    left, both = (results[0]["identity"][side] for side in ("left", "both"))
    for key in left.keys() - {"by_calibre"}:
        assert both[key] == left[key]


def test_unknown_patches_inside_a_vessel_do_not_count_either(score, labels):
    reference = labels.copy()
    reference[30:] = 255
    prediction = labels.copy()
    prediction[32:] = 0
    scores = score(prediction, reference)
    assert scores["mean"]["dsc"] == scores["mean"]["nsd_1mm"] == scores["mean"]["cldice"] == 1


def test_where_only_arteries_are_labelled_veins_elsewhere_cost_nothing(score, labels):
    reference = np.where(labels % 2 == 1, labels, 0).astype(np.uint8)
    scores = score(labels, reference, ARTERY_ONLY)
    assert scores["mean"]["dsc"] == 1
    assert scores["mean"]["classes_unknown"] == 2
    identity = scores["identity"]["both"]
    assert identity["artery_as_vein"] == 0
    assert identity["reference_artery_mm"] > 0
    # "Always artery" would be perfect here, so no accuracy is told.
    for key in ("reference_vein_mm", "vein_as_artery", "accuracy", "always_artery", "majority"):
        assert identity[key] is None


def test_where_only_arteries_are_labelled_an_artery_called_vein_still_costs(score, labels):
    reference = np.where(labels % 2 == 1, labels, 0).astype(np.uint8)
    prediction = labels.copy()
    prediction[labels == 1] = 2
    scores = score(prediction, reference, ARTERY_ONLY)
    assert scores["classes"]["left_artery"]["dsc"] == 0
    assert scores["identity"]["left"]["artery_as_vein"] == 1
    assert scores["identity"]["right"]["artery_as_vein"] == 0


def test_where_only_arteries_are_labelled_a_vein_called_artery_costs(score, labels):
    reference = np.where(labels % 2 == 1, labels, 0).astype(np.uint8)
    prediction = labels.copy()
    prediction[labels == 2] = 1
    entry = score(prediction, reference, ARTERY_ONLY)["classes"]["left_artery"]
    assert entry["dsc"] == pytest.approx(2 / 3)
    assert entry["precision"] == pytest.approx(1 / 2)


def test_a_miss_always_costs(score, labels, grid):
    prediction = labels.copy()
    prediction[labels == 1] = 0
    scores = score(prediction, labels)
    entry = scores["classes"]["left_artery"]
    assert [entry[k] for k in ("dsc", "sensitivity", "precision", "nsd_1mm", "cldice")] == [0] * 5
    assert entry["hd95_mm"] == pytest.approx(diagonal(grid))
    assert entry["missed"]
    assert scores["mean"]["dsc"] == pytest.approx(3 / 4)
    assert scores["mean"]["hd95_mm"] == pytest.approx(diagonal(grid) / 4)
    assert scores["identity"]["left"]["found_share"] == pytest.approx(0.5)
    assert scores["identity"]["left"]["accuracy"] == 1


def test_an_empty_prediction_has_the_worst_of_all_scores(score, labels, grid):
    scores = score(np.zeros_like(labels), labels)
    mean = scores["mean"]
    assert (mean["dsc"], mean["nsd_1mm"], mean["cldice"]) == (0, 0, 0)
    assert mean["hd95_mm"] == pytest.approx(diagonal(grid))
    identity = scores["identity"]["both"]
    assert identity["found_share"] == identity["accuracy"] == 0
    assert identity["always_artery"] == pytest.approx(0.5)


def test_an_absent_class_is_right_when_nothing_is_predicted(score, labels, grid):
    reference = np.where(labels == 2, 0, labels).astype(np.uint8)
    coverage = {**ALL, "left_vein": "absent"}
    right = score(reference, reference, coverage)["classes"]["left_vein"]
    assert right["state"] == "absent"
    assert (right["dsc"], right["nsd_1mm"], right["hd95_mm"], right["cldice"]) == (1, 1, 0, 1)
    assert right["sensitivity"] is None
    assert right["precision"] is None
    wrong = score(labels, reference, coverage)["classes"]["left_vein"]
    assert (wrong["dsc"], wrong["nsd_1mm"], wrong["cldice"], wrong["precision"]) == (0, 0, 0, 0)
    assert wrong["hd95_mm"] == pytest.approx(diagonal(grid))
    assert not wrong["missed"]


def test_two_empty_volumes_can_be_scored(score, labels):
    scores = score(np.zeros_like(labels), np.zeros_like(labels))
    assert scores["mean"]["dsc"] == 1
    assert scores["identity"]["both"]["accuracy"] is None


def test_nothing_known_gives_no_number(score, labels):
    scores = score(labels, np.full_like(labels, 255), dict.fromkeys(CLASSES, "unknown"))
    counts = {"classes_scored": 0, "classes_unknown": 4}
    assert scores["mean"] == dict.fromkeys(scores["mean"]) | counts
    assert {entry["state"] for entry in scores["groups"].values()} == {"unknown"}


def test_the_order_in_which_voxels_are_stored_does_not_matter(score, labels, grid):
    prediction = np.roll(labels, 2, axis=2)
    flipped = grid.affine.copy()
    flipped[:3, 0] *= -1
    flipped[:3, 3] = grid.to_mm(np.array([0, 0, grid.shape[2] - 1]))
    one = score(prediction, labels)
    two = score(
        prediction[:, :, ::-1].copy(), labels[:, :, ::-1].copy(), grid=Grid(grid.shape, flipped)
    )
    for name in CLASSES:
        for metric in ("dsc", "nsd_1mm", "hd95_mm"):
            assert one["classes"][name][metric] == pytest.approx(two["classes"][name][metric])
        assert one["classes"][name]["cldice"] == pytest.approx(
            two["classes"][name]["cldice"], abs=0.02
        )


@pytest.mark.parametrize(("axis", "expected_mm"), [(0, 2 * 1.2), (1, 2 * 0.8), (2, 2 * 0.7)])
def test_a_shift_is_measured_in_millimetres_of_its_own_axis(score, labels, axis, expected_mm):
    cube = np.zeros_like(labels)
    cube[20:25, 20:25, 20:25] = 3
    scores = score(np.roll(cube, 2, axis=axis), cube)
    assert scores["classes"]["right_artery"]["hd95_mm"] == pytest.approx(expected_mm, abs=1e-5)


def test_another_grid_is_refused_and_both_are_described(tmp_path, labels, grid):
    moved = Grid.upright(grid.shape, (0.7, 0.8, 1.3))
    write(Volume(labels, grid), tmp_path / "p.nii.gz")
    write(Volume(labels, moved), tmp_path / "r.nii.gz")
    with pytest.raises(Refusal, match=r"1\.2 × 0\.8 × 0\.7.*1\.3 × 0\.8 × 0\.7"):
        evaluate(tmp_path / "p.nii.gz", tmp_path / "r.nii.gz", None)


def test_a_mirrored_prediction_is_refused_not_scored(tmp_path, labels, grid):
    mirrored = grid.affine.copy()
    mirrored[:3, 0] *= -1
    write(Volume(labels, grid), tmp_path / "p.nii.gz")
    write(Volume(labels, Grid(grid.shape, mirrored)), tmp_path / "r.nii.gz")
    with pytest.raises(Refusal, match="same grid"):
        evaluate(tmp_path / "p.nii.gz", tmp_path / "r.nii.gz", None)


def test_a_sheared_grid_is_refused(tmp_path, labels, grid):
    sheared = grid.affine.copy()
    sheared[1, 2] = 0.2
    write(Volume(labels, Grid(grid.shape, sheared)), tmp_path / "p.nii.gz")
    with pytest.raises(Refusal, match="right angles"):
        evaluate(tmp_path / "p.nii.gz", tmp_path / "p.nii.gz", None)


@pytest.mark.parametrize("value", [5, 255])
def test_values_without_a_meaning_are_refused(tmp_path, labels, grid, value):
    wrong = labels.copy()
    wrong[0, 0, 0] = value
    write(Volume(wrong, grid), tmp_path / "p.nii.gz")
    write(Volume(labels, grid), tmp_path / "r.nii.gz")
    with pytest.raises(Refusal, match=f"prediction: holds the value.s. {value}"):
        evaluate(tmp_path / "p.nii.gz", tmp_path / "r.nii.gz", None)


def test_labels_stored_as_floats_are_read_if_they_are_whole(tmp_path, labels, grid):
    write(Volume(labels.astype(np.float32), grid), tmp_path / "p.nii.gz")
    write(Volume(labels.astype(np.int16), grid), tmp_path / "r.nii.gz")
    details = evaluate(tmp_path / "p.nii.gz", tmp_path / "r.nii.gz", None)
    assert details["against"]["labelled"]["mean"]["dsc"] == 1
    write(Volume(labels + np.float32(0.5), grid), tmp_path / "p.nii.gz")
    with pytest.raises(Refusal, match=r"0\.5"):
        evaluate(tmp_path / "p.nii.gz", tmp_path / "r.nii.gz", None)


def test_hidden_truth_stands_beside_the_labels(tmp_path, labels, grid):
    reference = labels.copy()
    reference[:, :, :30] = 255
    prediction = np.where(labels > 2, 0, labels).astype(np.uint8)
    paths = [tmp_path / f"{n}.nii.gz" for n in ("prediction", "reference", "truth")]
    for path, array in zip(paths, (prediction, reference, labels), strict=True):
        write(Volume(array, grid), path)
    settings = params.Evaluate(nsd_tolerances_mm=[2.0], calibre_edges_mm=[1.0], bootstrap=10)
    details = evaluate(paths[0], paths[1], LEFT_ONLY, settings, truth=paths[2])
    assert details["against"]["labelled"]["mean"]["dsc"] == 1
    assert details["against"]["truth"]["mean"]["dsc"] == 0.5
    assert details["nsd_tolerances_mm"] == [2.0]
    json.dumps(details, allow_nan=False)
    shown = show(details)
    assert "Against labelled" in shown
    assert "Against truth" in shown
    assert "missed" in shown


def test_evaluate_is_a_light_door():
    heavy = "{'torch', 'monai', 'pandas', 'scipy', 'skimage', 'SimpleITK', 'mlflow'}"
    code = f"import sys, lacaf.evaluate; print({heavy} & set(sys.modules))"
    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert output.stdout.strip() == "set()"


def test_a_broken_file_is_refused_without_a_traceback(tmp_path):
    broken = tmp_path / "labels.nii.gz"
    for content in (b"", b"this is no image", b"\x1f\x8b neither is this"):
        broken.write_bytes(content)
        with pytest.raises(Refusal, match="the prediction: it cannot be read"):
            evaluate(broken, broken, None)
