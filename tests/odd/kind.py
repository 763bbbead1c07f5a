"""One kind of bad or odd input, and what a stage must do with it.

Modules ``*_kinds.py`` beside this one hold lists ``KINDS``; ``test_odd.py`` runs them all and
``table.py`` writes what happened into ``docs/odd_inputs.md``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from lacaf import records
from lacaf.params import whole as params
from lacaf.stages import stage_of

PARAMS = Path(__file__).parents[2] / "params" / "demo.yaml"
CASE = "case1"


@dataclass(frozen=True)
class Kind:
    """A kind of input.

    Attributes:
        id: short name, unique, in words joined by hyphens.
        stage: the stage that must answer.
        what: what is odd, as a part of a sentence ("one slice is missing").
        outcome: accepted (result right, nothing to say), flagged (result right, the record's
            ``flags`` say what is odd), refused.
        words: each stands in the message (see :func:`message`).
        run: builds the input below an empty folder, runs the stage on it through
            :func:`carried_out` and returns the stage's record. Where the input is accepted or
            flagged, it also asserts that the result is right.
    """

    id: str
    stage: Literal["convert", "crop", "harmonize"]
    what: str
    outcome: Literal["accepted", "flagged", "refused"]
    words: tuple[str, ...]
    run: Callable[[Path], dict[str, Any]]


@cache
def settings() -> params.Params:
    """The parameters of the demo."""
    return params.load(PARAMS)


def carried_out(
    stage: str,
    folder: Path,
    work: Callable[[Path], Mapping[str, Any]],
    upstream: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The record of a stage, made as its command makes it, in ``folder/<stage>/case1``.

    A refused case leaves its record and nothing else; no half-written folder stays behind.
    """
    target = folder / stage / CASE
    record = records.carry_out(stage, CASE, target, {}, work, upstream)
    assert [p.name for p in target.parent.iterdir()] == [CASE]
    assert records.read(target, stage) == record
    if record["status"] == "refused":
        assert [p.name for p in target.iterdir()] == [stage_of(stage).record]
    return record


def outcome(record: Mapping[str, Any]) -> str:
    """What a record says became of the input, in the words of :class:`Kind`."""
    if record["status"] == "refused":
        return "refused"
    return "flagged" if record.get("flags") else "accepted"


def message(record: Mapping[str, Any]) -> str:
    """What the record tells: file and finding of a refusal, or the flags."""
    refusal = record.get("refusal")
    if refusal:
        return f"{refusal['file'] + ': ' if refusal['file'] else ''}{refusal['finding']}"
    return "; ".join(record.get("flags") or ())


def remedy(record: Mapping[str, Any]) -> str:
    """What the refusal advises; empty without one."""
    return record["refusal"]["remedy"] if record.get("refusal") else ""
