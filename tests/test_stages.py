"""One declaration a stage: paths follow from it, and what is written by hand agrees with it."""

from pathlib import Path

import pytest
import yaml

from lacaf import digests, layout, stages
from lacaf.cases import Case

ROOT = Path(__file__).parents[1]
#: The study has a file of its own: plain `dvc repro` is not to start its trainings.
DVC = {
    word: stage
    for file in ("dvc.yaml", "study/dvc.yaml")
    for word, stage in yaml.safe_load((ROOT / file).read_text())["stages"].items()
}
CASE = Case("c1", "p1", Path("raw/c1"), None, None, "", "predict")


#: A cache has no stage of DVC: it is made again, within the stage that reads it.
CACHES = {stage.word: stage.within for stage in stages.STAGES if stage.within}
KEPT = [word for word in stages.BY_WORD if word not in CACHES]


def test_dvc_has_a_stage_for_each_word_in_order():
    assert list(DVC) == KEPT


@pytest.mark.parametrize("word", CACHES)
def test_a_cache_is_made_within_the_stage_that_reads_it_and_is_kept_by_nobody(word):
    command = DVC[CACHES[word]]["cmd"]
    assert f"lacaf refresh {word}" in command
    assert f"{word} {word}_case" in command
    top = stages.stage_of(word).folder.split("/{")[0]
    assert f"{top}\n" in (ROOT / ".dvcignore").read_text()
    assert f"**/{top}/\n" in (ROOT / ".gitignore").read_text()
    assert not any(top in str(stage["outs"]) for stage in DVC.values())


@pytest.mark.parametrize("word", stages.BY_WORD)
def test_a_stage_has_its_row_of_the_house(word):
    assert (ROOT / "workflow" / "rules" / f"{word}.smk").exists()
    assert (ROOT / "src" / "lacaf" / word / "stage.py").exists()
    assert (ROOT / "tests" / word).is_dir()
    assert f'include: "workflow/rules/{word}.smk"' in (ROOT / "Snakefile").read_text()
    assert (word in yaml.safe_load((ROOT / "params.yaml").read_text())) == (word in KEPT)


@pytest.mark.parametrize("word", KEPT)
def test_dvc_depends_on_the_code_that_the_stage_imports_and_on_no_other(word):
    """A folder stands for all of its files."""
    named = [ROOT / dep for dep in DVC[word]["deps"] if dep.startswith("src/")]
    found = {
        file
        for path in named
        for file in (path.rglob("*") if path.is_dir() else [path])
        if file.is_file() and "__pycache__" not in file.parts
    }
    codings = {digests.ROOT / "codings.yaml"} if stages.stage_of(word).coding else set()
    words = (word, *stages.stage_of(word).runs)
    caches = [digests.code(cache) for cache, within in CACHES.items() if within in words]
    codes = [digests.code(other) for other in words]
    needed = set().union(*codes, *caches) | codings
    assert {p.relative_to(ROOT).as_posix() for p in needed - found} == set(), "missing in dvc.yaml"
    assert {p.relative_to(ROOT).as_posix() for p in found - needed} == set(), "not needed"


@pytest.mark.parametrize("word", KEPT)
def test_dvc_depends_on_the_stages_that_it_reads_and_on_its_own_parameters(word):
    declared = stages.stage_of(word)
    read = {
        r
        for other in declared.reads
        for r in (stages.stage_of(other).reads if other in CACHES else [other])
    }
    tops = {stages.stage_of(other).folder.split("/{")[0] for other in read}
    assert tops <= set(DVC[word]["deps"])
    assert word in DVC[word]["params"]
    assert ("codings" in DVC[word]["params"]) == declared.coding
    outs = [next(iter(out)) if isinstance(out, dict) else out for out in DVC[word]["outs"]]
    top = declared.folder.split("/{")[0]
    assert any(out == top or out.startswith(f"{top}/") for out in outs)


@pytest.mark.parametrize("word", stages.BY_WORD)
def test_the_rules_of_a_stage_go_by_its_own_code(word):
    rules = (ROOT / "workflow" / "rules" / f"{word}.smk").read_text()
    assert rules.count(f'code=digests.of_code("{word}")') == rules.count("    shell:")
    place = stages.stage_of(word).folder.replace("{run}", "{experiment}-s{seed}")
    assert f'"{stages.stage_of(word).folder}/' in rules or f'"{place}/' in rules


@pytest.mark.parametrize("ask", [layout.inputs, layout.row])
def test_an_unknown_stage_is_told_as_such(ask):
    with pytest.raises(ValueError, match="no stage 'exporting'; the stages are phantom, convert"):
        ask("exporting", CASE)


def test_a_folder_wants_the_names_of_its_pattern():
    assert layout.folder("crop", "c1") == Path("data/crop/c1")
    assert layout.record("infer", "lacaf-s0", "c1") == Path(
        "data/infer/lacaf-s0/c1/prediction.json"
    )
    with pytest.raises(ValueError, match="give run, case"):
        layout.folder("infer", "c1")
    with pytest.raises(ValueError, match="does not work case by case"):
        layout.inputs("train", CASE)


def test_a_new_stage_is_one_declaration(monkeypatch):
    """Paths, inputs and row of a stage that nobody has heard of; and no other stage is stale."""
    new = stages.Stage(
        "export", "DICOM-SEG", "data/export/{case}", "export.json", reads=("convert", "harmonize")
    )
    monkeypatch.setitem(stages.BY_WORD, "export", new)
    assert layout.record("export", "c1") == Path("data/export/c1/export.json")
    assert layout.inputs("export", CASE) == {
        "convert": Path("data/convert/c1"),
        "harmonize": Path("data/harmonize/c1"),
    }
    assert layout.row("export", CASE) == {}
    hears = {w for w in DVC if digests.ROOT / "stages.py" in digests.code(w)}
    assert hears == {"report"}
    # what the study runs itself counts among its own dependencies in study/dvc.yaml
