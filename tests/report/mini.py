"""A project of four tiny cases as the stages before the report leave it behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import yaml

from lacaf import files, records, volume
from lacaf.cases import Case
from lacaf.classes import BY_NAME, CLASSES
from lacaf.evaluate import evaluate, summarize, tables
from lacaf.grid import Grid
from lacaf.params import whole as parameters
from lacaf.report import gather, report, write_case
from lacaf.stages import stage_of
from lacaf.volume import Volume

HERE = Path(__file__).parents[2]
GRID = Grid.upright((24, 30, 40), 3.0, (-60.0, -45.0, -36.0))
REFUSAL = {
    "stage": "convert",
    "finding": "too few slices: 3 from feet to head",
    "expectation": "at least 20",
    "remedy": "hand over the whole scan",
    "file": "the image",
}
#: What a hospital might call a file; it must never reach the page.
HOSPITAL = "Mustermann_Erika_1950"


def params() -> parameters.Params:
    content = yaml.safe_load((HERE / "params" / "demo.yaml").read_text())
    content["evaluate"]["bootstrap"] = 50
    return parameters.parse(content)


def truth() -> np.ndarray:
    """Four straight vessels: arteries in front, veins behind; the patient's left at high x."""
    labels = np.zeros(GRID.shape, np.uint8)
    for value, (y, x) in enumerate(((10, 30), (18, 30), (10, 9), (18, 9)), start=1):
        labels[4:20, y : y + 3, x : x + 3] = value
    return labels


def lungs() -> np.ndarray:
    mask = np.zeros(GRID.shape, np.uint8)
    mask[2:22, 5:25, 24:37] = 1
    mask[2:22, 5:25, 3:16] = 2
    return mask


class Mini:
    """Builds the project below a folder; each method adds what one stage would."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.data = root / "data"
        self.reports = root / "reports"
        self.params = params()
        self.cases: dict[str, Case] = {}

    def case(self, name: str, split: str, labelled_side: str = "both") -> None:
        """A converted, cropped and harmonized case; a phantom if its name says so."""
        phantom = name.startswith("phantom")
        source = Path("data/raw") / name / "dicom" if phantom else Path("/clinic") / HOSPITAL / name
        labelled = split != "predict"
        self.cases[name] = Case(
            name,
            f"patient-{name}",
            source,
            Path("data/raw") / name / "labels.nii.gz" if labelled else None,
            "four_classes" if labelled else None,
            labelled_side if labelled else "",  # type: ignore[arg-type]
            split,  # type: ignore[arg-type]
        )
        image = np.where(lungs() > 0, -850, 30).astype(np.int16)
        image[truth() > 0] = 100
        self._record("convert", name, kind="dicom", flags=["gaps between slices"])
        self._write("convert", name, "image", image)
        self._record("crop", name, lungs_ml={"left": 600.0, "right": 650.0})
        self._write("crop", name, "image", image)
        self._write("crop", name, "lungs", lungs())
        coverage = {
            c: "labelled" if labelled and labelled_side in (BY_NAME[c].side, "both") else "unknown"
            for c in CLASSES
        }
        side = {"declared": labelled_side, "found": labelled_side if labelled else ""}
        self._record("harmonize", name, coverage=coverage, labelled_side=side)
        known = truth()
        if labelled_side == "left":
            known[:, :, :20] = 255
        if labelled:
            self._write("harmonize", name, "labels", known)
        if phantom:
            self._write("truth", name, "labels", truth())

    def refused(self, name: str, **changes: str) -> None:
        """A case that convert refused, and the later stages after it."""
        self.cases[name] = Case(name, name, Path("/clinic") / HOSPITAL, None, None, "", "predict")
        for stage in ("convert", "crop", "harmonize"):
            self._record(stage, name, status="refused", refusal=REFUSAL | changes)

    def trained(self, run: str) -> None:
        """A model without weights, and how its training went."""
        language = run.startswith("lacaf")
        folder = self.data / "train" / run
        files.write_json(
            folder / "model.json",
            {
                "network": "lacaf" if language else "unet",
                "seed": 0,
                "device": "cpu (2 threads)",
                "mlflow_run_id": "0123456789abcdef" if language else None,
                "weights_sha256": "ab" * 32,
                "embedding": {"encoder": "minilm", "hash": "cd" * 32} if language else None,
                "cases": {"train": {"count": 7}},
            },
        )
        rows = "step,train_loss,val_loss,val_dice,identity_accuracy,learning_rate,seconds\n"
        rows += "50,1.2,1.3,0.2,,0.002,30\n100,0.9,1.0,0.5,0.8,0.001,60\n"
        files.write_text(folder / "history.csv", rows)

    def predicted(self, run: str, case: str, labels: np.ndarray) -> None:
        folder = self.data / "infer" / run / case
        files.write_json(folder / "prediction.json", {"case": case, "status": "ok", "run": run})
        volume.write(Volume(labels.astype(np.uint8), GRID), folder / "labels.nii.gz")

    def evaluated(self, runs: list[str]) -> dict[str, Any]:
        """Scores of the test cases by the real evaluation."""
        scores, about = [], {}
        for run in runs:
            about[run] = {"experiment": run.split("-")[0], "seed": int(run[-1])}
            for case in self.cases.values():
                if case.split == "test":
                    known = self.data / "harmonize" / case.case
                    details = evaluate(
                        self.data / "infer" / run / case.case / "labels.nii.gz",
                        known / "labels.nii.gz",
                        records.read(known, "harmonize")["coverage"],
                        self.params.evaluate,
                        self.data / "truth" / case.case / "labels.nii.gz",
                    )
                    keys = {"case": case.case, "patient": case.patient, "split": "test"}
                    scores.append({"status": "ok", "run": run, **details, **keys, **about[run]})
                    path = self.data / "evaluate" / run / case.case / "scores.json"
                    files.write_json(path, scores[-1])
        rows, summary, _ = summarize(scores, about, self.params.evaluate)
        folder = self.data / "evaluate"
        files.write_text(folder / "scores.csv", rows.to_csv(index=False))
        files.write_json(folder / "summary.json", summary)
        for table in tables(rows, summary, self.params.evaluate):
            files.write_text(folder / "tables" / f"{table.name}.csv", table.csv())
        return summary

    def page(self, case: str, *, full: bool = True) -> str:
        """The text of a case's page."""
        findings = gather(self.params, {case: self.cases[case]}, self.data)
        section = self.params.report
        folder = self.reports / "cases"
        write_case(findings, case, folder, section.palette, section.title, full=full)
        return (folder / f"{case}.html").read_text()

    def report(self) -> str:
        """The text of the first page; the cases' pages come before it, as in the pipeline."""
        for case in self.cases:
            self.page(case)
        return self.front_page()

    def front_page(self) -> str:
        """The text of the first page, made from what is there."""
        report(self.params, self.cases, self.data, self.reports, self.root)
        return (self.reports / "index.html").read_text()

    def set_params(self, **changes: Any) -> None:
        """Change parameters of the report."""
        section = self.params.report.model_copy(update=changes)
        self.params = self.params.model_copy(update={"report": section})

    def set_seeds(self, seeds: list[int]) -> None:
        """Train with these seeds."""
        section = self.params.train.model_copy(update={"seeds": seeds})
        self.params = self.params.model_copy(update={"train": section})

    def _record(self, stage: str, case: str, **details: Any) -> None:
        record = {"case": case, "stage": stage, "status": "ok", **details}
        files.write_json(self.data / stage / case / stage_of(stage).record, record)

    def _write(self, stage: str, case: str, name: str, array: np.ndarray) -> None:
        path = self.data / stage / case / f"{name}.nii.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        volume.write(Volume(array, GRID), path)


def whole(root: Path) -> Mini:
    """Two phantoms to test on (one half-labelled), a patient to predict, a refused case."""
    project = Mini(root)
    project.case("phantom001", "test")
    project.case("phantom002", "test", "left")
    project.case("clinic7", "predict")
    project.refused("broken01")
    swapped = truth()
    swapped[12:20] = np.array([0, 2, 1, 4, 3])[swapped[12:20]]
    for run, labels in (("lacaf-s0", truth()), ("unet-s0", swapped)):
        project.trained(run)
        for case in ("phantom001", "phantom002", "clinic7"):
            project.predicted(run, case, labels)
    project.evaluated(["lacaf-s0", "unet-s0"])
    lock = "stages:\n  train:\n    cmd: x\n    outs:\n    - {path: data/train, md5: abc.dir}\n"
    lock += "  report:\n    cmd: x\n    outs:\n    - {path: reports/index.html, md5: old}\n"
    files.write_text(root / "dvc.lock", lock)
    return project
