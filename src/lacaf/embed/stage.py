"""Prompts to frozen vectors, once: whoever trains or infers later needs no encoder.

An embedding is an artefact like any other: the prompts' text, the vectors and a hash of both.
``onehot`` and ``random`` are the controls without which no claim about language means much.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lacaf.embed.language import EmbedError, clip, minilm
from lacaf.params.embed import Embed, Encoder

#: Length of the vectors of ``onehot`` and ``random``: that of the default encoder, so that the
#: networks that they are compared in have the same number of weights.
CONTROL_SIZE = 384

#: Digits kept of each number: enough for any encoder, and the same text on every machine.
DIGITS = 6


def embed(encoder: Encoder, prompt_set: str, params: Embed) -> dict[str, Any]:
    """The vectors of a set of prompts.

    Args:
        encoder: ``clip`` or ``minilm`` (frozen language models), ``file`` (stored vectors),
            ``onehot`` or ``random`` (controls of unit length, no language in them).
        prompt_set: one of ``params.prompts``.
        params: prompts and what the encoders need.

    Returns:
        ``encoder``; ``source``, what exactly made the vectors; ``prompts``, class to text;
        ``classes``; ``vectors``, one list of floats a class in that order; ``hash``.

    Raises:
        EmbedError: the encoder's weights or file are not there, or do not fit.
    """
    prompts = params.texts(prompt_set)
    vectors, source = _encode(encoder, params, prompts)
    if vectors.ndim != 2 or len(vectors) != len(prompts) or not np.isfinite(vectors).all():
        raise EmbedError(
            f"encoder {encoder} gave vectors of shape {vectors.shape}; "
            f"expected ({len(prompts)}, D), all finite"
        )
    rows = [[float(f"{number:.{DIGITS}g}") for number in row] for row in vectors]
    return {
        "encoder": encoder,
        "source": source,
        "classes": list(prompts),
        "prompts": prompts,
        "vectors": rows,
        "hash": fingerprint(encoder, prompts, rows),
    }


def fingerprint(
    encoder: str, prompts: Mapping[str, str], vectors: Sequence[Sequence[float]]
) -> str:
    """SHA-256 over the encoder's name, the prompts' text and the vectors."""
    text = json.dumps([encoder, list(prompts.items()), vectors], ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _encode(encoder: str, params: Embed, prompts: dict[str, str]) -> tuple[NDArray, str]:
    """Vectors and their source."""
    if encoder == "onehot":
        return np.eye(len(prompts), CONTROL_SIZE), "one-hot vectors"
    if encoder == "random":
        vectors = np.random.default_rng(params.seed).normal(size=(len(prompts), CONTROL_SIZE))
        unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return unit, f"random unit vectors, seed {params.seed}"
    if encoder == "file":
        return _stored(params, prompts)
    texts = list(prompts.values())
    if encoder == "minilm":
        return minilm(texts)
    if encoder == "clip":
        return clip(texts, params.clip_model, params.clip_weights)
    raise EmbedError(
        f"encoder {encoder!r} is unknown; known are clip, minilm, file, onehot, random"
    )


def _stored(params: Embed, prompts: dict[str, str]) -> tuple[NDArray, str]:
    """Vectors from a file that an earlier ``lacaf embed`` wrote, or of the same shape.

    JSON with ``prompts`` (class to text) and ``vectors``; the prompts must be the ones in use,
    or the vectors would go by a text that they were not made from.
    """
    if params.file is None:
        raise EmbedError("encoder file: embed.file is null; name a JSON file with stored vectors")
    path = Path(params.file)
    try:
        content = json.loads(path.read_text())
        vectors = np.asarray(content["vectors"], float)
        stored = content["prompts"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EmbedError(
            f"encoder file: {path} is not usable ({type(error).__name__}: {error}); "
            "expected JSON with `prompts` and `vectors`"
        ) from None
    if stored != prompts:
        raise EmbedError(
            f"encoder file: {path} was made from other prompts; "
            "set embed.prompts to the stored ones or make new vectors"
        )
    return vectors, f"file: {content.get('source') or content.get('encoder') or 'stored'}"
