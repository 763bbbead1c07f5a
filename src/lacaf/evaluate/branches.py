"""The branches of a tree: chains of centreline voxels between bifurcations, from the root."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lacaf.evaluate.links import Links
from lacaf.evaluate.pruning import deepest

#: Generation of a branch in a component that is a fragment, no tree of its own.
DETACHED = -1

#: A component with at least this fraction of the whole length is a tree with a root of its own: a
#: class that was drawn from the lobes outwards has several.
TREE_FRACTION = 0.1


def branches(
    links: Links, length_mm: NDArray[np.float64], deep: NDArray
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Split a centreline into branches.

    A branch runs from bifurcation to bifurcation or end. Bifurcations that lie closer together
    than the vessel is deep there are one. A bifurcation's own voxels belong to the branch that
    leads to it from the root. The root is the branch with the deepest voxel of its component:
    generation 0; each bifurcation on the way adds 1. Fragments have no generations.

    Args:
        links: the centreline's voxels, linked to trees.
        length_mm: ``(N,)`` length that each voxel stands for.
        deep: ``(N,)`` mm to the nearest voxel outside the mask.

    Returns:
        ``(N,)`` branch of each voxel, from 0; ``(B,)`` generation of each branch, or DETACHED.
    """
    bifurcation = links.degree() > 2
    piece, count = _pieces(links, bifurcation)
    bifurcation |= _inside_a_bifurcation(links, bifurcation, piece, count, length_mm, deep)
    piece, count = _pieces(links, bifurcation)
    chain_of, steps, part_of = _from_roots(links, bifurcation, piece, count, deep)
    chains = np.unique(chain_of)
    of_parts = np.bincount(links.part, length_mm)
    is_tree = of_parts >= TREE_FRACTION * of_parts.sum()
    generation = np.where(is_tree[part_of[chains]], steps[chains] // 2, DETACHED)
    return np.searchsorted(chains, chain_of)[piece], generation.astype(np.intp)


def _pieces(links: Links, bifurcation: NDArray[np.bool_]) -> tuple[NDArray[np.int32], int]:
    """The piece of each voxel, chain or bifurcation, and how many pieces there are."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    within = bifurcation[links.start] == bifurcation[links.end]
    pair = links.start[within], links.end[within]
    graph = coo_array((np.ones(len(pair[0])), pair), shape=(links.count, links.count))
    count, piece = connected_components(graph, directed=False)
    return piece, count


def _inside_a_bifurcation(
    links: Links,
    bifurcation: NDArray[np.bool_],
    piece: NDArray,
    count: int,
    length_mm: NDArray[np.float64],
    deep: NDArray,
) -> NDArray[np.bool_]:
    """The voxels of chains between two bifurcations that are shorter than the vessel is deep."""
    across = bifurcation[links.start] != bifurcation[links.end]
    chain_end = np.where(bifurcation[links.start], links.end, links.start)[across]
    bifurcations_met = np.bincount(piece[chain_end], minlength=count)
    length = np.bincount(piece, length_mm, count)
    depth = np.zeros(count)
    np.maximum.at(depth, piece, deep)
    short = (bifurcations_met > 1) & (length < depth)
    return short[piece] & ~bifurcation


def _from_roots(
    links: Links, bifurcation: NDArray[np.bool_], piece: NDArray, count: int, deep: NDArray
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Walk the pieces from the root of each component.

    Returns:
        For each piece: the chain that it belongs to (a bifurcation to the chain before it), its
        number of steps from the root's chain, its component.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import dijkstra

    is_split = np.zeros(count, dtype=bool)
    is_split[piece] = bifurcation
    component = np.zeros(count, dtype=np.intp)
    component[piece] = links.part
    across = bifurcation[links.start] != bifurcation[links.end]
    pair = piece[links.start[across]], piece[links.end[across]]
    ends = np.concatenate(pair), np.concatenate(pair[::-1])
    graph = coo_array((np.ones(len(ends[0])), ends), shape=(count, count)).tocsr()
    depth = np.zeros(count)
    np.maximum.at(depth, piece, deep)
    roots = piece[deepest(deep, links.part)]
    for position in np.flatnonzero(is_split[roots]):  # the deepest chain beside it takes its place
        beside = graph[[roots[position]]].indices
        roots[position] = beside[depth[beside].argmax()]
    steps, before, _ = dijkstra(
        graph, indices=roots, unweighted=True, return_predecessors=True, min_only=True
    )
    return np.where(is_split, before, np.arange(count)), steps.astype(np.intp), component
