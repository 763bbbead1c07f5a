"""Work in processes of their own: what they do arrives, and what happens to them harms nobody."""

import ctypes
import mmap
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from lacaf.dicom import workers
from lacaf.fault import Refusal

COUNT = 11


@pytest.fixture
def shared():
    return np.frombuffer(mmap.mmap(-1, 8 * COUNT), np.int64)


@pytest.fixture(autouse=True)
def _no_child_is_left():
    yield
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def carry_out(work):
    return list(workers.each(work, COUNT, lambda index: f"slice {index}", apart=True))


def at(index, action):
    """Work that does something special at one index, and nothing elsewhere."""
    return lambda i: action() if i == index else None


def refuse():
    raise Refusal("it is odd", expectation="even", remedy="halve it", file="slice x")


@pytest.mark.parametrize("apart", [False, True])
def test_every_index_is_done_once_and_its_result_is_here(shared, apart):
    def work(index):
        shared[index] += index**2 + os.getpid() * apart

    done = list(workers.each(work, COUNT, str, apart=apart))
    assert sorted(done) == list(range(COUNT))
    others = shared - np.arange(COUNT) ** 2
    assert (os.getpid() not in others) if apart else not others.any()


def test_a_refusal_comes_back_whole_and_the_first_one_counts():
    def work(index):
        if index in (4, 5, 9):
            raise Refusal(
                f"finding {index}", expectation="even", remedy="halve it", file=f"slice {index}"
            )

    with pytest.raises(Refusal) as refusal:
        carry_out(work)
    assert refusal.value.details == {
        "finding": "finding 4", "expectation": "even", "remedy": "halve it", "file": "slice 4",
    }  # fmt: skip


def test_a_decoder_that_crashes_is_a_refusal_of_its_slice(capfd):
    with pytest.raises(Refusal, match="slice 6: its pixels make the decoder crash"):
        carry_out(at(6, lambda: ctypes.string_at(0)))
    assert capfd.readouterr() == ("", "")


def test_a_decoder_that_hangs_is_a_refusal_of_its_slice(monkeypatch):
    monkeypatch.setattr(workers, "MOST_SECONDS", 0.3)
    start = time.monotonic()
    with pytest.raises(Refusal, match=r"slice 3: its pixels are not decoded after 0.3 s"):
        carry_out(at(3, lambda: time.sleep(60)))
    assert time.monotonic() - start < 5


def test_a_decoder_that_wants_absurd_memory_is_a_refusal_of_its_slice():
    with pytest.raises(Refusal, match="slice 2: its pixels ask for absurd memory"):
        carry_out(at(2, lambda: bytearray(2**35)))


def test_what_a_decoder_prints_is_not_heard(capfd):
    carry_out(lambda index: os.write(1 + index % 2, b"PatientName Doe^John"))
    assert capfd.readouterr() == ("", "")


def test_an_error_that_nobody_foresaw_is_raised_here_with_its_traceback():
    with pytest.raises(KeyError, match="bug") as error:
        carry_out(at(1, lambda: {}["bug"]))
    assert error.traceback[-1].path.name == "test_dicom_workers.py"


def test_the_machines_fault_is_no_refusal():
    with pytest.raises(FileNotFoundError):
        carry_out(at(7, Path("/nowhere").stat))
    with pytest.raises(MemoryError):  # Linux kills so when memory is short
        carry_out(at(7, lambda: os.kill(os.getpid(), signal.SIGKILL)))


def test_processes_end_when_nobody_listens_any_more():
    indices = workers.each(at(5, lambda: time.sleep(60)), COUNT, str, apart=True)
    next(indices)
    indices.close()
