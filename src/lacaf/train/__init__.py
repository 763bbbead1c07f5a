"""Learning from full and half-labelled cases together."""

from lacaf.train.training import train

__all__ = ["train"]
