"""The reference: what the code declares stands on its pages by itself."""

import json
import sys
from pathlib import Path
from typing import get_args

import jsonschema
import pytest
import typer
import yaml

REPOSITORY = Path(__file__).parents[2]
sys.path.insert(0, str(REPOSITORY / "docs"))

import reference_pages  # noqa: E402

from lacaf import classes, coding, stages  # noqa: E402
from lacaf.cli import app  # noqa: E402
from lacaf.evaluate.metrics import METRICS, NSD  # noqa: E402
from lacaf.model import losses, networks, supervision  # noqa: E402
from lacaf.params import reference  # noqa: E402
from lacaf.params.embed import Encoder  # noqa: E402
from lacaf.params.train import Recipe  # noqa: E402

DEMO = yaml.safe_load((REPOSITORY / "params" / "demo.yaml").read_text())
PAGES = reference_pages.pages()
KEYS = {key.name: key for key in reference.keys(DEMO)}


def flat(section: object, above: str = "") -> set[str]:
    """Names of all keys of a configuration, down to what is named by the user."""
    if not isinstance(section, dict) or above[:-1] in ENDS:
        return {above[:-1]}
    return {name for key, value in section.items() for name in flat(value, f"{above}{key}.")}


#: Keys whose value is keyed by the user.
ENDS = {
    *("codings", "embed.prompts", "train.arguments", "train.loss", "train.experiments"),
    *("infer.models", "study.experiments", "study.tables"),
}


def test_every_key_of_the_parameters_is_told() -> None:
    assert set(KEYS) == flat(DEMO)
    assert [key.name for key in KEYS.values() if not key.meaning] == []
    assert all(f"`{name}`" in PAGES["reference/params.md"] for name in KEYS)


def test_a_key_has_its_unit_default_and_values() -> None:
    key = KEYS["crop.margin_mm"]
    assert (key.unit, key.allowed, key.default) == ("mm", "number ≥ 0", 6.0)
    assert KEYS["train.patch"].unit == "voxels along z, y, x"
    assert KEYS["convert.tilt"].allowed == "`refuse`, `resample`"


def test_a_key_that_names_a_length_or_volume_tells_its_unit() -> None:
    units = {"_mm": "mm", "_ml": "ml", "hu_window": "HU", "blood_window": "HU"}
    for name, key in KEYS.items():
        for end, unit in units.items():
            assert not name.endswith(end) or key.unit == unit, name


@pytest.mark.parametrize(
    "entry",
    [
        *networks.NETWORKS,
        *losses.LOSSES,
        *supervision.SUPERVISIONS,
        *coding.builtin(),
        *(row.name for row in classes.TABLE),
        *stages.BY_WORD,
        *(name for metric in METRICS for name in metric.names if name != NSD),
        *get_args(Encoder),
    ],
)
def test_every_entry_of_a_registry_stands_on_its_page(entry: str) -> None:
    assert f"`{entry}`" in PAGES["reference/registries.md"]


def test_an_entry_that_somebody_adds_appears(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(networks.NETWORKS, "new", networks.Network(lambda shape: None, "a new one"))
    assert "| `new` | a new one |" in reference_pages.registries()


def test_every_command_and_option_is_told() -> None:
    page = PAGES["reference/commands.md"]
    told = dict(reference_pages.leaves(typer.main.get_command(app)))
    assert {"crop", "export nnunet"} <= set(told)
    for name, command in told.items():
        assert f"## lacaf {name}\n" in page
        assert all(f"`{option}`" in page for part in command.params for option in part.opts)


def test_every_module_has_its_place() -> None:
    told = "".join(PAGES.values())
    for file in (REPOSITORY / "src" / "lacaf").rglob("*.py"):
        module = ".".join(file.relative_to(REPOSITORY / "src").with_suffix("").parts)
        if module not in ("lacaf.__init__", "lacaf.__main__"):
            assert f"::: {module.removesuffix('.__init__')}\n" in told


def test_the_schema_for_editors_is_that_of_the_model() -> None:
    kept = REPOSITORY / "workflow" / "schemas" / "params.schema.json"
    assert kept.read_text() == reference.text(), (
        "run: python -m lacaf.params.reference > workflow/schemas/params.schema.json"
    )


def test_the_schema_takes_the_files_that_ship() -> None:
    for file in (REPOSITORY / "params.yaml", *(REPOSITORY / "params").glob("*.yaml")):
        jsonschema.validate(yaml.safe_load(file.read_text()), reference.schema())


@pytest.mark.parametrize(
    "change",
    [
        {"train": {**DEMO["train"], "experiments": {"a": {"stepz": 3}}}},
        {"crop": {**DEMO["crop"], "spacing_mm": 0}},
        {"convert": {**DEMO["convert"], "tilt": "ignore"}},
        {"surplus": {}},
    ],
)
def test_the_schema_refuses_what_the_model_refuses(change: dict) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(DEMO | change, reference.schema())


def test_an_experiment_may_change_some_keys_of_the_recipe() -> None:
    changed = {**DEMO["train"], "experiments": {"a": {"steps": 3, "early": {"steps": 0}}}}
    jsonschema.validate(DEMO | {"train": changed}, reference.schema())
    told = json.dumps(reference.schema()["$defs"]["Train"]["properties"]["experiments"])
    assert all(f'"{key}"' in told for key in Recipe.model_fields)
