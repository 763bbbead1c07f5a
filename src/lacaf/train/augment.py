"""Changes that leave the anatomy true: turned, mirrored with its names, seen by another scanner.

What is changed, and how strongly, is drawn with the patch, from its own random numbers; the
changes are made on the device, a batch at a time. Kinds and strengths are those of nnU-Net
(Isensee 2021, supplement, "data augmentation"), mirror and phase our own. What a scan is made of
(noise, sharpness) is changed in HU, and so is when it was taken (:mod:`lacaf.train.phase`); how it
is shown (brightness, contrast, gamma) in each window by itself: nnU-Net changes values that were
scaled to the vessels' own spread, and a quarter more of a whole chest's HU would leave no blood in
the narrow window.
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

from lacaf import facts
from lacaf.classes import mirrored
from lacaf.model.inputs import IMAGES
from lacaf.params.train import Augment
from lacaf.train.phase import exchange

#: What each class, and what is known of a voxel, becomes when left and right change places.
MIRRORED = mirrored()
MIRRORED_FACTS = torch.from_numpy(facts.mirrored())

TURN = math.radians(30)  # largest angle about each axis
ZOOM = (0.7, 1.4)
NOISE = 0.1  # largest standard deviation, fraction of the blood window
BLUR = (0.5, 1.0)  # standard deviation, voxels
BRIGHTNESS = CONTRAST = (0.75, 1.25)
RESOLUTION = (0.5, 1.0)
GAMMA = (0.7, 1.5)
#: Voxels of a patch that are turned together.
SLAB = 2**18
#: What of the image is not changed.
IDLE = {
    "noise": 0, "blur": 0, "resolution": 1, "brightness": 1, "contrast": 1, "gamma": 1,
    "phase": False,
}  # fmt: skip
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
        "phase": happens("phase"),
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
            ``facts`` ``(B, z, y, x)`` uint8, see :mod:`lacaf.facts`, ``covered`` ``(B, K)`` bool,
            all on the device.
        changes: what :func:`draw` drew for each, on the CPU.
        blood_window: HU; noise is a fraction of its width.

    Returns:
        The same; ``height`` and ``depth`` are ``(B, z, y, x)`` if any patch was turned. Beyond
        the edge of a patch that was turned nothing is known.
    """
    mine = [_of(changes, index) for index in range(len(batch["hu"]))]
    turned = [i for i, m in enumerate(changes["turn"]) if not torch.equal(m, torch.eye(3))]
    changed = {**batch, "hu": batch["hu"].to(torch.float32, copy=True)}
    if turned or any(one["mirror"] for one in mine):
        changed |= {name: batch[name].clone() for name in ("side", "facts", "covered")}
    if turned:
        changed["side"] = changed["side"].float()
        changed |= {name: _spread(batch, name).clone() for name in ("height", "depth")}
    for index, one in enumerate(mine):
        patch = {name: changed[name][index] for name in changed}
        if one["phase"]:
            exchange(patch["hu"], patch["facts"])
        if index in turned:
            _turn(patch, changes["turn"][index].tolist())
        _scan(patch["hu"], one, blood_window)
        if one["mirror"]:
            _mirror(patch)
    return changed


def geometry(changes: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same changes of place, with none of the image: as a teacher sees what a student sees."""
    return {
        name: torch.full_like(value, IDLE[name]) if name in IDLE else value
        for name, value in changes.items()
    }


def shown(channels: Tensor, changes: Mapping[str, Tensor]) -> Tensor:
    """The windows of a batch ``(B, C, z, y, x)`` with other brightness, contrast and gamma."""
    for index, patch in enumerate(channels):
        mine = _of(changes, index)
        if mine["brightness"] == mine["contrast"] == mine["gamma"] == 1:
            continue
        for window in IMAGES:
            _show(patch[window], mine)
    return channels


def _of(changes: Mapping[str, Tensor], index: int) -> dict[str, Any]:
    """What was drawn for one patch of a batch, but for its turn."""
    return {k: v[index].item() for k, v in changes.items() if k != "turn"}


def _turn(patch: Mapping[str, Tensor], matrix: Sequence[Sequence[float]]) -> None:
    """Turn and scale a patch about its middle, the place in the lungs with it.

    Each voxel is fetched from where the matrix takes it: image and side from between the eight
    voxels around, edges continued, what is known from the nearest. A slab at a time, whose
    numbers fit into a processor's cache: on a CPU it takes half the time of ``grid_sample``.
    """
    shape = patch["hu"].shape
    volumes = {name: patch[name].flatten().clone() for name in ("hu", "side")}
    lines = {"height": patch["height"][:, 0, 0].clone(), "depth": patch["depth"][0, :, 0].clone()}
    rimmed = functional.pad(patch["facts"], (1,) * 6, value=facts.BEYOND)
    device, middle = patch["hu"].device, [(n - 1) / 2 for n in shape]
    z, y, x = (torch.arange(n, device=device) - m for n, m in zip(shape, middle, strict=True))
    y, strides = y[:, None], (shape[1] * shape[2], shape[2], 1)
    thick = max(1, SLAB // strides[0])
    for start in range(0, shape[0], thick):
        slab = slice(start, start + thick)
        deep = z[slab, None, None]
        places = [
            row[0] * deep + row[1] * y + row[2] * x + m
            for row, m in zip(matrix, middle, strict=True)
        ]
        patch["facts"][slab] = _nearest(rimmed, places)
        before, beyond = zip(*map(_split, places, shape), strict=True)
        first = (before[0] * shape[1] + before[1]) * shape[2] + before[2]
        for name, volume in volumes.items():
            patch[name][slab] = _between(volume, first, strides, beyond)
        for axis, (name, line) in enumerate(lines.items()):
            patch[name][slab] = _between(line, before[axis], (1,), (beyond[axis],))


def _split(place: Tensor, length: int) -> tuple[Tensor, Tensor]:
    """Places along an axis: the voxel before, and how far beyond it, 0 to 1."""
    place = place.clamp(0, length - 1)
    before = place.int().clamp_(max=length - 2)
    return before, place.sub_(before)


def _between(
    values: Tensor, first: Tensor, strides: Sequence[int], beyond: Sequence[Tensor]
) -> Tensor:
    """Interpolated along each axis between neighbours, the first at ``first``."""
    if not strides:
        return values.index_select(0, first.flatten()).view(first.shape)
    here, there = (
        _between(values[step:], first, strides[1:], beyond[1:]) for step in (0, strides[0])
    )
    return here.lerp_(there, beyond[0])


def _nearest(rimmed: Tensor, places: Sequence[Tensor]) -> Tensor:
    """A volume ``(z, y, x)`` that has a rim of its own, at places along the axes without it."""
    z, y, x = (
        (place + 1.5).clamp_(0, length - 1).int()
        for place, length in zip(places, rimmed.shape, strict=True)
    )
    flat = (z * rimmed.shape[1] + y) * rimmed.shape[2] + x
    return rimmed.flatten().index_select(0, flat.flatten()).view(flat.shape)


def _spread(batch: Mapping[str, Tensor], name: str) -> Tensor:
    """``height`` or ``depth`` of every voxel."""
    field = batch[name]
    line = field[:, :, None, None] if name == "height" else field[:, None, :, None]
    return line.expand(*batch["hu"].shape)


def _scan(hu: Tensor, mine: Mapping[str, Any], blood_window: Sequence[float]) -> None:
    """Give one patch ``(z, y, x)`` in HU the noise and the sharpness of another scan."""
    if mine["noise"]:
        generator = torch.Generator(hu.device).manual_seed(mine["grain"])
        grain = torch.randn(hu.shape, generator=generator, device=hu.device)
        hu += grain.mul_(mine["noise"] * (blood_window[1] - blood_window[0]))
    if mine["blur"]:
        hu.copy_(_blurred(hu, mine["blur"]))
    if mine["resolution"] != 1:
        hu.copy_(_coarser(hu, mine["resolution"]))


def _show(window: Tensor, mine: Mapping[str, Any]) -> None:
    """Show one window of a patch, 0 to 1, otherwise."""
    if mine["brightness"] != 1:  # about the middle, where blood is
        window.sub_(0.5).mul_(mine["brightness"]).add_(0.5).clamp_(0, 1)
    if mine["contrast"] != 1:
        mean, (least, most) = window.mean(), window.aminmax()
        window.sub_(mean).mul_(mine["contrast"]).add_(mean).clamp_(least, most)
    if mine["gamma"] != 1:
        sign = -1 if mine["inverted"] else 1
        _gamma(window.mul_(sign), mine["gamma"]).mul_(sign)


def _blurred(image: Tensor, sigma: float) -> Tensor:
    """Convolved with a Gaussian along each axis, edges continued.

    As a sum of shifted images: for so few taps, PyTorch's convolution takes three times as long.
    """
    reach = math.ceil(3 * sigma)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    kernel /= kernel.sum()
    for axis, length in enumerate(image.shape):
        first, last = image.narrow(axis, 0, 1), image.narrow(axis, length - 1, 1)
        wide = torch.cat([*[first] * reach, image, *[last] * reach], axis)
        image = torch.zeros_like(image)
        for start, weight in enumerate(kernel.tolist()):
            image.add_(wide.narrow(axis, start, length), alpha=weight)
    return image


def _coarser(image: Tensor, zoom: float) -> Tensor:
    """As a scan of fewer voxels would show it."""
    size = [max(1, round(n * zoom)) for n in image.shape]
    small = functional.interpolate(image[None, None], size, mode="nearest-exact")
    return functional.interpolate(small, image.shape, mode="trilinear")[0, 0]


def _gamma(image: Tensor, exponent: float) -> Tensor:
    """Spread darks and brights, or draw them together, in place, both ends kept."""
    least, most = image.aminmax()
    width = (most - least).clamp(min=1e-6)
    return image.sub_(least).div_(width).pow_(exponent).mul_(width).add_(least)


def _mirror(patch: Mapping[str, Tensor]) -> None:
    """Exchange left and right, in the image and in the names of the classes."""
    for name in ("hu", "side", "facts"):
        patch[name].copy_(patch[name].flip(-1))
    patch["side"].neg_()
    for name in ("height", "depth"):
        if patch[name].ndim == 3:
            patch[name].copy_(patch[name].flip(-1))
    table = MIRRORED_FACTS.to(patch["facts"].device)
    patch["facts"].copy_(table[patch["facts"].int()])
    patch["covered"].copy_(patch["covered"][MIRRORED])
