"""What the report's rules write is what DVC keeps, and what `make clean` removes."""

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
RULES = (ROOT / "workflow" / "rules" / "report.smk").read_text()


def outputs() -> set[str]:
    """Every path below reports/ that stands in an output section of the rules."""
    sections = re.findall(r"    output:\n(.*?)\n    log:", RULES, re.S)
    return {path for section in sections for path in re.findall(r'"(reports/[^"]+)"', section)}


def test_dvc_keeps_every_output_of_the_rules_and_nothing_else():
    stage = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]["report"]
    kept = set(stage["outs"])
    covered = {out for out in kept for path in outputs() if Path(path).is_relative_to(out)}
    assert covered == kept
    assert all(any(Path(path).is_relative_to(out) for out in kept) for path in outputs())
    for rule in re.findall(r"^rule (\w+):", RULES, re.M):
        assert rule in stage["cmd"].split("--allowed-rules")[1].split("--")[0].split()


def test_every_caption_is_there():
    captions = re.findall(r'caption="../report/([^"]+)"', RULES)
    assert len(captions) == 8
    for name in captions:
        assert (ROOT / "workflow" / "report" / name).read_text().strip()


def test_make_clean_removes_every_output():
    recipe = (ROOT / "Makefile").read_text().split("clean:")[1]
    removed = [Path(word) for word in recipe.split() if word.startswith("reports/")]
    for path in outputs():
        assert any(Path(path).is_relative_to(gone) for gone in removed), path
