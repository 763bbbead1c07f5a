"""One configuration: every value explicit, every fault named with its key."""

from pathlib import Path

import pytest
import yaml

from lacaf import layout
from lacaf.params import whole as params
from lacaf.params.section import ParamsError

ROOT = Path(__file__).parents[1]
WHOLE = sorted([ROOT / "params.yaml", *(ROOT / "params").glob("*.yaml")])


def changed(key, value):
    """The shipped configuration with one key (dotted) changed."""
    content = yaml.safe_load((ROOT / "params" / "demo.yaml").read_text())
    *sections, last = key.split(".")
    place = content
    for section in sections:
        place = place[section]
    place[last] = value
    return content


@pytest.mark.parametrize("path", WHOLE, ids=lambda p: p.name)
def test_each_shipped_file_is_whole(path):
    params.load(path)


@pytest.mark.parametrize("path", WHOLE, ids=lambda p: p.name)
def test_floats_are_floats_to_every_reader_of_yaml(path):
    """``1e-3`` is a string to PyYAML and Snakemake and a number to DVC."""

    def texts(node):
        for value in node.values() if isinstance(node, dict) else node:
            if isinstance(value, dict | list):
                yield from texts(value)
            elif isinstance(value, str):
                yield value

    for text in texts(yaml.safe_load(path.read_text())):
        with pytest.raises(ValueError, match="could not convert"):
            float(text)


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("crop.spacing", 1.0, "allowed here: lungs, spacing_mm, margin_mm, min_lung_ml"),
        ("crop.spacing_mm", 0.0, "greater than 0"),
        ("crop.spacing_mm", "fine", "valid number"),
        ("crop.margin_mm", -1.0, "greater than or equal to 0"),
        ("phantom.kind", "toy", "'demo' or 'realistic'"),
        ("harmonize.mediastinum", "maybe", "'auto', 'known' or 'unknown'"),
        ("train.seeds", [], "at least 1 item"),
        ("train.patch", [64, 64], "at least 3 items"),
        ("infer.overlap", 1.0, "less than 1"),
        ("train.experiments", {"bad name": {"network": "unet", "encoder": None}}, "pattern"),
        ("train.experiments", {"a": {"network": "lacaf", "encoder": None}}, "needs an encoder"),
        ("train.experiments", {"a": {"arguments": {"depth": 3}}}, "no argument `depth`"),
        (
            "embed.prompts",
            {"mine": {"left_artery": "x"}},
            "one prompt for each of left_artery, left_vein",
        ),
        ("embed.prompts", {"left_artery": "a {class}"}, "sets of prompts by name now"),
        ("codings", {"mine": {"vals": {1: "artery"}}}, "allowed here: values, files, names"),
        ("train.seeds", [0, 0], "stands there twice"),
        ("train.seeds", [-1], "greater than or equal to 0"),
        ("train.learning_rate", float("inf"), "finite number"),
        ("train.hu_window", [400.0, -1000.0], "below the second"),
        (
            "train.experiments",
            {"a": {"network": "dynunet", "encoder": None, "patch": [60, 64, 64]}},
            "patch is [60, 64, 64]",
        ),
        ("embed.prompts", {"mine": "an artery"}, "names the class once"),
        ("train.network", "unett", "known networks are lacaf, unet"),
        ("train.loss", {"bcee": 1.0}, "bcee is unknown; known are bce, dice"),
        ("train.loss", {"bce": 0.0}, "at least one loss"),
        ("train.experiments", {"a": {"learning_rat": 1}}, "a.learning_rat: Extra inputs"),
        ("train.experiments", {"a": {"steps": 0}}, "train.experiments.a.steps"),
        ("train.experiments", {"a": {"prompts": "mine"}}, "embed.prompts has no 'mine'"),
        ("train.experiments", {"a": {"seeds": [1]}}, "a.seeds: Extra inputs"),
        ("harmonize.codings", {}, "a section of its own now, `codings`"),
        ("codings", {"mine": {"values": {1: "aorta"}}}, "'artery'"),
    ],
)
def test_a_fault_names_the_key_what_was_given_and_what_is_allowed(key, value, expected):
    with pytest.raises(ParamsError) as fault:
        params.parse(changed(key, value))
    first = str(fault.value).splitlines()[0]
    assert key in first
    assert expected in first


def test_a_missing_key_is_named():
    content = changed("crop.spacing_mm", 1.0)
    del content["crop"]["spacing_mm"]
    with pytest.raises(ParamsError, match=r"crop\.spacing_mm: Field required"):
        params.parse(content)


def test_all_faults_are_told_at_once():
    content = changed("crop.spacing_mm", 0.0)
    content["infer"]["overlap"] = 2.0
    with pytest.raises(ParamsError) as fault:
        params.parse(content)
    assert len(str(fault.value).splitlines()) == 2


@pytest.mark.parametrize("content", [None, [], "text", {}])
def test_something_else_than_a_configuration_is_told_as_a_fault(content):
    with pytest.raises(ParamsError):
        params.parse(content)


def test_a_missing_or_broken_file_is_told_as_a_fault(tmp_path):
    with pytest.raises(ParamsError, match="no such file"):
        params.load(tmp_path / "params.yaml")
    (tmp_path / "params.yaml").write_text("a: [1")
    with pytest.raises(ParamsError, match="not readable as YAML"):
        params.load(tmp_path / "params.yaml")


def test_a_users_coding_joins_the_shipped_ones_and_wins():
    mine = {"artery1_vein2": {"values": {5: "artery"}}, "mine": {"values": {1: "vein"}}}
    codings = params.parse(changed("codings", mine)).all_codings()
    assert codings["artery1_vein2"].values == {5: "artery"}
    assert codings["mine"].values == {1: "vein"}
    assert "four_classes" in codings


def test_every_experiment_and_seed_is_a_run():
    content = changed("train.seeds", [0, 3])
    content["train"]["experiments"] = {"unet": {"network": "unet", "encoder": None}}
    assert params.parse(content).runs() == {"unet-s0": ("unet", 0), "unet-s3": ("unet", 3)}


def test_a_new_experiment_does_not_make_other_trainings_stale():
    one = params.parse(changed("train.seeds", [0]))
    other = params.parse(changed("train.seeds", [0, 1]))
    slower = params.parse(changed("train.learning_rate", 0.123))
    assert layout.recipe("lacaf", one) == layout.recipe("lacaf", other)
    assert layout.recipe("lacaf", one) != layout.recipe("lacaf", slower)


def test_a_value_overridden_on_the_command_line_is_refused():
    path = ROOT / "params.yaml"
    params.unchanged(yaml.safe_load(path.read_text()), path)
    with pytest.raises(ParamsError, match="overridden"):
        params.unchanged(changed("crop.spacing_mm", 17.0), path)
