"""What MLflow serves: a trained model's folder behind its ``predict``.

MLflow runs this file when it loads the model (models from code), so it stands alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlflow
import numpy as np
from mlflow.pyfunc import PythonModel


class Served(PythonModel):
    """Channels ``(B, C, Z, Y, X)`` to logits ``(B, 4, Z, Y, X)``; see ``model/inputs.py``."""

    def load_context(self, context: Any) -> None:
        """Rebuild the network from the logged folder."""
        from lacaf.infer import load

        self.model = load(Path(context.artifacts["folder"]))

    def predict(self, context: Any, model_input: np.ndarray, params: Any = None) -> np.ndarray:
        """Logits of a batch of patches."""
        import torch

        patches = torch.from_numpy(np.asarray(model_input, np.float32)).to(self.model.device)
        with torch.inference_mode():
            return self.model.network(patches).float().cpu().numpy()


mlflow.models.set_model(Served())
