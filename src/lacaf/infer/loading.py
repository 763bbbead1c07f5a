"""A network from its folder alone: no parameters, no encoder, no network connection."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import nn

from lacaf.classes import CLASSES
from lacaf.fault import Fault
from lacaf.model.device import choose
from lacaf.model.inputs import CHANNELS
from lacaf.model.networks import NETWORKS, arguments_of, build


class ModelError(Fault):
    """The model's folder is not usable; the message says what was found."""


@dataclass(frozen=True, eq=False)
class Model:
    """A network and what it must be fed.

    Attributes:
        network: channels ``(B, C, Z, Y, X)`` to logits ``(B, 4, Z, Y, X)``, on ``device``.
        about: content of ``model.json``.
        device: where the network lies.
    """

    network: nn.Module
    about: Mapping[str, Any]
    device: torch.device


def load(folder: Path, device: str | None = None) -> Model:
    """Rebuild a network from ``model.json`` and ``model.pt``.

    Raises:
        ModelError: a file is missing or damaged, the two do not belong together, or the model
            was made for other classes, channels or by another network than this version knows.
    """
    try:
        about = json.loads((folder / "model.json").read_text())
        content = (folder / "model.pt").read_bytes()
    except (OSError, ValueError) as error:
        raise ModelError(f"{folder}: no usable model: {error}") from None
    if hashlib.sha256(content).hexdigest() != about.get("weights_sha256"):
        raise ModelError(f"{folder}: model.pt is not the file that model.json describes")
    for key, known in (("classes", CLASSES), ("channels", CHANNELS)):
        if tuple(about[key]) != known:
            raise ModelError(
                f"{folder}: made for {key} {about[key]}; this version has {list(known)}"
            )
    made, name = about.get("versions", {}).get("lacaf", "another version"), about["network"]
    otherwise = ModelError(
        f"{folder}: network `{name}` as lacaf {made} built it; this version ({version('lacaf')}) "
        "builds it otherwise: train again, or use that version"
    )
    if name in NETWORKS and about.get("revision", 1) != NETWORKS[name].revision:
        raise otherwise
    where = choose(device)
    embedding = about["embedding"]
    vectors = None if embedding is None else torch.tensor(embedding["vectors"])
    network = build(
        name,
        about["width"],
        vectors,
        arguments=arguments_of(about),
        patch=about["patch"],
        coarse=about.get("coarse", False),
    )
    weights = torch.load(folder / "model.pt", map_location="cpu", weights_only=True)
    try:
        network.load_state_dict(weights)
    except RuntimeError:
        raise otherwise from None
    network = network.to(where, memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    return Model(network.eval(), about, where)
