"""Changes that leave the anatomy true: mirrored with its names, brighter, noisier."""

from __future__ import annotations

import numpy as np

from lacaf.classes import mirrored
from lacaf.model.inputs import IMAGES, SIDE
from lacaf.train.samples import Patch

#: Where each class goes when left and right change places.
MIRRORED = mirrored()

CONTRAST = 0.1  # relative; largest change of the window's width
BRIGHTNESS = 0.05  # fraction of the window
GAMMA = 0.15  # largest change of the logarithm of the exponent
NOISE = 0.03  # largest standard deviation, fraction of the window


def augment(patch: Patch, rng: np.random.Generator) -> Patch:
    """A patch as another patient's scan might have shown it."""
    if rng.random() < 0.5:
        patch = mirror(patch)
    channels, targets, valid = patch
    return intensity(channels, rng), targets, valid


def mirror(patch: Patch) -> Patch:
    """Left and right exchanged, in the image and in the names of the classes."""
    channels, targets, valid = patch
    channels, targets, valid = channels[..., ::-1].copy(), targets[..., ::-1], valid[..., ::-1]
    channels[SIDE] *= -1
    return channels, targets[MIRRORED], valid[MIRRORED]


def intensity(channels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Another scanner: contrast, brightness, gamma and noise, alike in both windows."""
    contrast = 1 + rng.uniform(-CONTRAST, CONTRAST)
    brightness = rng.uniform(-BRIGHTNESS, BRIGHTNESS)
    exponent = np.exp(rng.uniform(-GAMMA, GAMMA))
    noise = rng.uniform(0, NOISE) * rng.standard_normal(channels.shape[1:], np.float32)
    channels = channels.copy()
    for index in IMAGES:
        image = (channels[index] - 0.5) * contrast + 0.5 + brightness
        channels[index] = np.clip(image, 0, 1) ** exponent + noise
    return channels
