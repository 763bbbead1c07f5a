"""Components, rings and cavities of shapes whose numbers everybody knows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage
from skimage.measure import euler_number

from lacaf.evaluate import topology
from lacaf.evaluate.masks import Masks
from lacaf.evaluate.patterns import boundary

FULL = np.ones((3, 3, 3), bool)
SMALL = arrays(bool, st.tuples(*[st.integers(1, 5)] * 3))


def betti(mask):
    return topology.betti(mask, boundary(mask)[1])


def solid():
    return np.pad(np.ones((5, 5, 5), bool), 1)


def ring():
    mask = np.zeros((7, 7, 3), bool)
    mask[1:6, 1:6, 1] = True
    mask[2:5, 2:5, 1] = False
    return mask


def two_rings():
    """An eight: two rings that share a wall."""
    mask = np.zeros((7, 11, 3), bool)
    mask[1:6, 1:10, 1] = True
    mask[2:5, 2:5, 1] = mask[2:5, 6:9, 1] = False
    return mask


def shell():
    mask = solid()
    mask[3, 3, 3] = False
    return mask


def corner_to_corner():
    mask = np.zeros((6, 6, 6), bool)
    mask[1:3, 1:3, 1:3] = mask[3:5, 3:5, 3:5] = True
    return mask


def apart():
    mask = np.zeros((7, 3, 3), bool)
    mask[1, 1, 1] = mask[3, 1, 1] = mask[5, 1, 1] = True
    return mask


@pytest.mark.parametrize(
    ("shape", "numbers"),
    [
        (solid, (1, 0, 0)),
        (ring, (1, 1, 0)),
        (two_rings, (1, 2, 0)),
        (shell, (1, 0, 1)),
        (corner_to_corner, (1, 0, 0)),
        (apart, (3, 0, 0)),
    ],
)
def test_known_shapes(shape, numbers):
    assert betti(shape()) == numbers


def test_nothing_has_no_topology():
    assert betti(np.zeros((3, 3, 3), bool)) == (0, 0, 0)


@settings(max_examples=200, deadline=None)
@given(SMALL)
def test_the_numbers_fit_counting_and_scikit_image(mask):
    mask = np.pad(mask, 1)
    components, rings, cavities = betti(mask)
    assert components == ndimage.label(mask, FULL)[1]
    assert cavities == (ndimage.label(~mask)[1] - 1 if mask.any() else 0)
    assert components - rings + cavities == euler_number(mask, connectivity=3)
    assert rings >= 0


def pieces(mask):
    """Vertices, edges, faces and cubes of the closed cubes of a mask, each counted once."""
    found = set()
    for z, y, x in np.argwhere(mask):
        for dz in (0, 1, 2):
            for dy in (0, 1, 2):
                for dx in (0, 1, 2):
                    found.add((2 * z + dz, 2 * y + dy, 2 * x + dx))  # odd: inside along an axis
    dimension = [sum(int(c) % 2 for c in piece) for piece in found]
    return [dimension.count(d) for d in range(4)]


@settings(max_examples=100, deadline=None)
@given(SMALL)
def test_the_euler_characteristic_equals_brute_force(mask):
    vertices, edges, faces, cubes = pieces(np.pad(mask, 1))
    assert topology.euler(boundary(np.pad(mask, 1))[1]) == vertices - edges + faces - cubes


def test_errors_are_differences_of_counts():
    reference = np.pad(ring(), ((0, 4), (0, 0), (0, 0)))
    broken = reference.copy()
    broken[3, 1, 1] = broken[3, 5, 1] = False
    found = topology.topology(Masks(broken, reference, (1.0, 1.0, 1.0), (0, 0, 0)))
    assert [found[f"reference_b{i}"] for i in range(3)] == [1, 1, 0]
    assert [found[f"prediction_b{i}"] for i in range(3)] == [2, 0, 0]
    assert [found[f"b{i}_error"] for i in range(3)] == [1, 1, 0]
