"""MLflow: each training is a named run; evaluate adds its scores to the same run.

The store is a SQLite file in the working directory unless ``MLFLOW_TRACKING_URI`` names
another; artefacts lie in ``mlruns/``. Without MLflow installed (a bare GPU node) a training
runs on and keeps its records in files alone.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lacaf.classes import CLASSES
from lacaf.fault import Interrupted

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

EXPERIMENT = "lacaf"

#: The tag by which MLflow shows a run below another.
PARENT = "mlflow.parentRunId"
#: The tag that tells a study's run from others'.
STUDY = "study"


class Tracker:
    """What a training may say about itself; silent when there is no MLflow."""

    run_id: str | None = None

    def metrics(self, values: Mapping[str, float | None], step: int) -> None:
        """Log numbers at a training step."""

    def artifact(self, path: Path) -> None:
        """Keep a file with the run."""

    def picture(self, pixels: NDArray[np.uint8], step: int) -> None:
        """Keep a picture ``(rows, columns, 3)`` of a training step."""


class MlflowTracker(Tracker):
    """Logs into one MLflow run by its id, whatever other run the process has open."""

    def __init__(self, run_id: str, known: int = -1) -> None:
        """Of training steps up to ``known`` the run holds the numbers already."""
        from mlflow import MlflowClient

        self.run_id: str = run_id
        self._client = MlflowClient()
        self._known = known

    def metrics(self, values: Mapping[str, float | None], step: int = 0) -> None:
        """Log numbers at a training step; None (not evaluated) is left out."""
        import time

        from mlflow.entities import Metric

        if 0 < step <= self._known:
            return
        now = int(time.time() * 1000)
        entries = [Metric(k, float(v), now, step) for k, v in values.items() if v is not None]
        self._client.log_batch(self.run_id, metrics=entries)

    def artifact(self, path: Path) -> None:
        """Keep a file with the run."""
        self._client.log_artifact(self.run_id, str(path))

    def picture(self, pixels: NDArray[np.uint8], step: int) -> None:
        """Keep a picture of a step; MLflow shows them one after the other."""
        self._client.log_image(self.run_id, pixels, key="validation", step=step)


def available() -> bool:
    """Whether MLflow is installed; a bare GPU node may lack it."""
    from importlib.util import find_spec

    return find_spec("mlflow") is not None


def store() -> None:
    """Point MLflow at the store and initialise it, one process at a time.

    Several processes that open a fresh SQLite store at once fail; a file lock lets the first
    one create it.
    """
    import logging

    import mlflow

    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    root = Path.cwd()
    uri = os.environ.get("MLFLOW_TRACKING_URI", f"sqlite:///{root / 'mlflow.db'}")
    logging.getLogger("alembic").setLevel(logging.ERROR)
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    mlflow.set_tracking_uri(uri)
    with _alone():
        if mlflow.get_experiment_by_name(EXPERIMENT) is None:
            local = uri.startswith("sqlite:")
            mlflow.create_experiment(
                EXPERIMENT, artifact_location=(root / "mlruns").as_uri() if local else None
            )
        mlflow.set_experiment(EXPERIMENT)


@contextmanager
def _alone() -> Iterator[None]:
    """One process at a time in this folder."""
    with (Path.cwd() / ".mlflow.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def study(digest: str) -> str | None:
    """Id of the run that the trainings of a study stand under; whoever comes first makes it.

    Args:
        digest: what tells the study from others; a tag of the run.

    Returns:
        None where there is no MLflow.
    """
    if not available():
        return None
    import mlflow
    from mlflow import MlflowClient

    store()
    client = MlflowClient()
    experiment = mlflow.get_experiment_by_name(EXPERIMENT)
    assert experiment is not None, "store() made it"
    with _alone():
        found = client.search_runs([experiment.experiment_id], f"tags.{STUDY} = '{digest}'")
        if found:
            return found[0].info.run_id
        tags = {STUDY: digest, "git_commit": git_commit()}
        return client.create_run(experiment.experiment_id, tags=tags, run_name="study").info.run_id


def end_study(run_id: str | None, children: Iterable[str | None], results: Iterable[Path]) -> None:
    """Put a study's trainings under its run, give it the results, and end it.

    Args:
        run_id: the study's run; None does nothing.
        children: ids of the trainings' runs; those that the store lacks are left out.
        results: files and folders.
    """
    if run_id is None or reopen(run_id).run_id is None:
        return
    from mlflow import MlflowClient

    client = MlflowClient()
    for child in children:
        if child is not None and reopen(child).run_id is not None:
            client.set_tag(child, PARENT, run_id)
    for path in results:
        if path.is_dir():
            client.log_artifacts(run_id, str(path), path.name)
        else:
            client.log_artifact(run_id, str(path))
    client.set_terminated(run_id)


@contextmanager
def run(
    name: str,
    params: Mapping[str, Any],
    tags: Mapping[str, str],
    data_digest: str,
    begun: str | None = None,
) -> Iterator[Tracker]:
    """A training's run; it ends FAILED if the block raises, KILLED if it was asked to stop.

    Args:
        name: the run's name (``lacaf-s0``).
        params: flat parameters to log.
        tags: further facts (Git commit, embedding hash).
        data_digest: digest of the data that it learns from, at most 36 characters.
        begun: the run of a training that is gone on with; if the store lacks it, a new one.
    """
    if not available():
        yield Tracker()
        return
    import mlflow
    from mlflow.data.meta_dataset import MetaDataset
    from mlflow.data.sources import LocalArtifactDatasetSource  # type: ignore[attr-defined]

    known = _last_step(begun)
    again = begun if known is not None else None
    with mlflow.start_run(again, run_name=name, tags=dict(tags), log_system_metrics=True) as active:
        if again is None:
            mlflow.log_params(dict(params))
            source = LocalArtifactDatasetSource("data/harmonize")
            learnt_from = MetaDataset(source, "harmonize", data_digest)  # type: ignore[abstract]
            mlflow.log_input(learnt_from, "training")
        try:
            yield MlflowTracker(active.info.run_id, known or 0)
        except Interrupted:
            mlflow.end_run("KILLED")
            raise


def _last_step(run_id: str | None) -> int | None:
    """The last training step of which a run holds numbers; None if the store lacks the run."""
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    store()
    if run_id is None:
        return None
    try:
        if MlflowClient().get_run(run_id).info.lifecycle_stage != "active":
            return None
        history = MlflowClient().get_metric_history(run_id, "train_loss")
    except MlflowException:
        return None
    return max((metric.step for metric in history), default=0)


def reopen(run_id: str | None) -> Tracker:
    """The run of a training that has ended, to add scores to; silent if it is not in the store."""
    if run_id is None or not available():
        return Tracker()
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    store()
    try:
        MlflowClient().get_run(run_id)
    except MlflowException:
        return Tracker()
    return MlflowTracker(run_id)


def git_commit() -> str:
    """The commit of the working directory, ``-dirty`` if files differ; ``none`` without Git."""
    try:
        answer = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"],
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "none"
    return answer.stdout.strip()


def flat(content: Any, prefix: str = "") -> dict[str, Any]:
    """Nested parameters as ``train.learning_rate: 0.002``, as MLflow and people read them."""
    if isinstance(content, Mapping):
        items: dict[str, Any] = {}
        for key, value in content.items():
            items |= flat(value, f"{prefix}{key}.")
        return items
    return {prefix.rstrip("."): content}


def log_model(tracker: Tracker, folder: Path, served: Path) -> None:
    """Log a trained model's folder as an MLflow model with its signature.

    ``served`` is the file that MLflow runs to serve it (models from code).

    ``mlflow.pyfunc.load_model`` gives it back: input channels in, logits out.
    """
    if tracker.run_id is None:
        return
    import warnings

    import mlflow
    import numpy as np
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    voxels = np.dtype(np.float32)
    signature = ModelSignature(
        inputs=Schema([TensorSpec(voxels, (-1, -1, -1, -1, -1), "image")]),
        outputs=Schema([TensorSpec(voxels, (-1, len(CLASSES), -1, -1, -1), "logits")]),
    )
    with warnings.catch_warnings():
        # An input example would be a whole patch in the store, run once more for nothing.
        warnings.filterwarnings("ignore", message=".*An input example was not provided")
        mlflow.pyfunc.log_model(
            name="model",
            python_model=served,
            artifacts={"folder": str(folder)},
            signature=signature,
            pip_requirements=["lacaf"],
        )
