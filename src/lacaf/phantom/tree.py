"""Branching tubes: growing them into a region, giving them radii, keeping them apart.

Growth is space colonization (Runions, Lane, Prusinkiewicz: Modeling trees with a space
colonization algorithm, 2007): points of the region attract the nearest node of the tree, each
attracted node grows a step, a point that has been reached stops attracting. Written by hand
because the trees must keep clear of one another, which is no matter of a general library.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

#: Exponent of Murray's law: r_parent^3 = sum of r_child^3 (Murray 1926, PNAS 12:207).
MURRAY_EXPONENT = 3.0


@dataclass(frozen=True, eq=False)
class Tree:
    """Tubes as cones from each node's parent to the node.

    Attributes:
        points: ``(N, 3)`` LPS mm.
        parent: ``(N,)`` index of the parent, always smaller than the node's own; -1 at a root.
        start_mm: ``(N,)`` radius of the cone at the parent's end.
        end_mm: ``(N,)`` radius at the node.
        fixed: ``(N,)`` bool, nodes given by anatomy, which neither move nor are pruned.
    """

    points: NDArray[np.float64]
    parent: NDArray[np.int64]
    start_mm: NDArray[np.float64]
    end_mm: NDArray[np.float64]
    fixed: NDArray[np.bool_]

    @property
    def segments(self) -> NDArray[np.int64]:
        """Indices of the nodes that have a parent."""
        return np.flatnonzero(self.parent >= 0)

    @property
    def children(self) -> NDArray[np.int64]:
        """How many children each node has."""
        return np.bincount(self.parent[self.parent >= 0], minlength=len(self.parent))

    def lengths(self) -> NDArray[np.float64]:
        """Length of each node's segment, mm; 0 at a root."""
        return np.where(
            self.parent >= 0,
            np.linalg.norm(self.points - self.points[self.parent], axis=1),
            0.0,
        )


def plain(points: NDArray, parent: NDArray, fixed: NDArray | None = None) -> Tree:
    """A tree without radii yet."""
    none = np.zeros(len(points))
    still = np.zeros(len(points), bool) if fixed is None else fixed
    return Tree(np.asarray(points, float), np.asarray(parent, np.int64), none, none, still)


def spread(candidates: NDArray, count: int, rng: np.random.Generator) -> NDArray:
    """``count`` of the candidate points ``(M, 3)``, evenly spread (Lloyd's iteration)."""
    if len(candidates) <= count:
        return candidates
    centres = candidates[rng.choice(len(candidates), count, replace=False)]
    for _ in range(6):
        nearest = cKDTree(centres).query(candidates)[1]
        total = np.zeros((count, 3))
        np.add.at(total, nearest, candidates)
        members = np.bincount(nearest, minlength=count)
        centres = np.where(members[:, None] > 0, total / np.maximum(members, 1)[:, None], centres)
    return candidates[np.unique(cKDTree(candidates).query(centres)[1])]


@dataclass(frozen=True, eq=False)
class Obstacles:
    """Balls that a growing tree goes around: centres ``(M, 3)``, radii ``(M,)``, mm."""

    centres: NDArray[np.float64]
    radii: NDArray[np.float64]

    def push(self, points: NDArray, clearance: float | NDArray) -> NDArray[np.float64]:
        """How far each point ``(N, 3)`` must move to keep ``clearance`` mm from every ball."""
        nearest = np.arange(min(12, len(self.centres))) + 1
        distance, index = cKDTree(self.centres).query(points, k=nearest)
        need = self.radii[index] + np.reshape(clearance, (-1, 1)) - distance
        worst = need.argmax(axis=1)
        rows = np.arange(len(points))
        away = points - self.centres[index[rows, worst]]
        away /= np.maximum(np.linalg.norm(away, axis=1, keepdims=True), 1e-6)
        return away * np.maximum(need[rows, worst], 0)[:, None]


def balls(tree: Tree, step_mm: float = 1.0) -> Obstacles:
    """The tree as a dense row of balls."""
    points, radii, _, _ = samples(tree, step_mm)
    return Obstacles(points, radii)


def samples(tree: Tree, step_mm: float) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    """Points along all segments: positions, radii, node of the segment, fraction of its length."""
    nodes = tree.segments
    count = np.maximum(np.ceil(tree.lengths()[nodes] / step_mm).astype(int), 1)
    node = np.repeat(nodes, count)
    first = np.repeat(np.cumsum(count) - count, count)
    fraction = (np.arange(len(node)) - first + 1) / np.repeat(count, count)
    start, end = tree.points[tree.parent[node]], tree.points[node]
    points = start + (end - start) * fraction[:, None]
    return (
        points,
        tree.start_mm[node] * (1 - fraction) + tree.end_mm[node] * fraction,
        node,
        fraction,
    )


def colonize(
    points: NDArray,
    parent: NDArray,
    attractors: NDArray,
    step_mm: float,
    rng: np.random.Generator,
    obstacles: Obstacles | None = None,
    clearance_mm: float = 0.0,
) -> tuple[NDArray, NDArray]:
    """Grow a tree (points, parent) until every attractor ``(M, 3)`` is reached or out of reach."""
    waiting = attractors
    for _ in range(400):
        distance, nearest = cKDTree(points).query(waiting)
        keep = distance > 1.2 * step_mm
        waiting, distance, nearest = waiting[keep], distance[keep], nearest[keep]
        if not len(waiting):
            break
        towards = (waiting - points[nearest]) / distance[:, None]
        tips, group = np.unique(nearest, return_inverse=True)
        pull = np.zeros((len(tips), 3))
        np.add.at(pull, group, towards)
        # where the pulls cancel, or the step would fall on an old node, follow one of them
        first = np.zeros(len(tips), int)
        first[group[::-1]] = np.arange(len(group))[::-1]
        weak = np.linalg.norm(pull, axis=1) < 0.2
        pull[weak] = towards[first[weak]]
        new = _steps(points[tips], pull, step_mm, rng, obstacles, clearance_mm)
        taken = cKDTree(points).query(new)[0] < 0.5 * step_mm
        pull[taken] = towards[first[taken]]
        new[taken] = _steps(points[tips[taken]], pull[taken], step_mm, rng, obstacles, clearance_mm)
        free = cKDTree(points).query(new)[0] >= 0.5 * step_mm
        if not free.any():
            break
        points = np.concatenate([points, new[free]])
        parent = np.concatenate([parent, tips[free]])
        # an attractor behind an obstacle must not be tried for ever
        stuck = np.isin(nearest, tips[~free])
        waiting = waiting[~stuck]
        if not len(waiting):
            break
    return points, parent


def _steps(
    start: NDArray,
    pull: NDArray,
    step_mm: float,
    rng: np.random.Generator,
    obstacles: Obstacles | None,
    clearance_mm: float,
) -> NDArray:
    way = pull / np.linalg.norm(pull, axis=1, keepdims=True)
    way = way + rng.normal(0, 0.12, way.shape)
    new = start + step_mm * way / np.linalg.norm(way, axis=1, keepdims=True)
    if obstacles is None or not len(new):
        return new
    push = obstacles.push(new, clearance_mm)
    size = np.linalg.norm(push, axis=1, keepdims=True)
    wall = push / np.maximum(size, 1e-6)
    # slide along what stands in the way
    way = way - np.minimum((way * wall).sum(axis=1, keepdims=True), 0) * wall
    slid = start + step_mm * way / np.maximum(np.linalg.norm(way, axis=1, keepdims=True), 1e-6)
    return np.where(size > 0, slid + obstacles.push(slid, clearance_mm), new)


def smooth(tree: Tree, rounds: int) -> Tree:
    """Take the kinks out of the paths; fixed nodes and tips stay."""
    inner = tree.segments
    inner = inner[(tree.children[inner] > 0) & ~tree.fixed[inner]]
    points = tree.points.copy()
    for _ in range(rounds):
        total = np.zeros_like(points)
        np.add.at(total, tree.parent[tree.segments], points[tree.segments])
        after = total[inner] / tree.children[inner][:, None]
        points[inner] = 0.5 * points[inner] + 0.25 * (points[tree.parent[inner]] + after)
    return replace(tree, points=points)


def murray(tree: Tree, tip_mm: NDArray, leak: float) -> Tree:
    """Radii from the tips down: at each branching the cubes of the radii add up.

    Along a segment the cube shrinks by ``leak`` (mm^3 per mm): the flow that leaves through
    branches too thin to be drawn. So vessels taper between branchings, and the law is exact at
    them.

    Args:
        tree: the tree; its radii are replaced.
        tip_mm: ``(N,)`` radius that a node gets if it has no child.
        leak: as above.
    """
    flow = np.where(tree.children == 0, tip_mm**MURRAY_EXPONENT, 0.0)
    start = np.zeros_like(flow)
    lengths = tree.lengths()
    for node in range(len(flow) - 1, -1, -1):
        start[node] = flow[node] + leak * lengths[node]
        if tree.parent[node] >= 0:
            flow[tree.parent[node]] += start[node]
    return replace(
        tree, start_mm=start ** (1 / MURRAY_EXPONENT), end_mm=flow ** (1 / MURRAY_EXPONENT)
    )


def keep(tree: Tree, wanted: NDArray) -> Tree:
    """The nodes ``wanted`` (bool); a node whose parent goes is lost too."""
    wanted = wanted.copy()
    for node in range(len(wanted)):
        if tree.parent[node] >= 0 and not wanted[tree.parent[node]]:
            wanted[node] = False
    index = np.cumsum(wanted) - 1
    parent = np.where(tree.parent >= 0, index[tree.parent], -1)[wanted]
    return Tree(
        tree.points[wanted],
        parent,
        tree.start_mm[wanted],
        tree.end_mm[wanted],
        tree.fixed[wanted],
    )


def overlap(tree: Tree, obstacles: Obstacles, gap_mm: float) -> NDArray[np.float64]:
    """By how many mm each node's segment comes nearer to an obstacle than ``gap_mm``."""
    points, radii, node, _ = samples(tree, 1.0)
    need = np.linalg.norm(obstacles.push(points, radii + gap_mm), axis=1)
    worst = np.zeros(len(tree.points))
    np.maximum.at(worst, node, need)
    return worst


def push_away(tree: Tree, obstacles: Obstacles, gap_mm: float, rounds: int) -> Tree:
    """Bend the tree around the obstacles, its radii and ``gap_mm`` considered."""
    for _ in range(rounds):
        points, radii, node, fraction = samples(tree, 1.0)
        need = obstacles.push(points, radii + gap_mm)
        hit = np.linalg.norm(need, axis=1) > 0
        if not hit.any():
            break
        move, weight = np.zeros_like(tree.points), np.zeros(len(tree.points))
        for ends, part in ((node, fraction), (tree.parent[node], 1 - fraction)):
            np.add.at(move, ends[hit], need[hit] * part[hit, None])
            np.add.at(weight, ends[hit], part[hit])
        move /= np.maximum(weight, 0.3)[:, None]
        move[tree.fixed] = 0
        tree = smooth(replace(tree, points=tree.points + 0.8 * move), 1)
    return tree


def leads_to(grown: Tree) -> NDArray[np.uint8]:
    """Which side's tips lie behind each node: 1 the left's, 2 the right's, 3 both."""
    tips = grown.children == 0
    left = grown.points[:, 0] > 0
    sides = np.where(tips, np.where(left, 1, 2), 0).astype(np.uint8)
    for node in range(len(sides) - 1, -1, -1):
        if grown.parent[node] >= 0:
            sides[grown.parent[node]] |= sides[node]
    return sides


def nearest_node(grown: Tree, points_mm: NDArray) -> NDArray[np.int64]:
    """For each point the node whose segment is the nearest one, to a fraction of its length."""
    inner = grown.segments
    fraction = np.linspace(0, 1, 8)[:, None, None]
    start, end = grown.points[grown.parent[inner]], grown.points[inner]
    along = (start + fraction * (end - start)).reshape(-1, 3)
    return np.tile(inner, len(fraction))[cKDTree(along).query(points_mm)[1]]
