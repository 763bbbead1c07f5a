"""A typo in a prompt would be frozen into the vectors for ever: every word is looked up."""

import re
from pathlib import Path

import codespell_lib
import pytest

from lacaf.params import whole

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "params").glob("*.yaml"))

#: Words of anatomy, and plain ones that nobody misspells and codespell therefore lacks.
ALLOWED = {
    *("artery", "arteries", "atrium", "bronchi", "bronchus", "drain", "follow", "lung", "lungs"),
    *("pulmonary", "run", "segment", "segments", "tomography", "vein", "veins", "ventricle"),
    *("vessel", "vessels"),
}


def known_words() -> set[str]:
    """What codespell corrects to: words in their right spelling; less what it corrects."""
    dictionary = Path(codespell_lib.__file__).parent / "data" / "dictionary.txt"
    lines = [line.split("->") for line in dictionary.read_text(encoding="utf-8").splitlines()]
    right = {word for _, fixes in lines for word in words(fixes)}
    return (right - {wrong.lower() for wrong, _ in lines}) | ALLOWED


def words(text: str) -> list[str]:
    return re.findall(r"[a-z]+", text.lower())


def unknown(text: str) -> list[str]:
    return [word for word in words(text) if word not in KNOWN]


KNOWN = known_words()


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.stem)
def test_every_word_of_every_prompt_is_spelt_right(file: Path) -> None:
    embed = whole.load(file).embed
    told = {name: embed.texts(name) for name in embed.prompts}
    wrong = {
        f"{name}, {kind}": strange
        for name, texts in told.items()
        for kind, text in texts.items()
        if (strange := unknown(text))
    }
    assert wrong == {}


@pytest.mark.parametrize("typo", ["Arota", "pulmonery artery", "Celiac Truck", "left arteri"])
def test_a_typo_is_found(typo: str) -> None:
    assert unknown(f"A computerized tomography of a {typo}") != []
