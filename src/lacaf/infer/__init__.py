"""A trained model's labels of a case, on the grid of the CT itself."""

from lacaf.infer.loading import Model, ModelError, load
from lacaf.infer.stage import infer

__all__ = ["Model", "ModelError", "infer", "load"]
