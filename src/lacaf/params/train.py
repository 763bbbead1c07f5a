"""Section ``train``: a recipe, and the experiments that each change some of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from lacaf.model.arguments import ArgumentError, check
from lacaf.model.losses import LOSSES
from lacaf.model.networks import NETWORKS
from lacaf.model.supervision import SUPERVISIONS
from lacaf.params.embed import Encoder
from lacaf.params.section import Count, Name, NotNegative, Positive, Section


def _known_losses(weights: dict[str, float]) -> dict[str, float]:
    if strange := sorted(set(weights) - set(LOSSES)):
        raise ValueError(f"{', '.join(strange)} is unknown; known are {', '.join(LOSSES)}")
    if not any(weights.values()):
        raise ValueError("needs at least one loss with a weight above 0")
    return weights


def _known_network(name: str) -> str:
    if name not in NETWORKS:
        raise ValueError(f"known networks are {', '.join(NETWORKS)}")
    return name


def _known_supervision(name: str) -> str:
    if name not in SUPERVISIONS:
        raise ValueError(f"known supervisions are {', '.join(SUPERVISIONS)}")
    return name


def different(values: list[Any]) -> list[Any]:
    """Refuse a list that holds a value twice."""
    if twice := [value for value in values if values.count(value) > 1]:
        raise ValueError(f"{twice[0]} stands there twice")
    return values


def _rising(window: list[float]) -> list[float]:
    if window[0] >= window[1]:
        raise ValueError("the first value must be below the second")
    return window


#: What a case is known from: what was drawn in it, or a phantom's whole truth.
Labels = Literal["labels", "truth"]
Seed = Annotated[int, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Patch = Annotated[list[Count], Field(min_length=3, max_length=3)]
Window = Annotated[list[float], Field(min_length=2, max_length=2), AfterValidator(_rising)]


class Early(Section):
    """The first part of a training: small patches, so that many steps cost little."""

    patch: Patch
    """Patch of this part [voxels along z, y, x]."""
    batch: Count
    """Patches a step in this part."""
    steps: Annotated[int, Field(ge=0)]
    """How many of all `train.steps`; 0 for none."""


class Augment(Section):
    """Changes of patches, each with the chance that it happens to one; strengths are nnU-Net's."""

    mirror: Fraction
    """Left and right exchanged, in the image and in the names of the classes."""
    rotate: Fraction
    """Turned by up to 30 degrees about each axis."""
    scale: Fraction
    """Scaled by a factor from 0.7 to 1.4."""
    noise: Fraction
    """Gaussian noise with a standard deviation of up to a tenth of `train.blood_window`."""
    blur: Fraction
    """Gaussian blur with a standard deviation of 0.5 to 1 voxel."""
    brightness: Fraction
    """Each window stretched about its middle by a factor from 0.75 to 1.25."""
    contrast: Fraction
    """Each window stretched about its mean by a factor from 0.75 to 1.25, its ends kept."""
    low_resolution: Fraction
    """As if scanned with half to all of the voxels along each axis."""
    gamma: Fraction
    """Darks and brights of each window spread or drawn together by an exponent from 0.7 to 1.5."""
    phase: Fraction
    """Arteries and veins exchange their brightness, where both are labelled: another phase."""


class Amount(Section):
    """How much of the training cases is used: the first of each kind, in the case table's order."""

    full: Annotated[int, Field(ge=0)] | None
    """Cases of which every class is known; null for all of them."""
    half: Annotated[int, Field(ge=0)] | None
    """Cases of which some class is unknown; null for all of them."""

    def chosen(self, coverages: Mapping[str, Mapping[str, str]]) -> list[str]:
        """Names of the cases that are used.

        Args:
            coverages: state of each class, by case, in the case table's order.
        """
        full = [name for name, states in coverages.items() if is_full(states)]
        half = [name for name in coverages if name not in full]
        used = {*full[: self.full], *half[: self.half]}
        return [name for name in coverages if name in used]


def is_full(coverage: Mapping[str, str]) -> bool:
    """Whether every class of a case is known: labelled, or known to be absent."""
    return "unknown" not in coverage.values()


class Recipe(Section):
    """How one model is trained."""

    cases: Amount
    network: Annotated[str, AfterValidator(_known_network)]
    """A network by its name in the registry."""
    encoder: Encoder | None
    """Text encoder, whose vectors guide the network by a head for each class; null for a network
    without language."""
    prompts: Name
    """Which of `embed.prompts` the encoder is given."""
    width: Count
    """Feature channels at full resolution; what follows from it, the registry says of each
    network."""
    arguments: dict[str, Any]
    """What the network's builder takes beside these, by its own names, e.g. `{image_only: true}`;
    an experiment replaces them as a whole."""
    pretrained: str | None
    """File of weights to start from, relative to the working directory; null for fresh ones."""
    patch: Patch
    """Patch of training and inference [voxels along z, y, x]."""
    batch: Count
    """Patches a step, over all processes together."""
    accumulate: Count
    """Parts in which a process works through its patches of a step, to save memory; the numbers
    stay the same."""
    early: Early
    loss: Annotated[dict[str, NotNegative], AfterValidator(_known_losses)]
    """Losses by their names in the registry, each with its weight."""
    supervision: Annotated[str, AfterValidator(_known_supervision)]
    """What is learnt of voxels that nobody labelled, by its name in the registry."""
    teacher_weight: NotNegative
    """Weight of what the average of the weights teaches, beside the losses; for supervision
    `teacher` alone."""
    labels: Labels
    """What is learnt from: what was drawn, or the whole truth of phantoms, as an upper bound."""
    deep_supervision: Fraction
    """Weight of a network's next coarser answer beside the one before, e.g. 0.5; 0.0 for none."""
    steps: Count
    """Updates of the weights in all."""
    validate_every: Count
    """Steps from one validation to the next; the weights of the best one are kept."""
    patience: Count | None
    """Validations in a row without a better score after which a training ends; null for never."""
    optimizer: Literal["adamw", "muon"]
    """`adamw`, or `muon`, which takes whole matrices and kernels of convolutions at once, and
    `adamw` for the other weights."""
    learning_rate: Positive
    """Largest step size of the optimizer."""
    weight_decay: NotNegative
    """Weight decay, decoupled from the gradient."""
    warmup_steps: Annotated[int, Field(ge=0)]
    """Steps in which the learning rate rises from 0."""
    cooldown: Annotated[float, Field(gt=0, le=1)]
    """The last part of the steps, as a fraction, in which the rate falls by half a cosine to a
    hundredth; until then it stays at its largest."""
    ema: Annotated[float, Field(ge=0, lt=1)]
    """What a step leaves of the moving average of the weights, which is then what is validated and
    kept, e.g. 0.999; 0.0 for none."""
    hu_window: Window
    """What becomes 0 and 1 in the channel of the whole chest [HU]."""
    blood_window: Window
    """The same for the channel that tells blood from blood [HU]."""
    augment: Augment

    @model_validator(mode="after")
    def _network_is_content(self) -> Recipe:
        entry = NETWORKS[self.network]
        if entry.language and self.encoder is None:
            raise ValueError(f"network `{self.network}` needs an encoder")
        try:
            check(entry.build, self.arguments, entry.choices)
        except ArgumentError as error:
            raise ValueError(f"network `{self.network}` {error}") from None
        _check_patches(self)
        return self

    @model_validator(mode="after")
    def _deep_supervision_needs_several_answers(self) -> Recipe:
        if self.deep_supervision and not NETWORKS[self.network].coarse:
            able = ", ".join(name for name, entry in NETWORKS.items() if entry.coarse)
            raise ValueError(
                f"deep_supervision: network `{self.network}` answers at one resolution; set it to "
                f"0.0, or take one of {able}"
            )
        return self

    @model_validator(mode="after")
    def _a_teacher_needs_an_average(self) -> Recipe:
        if SUPERVISIONS[self.supervision].teacher and not self.ema:
            raise ValueError(
                f"supervision `{self.supervision}` learns from the average of the weights, and ema "
                "is 0.0: set it to 0.999 or so"
            )
        return self


def _check_patches(recipe: Recipe) -> None:
    """A network takes the patches; those of the early part too, if there is one."""
    name, entry = recipe.network, NETWORKS[recipe.network]
    if entry.patch and tuple(recipe.patch) != entry.patch:
        raise ValueError(
            f"network `{name}` takes patches of {list(entry.patch)} alone; patch is {recipe.patch}"
        )
    if entry.one_patch and recipe.early.steps:
        raise ValueError(
            f"network `{name}` is built for one size of patches; set early.steps to 0, it is "
            f"{recipe.early.steps}"
        )
    sizes = {"patch": recipe.patch} | (
        {"early.patch": recipe.early.patch} if recipe.early.steps else {}
    )
    multiples = entry.multiples(recipe.patch)
    needed = multiples[0] if len(set(multiples)) == 1 else list(multiples)
    for key, patch in sizes.items():
        if any(n % m for n, m in zip(patch, multiples, strict=True)):
            raise ValueError(
                f"network `{name}` needs patches in multiples of {needed} voxels; {key} is {patch}"
            )
        if min(patch) < entry.smallest:
            raise ValueError(
                f"network `{name}` needs patches of at least {entry.smallest} voxels along each "
                f"axis; {key} is {patch}"
            )


class Train(Recipe):
    """Learning from full and half-labelled cases together."""

    experiments: dict[Name, dict[str, Any]]
    """Experiments by name: the keys of `train` that each has otherwise, e.g.
    `{network: unet, encoder: null}`; empty braces for none."""
    seeds: Annotated[list[Seed], Field(min_length=1), AfterValidator(different)]
    """Each experiment is trained once with each of these."""

    def recipe(self, experiment: str) -> Recipe:
        """What an experiment is trained by: the section with its own keys in place.

        Raises:
            KeyError: there is no such experiment.
            ValidationError: it is no recipe.
        """
        return self.changed(self.experiments[experiment])

    def changed(self, changes: Mapping[str, Any]) -> Recipe:
        """The section's own recipe with some keys otherwise.

        Raises:
            ValidationError: that is no recipe.
        """
        base = self.model_dump(exclude={"experiments", "seeds"})
        return Recipe.model_validate(_changed(base, changes))


#: Sections inside a recipe.
PARTS = ("cases", "early", "augment")


def _changed(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A section with some of its keys changed; of a section in it, some of that one's keys.

    Losses are changed as a whole: which ones there are is the point of changing them.
    """
    return dict(base) | {
        key: _changed(base[key], value) if key in PARTS and isinstance(value, Mapping) else value
        for key, value in changes.items()
    }
