"""The manifest: what is needed to know, and to repeat, how the page came about."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import yaml

from lacaf import digests, tracking
from lacaf.params.whole import Params
from lacaf.report.findings import Findings

PACKAGES = (
    "lacaf",
    "numpy",
    "scipy",
    "scikit-image",
    "nibabel",
    "SimpleITK",
    "pydicom",
    "torch",
    "monai",
    "open_clip_torch",
    "snakemake",
    "dvc",
    "mlflow",
    "matplotlib",
)
COMMANDS = (
    "make setup",
    "make pull        # fetch the data that DVC keeps; for the synthetic cohort not needed",
    ".venv/bin/snakemake --cores all",
)


def manifest(params: Params, findings: Findings, root: Path) -> dict[str, Any]:
    """Git commit, versions, DVC hashes, MLflow runs, seeds and commands.

    Args:
        params: the configuration of the run.
        findings: what there is to report.
        root: the project's folder, with ``dvc.lock`` if DVC has run.
    """
    described = tracking.git_commit()
    commit = described.removesuffix("-dirty")
    return {
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "git_commit": commit,
        "git_dirty": described.endswith("-dirty"),
        "params_digest": digests.digest(params.model_dump(mode="json")),
        "cases": len(findings.cases),
        "synthetic_cases": len(findings.synthetic()),
        "python": platform.python_version(),
        "packages": {name: found for name in PACKAGES if (found := _version(name))},
        "snakemake_log": _newest_log(root / ".snakemake" / "log"),
        "dvc": dvc_hashes(root / "dvc.lock"),
        "seeds": {"phantom": params.phantom.seed, "train": list(params.train.seeds)},
        "runs": {run.name: _about(run.model) for run in findings.trained()},
        "commands": [*([] if commit == "none" else [f"git checkout {commit}"]), *COMMANDS],
    }


def dvc_hashes(lock: Path) -> dict[str, dict[str, str]]:
    """Stage to output to hash, from ``dvc.lock``; empty if DVC has not run.

    The report's own hashes are left out: they are those of the report before this one.
    """
    if not lock.exists():
        return {}
    stages = (yaml.safe_load(lock.read_text()) or {}).get("stages", {})
    return {
        stage: {out["path"]: out.get("md5", "") for out in content.get("outs", [])}
        for stage, content in stages.items()
        if stage != "report"
    }


def _newest_log(folder: Path) -> str:
    """Name of Snakemake's newest log, which tells the run that made this; empty without one."""
    return max((path.name for path in folder.glob("*.log")), default="")


def _about(model: Mapping[str, Any]) -> dict[str, Any]:
    """What identifies a trained model."""
    embedding = model.get("embedding") or {}
    return {
        "network": model.get("network"),
        "seed": model.get("seed"),
        "device": model.get("device"),
        "mlflow_run_id": model.get("mlflow_run_id"),
        "weights_sha256": model.get("weights_sha256"),
        "encoder": embedding.get("encoder"),
        "embedding_hash": embedding.get("hash"),
    }


def package_version() -> str:
    """The version of this package."""
    return _version("lacaf") or "of unknown version"


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
