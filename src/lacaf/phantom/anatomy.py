"""One patient: the thorax and the trees of arteries, veins and airways that fill its lungs.

Per lobe a bronchovascular tree is grown first: it is the arteries' tree, and its thicker part
carries the bronchi beside it. Then the veins grow towards the places farthest from it, which
are the borders of the segments, and keep clear of it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from lacaf.phantom import central, thorax, tree
from lacaf.phantom.central import Stem
from lacaf.phantom.thorax import Thorax
from lacaf.phantom.tree import Tree

#: A bronchus' outer radius: this multiple of the lumen's, and so much more.
WALL_TIMES, WALL_MM = 1.2, 0.3


@dataclass(frozen=True)
class Growth:
    """How far and how thick the trees grow.

    Attributes:
        arteries: tips of the arteries' tree in both lungs together, at scale 1.
        veins: the same of the veins.
        tip_mm: radius of the tips, median.
        tip_spread: standard deviation of its logarithm.
        leak: flow lost to small branches, mm^3 per mm (see :func:`lacaf.phantom.tree.murray`).
        step_mm: length of a growth step.
        airway_mm: the arteries at least this thick carry a bronchus that is drawn.
        gap_mm: room between the walls of vessels of different kinds.
    """

    arteries: int
    veins: int
    tip_mm: float
    tip_spread: float
    leak: float
    step_mm: float
    airway_mm: float
    gap_mm: float


def growth(kind: str, spacing_mm: float, scale: float) -> Growth:
    """Realistic trees are the patient's own; the demo's suit the grid they are drawn on."""
    if kind == "demo":
        tip = 1.15 * spacing_mm
        return Growth(46, 48, tip, 0.08, 0.03 * tip**2, 2.0 * spacing_mm, 1.1 * tip, spacing_mm / 2)
    # what a grid cannot show is not grown; fewer, thicker tips leave the stems as they are
    tip = max(0.68, 0.47 * spacing_mm)
    count = scale**2 * (0.68 / tip) ** 2
    arteries, veins = round(520 * count), round(470 * count)
    return Growth(arteries, veins, tip, 0.14, 0.035, 3.0, max(1.45, tip), max(0.5, tip / 2))


@dataclass(frozen=True, eq=False)
class Anatomy:
    """A patient's solid parts and trees; airway radii are those of the lumen."""

    body: Thorax
    arteries: Tree
    veins: Tree
    airways: Tree


def grow(body: Thorax, rules: Growth, rng: np.random.Generator) -> Anatomy:
    """Grow the three trees of a patient."""
    roots = {
        kind: central.stem(getattr(central, kind.upper()), body.scale, rng)
        for kind in ("airways", "arteries", "veins")
    }
    clouds = _lobes(body, rng)
    points, parent = roots["arteries"].points, roots["arteries"].parent
    for place, cloud in clouds.items():
        count = max(3, round(rules.arteries * len(cloud) / _total(clouds)))
        root = roots["arteries"].ends[central.LOBAR[place]["arteries"]]
        points, parent = _graft(points, parent, root, cloud, count, rules, rng)
    arteries = _radii(points, parent, roots["arteries"], rules, rng)
    airways = _bronchi(arteries, roots, rules)
    obstacles = _together(tree.balls(arteries), tree.balls(walls(airways)))
    points, parent = roots["veins"].points, roots["veins"].parent
    for place, cloud in clouds.items():
        count = max(3, round(rules.veins * len(cloud) / _total(clouds)))
        far = cloud[_farthest(cloud, obstacles)]
        root = roots["veins"].ends[central.LOBAR[place]["veins"]]
        points, parent = _graft(points, parent, root, far, count, rules, rng, obstacles)
    veins = _radii(points, parent, roots["veins"], rules, rng)
    veins = _apart(veins, obstacles, roots["veins"], rules, rng)
    return Anatomy(body, arteries, veins, airways)


def walls(airways: Tree) -> Tree:
    """The airways with their walls."""
    return replace(
        airways,
        start_mm=WALL_TIMES * airways.start_mm + WALL_MM,
        end_mm=WALL_TIMES * airways.end_mm + WALL_MM,
    )


def _lobes(body: Thorax, rng: np.random.Generator) -> dict[tuple[str, str], NDArray]:
    """Points that fill each lobe, as many as its fraction of the lungs' volume."""
    volumes = thorax.volumes_ml(body)
    clouds = {}
    for side, volume in zip(("left", "right"), volumes, strict=True):
        count = round(16000 * volume / sum(volumes))
        cloud = thorax.sample(body, side, count, 4.0 * body.scale, rng)
        index = thorax.lobe(body, side, cloud)
        for number, name in enumerate(thorax.LOBES[side]):
            clouds[side, name] = cloud[index == number]
    return clouds


def _total(clouds: dict[tuple[str, str], NDArray]) -> int:
    return sum(len(cloud) for cloud in clouds.values())


def _graft(
    points: NDArray,
    parent: NDArray,
    root: int,
    cloud: NDArray,
    count: int,
    rules: Growth,
    rng: np.random.Generator,
    obstacles: tree.Obstacles | None = None,
) -> tuple[NDArray, NDArray]:
    """Grow a lobe's tree from a node: first the segments, then what lies between.

    Growing in three generations of ever more attractors gives main stems with side branches,
    as in real lungs, where all at once would give a bush.
    """
    own, up = points[[root]], np.array([-1])
    stages = sorted({max(2, count // 14), max(3, count // 4), count})
    for stage in stages:
        attractors = tree.spread(cloud, stage, rng)
        thick = rules.tip_mm * (count / stage) ** (1 / 3)
        own, up = tree.colonize(
            own, up, attractors, rules.step_mm, rng, obstacles, thick + 1.5 * rules.gap_mm
        )
    first = len(points)
    up = np.where(up <= 0, np.where(up < 0, -1, root), up + first - 1)
    return np.concatenate([points, own[1:]]), np.concatenate([parent, up[1:]])


def _radii(
    points: NDArray, parent: NDArray, roots: Stem, rules: Growth, rng: np.random.Generator
) -> Tree:
    """Prune spurs shorter than two steps, smooth, and set the radii."""
    known = np.arange(len(points)) < len(roots.points)
    grown = _prune(tree.plain(points, parent, known), 2)
    grown = tree.smooth(grown, 3)
    return _calibres(grown, roots, rules, rng)


def _calibres(grown: Tree, roots: Stem, rules: Growth, rng: np.random.Generator) -> Tree:
    """Murray's law in the lungs; the central vessels are at least as wide as anatomy says."""
    tips = rules.tip_mm * np.exp(rng.normal(0, rules.tip_spread, len(grown.points)))
    grown = tree.murray(grown, tips, rules.leak)
    known = np.flatnonzero(grown.fixed)
    end, start = grown.end_mm.copy(), grown.start_mm.copy()
    ends = np.isin(known, list(roots.ends.values())) & _only_grown_children(grown)[known]
    end[known] = np.where(ends, end[known], np.maximum(end[known], roots.radius[known]))
    inner = known[grown.parent[known] >= 0]
    start[inner] = np.maximum(start[inner], roots.radius[inner])
    return replace(grown, start_mm=start, end_mm=end)


def _only_grown_children(grown: Tree) -> NDArray[np.bool_]:
    """Nodes whose children, if any, all grew: the ends of the central paths."""
    result = np.ones(len(grown.points), bool)
    fixed = grown.segments[grown.fixed[grown.segments]]
    result[grown.parent[fixed]] = False
    return result


def _prune(grown: Tree, least: int) -> Tree:
    """Drop spurs of fewer than ``least`` segments: they would only be bumps on their parent."""
    children = grown.children
    wanted = np.ones(len(grown.points), bool)
    for tip in np.flatnonzero((children == 0) & ~grown.fixed):
        run, node = [], tip
        while not grown.fixed[node] and children[node] <= 1:
            run.append(node)
            node = grown.parent[node]
        if len(run) < least:
            wanted[run] = False
    return tree.keep(grown, wanted)


def _bronchi(arteries: Tree, roots: dict[str, Stem], rules: Growth) -> Tree:
    """The airways: the central ones, and beside each thick artery a bronchus of its width."""
    points, parent = list(roots["airways"].points), list(roots["airways"].parent)
    radius = list(roots["airways"].radius)
    fixed = [True] * len(points)
    place: dict[int, int] = {}
    beside: dict[int, NDArray] = {}
    for path in central.LOBAR.values():
        artery = roots["arteries"].ends[path["arteries"]]
        place[artery] = roots["airways"].ends[path["airways"]]
        side = points[place[artery]] - arteries.points[artery]
        beside[artery] = side / np.linalg.norm(side)
    children = arteries.children
    for node in map(int, np.flatnonzero(~arteries.fixed)):
        origin = int(arteries.parent[node])
        if origin not in place or arteries.end_mm[node] < rules.airway_mm:
            continue
        way = arteries.points[node] - arteries.points[origin]
        way /= max(np.linalg.norm(way), 1e-6)
        side = beside[origin]
        if children[origin] > 1:
            side = _out_of_the_bifurcation(side, way, arteries, origin)
        side = side - (side @ way) * way
        side /= max(np.linalg.norm(side), 1e-6)
        # a bronchus is outside about as wide as its artery
        outer = 0.95 * arteries.end_mm[node]
        lumen = (outer - WALL_MM) / WALL_TIMES
        apart = arteries.end_mm[node] + outer + 0.3 * rules.gap_mm
        before = np.linalg.norm(points[place[origin]] - arteries.points[origin])
        apart = max(apart, before - 0.7 * rules.step_mm)  # bronchi approach smoothly
        points.append(arteries.points[node] + side * apart)
        parent.append(place[origin])
        radius.append(min(lumen, radius[place[origin]]))
        fixed.append(False)
        place[node], beside[node] = len(points) - 1, side
    airways = _tube(np.array(points), np.array(parent), np.array(radius), np.array(fixed))
    bent = tree.push_away(walls(airways), tree.balls(arteries), 0.0, 8)
    return replace(airways, points=bent.points)


def _out_of_the_bifurcation(side: NDArray, way: NDArray, arteries: Tree, origin: int) -> NDArray:
    """Turn the bronchus' side towards the normal of a bifurcation, so that it need not cross it."""
    before = arteries.points[origin] - arteries.points[arteries.parent[origin]]
    normal = np.cross(before, way)
    size = np.linalg.norm(normal)
    if size < 1e-6:
        return side
    normal *= np.sign(normal @ side) / size
    return side + 0.8 * normal


def _tube(points: NDArray, parent: NDArray, radius: NDArray, fixed: NDArray) -> Tree:
    start = np.where(parent >= 0, radius[parent], radius)
    # a side branch begins with its own width, not with that of the stem it leaves
    start = np.minimum(start, 1.25 * radius)
    return tree.smooth(Tree(points, parent, start, radius, fixed), 1)


def _together(*groups: tree.Obstacles) -> tree.Obstacles:
    return tree.Obstacles(
        np.concatenate([g.centres for g in groups]), np.concatenate([g.radii for g in groups])
    )


def _farthest(cloud: NDArray, obstacles: tree.Obstacles) -> NDArray[np.bool_]:
    """The half of the points that lies farthest from the bronchovascular tree."""
    distance = cKDTree(obstacles.centres).query(cloud)[0]
    return distance >= np.median(distance)


def _apart(
    veins: Tree, obstacles: tree.Obstacles, roots: Stem, rules: Growth, rng: np.random.Generator
) -> Tree:
    """Bend the veins away from arteries and bronchi; cut off spurs that still cross them."""
    for _ in range(3):
        veins = tree.push_away(veins, obstacles, rules.gap_mm, 12)
        crossing = tree.overlap(veins, obstacles, -0.15 * rules.tip_mm) > 0
        veins = tree.keep(veins, ~(crossing & ~veins.fixed & (_tips_behind(veins) <= 3)))
        veins = _calibres(_prune(veins, 2), roots, rules, rng)
    return veins


def _tips_behind(grown: Tree) -> NDArray[np.int64]:
    """How many tips hang on each node."""
    tips = (grown.children == 0).astype(int)
    for node in range(len(tips) - 1, -1, -1):
        if grown.parent[node] >= 0:
            tips[grown.parent[node]] += tips[node]
    return tips
