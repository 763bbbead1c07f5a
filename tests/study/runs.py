"""Runs of a study with scores made by hand."""

from lacaf.classes import CLASSES
from lacaf.study import Scored

METRICS = ("dsc", "nsd_1mm", "cldice", "identity", "dsc_vessel", *(f"dsc_{c}" for c in CLASSES))


def scored(experiment, seed, values, patients=None, **otherwise):
    """A run whose every metric is the case's value, but for what is given ``otherwise``."""
    rows = []
    for number, value in enumerate(values):
        patient = patients[number] if patients else f"p{number}"
        row = {"case": f"c{number}", "patient": patient, "against": "truth"}
        row |= dict.fromkeys(METRICS, value)
        rows.append(row | {metric: of[number] for metric, of in otherwise.items()})
    about = {
        "mlflow_run_id": None,
        "weights_sha256": "0" * 64,
        "learnt_from": {"count": 9, "full": 1},
        "refused": [],
    }
    return Scored(experiment, seed, rows, about)


def named(*runs):
    """Runs by their names."""
    return {f"{run.experiment}-s{run.seed}": run for run in runs}
