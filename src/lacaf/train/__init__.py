"""Learning from full and half-labelled cases together."""

from lacaf.train.stage import train

__all__ = ["train"]
