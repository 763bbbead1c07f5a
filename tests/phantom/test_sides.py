"""The truth's sides are those of the lungs that vessels lead to; the trunk's is unknown."""

import numpy as np

from lacaf.classes import UNKNOWN
from lacaf.coverage import lung_distances_mm
from lacaf.params.phantom import Phantom
from lacaf.phantom.render import render
from lacaf.phantom.tree import leads_to, nearest_node, plain


def test_the_trunk_leads_to_both_and_the_right_artery_to_the_right_from_its_root_on():
    case = render("case", Phantom(kind="demo", seed=3, spacing_mm=3.0, scale=0.8))
    labels, truth, lungs = (v.array for v in (case.labels, case.truth, case.lungs))
    left_mm, right_mm = lung_distances_mm(lungs, case.lungs.grid)
    trunk = truth == UNKNOWN
    assert trunk.sum() * case.truth.grid.voxel_ml > 3
    assert set(np.unique(labels[trunk])) <= {1, 3}, "arteries, as an expert draws them"
    assert not (trunk & (lungs > 0)).any()
    assert np.array_equal(truth[~trunk], labels[~trunk])
    root = (truth == 3) & (left_mm < right_mm)
    assert root.sum() * case.truth.grid.voxel_ml > 0.5, "nearer to the left lung, and right"
    assert not ((truth == 1) & (right_mm < left_mm)).any()


def test_whose_tips_lie_behind_a_node():
    points = np.array([(0, 0, 0), (0, 0, 5), (9, 0, 9), (-9, 0, 9)], float)
    fork = plain(points, np.array([-1, 0, 1, 1]))
    assert leads_to(fork).tolist() == [3, 3, 1, 2]
    assert nearest_node(fork, np.array([(0, 1, 2.0), (8, 0, 8), (-8, 1, 9)])).tolist() == [1, 2, 3]
