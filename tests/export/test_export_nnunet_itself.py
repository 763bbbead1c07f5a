"""nnU-Net's own word on what was exported for it."""

import pytest
from typer.testing import CliRunner

from lacaf.cli import app


def test_nnunet_finds_no_fault(project, capsys):
    integrity = pytest.importorskip("nnunetv2.experiment_planning.verify_dataset_integrity")
    answer = CliRunner().invoke(app, ["export", "nnunet"])
    assert answer.exception is None, answer.stdout
    integrity.verify_dataset_integrity("data/nnunet/Dataset501_PulmonaryArteryVein", 1)
    told = capsys.readouterr().out
    assert "verify_dataset_integrity Done" in told
    assert "Error" not in told
    assert "Warning" not in told
