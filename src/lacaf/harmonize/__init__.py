"""Harmonize: labels of any coding become the canonical classes, with what is known of each."""

from lacaf.harmonize.stage import harmonize

__all__ = ["harmonize"]
