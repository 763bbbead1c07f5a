"""A tiny project of its own in a temporary folder, with the real commands."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import yaml

REPOSITORY = Path(__file__).parents[1]
TABLE = """\
case,patient,source,labels,coding,labelled_side,split
phantom001,p1,data/raw/phantom001/dicom,data/raw/phantom001/av.nii.gz,artery1_vein2,left,train
phantom002,p2,data/raw/phantom002/dicom,data/raw/phantom002/av.nrrd,vein1_artery2,both,val
phantom003,p3,data/raw/phantom003/dicom,data/raw/phantom003/av,file_per_vessel,both,test
"""
AWAY = ("MLFLOW_", "PYTHONDONTWRITEBYTECODE")
NEW_ROW = (
    "phantom004,p4,data/raw/phantom004/dicom,data/raw/phantom004/av.mha,four_classes,right,train\n"
)


@dataclass(frozen=True)
class Project:
    """A folder with params.yaml, a case table and the workflow."""

    folder: Path

    def run(self, *command: str, fails: bool = False, **environment: str) -> str:
        """Run a command in the project; its standard output and error, mixed."""
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        answer = subprocess.run(
            command,
            cwd=self.folder,
            env={
                # mlflow.set_tracking_uri in another test leaves its store in the environment;
                # and Python writes bytecode beside the code, as on a user's machine
                **{k: v for k, v in os.environ.items() if not k.startswith(AWAY)},
                "PATH": path,
                "PYTHONPATH": str(self.folder / "src"),  # its own copy of the code
                "OMP_NUM_THREADS": "1",
                **environment,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert (answer.returncode != 0) == fails, answer.stdout
        return answer.stdout

    def change_params(self, change: Callable[[dict], None]) -> None:
        """Change params.yaml through a function that gets its content."""
        path = self.folder / "params.yaml"
        content = yaml.safe_load(path.read_text())
        change(content)
        path.write_text(yaml.safe_dump(content, sort_keys=False))

    def times(self, pattern: str) -> dict[str, int]:
        """When each job wrote its log: a job that ran again has a new time."""
        return {
            path.relative_to(self.folder).as_posix(): path.stat().st_mtime_ns
            for path in sorted(self.folder.glob(pattern))
        }


def shrink(params: dict) -> None:
    """Small thoraxes and a few steps of a narrow net: the wiring is tested, not the scores."""
    params["phantom"] |= {"spacing_mm": 3.0, "scale": 0.6}
    params["crop"] |= {"spacing_mm": 4.0}
    params["train"] |= {"steps": 2, "validate_every": 2, "width": 4, "patch": [32, 32, 32]}
    params["train"] |= {"encoder": "onehot", "experiments": {"lacaf": {}}}


def make_project(folder: Path) -> Project:
    """A project with three small cases in an empty folder."""
    for name in ("Snakefile", "dvc.yaml", ".dvcignore", ".gitignore"):
        shutil.copy(REPOSITORY / name, folder)
    for name in ("workflow", "profiles", "src"):
        shutil.copytree(
            REPOSITORY / name,
            folder / name,
            ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"),
        )
    (folder / "data").mkdir()
    (folder / "reports").mkdir()
    shutil.copy(REPOSITORY / "params" / "demo.yaml", folder / "params.yaml")
    (folder / "data" / "cases.csv").write_text(TABLE)
    made = Project(folder)
    made.change_params(shrink)
    return made


def commit(project: Project, message: str) -> None:
    """Commit everything that Git does not ignore."""
    project.run("git", "add", "-A")
    who = ("-c", "user.name=Nobody", "-c", "user.email=nobody@localhost")
    project.run("git", *who, "commit", "-q", "-m", message)
