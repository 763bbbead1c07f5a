"""A synthetic chest is a chest: sides, sizes, trees, and what a scanner would see of them."""

import json

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial import cKDTree

from lacaf.params.phantom import Phantom
from lacaf.phantom import anatomy, appearance, thorax, tree
from lacaf.phantom.render import build, render

DEMO = Phantom(kind="demo", seed=2501, spacing_mm=2.0, scale=0.7)


@pytest.fixture(scope="module")
def case():
    return render("spec", DEMO)


@pytest.fixture(scope="module")
def patient():
    return build("spec", DEMO)[0]


@pytest.fixture(scope="module")
def fine():
    """A realistic patient as grown for a 2 mm grid."""
    return build("spec", DEMO.model_copy(update={"kind": "realistic", "scale": 1.0}))[0]


def centre_mm(mask, grid):
    return grid.to_mm(np.argwhere(mask)).mean(axis=0)


def same_voxels(one, other):
    return one.image.grid.same_as(other.image.grid) and all(
        np.array_equal(getattr(one, part).array, getattr(other, part).array)
        for part in ("image", "labels", "lungs", "airways")
    )


def test_the_same_case_gives_the_same_voxels(case):
    again = render("spec", DEMO)
    assert same_voxels(case, again)
    assert case.facts == again.facts


def test_another_name_or_seed_is_another_patient(case):
    assert not same_voxels(case, render("other", DEMO))
    assert not same_voxels(case, render("spec", DEMO.model_copy(update={"seed": 1})))


def test_arrays_lie_on_one_upright_grid_whose_spacing_is_near_the_wanted(case):
    for part in (case.image, case.labels, case.lungs, case.airways):
        assert part.grid.same_as(case.image.grid)
    assert np.array_equal(
        case.image.grid.affine[:3, :3], np.diag(np.diag(case.image.grid.affine))[:3, :3]
    )
    assert np.allclose(case.image.grid.spacing_mm, 2.0, rtol=0.16)
    assert case.image.array.dtype == np.int16
    assert set(np.unique(case.labels.array)) == {0, 1, 2, 3, 4}
    assert set(np.unique(case.lungs.array)) == {0, 1, 2}


def test_the_demo_fits_a_laptop(case):
    assert all(70 <= n <= 125 for n in case.image.array.shape)


@pytest.mark.parametrize("number", range(12))
def test_the_left_lung_is_the_smaller_one_in_every_patient(number):
    body = thorax.draw(np.random.default_rng(number), 1.0)
    left, right = thorax.volumes_ml(body)
    assert 1.04 < right / left < 1.4
    assert 3900 < left + right < 5200


def test_left_is_at_positive_x(case):
    grid, lungs = case.lungs.grid, case.lungs.array
    assert centre_mm(lungs == 1, grid)[0] > 30
    assert centre_mm(lungs == 2, grid)[0] < -30


def test_a_vessel_in_a_lung_has_the_side_of_that_lung(case):
    labels, lungs = case.labels.array, case.lungs.array
    assert not np.isin(labels[lungs == 1], (3, 4)).any()
    assert not np.isin(labels[lungs == 2], (1, 2)).any()
    for value in (1, 2):
        assert centre_mm(labels == value, case.labels.grid)[0] > 15
        assert centre_mm(labels == value + 2, case.labels.grid)[0] < -15


def test_every_class_is_large_enough_to_learn_from(case):
    millilitres = np.bincount(case.labels.array.ravel()) * case.labels.grid.voxel_ml
    assert (millilitres[1:] > 8).all()


def test_the_heart_leans_to_the_left_and_makes_a_notch(patient):
    s = patient.body.scale
    x, y, z = np.array([[50.0, -50.0]]).T * s, np.array([[-20.0]]) * s, np.array([[-75.0]]) * s
    assert thorax.lung(patient.body, "left", x[0], y[0], z[0]) > 0
    assert thorax.lung(patient.body, "right", x[1], y[0], z[0]) < 0


@pytest.mark.parametrize("which", ["patient", "fine"])
def test_arteries_run_beside_bronchi_and_veins_do_not(which, request):
    grown = request.getfixturevalue(which)
    bronchi = cKDTree(grown.airways.points[~grown.airways.fixed])
    thick = 1.2 * grown.airways.end_mm[~grown.airways.fixed].min()

    def room(vessels):
        """Millimetres from wall to wall where a bronchus could be beside the vessel."""
        chosen = ~vessels.fixed & (vessels.end_mm > thick)
        return bronchi.query(vessels.points[chosen])[0] - vessels.end_mm[chosen]

    assert np.median(room(grown.arteries)) < 5.0
    assert np.median(room(grown.veins)) > 1.5 * np.median(room(grown.arteries))


@pytest.mark.parametrize("which", ["patient", "fine"])
def test_arteries_and_veins_keep_apart(which, request):
    grown = request.getfixturevalue(which)
    points, radii, node, _ = tree.samples(grown.veins, 1.0)
    arteries = tree.balls(grown.arteries)
    into = np.linalg.norm(arteries.push(points, radii), axis=1)[~grown.veins.fixed[node]]
    assert np.mean(into > 0.5) < 0.02


def test_each_tree_hangs_together(patient):
    for grown, roots in ((patient.arteries, 1), (patient.airways, 1), (patient.veins, 4)):
        assert (grown.parent < np.arange(len(grown.parent))).all()
        assert (grown.parent < 0).sum() == roots


def test_labels_hang_together(case):
    for values, pieces, share in (((1, 3), 1, 0.98), ((2, 4), 4, 0.95)):
        parts = ndimage.label(np.isin(case.labels.array, values), np.ones((3, 3, 3)))[0]
        sizes = np.sort(np.bincount(parts.ravel())[1:])[::-1]
        assert sizes[:pieces].sum() >= share * sizes.sum()


def test_veins_leave_the_atrium_below_and_arteries_enter_above(patient):
    arteries, veins = patient.arteries, patient.veins
    central = patient.arteries.fixed, patient.veins.fixed
    assert arteries.points[central[0], 2].mean() > veins.points[central[1], 2].mean() + 10


@pytest.mark.parametrize("which", ["patient", "fine"])
def test_cubes_of_radii_add_up_at_every_branching_in_the_lungs(which, request):
    grown = request.getfixturevalue(which)
    for vessels in (grown.arteries, grown.veins):
        cubes = np.zeros(len(vessels.points))
        segments = vessels.segments
        np.add.at(cubes, vessels.parent[segments], vessels.start_mm[segments] ** 3)
        branching = (vessels.children > 1) & ~vessels.fixed
        assert branching.sum() >= 15
        assert np.allclose(cubes[branching], vessels.end_mm[branching] ** 3)


def test_murray_on_a_fork_of_known_radii():
    fork = tree.plain(np.array([[0, 0, 0], [0, 0, 10], [5, 0, 15], [-5, 0, 15.0]]), [-1, 0, 1, 1])
    grown = tree.murray(fork, np.ones(4), leak=0.0)
    assert np.allclose(grown.end_mm, [2 ** (1 / 3), 2 ** (1 / 3), 1, 1])
    leaking = tree.murray(fork, np.ones(4), leak=0.1)
    assert np.isclose(leaking.start_mm[1] ** 3, 2 * (1 + 0.1 * np.sqrt(50)) + 0.1 * 10)


def test_realistic_trees_are_finer_than_the_demo(patient, fine):
    assert (fine.arteries.children == 0).sum() > 2 * (patient.arteries.children == 0).sum()
    assert np.median(fine.arteries.end_mm) < np.median(patient.arteries.end_mm)


def test_trees_fill_the_lungs(fine):
    points = thorax.sample(fine.body, "left", 500, 4.0, np.random.default_rng(0))
    for vessels in (fine.arteries, fine.veins):
        assert np.percentile(cKDTree(vessels.points).query(points)[0], 90) < 25


def test_hounsfield_units_are_those_of_a_chest(case):
    image, labels, lungs = case.image.array, case.labels.array, case.lungs.array
    air_around = image[:, :2]
    assert -1020 < air_around.mean() < -980
    tissue = (lungs > 0) & (labels == 0) & (case.airways.array == 0)
    assert -900 < np.median(image[tissue]) < -790
    windpipe = ndimage.binary_erosion(case.airways.array == 1, iterations=2)
    assert image[windpipe].mean() < -850
    for values, key in (((1, 3), "artery_hu"), ((2, 4), "vein_hu")):
        inside = ndimage.binary_erosion(np.isin(labels, values), iterations=2)
        assert abs(image[inside].mean() - case.facts[key]) < 25
    assert (image > 250).sum() * case.image.grid.voxel_ml > 20  # bone


def test_the_lung_is_denser_at_the_back(case):
    tissue = (case.lungs.array > 0) & (case.labels.array == 0) & (case.airways.array == 0)
    tissue = ndimage.binary_erosion(tissue, iterations=2)
    y = np.argwhere(tissue)[:, 1]
    hu = case.image.array[tissue]
    front, back = np.percentile(y, (25, 75))
    assert 20 < np.median(hu[y > back]) - np.median(hu[y < front]) < 120


def test_the_noise_is_what_the_facts_say(case):
    air = case.image.array[:, 0].astype(float)
    assert abs(air.std() - case.facts["noise_hu"]) < 0.15 * case.facts["noise_hu"]


def test_contrast_of_the_demo_separates_the_kinds():
    drawn = [appearance.contrast("demo", np.random.default_rng(n)) for n in range(200)]
    for one in drawn:
        assert 40 <= min(one.artery_hu, one.vein_hu) <= max(one.artery_hu, one.vein_hu) <= 400
        if one.phase in ("artery", "vein"):
            gap = one.artery_hu - one.vein_hu
            assert (gap >= 100) if one.phase == "artery" else (gap <= -100)
    assert 0.8 < np.mean([one.phase in ("artery", "vein") for one in drawn]) < 0.97
    assert {one.phase for one in drawn} == {"artery", "vein", "mixed"}


def test_contrast_of_realistic_cases_is_the_same_in_about_half():
    drawn = [appearance.contrast("realistic", np.random.default_rng(n)) for n in range(300)]
    assert 0.4 < np.mean([one.artery_hu == one.vein_hu for one in drawn]) < 0.6
    assert all(one.artery_hu == one.vein_hu for one in drawn if one.phase == "none")


def test_findings_occur_in_some():
    body = thorax.draw(np.random.default_rng(0), 0.7)
    names = [tuple(appearance.findings(body, np.random.default_rng(n)).names()) for n in range(40)]
    assert () in names
    assert {name for one in names for name in one} == {"nodule", "emphysema", "consolidation"}


def test_facts_can_be_written_as_json(case):
    facts = json.loads(json.dumps(case.facts, allow_nan=False))
    assert facts["phase"] in ("none", "artery", "vein", "mixed")
    assert facts["volumes_ml"]["left_lung"] < facts["volumes_ml"]["right_lung"]


def test_the_walls_of_bronchi_are_outside_their_lumen(patient):
    outer = anatomy.walls(patient.airways)
    assert (outer.end_mm > patient.airways.end_mm).all()
