"""Changes that leave the anatomy true: turned, mirrored with its names, seen by another scanner.

What is changed, and how strongly, is drawn with the patch, from its own random numbers; the
changes are made on the device, a batch at a time. Kinds and strengths are those of nnU-Net
(Isensee 2021, supplement, "data augmentation"). What a scan is made of (noise, sharpness) is
changed in HU; how it is shown (brightness, contrast, gamma) in each window by itself: nnU-Net
changes values that were scaled to the vessels' own spread, and a quarter more of a whole chest's
HU would leave no blood in the narrow window.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from lacaf.classes import CLASSES, mirrored
from lacaf.model.inputs import IMAGES
from lacaf.params.train import Augment

#: Where each class goes when left and right change places.
MIRRORED = mirrored()

TURN = math.radians(30)  # largest angle about each axis
ZOOM = (0.7, 1.4)
NOISE = 0.1  # largest standard deviation, fraction of the blood window
BLUR = (0.5, 1.0)  # standard deviation, voxels
BRIGHTNESS = CONTRAST = (0.75, 1.25)
RESOLUTION = (0.5, 1.0)
GAMMA = (0.7, 1.5)
INVERTED = 0.25  # fraction of the changes of gamma that are made to the negative


def draw(chances: Augment, rng: np.random.Generator) -> dict[str, Any]:
    """What is done to a patch; what is not done has the value that changes nothing."""

    def happens(name: str) -> bool:
        return bool(rng.random() < getattr(chances, name))

    def between(name: str, limits: tuple[float, float], idle: float) -> float:
        return float(rng.uniform(*limits)) if happens(name) else idle

    angles = rng.uniform(-TURN, TURN, 3) if happens("rotate") else np.zeros(3)
    return {
        "turn": _rotation(angles) * between("scale", ZOOM, 1.0),
        "noise": between("noise", (0.0, NOISE), 0.0),
        "grain": int(rng.integers(2**31)),
        "blur": between("blur", BLUR, 0.0),
        "brightness": between("brightness", BRIGHTNESS, 1.0),
        "contrast": between("contrast", CONTRAST, 1.0),
        "resolution": between("low_resolution", RESOLUTION, 1.0),
        "gamma": between("gamma", GAMMA, 1.0),
        "inverted": bool(rng.random() < INVERTED),
        "mirror": happens("mirror"),
    }


def _rotation(angles: NDArray) -> NDArray[np.float32]:
    """The matrix ``(3, 3)`` of turns about the three axes, one after the other."""
    turned = np.eye(3)
    for axis, angle in enumerate(angles):
        a, b = (i for i in range(3) if i != axis)
        about = np.eye(3)
        about[a, a] = about[b, b] = math.cos(angle)
        about[a, b], about[b, a] = -math.sin(angle), math.sin(angle)
        turned = turned @ about
    return turned.astype(np.float32)


def augment(
    batch: Mapping[str, Tensor], changes: Mapping[str, Tensor], blood_window: Sequence[float]
) -> dict[str, Tensor]:
    """A batch of other patients, from another scanner.

    Args:
        batch: ``hu`` and ``side`` ``(B, z, y, x)``, ``height`` ``(B, z)``, ``depth`` ``(B, y)``,
            ``targets`` and ``valid`` ``(B, K, z, y, x)`` bool, all on the device.
        changes: what :func:`draw` drew for each, on the CPU.
        blood_window: HU; noise is a fraction of its width.

    Returns:
        The same; ``height`` and ``depth`` are ``(B, z, y, x)`` if any patch was turned. Beyond
        the edge of a patch that was turned nothing is valid.
    """
    changed = {**batch, "hu": batch["hu"].float()}
    turned = [i for i, m in enumerate(changes["turn"]) if not torch.equal(m, torch.eye(3))]
    if turned:
        changed = _turn(changed, changes["turn"], turned)
    scanned = [_scanned(hu, _of(changes, i), blood_window) for i, hu in enumerate(changed["hu"])]
    changed["hu"] = torch.stack(scanned)
    if changes["mirror"].any():
        changed = _mirror(changed, changes["mirror"])
    return changed


def shown(channels: Tensor, changes: Mapping[str, Tensor]) -> Tensor:
    """The windows of a batch ``(B, C, z, y, x)`` with other brightness, contrast and gamma."""
    for index, patch in enumerate(channels):
        mine = _of(changes, index)
        if mine["brightness"] == mine["contrast"] == mine["gamma"] == 1:
            continue
        for window in IMAGES:
            patch[window] = _shown(patch[window], mine)
    return channels


def _of(changes: Mapping[str, Tensor], index: int) -> dict[str, Any]:
    """What was drawn for one patch of a batch, but for its turn."""
    return {k: v[index].item() for k, v in changes.items() if k != "turn"}


def _turn(batch: Mapping[str, Tensor], matrices: Tensor, turned: list[int]) -> dict[str, Tensor]:
    """Patches turned and scaled about their middles, the place in the lungs with them."""
    device, size = batch["hu"].device, torch.tensor(batch["hu"].shape[1:]).float()
    extent = (size - 1).clamp(min=1)
    # From voxels to grid_sample's [-1, 1], axis by axis and with the axes in reverse order.
    scale = extent[None, :] / extent[:, None]
    theta = (matrices[turned] * scale).flip(1, 2)
    theta = torch.cat([theta, torch.zeros(len(turned), 3, 1)], 2).to(device)
    place = [_spread(batch[name], name, batch["hu"].shape) for name in ("height", "depth")]
    fields = torch.stack([batch["hu"], batch["side"].float(), *place], 1)
    known = torch.cat([batch["targets"], batch["valid"]], 1)
    grid = functional.affine_grid(theta, [len(turned), 1, *fields.shape[2:]], align_corners=True)
    seen, labels = fields.clone(), known.clone()
    seen[turned] = functional.grid_sample(
        fields[turned], grid, "bilinear", "border", align_corners=True
    )
    labels[turned] = (
        functional.grid_sample(known[turned].float(), grid, "nearest", "zeros", align_corners=True)
        > 0.5
    )
    hu, side, height, depth = seen.unbind(1)
    targets, valid = labels.split(len(CLASSES), 1)
    return {
        "hu": hu, "side": side, "height": height, "depth": depth,
        "targets": targets, "valid": valid,
    }  # fmt: skip


def _spread(field: Tensor, name: str, shape: Sequence[int]) -> Tensor:
    """``height`` or ``depth`` of every voxel."""
    line = field[:, :, None, None] if name == "height" else field[:, None, :, None]
    return line.expand(*shape)


def _scanned(hu: Tensor, mine: Mapping[str, Any], blood_window: Sequence[float]) -> Tensor:
    """One patch ``(z, y, x)`` in HU with the noise and the sharpness of another scan."""
    if mine["noise"]:
        generator = torch.Generator(hu.device).manual_seed(mine["grain"])
        grain = torch.randn(hu.shape, generator=generator, device=hu.device)
        hu = hu + mine["noise"] * (blood_window[1] - blood_window[0]) * grain
    if mine["blur"]:
        hu = _blur(hu, mine["blur"])
    return _coarser(hu, mine["resolution"]) if mine["resolution"] != 1 else hu


def _shown(window: Tensor, mine: Mapping[str, Any]) -> Tensor:
    """One window of a patch, 0 to 1, shown otherwise."""
    if mine["brightness"] != 1:  # about the middle, where blood is
        window = ((window - 0.5) * mine["brightness"] + 0.5).clamp(0, 1)
    if mine["contrast"] != 1:
        mean, (least, most) = window.mean(), window.aminmax()
        window = ((window - mean) * mine["contrast"] + mean).clamp(least, most)
    if mine["gamma"] != 1 and mine["inverted"]:
        return -_gamma(-window, mine["gamma"])
    return _gamma(window, mine["gamma"]) if mine["gamma"] != 1 else window


def _blur(image: Tensor, sigma: float) -> Tensor:
    """Convolved with a Gaussian along each axis, edges continued."""
    reach = math.ceil(3 * sigma)
    place = torch.arange(-reach, reach + 1, device=image.device)
    kernel = torch.exp(-0.5 * (place / sigma) ** 2)
    kernel = kernel / kernel.sum()
    for axis in range(3):
        lines = image.movedim(axis, -1)
        padded = functional.pad(lines.flatten(0, 1)[:, None], (reach, reach), mode="replicate")
        image = functional.conv1d(padded, kernel[None, None]).view(lines.shape).movedim(-1, axis)
    return image


def _coarser(image: Tensor, zoom: float) -> Tensor:
    """As a scan of fewer voxels would show it."""
    size = [max(1, round(n * zoom)) for n in image.shape]
    small = functional.interpolate(image[None, None], size, mode="nearest-exact")
    return functional.interpolate(small, image.shape, mode="trilinear")[0, 0]


def _gamma(image: Tensor, exponent: float) -> Tensor:
    """Darks and brights spread or drawn together, both ends kept."""
    least, most = image.aminmax()
    width = (most - least).clamp(min=1e-6)
    return ((image - least) / width) ** exponent * width + least


def _mirror(batch: Mapping[str, Tensor], chosen: Tensor) -> dict[str, Tensor]:
    """Left and right exchanged, in the image and in the names of the classes."""
    picked = chosen.to(batch["hu"].device)
    over = {
        "hu": batch["hu"].flip(-1),
        "side": -batch["side"].flip(-1),
        "targets": batch["targets"].flip(-1)[:, MIRRORED],
        "valid": batch["valid"].flip(-1)[:, MIRRORED],
    }
    for name in ("height", "depth"):
        over[name] = batch[name].flip(-1) if batch[name].ndim == 4 else batch[name]
    return {
        name: torch.where(picked.view(-1, *[1] * (there.ndim - 1)), there, batch[name])
        for name, there in over.items()
    }
