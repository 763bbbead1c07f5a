"""The tutorial: its commands run in order, and each prints what the page says it prints."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
REPOSITORY = Path(__file__).parents[2]
BLOCK = re.compile(r"^```(bash|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
#: Printed by the shell after the commands of a block.
END = "--- end of a block"


def steps(page: str) -> list[tuple[str, list[str]]]:
    """The commands of each ``bash`` block, and the lines of the ``text`` block below it."""
    found: list[tuple[str, list[str]]] = []
    for kind, content in BLOCK.findall(page):
        if kind == "bash":
            found.append((content, []))
        else:
            found[-1][1].extend(content.splitlines())
    return found


def test_the_tutorial_does_what_it_says(tmp_path: Path) -> None:
    for name in ("Snakefile", "workflow", "params", "profiles"):
        source = REPOSITORY / name
        copy = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, tmp_path / name)
    todo = steps((REPOSITORY / "docs" / "tutorial.md").read_text())
    script = "set -e\n" + "".join(f"{commands}echo '{END}'\n" for commands, _ in todo)
    answer = subprocess.run(
        ["bash", "-c", script],
        cwd=tmp_path,
        env={
            **{key: value for key, value in os.environ.items() if not key.startswith("MLFLOW_")},
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(REPOSITORY / "src"),
            "OMP_NUM_THREADS": "1",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert answer.returncode == 0, answer.stdout
    printed = answer.stdout.split(END)
    for (commands, lines), output in zip(todo, printed, strict=False):
        missing = [line for line in lines if " ".join(line.split()) not in " ".join(output.split())]
        assert not missing, f"{missing}\nafter\n{commands}\ncame\n{output}"


def test_a_step_is_its_commands_and_what_they_print() -> None:
    page = "```bash\nls\n```\nand\n```text\na\nb\n```\n```bash\npwd\n```\n"
    assert steps(page) == [("ls\n", ["a", "b"]), ("pwd\n", [])]
