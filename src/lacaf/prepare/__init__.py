"""What training reads of a case, laid out on the disk so that a patch is read without the rest."""

from lacaf.prepare.stage import prepare

__all__ = ["prepare"]
