"""The stages: one declaration each, from which paths, digests, refresh and commands follow.

A stage is a word. How its work lies on the disk and what it depends on is declared here and
nowhere else; its rule file and its entry in ``dvc.yaml`` are written by hand, to be read, and a
test holds them against this table. Nothing here imports a stage or any code that a stage uses,
so that declaring a stage makes no result of another one stale.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Stage:
    """One stage.

    Attributes:
        word: the stage's name everywhere.
        about: one line for people.
        folder: where its work lies, with the names in braces that tell one piece of work from
            another (``case``, ``run``, ``encoder``, ``prompts``).
        record: the JSON file in that folder that says how the work went.
        reads: stages whose folder of the same case it reads.
        row: columns of the case table that decide what it makes.
        coding: whether the meaning of the case's coding decides what it makes.
        within: the stage of ``dvc.yaml`` that makes it, for a cache, which DVC does not keep and
            whose own parameters there are none; empty for a stage of its own.
        runs: stages whose work it does itself, for many experiments; their code decides too.
    """

    word: str
    about: str
    folder: str
    record: str
    reads: tuple[str, ...] = ()
    row: tuple[str, ...] = ()
    coding: bool = False
    within: str = ""
    runs: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The names in the folder's pattern, in order."""
        return tuple(part[1:-1] for part in self.folder.split("/") if part.startswith("{"))

    @property
    def by_case(self) -> bool:
        """Whether it works case by case before training, so that one new case is one job."""
        return self.names == ("case",)


#: In the pipeline's order.
STAGES = (
    Stage(
        "phantom", "the embedded synthetic cohort", "data/truth/{case}", "phantom.json",
        row=("patient", "source", "labels", "coding", "labelled_side"), coding=True,
    ),
    Stage(
        "convert", "DICOM, NIfTI, NRRD or MHA to HU with true geometry",
        "data/convert/{case}", "source.json",
        row=("source", "labels", "coding", "series"), coding=True,
    ),
    Stage(
        "crop", "lungs, left and right, and the working grid", "data/crop/{case}", "box.json",
        reads=("convert",), coding=True,
    ),
    Stage(
        "harmonize", "canonical labels, and what is known of each class and side",
        "data/harmonize/{case}", "coverage.json",
        reads=("convert", "crop"), row=("labels", "coding", "labelled_side"), coding=True,
    ),
    Stage(
        "prepare", "what training reads of a case, laid out for reading by patches",
        "data/prepare/{case}", "prepare.json", reads=("crop", "harmonize"), within="train",
    ),
    Stage(
        "embed", "prompts to frozen vectors", "data/embed/{encoder}/{prompts}", "embedding.json"
    ),
    Stage(
        "train", "one model an experiment and seed", "data/train/{run}", "model.json",
        reads=("prepare", "embed"),
    ),
    Stage(
        "infer", "labels on the original grid", "data/infer/{run}/{case}", "prediction.json",
        reads=("convert", "crop"),
    ),
    Stage(
        "evaluate", "scores on the original grid, only where the reference is known",
        "data/evaluate/{run}/{case}", "scores.json", reads=("infer", "harmonize"),
    ),
    Stage(
        "report", "pages that open offline", "reports", "manifest.json",
        reads=("convert", "crop", "harmonize", "infer", "evaluate"),
    ),
    Stage(
        "study", "many experiments with several seeds each, compared", "data/study/{run}",
        "scores.json", reads=("convert", "crop", "harmonize", "prepare", "embed"),
        runs=("train", "infer", "evaluate", "report"),
    ),
)  # fmt: skip

BY_WORD = {stage.word: stage for stage in STAGES}

#: The stages that work case by case before training, in order.
CASE_STAGES = tuple(stage.word for stage in STAGES if stage.by_case)


def stage_of(word: str) -> Stage:
    """The declaration of a stage.

    Raises:
        ValueError: there is no such stage.
    """
    if word not in BY_WORD:
        raise ValueError(f"there is no stage {word!r}; the stages are {', '.join(BY_WORD)}")
    return BY_WORD[word]
