"""Each kind of bad or odd input is answered as the catalogue says, and the docs say the same."""

from collections import Counter

import pytest
from odd.kind import message, outcome
from odd.table import PAGE, kinds, row

EVERY = kinds()


def test_each_kind_has_a_name_of_its_own():
    assert [name for name, count in Counter(k.id for k in EVERY).items() if count > 1] == []


@pytest.mark.parametrize("kind", EVERY, ids=lambda kind: kind.id)
def test_an_odd_input_is_answered_as_the_catalogue_says(kind, tmp_path):
    record = kind.run(tmp_path)
    assert (outcome(record), message(record)) == (kind.outcome, message(record))
    for words in kind.words:
        assert words in message(record)
    told = row(kind, record) in PAGE.read_text().splitlines()
    assert told, "docs/odd_inputs.md says something else: make it anew (see its head)"


def test_the_page_holds_no_kind_that_is_gone():
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    heads = [line for line in lines if line.startswith("| what comes in ")]
    assert len(lines) - len(heads) == len(EVERY)
