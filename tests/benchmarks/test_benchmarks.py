"""Every script in benchmarks/ still runs, on its smallest input, and prints all its tables."""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
#: What the scripts import, no benchmark itself.
SHARED = {"measuring", "prepared_cohort", "same_hu_cohort"}
SCRIPTS = sorted({path.stem for path in (REPOSITORY / "benchmarks").glob("*.py")} - SHARED)
#: Above some ten seconds.
SLOW = {
    "artery_vein", "crop_accuracy", "crop_speed", "evaluate_speed", "harmonize_sides",
    "cohort_memory", "loader_speed", "network_cost", "network_step", "plan_memory",
}  # fmt: skip
#: Of each table in turn, what its first cells must say (a pattern for each row). A
#: script that is not here needs a table with a row, whatever it says.
ROWS = {
    "artery_vein": [[r"phantom\d+", "mean"], [r"\d+(\n\d+)*"]],
    "convert_speed": [["synthetic, .*"]],
    "crop_accuracy": [["phantom, 3 mm"] * 3, ["0.98 x 0.98 x 3"] * 4],
    "crop_speed": [["ours"]],
    "evaluate_speed": [
        ["ours", "theirs", "ours", r"\*\*ours / theirs\*\*"],
        ["dsc", "sensitivity", "precision", "nsd_1mm", "nsd_2mm", "hd95_mm", "assd_mm"]
        + [f"{which}_b{i}" for which in ("reference", "prediction") for i in range(3)],
    ],
    "harmonize_sides": [["nearest lung", "this rule"]],
    "harmonize_speed": [["80 × 96 × 96"]],
    "network_step": [["`lacaf`", "`released`"]],
    "plan_memory": [["unet", "unet"]],
    "phantom_anatomy": [
        ["lungs, ml", "vessels in lungs, ml"]
        + ["vessel .*"] * 5
        + ["airways, ml"]
        + ["airway .*"] * 5
        + ["seconds", "processor seconds", "peak memory, GB"]
    ],
}  # fmt: skip


def tables(output):
    """The Markdown tables in an output: of each the rows, of each row the cells."""
    blocks = re.findall(r"(?m)^\|.*\|\n\|(?:---\|)+\n((?:\|.*\|(?:\n|$))*)", output)
    return [
        [[cell.strip() for cell in line.strip("|").split("|")] for line in block.splitlines()]
        for block in blocks
    ]


def state_of_docs():
    """When each of the pages and pictures that benchmarks make was written."""
    return {path: path.stat().st_mtime_ns for path in (REPOSITORY / "docs").rglob("*")}


@pytest.mark.parametrize(
    "script", [pytest.param(s, marks=[pytest.mark.slow] if s in SLOW else []) for s in SCRIPTS]
)
def test_a_benchmark_runs_on_its_smallest_input_and_prints_its_tables(
    script, tmp_path, tmp_path_factory
):
    folder = tmp_path / "here"
    folder.mkdir()
    # Short, for the name of a socket in it may have some hundred characters.
    temporary = Path(tempfile.mkdtemp(dir=tmp_path_factory.getbasetemp(), prefix=""))
    docs = state_of_docs()
    answer = subprocess.run(
        [sys.executable, REPOSITORY / "benchmarks" / f"{script}.py", "--smallest"],
        cwd=folder,
        env={**os.environ, "TMPDIR": str(temporary), "MPLBACKEND": "agg"},
        capture_output=True,
        text=True,
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    found = tables(answer.stdout)
    assert found, f"no table in:\n{answer.stdout}"
    assert all(found), f"a table without rows in:\n{answer.stdout}"
    wanted = ROWS.get(script, [[".*"] * len(rows) for rows in found])
    for rows, patterns in zip(found, wanted, strict=True):
        first = [cells[0] for cells in rows]
        assert re.fullmatch("\n".join(patterns), "\n".join(first)), f"rows are {first}"
        assert not re.search(r"\b(nan|inf)\b", str(rows)), f"a number is missing in {rows}"
    assert state_of_docs() == docs, "a page or a picture was made anew without being asked for"
    assert not list(folder.iterdir()), "something was left in the working folder"
    left = {path.name for path in temporary.iterdir()}
    left = {name for name in left if not name.startswith("torchinductor_")}  # torch's own
    assert not left, "something was left in the temporary folder"


def test_no_benchmark_of_the_list_is_gone():
    assert set(ROWS) <= set(SCRIPTS)


def test_a_case_table_with_a_leak_is_refused_before_anything_is_rendered(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(REPOSITORY / "benchmarks"))
    from same_hu_cohort import case_table

    from lacaf.cases import CasesError, leakage

    names = [f"phantom{number:03d}" for number in range(40)]
    table = case_table(names, 2, 6, tmp_path)
    assert not leakage(table)
    assert len({case.source for case in table.values()}) == 40
    assert [case.split for case in table.values()].count("train") == 32
    with pytest.raises(CasesError, match="scores would be flattered"):
        case_table(["phantom001/.", "phantom001"], 0, 1, tmp_path)
