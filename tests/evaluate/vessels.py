"""Vessels drawn by hand: straight tubes of a known radius, length and place."""

import numpy as np

ISOTROPIC = (1.0, 1.0, 1.0)


def tube(shape, start, end, radius, spacing=ISOTROPIC):
    """Voxels within a radius (mm) of a straight line between two points (mm)."""
    start, end = np.array(start, float), np.array(end, float)
    at = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1) * spacing
    along = np.clip((at - start) @ (end - start) / ((end - start) ** 2).sum(), 0, 1)
    return np.linalg.norm(at - start - along[..., None] * (end - start), axis=-1) <= radius


def forked(shape=(70, 50, 70), radius=1.6):
    """A trunk of 60 mm and radius 3 that ends in nothing, with two branches of about 25 mm."""
    trunk = tube(shape, (4, 25, 35), (64, 25, 35), 3.2)
    up = tube(shape, (24, 25, 35), (24, 25, 60), radius)
    down = tube(shape, (44, 25, 35), (44, 25, 10), radius)
    return {"trunk": trunk, "up": up, "down": down, "whole": trunk | up | down}
