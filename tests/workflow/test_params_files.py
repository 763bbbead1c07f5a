"""The parameter files that ship: each loads, is planned, and trains, with sizes alone changed."""

import csv
import json
import math
import shutil
from pathlib import Path

import pytest
import yaml
from project import REPOSITORY, Project, make_project

from lacaf.model.networks import NETWORKS
from lacaf.params import whole

pytestmark = pytest.mark.slow

DEMO = REPOSITORY / "params" / "demo.yaml"
FILES = sorted((REPOSITORY / "params").glob("*.yaml"))
TRAINED = [path for path in FILES if path.stem != "predict"]
SMALL = [32, 32, 32]


def of_each(files: list[Path]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("file", files, ids=lambda path: path.stem)


def small(recipe: dict) -> dict:
    """Sizes alone: all else is trained as it stands in the file."""
    patch = list(NETWORKS[recipe["network"]].patch or SMALL)
    size = {"width": 4, "patch": patch, "batch": 1 if patch != SMALL else min(4, recipe["batch"])}
    size |= {"early": recipe["early"] | {"patch": SMALL, "steps": 0}}
    size |= {"steps": 3, "validate_every": 3}
    if recipe["encoder"] == "clip":  # its weights are not here
        size |= {"encoder": "onehot"}
    return recipe | size


def recipes(file: Path) -> dict[str, dict]:
    """The recipes of a file by names of their own, made small."""
    train = whole.load(file).train
    return {
        f"{file.stem}_{name}": small(train.recipe(name).model_dump(mode="json"))
        for name in train.experiments
    }


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project in which nothing was done, and beside it a model that was trained elsewhere."""
    folder = tmp_path_factory.mktemp("planned")
    (folder / "project").mkdir()
    model = folder / "data" / "train" / "lacaf-s0" / "model.json"
    model.parent.mkdir(parents=True)
    model.write_text("{}")
    return make_project(folder / "project")


@pytest.fixture(scope="module")
def trained(project: Project) -> Path:
    """The folder of models of a project whose experiments are the recipes of all files.

    Together they share what comes before training, and the cores.
    """

    def change(params: dict) -> None:
        params["train"]["experiments"] = {k: v for f in TRAINED for k, v in recipes(f).items()}

    project.change_params(change)
    project.run("snakemake", "train")
    return project.folder / "data" / "train"


def test_the_file_in_use_is_the_demo() -> None:
    assert (REPOSITORY / "params.yaml").read_bytes() == DEMO.read_bytes()


@of_each(FILES)
def test_it_loads_and_its_experiments_resolve(file: Path) -> None:
    params = whole.load(file)
    assert bool(params.runs()) == (file in TRAINED)
    assert all(params.train.recipe(name) for name in params.train.experiments)


@of_each(FILES)
def test_it_has_the_keys_of_the_demo_in_their_order(file: Path) -> None:
    own, demo = (yaml.safe_load(path.read_text()) for path in (file, DEMO))
    assert list(own) == list(demo)
    assert {k: list(v) for k, v in own.items()} == {k: list(v) for k, v in demo.items()}
    assert list(own["train"]["augment"]) == list(demo["train"]["augment"])


@of_each(FILES)
def test_snakemake_plans_it(planned: Project, file: Path) -> None:
    shutil.copy(file, planned.folder / "params.yaml")
    plan = planned.run("snakemake", "-n", "--quiet", "rules")
    assert ("train_model" in plan) == (file in TRAINED)
    assert "infer_case" in plan


@of_each(TRAINED)
def test_its_recipes_train(trained: Path, file: Path) -> None:
    for name, recipe in recipes(file).items():
        about = json.loads((trained / f"{name}-s0" / "model.json").read_text())
        assert {key: about["params"][key] for key in recipe} == recipe
        with (trained / f"{name}-s0" / "history.csv").open() as handle:
            [row] = csv.DictReader(handle)
        assert row["step"] == "3"
        assert all(math.isfinite(float(row[key])) for key in ("train_loss", "val_loss"))
