"""Another contrast phase: the labelled vessels exchange their brightness, and nothing else does."""

import numpy as np
import pytest
import torch

from lacaf import facts
from lacaf.classes import class_value
from lacaf.train.phase import LUNG_HU, exchange

ARTERY, VEIN = class_value("artery", "left"), class_value("vein", "left")
SHAPE = (16, 20, 20)
BLOOD = {ARTERY: 350.0, VEIN: 120.0}
MIDDLE = {ARTERY: 5, VEIN: 14}
RADIUS = 3


def tube(label, edge=1.0):
    """Part of each voxel that a vessel along z fills; its edge is so many voxels wide."""
    y, x = np.mgrid[: SHAPE[1], : SHAPE[2]]
    distance = np.hypot(y - 10, x - MIDDLE[label]) - RADIUS
    return np.broadcast_to(np.clip(0.5 - distance / edge, 0, 1), SHAPE)


def scan(blood):
    """HU of an artery and a vein in lung."""
    hu = np.full(SHAPE, LUNG_HU)
    for label in (ARTERY, VEIN):
        hu += tube(label, 2.0) * (blood[label] - LUNG_HU)
    return torch.from_numpy(hu).float()


def labels():
    found = np.zeros(SHAPE, np.uint8)
    for label in (ARTERY, VEIN):
        found[tube(label) > 0.5] = label
    return found


def known(drawn, deep=0):
    return torch.from_numpy(facts.packed(drawn, np.full(SHAPE, deep, np.uint8), drawn == 255))


def test_the_patient_looks_as_if_scanned_in_the_other_phase():
    hu = scan(BLOOD)
    exchange(hu, known(labels()))
    other = scan({ARTERY: BLOOD[VEIN], VEIN: BLOOD[ARTERY]})
    # Blood is read from voxels of which a tenth are taken for the brightest.
    assert (hu - other).abs().max() < 0.1 * (BLOOD[ARTERY] - LUNG_HU)
    core = torch.from_numpy(tube(ARTERY) == 1)
    assert (hu - other)[core].abs().mean() < 20


def test_edges_change_by_the_part_of_them_that_is_blood():
    hu = scan(BLOOD)
    exchange(hu, known(labels()))
    other = scan({ARTERY: BLOOD[VEIN], VEIN: BLOOD[ARTERY]})
    part = torch.from_numpy(tube(ARTERY, 2.0) + tube(VEIN, 2.0))
    outside = torch.from_numpy(labels() == 0) & (part > 0.2)
    assert outside.any()
    assert (hu - other)[outside].abs().max() < 20


def test_far_from_vessels_nothing_changes():
    hu = scan(BLOOD)
    before = hu.clone()
    exchange(hu, known(labels()))
    far = torch.from_numpy(tube(ARTERY, 6.0) + tube(VEIN, 6.0) == 0)
    assert torch.equal(hu[far], before[far])
    assert not torch.equal(hu, before)


def test_twice_is_as_it_was():
    hu = scan(BLOOD)
    before = hu.clone()
    for _ in range(2):
        exchange(hu, known(labels()))
    assert (hu - before).abs().max() < 15


def test_right_vessels_are_exchanged_too():
    drawn = labels()
    right = drawn.copy()
    right[drawn == ARTERY] = class_value("artery", "right")
    right[drawn == VEIN] = class_value("vein", "right")
    one, two = scan(BLOOD), scan(BLOOD)
    exchange(one, known(drawn))
    exchange(two, known(right))
    assert torch.equal(one, two)


def without(label):
    drawn = labels()
    drawn[drawn == label] = 0
    return drawn


@pytest.mark.parametrize("drawn", [without(ARTERY), without(VEIN)])
def test_a_kind_that_nobody_labelled_is_not_exchanged(drawn):
    hu = scan(BLOOD)
    before = hu.clone()
    exchange(hu, known(drawn))
    assert torch.equal(hu, before)


def test_where_lung_is_unlabelled_its_vessels_would_stay_so_nothing_is_exchanged():
    drawn = labels()
    drawn[:4] = 255
    for deep, changed in ((1, False), (0, True)):  # 0: not in a lung, where it does not matter
        hu = scan(BLOOD)
        before = hu.clone()
        exchange(hu, known(drawn, deep))
        assert torch.equal(hu, before) != changed


def test_edges_alone_say_nothing_about_the_blood():
    hu = scan({ARTERY: -200.0, VEIN: 100.0})
    before = hu.clone()
    exchange(hu, known(labels()))
    assert torch.equal(hu, before)
