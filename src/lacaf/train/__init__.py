"""Learning from full and half-labelled cases together."""

from lacaf.train.checkpoint import Checkpoint
from lacaf.train.failures import Stopped
from lacaf.train.processes import given, joined
from lacaf.train.run import Machine
from lacaf.train.stage import train

__all__ = ["Checkpoint", "Machine", "Stopped", "given", "joined", "train"]
