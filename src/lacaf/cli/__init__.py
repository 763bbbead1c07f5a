"""The command line: ``lacaf STAGE …``, one command a stage, the only thing a rule calls.

One file a group of commands; importing it adds them to the application, in the order of
``lacaf --help``. Each command imports its stage when it is called, so that ``lacaf --help`` and
the stages that need no network start fast.
"""

from lacaf.cli import data, plan, models, scores, report, study, export, project  # isort: skip
from lacaf.cli.entry import app, main

__all__ = [
    "app",
    "data",
    "export",
    "main",
    "models",
    "plan",
    "project",
    "report",
    "scores",
    "study",
]
