"""Growing and drawing trees, on inputs whose right answer is known."""

import numpy as np
import pytest

from lacaf.grid import Grid
from lacaf.phantom import raster, tree


def millilitres(radius_mm, spacing_mm, slope=(0.0, 0.0, 1.0)):
    """Drawn volume of a straight tube of 60 mm, mean over its places within a voxel."""
    grid = Grid.upright((90, 40, 40), spacing_mm, (-20 * spacing_mm, -20 * spacing_mm, -45))
    way = np.array(slope) / np.linalg.norm(slope)
    drawn = []
    for x, y in np.ndindex(4, 4):
        target = np.zeros(grid.shape, np.uint8)
        place = np.array([x, y, 0]) * spacing_mm / 4
        raster.cone(target, grid, place - 30 * way, place + 30 * way, radius_mm, radius_mm)
        drawn.append(target.sum() / 255 * grid.voxel_ml)
    return np.mean(drawn)


@pytest.mark.parametrize("slope", [(0, 0, 1), (0.2, 0.1, 1)])
@pytest.mark.parametrize("radius_mm", [0.3, 0.5, 1.0, 2.0, 5.0])
def test_a_tube_fills_as_much_as_its_volume(radius_mm, slope):
    ends = 4 / 3 * np.pi * radius_mm**3 / 1000
    expected = np.pi * radius_mm**2 * 60 / 1000 + ends
    share = 0.12 if radius_mm < 2 else 0.04
    assert millilitres(radius_mm, 1.0, slope) == pytest.approx(expected, rel=share)


def test_a_tube_outside_the_grid_draws_nothing():
    grid = Grid.upright((5, 5, 5), 1.0)
    target = np.zeros(grid.shape, np.uint8)
    raster.cone(target, grid, np.array([50.0, 0, 0]), np.array([60.0, 0, 0]), 2, 2)
    assert not target.any()


def test_the_voxel_on_the_surface_is_half_full():
    grid = Grid.upright((21, 21, 21), 1.0, (-10, -10, -10))
    target = np.zeros(grid.shape, np.uint8)
    raster.cone(target, grid, np.array([0, 0, -8.0]), np.array([0, 0, 8.0]), 4, 4)
    assert target[10, 10, 10] == 255
    assert target[10, 10, 14] == 128
    assert target[10, 10, 15] == 0


def test_growth_reaches_every_attractor():
    rng = np.random.default_rng(0)
    goals = rng.uniform(-40, 40, (50, 3))
    points, parent = tree.colonize(np.zeros((1, 3)), np.array([-1]), goals, 3.0, rng)
    distance = np.linalg.norm(goals[:, None] - points[None], axis=2).min(axis=1)
    assert np.mean(distance <= 3.6) > 0.95
    assert (parent[1:] < np.arange(1, len(parent))).all()
    assert np.linalg.norm(points[1:] - points[parent[1:]], axis=1).max() < 3.1


def test_growth_goes_around_an_obstacle():
    rng = np.random.default_rng(0)
    ball = tree.Obstacles(np.array([[0.5, 0, 20.0]]), np.array([3.0]))
    goal = np.array([[0.0, 0, 45.0]])
    points, _ = tree.colonize(np.zeros((1, 3)), np.array([-1]), goal, 3.0, rng, ball, 1.0)
    assert np.linalg.norm(points - ball.centres, axis=1).min() >= 4 - 1e-6
    assert np.linalg.norm(points - goal, axis=1).min() < 5


def test_spread_points_are_even():
    rng = np.random.default_rng(0)
    chosen = tree.spread(rng.random((3000, 3)), 27, rng)
    gaps = np.linalg.norm(chosen[:, None] - chosen[None], axis=2) + np.eye(len(chosen))
    assert len(chosen) >= 26
    assert gaps.min() > 0.15


def test_pushing_away_clears_an_overlap_and_leaves_fixed_nodes():
    line = np.stack([np.linspace(-20, 20, 21), np.zeros(21), np.zeros(21)], axis=1)
    tube = tree.plain(line, np.arange(21) - 1, np.arange(21) < 2)
    tube = tree.murray(tube, np.ones(21), 0.0)
    other = tree.Obstacles(np.array([[4.0, 0.5, 0]]), np.array([2.0]))
    assert tree.overlap(tube, other, 0.0).max() > 2
    bent = tree.push_away(tube, other, 0.3, 30)
    assert tree.overlap(bent, other, 0.0).max() < 0.2
    assert np.array_equal(bent.points[:2], tube.points[:2])


def test_keeping_drops_what_hangs_on_a_dropped_node():
    chain = tree.plain(np.eye(5, 3), [-1, 0, 1, 2, 1])
    kept = tree.keep(chain, np.array([True, True, False, True, True]))
    assert kept.parent.tolist() == [-1, 0, 1]
