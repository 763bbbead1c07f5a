"""Prompts to vectors: reproducible, hashed, and refused with a reason."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from lacaf.classes import CLASSES
from lacaf.embed import EmbedError, embed
from lacaf.params.embed import Embed

PROMPTS = {c: f"A computerized tomography of a {c.replace('_', ' pulmonary ')}" for c in CLASSES}


def params(**changes):
    values = {
        "prompts": {"paper": PROMPTS}, "file": None, "clip_model": "ViT-B-32-quickgelu",
        "clip_weights": "openai", "seed": 0,
    }  # fmt: skip
    return Embed(**values | changes)


@pytest.mark.parametrize("encoder", ["onehot", "random"])
def test_controls_are_unit_vectors_one_a_class(encoder):
    vectors = np.array(embed(encoder, "paper", params())["vectors"])
    assert vectors.shape == (4, 384)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)
    assert np.linalg.matrix_rank(vectors) == 4


def test_onehot_vectors_know_nothing_of_each_other():
    vectors = np.array(embed("onehot", "paper", params())["vectors"])
    assert np.array_equal(vectors @ vectors.T, np.eye(4))


def test_random_vectors_follow_their_seed():
    one, same, other = (embed("random", "paper", params(seed=s)) for s in (1, 1, 2))
    assert one == same
    assert one["vectors"] != other["vectors"]
    assert one["hash"] != other["hash"]


def test_the_hash_covers_prompts_vectors_and_encoder():
    reworded = {**PROMPTS, "left_vein": "left vein"}
    hashes = {
        embed("onehot", "paper", params())["hash"],
        embed("onehot", "paper", params(prompts={"paper": reworded}))["hash"],
        embed("random", "paper", params())["hash"],
    }
    assert len(hashes) == 3


def test_a_stored_embedding_comes_back_as_it_was(tmp_path):
    stored = embed("random", "paper", params())
    path = tmp_path / "embedding.json"
    path.write_text(json.dumps(stored))
    again = embed("file", "paper", params(file=str(path)))
    assert again["vectors"] == stored["vectors"]
    assert again["prompts"] == PROMPTS


def test_stored_vectors_of_other_prompts_are_refused(tmp_path):
    path = tmp_path / "embedding.json"
    path.write_text(json.dumps(embed("random", "paper", params())))
    with pytest.raises(EmbedError, match="other prompts"):
        embed(
            "file",
            "paper",
            params(file=str(path), prompts={"paper": {**PROMPTS, "left_vein": "left vein"}}),
        )


@pytest.mark.parametrize("content", ["", "[]", '{"prompts": {}}'])
def test_an_unusable_file_is_named(tmp_path, content):
    path = tmp_path / "vectors.json"
    path.write_text(content)
    with pytest.raises(EmbedError, match=r"vectors\.json"):
        embed("file", "paper", params(file=str(path)))
    with pytest.raises(EmbedError, match=r"embed\.file"):
        embed("file", "paper", params())


def test_vectors_that_do_not_fit_the_prompts_are_refused(tmp_path):
    path = tmp_path / "vectors.json"
    path.write_text(json.dumps({"prompts": PROMPTS, "vectors": [[1, 2], [3, 4]]}))
    with pytest.raises(EmbedError, match=r"\(2, 2\)"):
        embed("file", "paper", params(file=str(path)))


def test_controls_need_no_language_model():
    code = (
        "import sys; from lacaf.embed import embed; from lacaf.params.embed import Embed; "
        f"embed('onehot', 'paper', Embed(prompts={{'paper': {PROMPTS!r}}}, file=None, "
        "clip_model='', clip_weights='', seed=0)); "
        "print([m for m in ('torch', 'open_clip', 'transformers') if m in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_minilm_reads_the_words_without_a_network():
    vectors = np.array(embed("minilm", "paper", params())["vectors"])
    assert vectors.shape == (4, 384)
    cosine = vectors @ vectors.T
    left_artery, left_vein, right_artery = 0, 1, 2
    assert cosine[left_artery, right_artery] == pytest.approx(0.97, abs=0.01)
    assert cosine[left_artery, left_vein] == pytest.approx(0.88, abs=0.01)


def test_clip_says_what_to_do_when_its_weights_cannot_be_had(monkeypatch, tmp_path):
    monkeypatch.setitem(os.environ, "HF_HUB_OFFLINE", "1")
    damaged = tmp_path / "weights.pt"
    damaged.write_bytes(b"no weights")
    with pytest.raises(EmbedError, match=r"embed\.clip_weights.*local"):
        embed("clip", "paper", params(clip_weights=str(damaged)))
    with pytest.raises(EmbedError, match=r"neither a file nor"):
        embed("clip", "paper", params(clip_weights="no-such-weights"))
    with pytest.raises(EmbedError, match="no model"):
        embed("clip", "paper", params(clip_model="ViT-Z-99"))
