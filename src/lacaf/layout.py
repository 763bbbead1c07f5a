"""Where each stage's work lies, and what it is made from.

Known once, for the commands, for :func:`lacaf.refresh` and for the digests in the records; it
all follows from :mod:`lacaf.stages`. All paths are relative to the working directory.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lacaf import digests, files
from lacaf.cases import Case, CasesError
from lacaf.fault import Missing
from lacaf.params.whole import Params
from lacaf.stages import stage_of

DATA = Path("data")
RAW = DATA / "raw"
REPORTS = Path("reports")


def is_phantom(case: Case) -> bool:
    """Whether the case is a synthetic one, made by ``lacaf phantom``."""
    return bool(re.fullmatch(r"phantom\d+", case.case)) and RAW / case.case in case.source.parents


def check_raw(cases: Iterable[Case]) -> None:
    """Check that what stage phantom would replace is its own.

    Raises:
        CasesError: the raw folder of a phantom holds files, but no record says who made them:
            they may be somebody's only copy.
    """
    foreign = [
        f"case {case.case}: {RAW / case.case} holds files that lacaf phantom has no record of "
        f"({record('phantom', case.case)}); give your own data another name than phantom and a "
        "number, or remove the folder"
        for case in cases
        if is_phantom(case)
        and not record("phantom", case.case).exists()
        and any(p.name != ".snakemake_timestamp" for p in (RAW / case.case).glob("*"))
    ]
    if foreign:
        raise CasesError("\n".join(foreign))


def folder(stage: str, *names: str) -> Path:
    """The folder of a stage's work.

    Args:
        stage: the stage's word.
        names: what the stage's pattern asks for, in its order: a case; a run and a case.

    Raises:
        ValueError: there is no such stage, or it wants other names.
    """
    declared = stage_of(stage)
    if len(names) != len(declared.names):
        wanted = ", ".join(declared.names) or "none"
        raise ValueError(f"stage {stage} lies in {declared.folder}; give {wanted}, not {names}")
    return Path(declared.folder.format(**dict(zip(declared.names, names, strict=True))))


def record(stage: str, *names: str) -> Path:
    """The file that holds the record of a stage's work; ``names`` as for :func:`folder`."""
    return folder(stage, *names) / stage_of(stage).record


def read_records(stage: str, case: str) -> dict[str, str]:
    """Digests of the records of the stages that a stage reads of a case, where they lie here."""
    paths = {word: record(word, case) for word in stage_of(stage).reads}
    return {word: digests.digest_path(path) for word, path in paths.items() if path.exists()}


def checkpoint(run: str) -> Path:
    """The file from which a training that was stopped goes on; beside the stages' folders, since
    DVC empties those before it runs a stage."""
    return DATA / "checkpoints" / f"{run}.pt"


def model(run: str, params: Params) -> Path:
    """The folder of a run's model: trained here, or elsewhere and named in ``infer.models``."""
    return Path(params.infer.models.get(run, folder("train", run)))


def inputs(stage: str, case: Case) -> dict[str, Path]:
    """The files and folders that a stage reads for a case, by role.

    Raises:
        ValueError: there is no such stage, or it does not work case by case.
    """
    declared = stage_of(stage)
    if not declared.by_case:
        raise ValueError(f"stage {stage} does not work case by case")
    found = {word: folder(word, case.case) for word in declared.reads}
    if stage == "convert":
        found |= {"raw": RAW / case.case} if is_phantom(case) else _handed_over(case)
    if stage == "crop":
        found |= {f"lungs{n or ''}": path for n, path in enumerate(lung_masks(case))}
    truth = folder("phantom", case.case) / "labels.nii.gz"
    if stage == "prepare" and is_phantom(case) and truth.exists():
        found["truth"] = truth
    return found


def _handed_over(case: Case) -> dict[str, Path]:
    return {"source": case.source} | ({"labels": case.labels} if case.labels else {})


def lung_masks(case: Case) -> list[Path]:
    """Lung masks that came with a case: ``<case>_lungs.*``, else ``lungs.*``, beside its source.

    Several are returned as they are; stage crop refuses to choose.
    """
    ends = (".nii", ".nii.gz", ".nrrd", ".mha", ".mhd")
    for name in (f"{case.case}_lungs", "lungs"):
        paths = [case.source.parent / f"{name}{end}" for end in ends]
        if found := [path for path in paths if path.is_file()]:
            return found
    return []


def row(stage: str, case: Case) -> dict[str, str]:
    """The part of the case's row that a stage depends on; a digest of what names a series.

    Snakemake keeps and shows what it is given here, and a SeriesInstanceUID leads to a patient.
    """
    value = {column: str(getattr(case, column)) for column in stage_of(stage).row}
    if value.get("series"):
        value["series"] = digests.digest(value["series"])
    return value


def section(stage: str, case: Case, params: Params) -> dict[str, Any]:
    """The parameters that a stage's work on a case depends on.

    Beside the stage's own section that is what the case's coding means, shipped or the user's
    own, for the stages that go by it: with its patterns exchanged, the files that convert wrote
    would hold arteries under the name of veins. What a coding tells people does not count.
    """
    own = getattr(params, stage, None)  # a cache has no parameters
    chosen = own.model_dump(mode="json") if own is not None else {}
    coding = params.all_codings().get(case.coding or "")
    if stage_of(stage).coding and coding is not None:
        chosen["coding"] = coding.meaning()
    return chosen


def recipe(experiment: str, params: Params) -> dict[str, Any]:
    """The parameters that the training of an experiment depends on, whatever is trained beside."""
    chosen = params.train.recipe(experiment)
    idle = set() if chosen.encoder else {"prompts"}
    return chosen.model_dump(mode="json", exclude=idle)


def learnt_from(
    experiment: str, seed: int, params: Params, cases: Iterable[Case]
) -> dict[str, str]:
    """Digests of all that decides a training's numbers, by what they are of.

    Raises:
        Missing: an earlier stage has not been run.
    """
    chosen = params.train.recipe(experiment).cases
    prepared: dict[str, tuple[str, Any]] = {
        case.case: (case.split, files.read_json(record("prepare", case.case)))
        for case in cases
        if case.split in ("train", "val")
    }
    learnt = {
        name: read["coverage"]
        for name, (split, read) in prepared.items()
        if split == "train" and read["status"] == "ok"
    }
    for name in set(learnt) - set(chosen.chosen(learnt)):  # what is left out decides nothing
        del prepared[name]
    vectors = [files.read_json(path) for path in embedding(experiment, params)]
    weights = [digests.digest_path(path) for path in pretrained(experiment, params)]
    parts = {
        "code": digests.of_code("train"),
        "recipe": recipe(experiment, params),
        "crop": params.crop.model_dump(mode="json"),
        "embedding": vectors,
        "pretrained": weights,
        "cases": list(prepared.items()),  # their order decides which patch is whose
        "experiment": experiment,
        "seed": seed,
    }
    return {name: digests.digest(content) for name, content in parts.items()}


def embedding(experiment: str, params: Params) -> list[Path]:
    """The file of the vectors that guide an experiment's network; none without language."""
    chosen = params.train.recipe(experiment)
    return [record("embed", chosen.encoder, chosen.prompts)] if chosen.encoder else []


def pretrained(experiment: str, params: Params) -> list[Path]:
    """The file of weights that an experiment starts from; none if it starts from fresh ones.

    Raises:
        Missing: it is named, and not there.
    """
    named = params.train.recipe(experiment).pretrained
    if named is None:
        return []
    if not Path(named).is_file():
        raise Missing(f"train.pretrained of experiment {experiment}: {named}: no such file")
    return [Path(named)]


def encoding(encoder: str, prompts: str, params: Params) -> dict[str, Any]:
    """The parameters that an encoder's vectors of a set of prompts depend on."""
    own = {"clip": ("clip_model", "clip_weights"), "file": ("file",), "random": ("seed",)}
    chosen = {key: getattr(params.embed, key) for key in own.get(encoder, ())}
    return chosen | {"prompts": params.embed.texts(prompts)}


def made_from(stage: str, case: Case, params: Params) -> dict[str, Any]:
    """Digests of all that a stage's work on a case depends on, as they are now."""
    return {
        "code": digests.of_code(stage),
        "params": digests.digest(section(stage, case, params)),
        "row": digests.digest(row(stage, case)),
        "inputs": {k: digests.digest_path(p) for k, p in inputs(stage, case).items()},
    }
