"""The pages of train and infer say what the code, the parameter files and the benchmark say."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml

from lacaf.params import reference
from lacaf.train.progress import Pace

REPOSITORY = Path(__file__).parents[2]
DOCS = REPOSITORY / "docs"
PAGE = (DOCS / "train.md").read_text()
GPU_GUIDE = (DOCS / "how" / "gpu.md").read_text()
DEMO = yaml.safe_load((REPOSITORY / "params" / "demo.yaml").read_text())


def rows(text: str, head: str) -> list[list[str]]:
    """The cells of the Markdown table whose first line starts like that."""
    table = rf"^\| {re.escape(head)}.*\|\n\|[-|]+\|\n((?:\|.*\|\n)+)"
    [body] = re.findall(table, text, re.MULTILINE)
    lines = [line.removeprefix("|").removesuffix("|") for line in body.splitlines()]
    return [[cell.strip() for cell in line.split("|")] for line in lines]


def values(file: str) -> dict[str, object]:
    """Value of each key of crop and train in a file that ships, by its whole name."""
    content = yaml.safe_load((REPOSITORY / "params" / f"{file}.yaml").read_text())
    return {
        key.name: key.default
        for key in reference.keys(content)
        if key.name.startswith(("crop.", "train.")) and key.name != "train.experiments"
    }


@pytest.mark.parametrize("stage", ["train", "infer"])
def test_every_key_stands_there_with_its_unit_and_default(stage: str) -> None:
    told = rows((DOCS / f"{stage}.md").read_text(), "key | unit | default | meaning")
    keys = [key for key in reference.keys(DEMO) if key.name.startswith(f"{stage}.")]
    shown = {cells[0].strip("`"): (cells[1], yaml.safe_load(cells[2].strip("`"))) for cells in told}
    assert shown == {key.name: (key.unit, key.default) for key in keys}


def test_the_files_differ_as_the_table_says() -> None:
    files = re.search(r"^\| key \| (demo .*) \|$", PAGE, re.MULTILINE).group(1).split(" | ")
    shipped = {path.stem for path in (REPOSITORY / "params").glob("*.yaml")}
    assert {*files, "predict"} == shipped
    told = rows(PAGE, "key | demo")
    shown = {cells[0].strip("`"): [yaml.safe_load(cell) for cell in cells[1:]] for cells in told}
    of_file = [values(file) for file in files]
    found = {key: [of[key] for of in of_file] for key in of_file[0]}
    assert shown == {key: row for key, row in found.items() if any(v != row[0] for v in row)}


def test_every_number_that_is_logged_is_told() -> None:
    numbers = Pace(torch.device("cpu")).numbers(1)
    columns = ["step", "train_loss", "val_loss", "val_dice", "identity_accuracy", "learning_rate"]
    assert all(f"`{name}`" in PAGE for name in [*numbers, *columns, "seconds", "validation"])


def test_the_guide_carries_what_a_training_reads() -> None:
    [carried] = re.findall(r"rsync -a --relative (.*?) node:", GPU_GUIDE, re.DOTALL)
    names = carried.replace("\\", " ").split()
    assert {"params.yaml", "data/cases.csv", "data/prepare", "data/embed", "src"} <= set(names)
    assert not {"data/raw", "data/convert"} & set(names)


def test_the_job_and_the_profile_of_the_guide_are_sound() -> None:
    [profile] = re.findall(r"^```yaml\n(.*?)^```$", GPU_GUIDE, re.MULTILINE | re.DOTALL)
    used = yaml.safe_load((REPOSITORY / "profiles" / "default" / "profile.yaml").read_text())
    assert set(used) <= set(yaml.safe_load(profile))
    [job] = re.findall(r"^```bash\n(.*?)^```$", GPU_GUIDE, re.MULTILINE | re.DOTALL)
    assert subprocess.run(["bash", "-n", "-c", job]).returncode == 0


@pytest.mark.slow
def test_the_costs_are_those_that_the_benchmark_counts() -> None:
    answer = subprocess.run(
        [sys.executable, REPOSITORY / "benchmarks" / "network_cost.py"],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY / "src")},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    lines = [line for line in answer.splitlines() if line.startswith("| `")]
    assert len(lines) > 8
    assert [line for line in lines if line not in PAGE] == []
