"""Spoilt at random, a source is refused or rightly converted; never a crash, a hang, a wrong image.

The same with more cases: ``LACAF_FUZZ_CASES=10000`` in the environment, or ``convert.fuzz``.
"""

import os
from pathlib import Path

import pytest
from convert.fuzz import BASES, Wrong, judged, run, settings
from convert.fuzz_bases import SECRETS, bases
from convert.fuzz_oracle import confirmed

from lacaf import files, records, volume
from lacaf.cases import Case
from lacaf.convert import convert
from lacaf.grid import Grid
from lacaf.volume import Volume

CASES = int(os.environ.get("LACAF_FUZZ_CASES", "510"))
PARTS = 4


@pytest.fixture(params=BASES)
def converted(request, tmp_path):
    """A base as it is, converted: its name, its folder, the result's folder and record."""
    files, source = bases()[request.param]
    for name, content in files.items():
        (tmp_path / "raw").mkdir(exist_ok=True)
        (tmp_path / "raw" / name).write_bytes(content)
    case = Case("case1", "patient1", tmp_path / "raw" / source, None, None, "", "predict")
    target = tmp_path / "convert" / "case1"
    record = records.carry_out(
        "convert", "case1", target, {}, lambda out: convert(case, settings().convert, None, out)
    )
    return request.param, tmp_path / "raw", target, record


def test_every_base_is_sound(converted):
    base, raw, target, record = converted
    assert record["status"] == "ok", record
    assert record["flags"] == []
    assert judged(record, target, raw, base) == "same"


def test_the_judge_finds_a_wrong_voxel_and_a_wrong_place(converted):
    base, raw, target, _ = converted
    right = volume.read(target / "image.nii.gz")
    array = right.array.copy()
    array[3, 20, 20] += 1
    volume.write(Volume(array, right.grid), target / "image.nii.gz")
    assert confirmed(target / "image.nii.gz", raw, base) not in ("same", "as stated")
    if base in ("zip", "tar.gz", "ct.npz"):
        return  # of these the files state no place of their own
    affine = right.grid.affine.copy()
    affine[:3, 3] += 5
    volume.write(Volume(right.array, Grid(array.shape, affine)), target / "image.nii.gz")
    assert confirmed(target / "image.nii.gz", raw, base) not in ("same", "as stated")


def test_the_judge_finds_leftovers_and_private_words(converted):
    base, raw, target, record = converted
    (target / "half.nii.gz.part").write_bytes(b"")
    with pytest.raises(Wrong, match="an accepted case has"):
        judged(record, target, raw, base)
    Path(target / "half.nii.gz.part").unlink()
    told = record | {"kind": f"ct of {SECRETS[0]}"}
    files.write_json(target / "source.json", told)
    with pytest.raises(Wrong, match="the record says"):
        judged(told, target, raw, base)


@pytest.mark.parametrize("part", range(PARTS))
def test_spoilt_at_random_it_is_refused_or_right(part):
    found, wrong = run(range(part, CASES, PARTS))
    assert not wrong, next(iter(wrong.items()))
    outcomes = {outcome for _, outcome in found}
    assert outcomes >= {"refused", "same", "as stated"}
