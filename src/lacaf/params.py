"""The one configuration: ``params.yaml``, typed, strict, every value explicit.

Snakemake, DVC and the code read the same file. An unknown key or a bad value stops the run
with the key's name, what was given and what is allowed. Settings of a machine (devices,
workers, the MLflow store) are no parameters: they come from the command line or environment.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from lacaf.coding import Coding, builtin
from lacaf.coverage import CLASSES
from lacaf.fault import Fault

Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_]*$")]
Encoder = Literal["clip", "minilm", "file", "onehot", "random"]


class ParamsError(Fault, ValueError):
    """The configuration is not usable; the message names the key and the remedy."""


class Section(BaseModel):
    """A part of the configuration: no unknown keys, no change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Phantom(Section):
    """The synthetic cohort."""

    kind: Literal["demo", "realistic"]
    seed: int
    spacing_mm: Positive  # in-plane and slice spacing vary around this from case to case
    scale: Annotated[float, Field(gt=0.2, le=1.2)]  # size of the thorax; 1 is an adult


class Convert(Section):
    """DICOM, NIfTI, NRRD or MHA to HU with true geometry."""

    min_slices: Count
    spacing_tolerance: Positive  # share of the slice spacing by which slices may stray
    tilt: Literal["refuse", "resample"]  # gantry tilt
    prefer_kernels: list[str]  # ConvolutionKernel, best first; patterns with *
    prefer_thickness_mm: NotNegative | None  # the nearest SliceThickness; 0 for the thinnest


class Crop(Section):
    """Lungs and the working grid."""

    lungs: Literal["classical", "lungmask", "totalsegmentator", "given"]  # how they are found
    spacing_mm: Positive
    margin_mm: NotNegative
    min_lung_ml: Positive  # of each lung; less is another body region, or a missing lung


class Harmonize(Section):
    """Labels of any coding to the canonical four classes."""

    codings: dict[str, Coding]
    min_vessel_ml: NotNegative  # less than this in a lung is no labelled lung
    # Is the middle of the chest background where it has no label? auto: if vessels are drawn there
    mediastinum: Literal["auto", "known", "unknown"]
    # Trunk, bifurcation and atrium belong to neither side: unknown, or the nearest lung's
    central: Literal["unknown", "nearest"]
    # Labels that look mirrored, shifted, or artery and vein exchanged: refuse, or flag alone
    doubtful: Literal["refuse", "flag"]


def _a_prompt_a_class(prompts: dict[str, str]) -> dict[str, str]:
    if list(prompts) != list(CLASSES):
        raise ValueError(f"needs one prompt for each of {', '.join(CLASSES)}, in this order")
    return prompts


class Embed(Section):
    """Prompts and the vectors they become."""

    prompts: Annotated[dict[str, str], AfterValidator(_a_prompt_a_class)]
    file: str | None  # for the encoder `file`: stored vectors
    clip_model: str
    clip_weights: str  # a hub tag or a local file
    seed: int  # for the encoder `random`


class Experiment(Section):
    """A network to train, under a name of its own."""

    network: Literal["lacaf", "unet"]
    encoder: Encoder | None

    @model_validator(mode="after")
    def _language_needs_an_encoder(self) -> Experiment:
        if (self.network == "lacaf") != (self.encoder is not None):
            raise ValueError("network `lacaf` needs an encoder; `unet` has none (null)")
        return self


class Early(Section):
    """The first part of a training: small patches, so that many steps cost little."""

    patch: Annotated[list[Count], Field(min_length=3, max_length=3)]  # z, y, x in voxels
    batch: Count
    steps: Annotated[int, Field(ge=0)]  # of all train.steps


class Train(Section):
    """Learning from full and half-labelled cases together."""

    experiments: dict[Name, Experiment]
    seeds: Annotated[list[int], Field(min_length=1)]
    width: Count
    patch: Annotated[list[Count], Field(min_length=3, max_length=3)]  # z, y, x in voxels
    batch: Count
    early: Early
    steps: Count
    validate_every: Count
    learning_rate: Positive
    weight_decay: NotNegative
    warmup_steps: Annotated[int, Field(ge=0)]
    hu_window: Annotated[list[float], Field(min_length=2, max_length=2)]
    blood_window: Annotated[list[float], Field(min_length=2, max_length=2)]  # artery against vein
    augment: bool


class Infer(Section):
    """Labels on the original grid."""

    models: dict[Name, str]  # models trained elsewhere, by name: the folder of each
    overlap: Annotated[float, Field(ge=0, lt=1)]
    save_probabilities: bool


def _rising(lengths_mm: list[float]) -> list[float]:
    if lengths_mm != sorted(set(lengths_mm)):
        raise ValueError("each value must be larger than the one before")
    return lengths_mm


class Evaluate(Section):
    """Scores."""

    nsd_tolerances_mm: Annotated[
        list[Positive], Field(min_length=1), AfterValidator(_rising)
    ]  # the first is the headline
    calibre_edges_mm: Annotated[
        list[Positive], Field(min_length=1), AfterValidator(_rising)
    ]  # radius at which one band of vessels ends and the next begins
    bootstrap: Count


class Report(Section):
    """The pages."""

    title: str
    # Segmented cases whose page has slices and turnable trees; the others' pages have a picture
    overlay_cases: Count | Literal["all"]
    palette: Literal["safe", "paper"]  # safe for the colour-blind, or red arteries, green veins


class Params(Section):
    """All of ``params.yaml``."""

    phantom: Phantom
    convert: Convert
    crop: Crop
    harmonize: Harmonize
    embed: Embed
    train: Train
    infer: Infer
    evaluate: Evaluate
    report: Report

    def codings(self) -> dict[str, Coding]:
        """The shipped codings and the user's own; the user's win."""
        return {**builtin(), **self.harmonize.codings}

    def runs(self) -> dict[str, tuple[str, int]]:
        """Every training: run name (``lacaf-s0``) to experiment and seed."""
        return {
            f"{name}-s{seed}": (name, seed)
            for name in self.train.experiments
            for seed in self.train.seeds
        }


def parse(content: Any, origin: str = "params.yaml") -> Params:
    """Check a loaded configuration.

    Raises:
        ParamsError: with one line for each fault: key, what was given, what is allowed.
    """
    try:
        return Params.model_validate(content)
    except ValidationError as error:
        faults = []
        for fault in error.errors():
            key = ".".join(str(part) for part in fault["loc"]) or "(the whole file)"
            given = "" if fault["type"] == "missing" else f", given {fault['input']!r}"
            hint = ""
            if fault["type"] == "extra_forbidden":
                hint = f"; allowed here: {', '.join(_siblings(fault['loc']))}"
            faults.append(f"{origin}: {key}: {fault['msg']}{given}{hint}")
        raise ParamsError("\n".join(faults)) from None


def load(path: Path = Path("params.yaml")) -> Params:
    """Read and check a configuration file.

    Raises:
        ParamsError: the file is missing, is no YAML or does not hold what it should.
    """
    try:
        content = yaml.safe_load(path.read_text())
    except FileNotFoundError:
        raise ParamsError(
            f"{path}: no such file; run in a folder with a params.yaml (see params/)"
        ) from None
    except yaml.YAMLError as error:
        raise ParamsError(f"{path}: not readable as YAML: {error}") from None
    return parse(content, str(path))


def unchanged(config: Any, path: Path = Path("params.yaml")) -> None:
    """Refuse a configuration that differs from the file: the commands read the file.

    Raises:
        ParamsError: a value was overridden on the command line, where DVC and the commands
            would not see it.
    """
    if config != yaml.safe_load(path.read_text()):
        raise ParamsError(
            f"the configuration was overridden on the command line; change {path} instead, so "
            "that Git, DVC and every command see the same"
        )


def training_digest(params: Params) -> str:
    """Digest of what every training depends on, whatever else is trained beside it."""
    from lacaf.records import digest

    return digest(params.train.model_dump(exclude={"experiments", "seeds"}))


def _siblings(location: tuple) -> list[str]:
    """The keys that would be allowed beside an unknown one."""
    model: Any = Params
    for part in location[:-1]:
        field = getattr(model, "model_fields", {}).get(part)
        if field is None:
            return ["(see docs)"]
        model = field.annotation
        if getattr(model, "__origin__", None) is dict:
            model = model.__args__[1]
    return list(getattr(model, "model_fields", {"(see docs)": None}))
