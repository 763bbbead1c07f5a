"""A fuzzer for stage convert: spoil a sound source at random, and see what becomes of it.

    cd tests && python -m convert.fuzz --count 10000            # prints what happened, by kind
    cd tests && python -m convert.fuzz --only 4711              # one case again

Every outcome must be a refusal, or a conversion that an independent reader of the very files
confirms; within seconds, with nothing half-written and no word of the patient.
"""

import argparse
import json
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from convert.fuzz_bases import BASES, SECRETS, bases
from convert.fuzz_mutations import mutate
from convert.fuzz_oracle import confirmed

from lacaf import records
from lacaf.cases import Case
from lacaf.convert import convert
from lacaf.params import whole as params

PARAMS = Path(__file__).parents[2] / "params" / "demo.yaml"
#: Far more than any case needs, also on a machine with other work.
MOST_SECONDS = 30


class Wrong(AssertionError):
    """What must never happen did."""


@contextmanager
def within(seconds):
    """Stop a case that hangs."""

    def stop(*_):
        raise Wrong(f"still running after {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def settings():
    """The demo's parameters, for few slices."""
    chosen = params.load(PARAMS)
    return chosen.model_copy(
        update={"convert": chosen.convert.model_copy(update={"min_slices": 4})}
    )


def case_of(number, folder, chosen):
    """Spoil and convert one case: base, mutation, and what became of it.

    Raises:
        Wrong: neither a refusal nor a right conversion.
    """
    rng = np.random.default_rng([2505, number])
    base = BASES[number % len(BASES)]
    files, source = bases()[base]
    spoilt, what = mutate(dict(files), base, rng)
    raw = folder / "raw"
    for name, content in spoilt.items():
        (raw / name).parent.mkdir(parents=True, exist_ok=True)
        (raw / name).write_bytes(content)
    row = Case("case1", "patient1", raw / source, None, None, "", "predict")
    target = folder / "convert" / "case1"
    with within(MOST_SECONDS):
        try:
            record = records.carry_out(
                "convert", "case1", target, {}, lambda out: convert(row, chosen.convert, None, out)
            )
        except Exception as error:
            told = "".join(traceback.format_exception(error))
            raise Wrong(f"{base}, {what}: {told}") from None
    try:
        return base, what, judged(record, target, raw, base)
    except Wrong as wrong:
        raise Wrong(f"{base}, {what}: {wrong}") from None


def judged(record, target, raw, base):
    """refused, same (as if unspoilt), flagged or as stated; checked."""
    if [p.name for p in target.parent.iterdir()] != ["case1"]:
        raise Wrong("something half-written is left")
    said = (target / "source.json").read_text()
    if json.loads(said) != record:
        raise Wrong("the record is not the one that was written")
    for secret in SECRETS:
        if secret in said:
            raise Wrong(f"the record says {secret!r}")
    names = sorted(p.name for p in target.iterdir())
    if record["status"] == "refused":
        if names != ["source.json"]:
            raise Wrong(f"a refused case left {names}")
        return "refused"
    if names != ["image.nii.gz", "source.json"]:
        raise Wrong(f"an accepted case has {names}")
    try:
        outcome = confirmed(target / "image.nii.gz", raw, base)
    except Exception as error:
        raise Wrong(f"accepted, but nobody else can read it ({error!r})") from None
    if outcome not in ("same", "as stated"):
        raise Wrong(f"accepted, but {outcome}")
    return "flagged" if record["flags"] and outcome != "same" else outcome


def run(numbers, keep_going=False):
    """Cases by number: how many came to what, by base; and what went wrong."""
    chosen = settings()
    found, wrong = Counter(), {}
    with tempfile.TemporaryDirectory(prefix="lacaf-fuzz-") as folder:
        for number in numbers:
            place = Path(folder) / "case"
            try:
                base, _, outcome = case_of(number, place, chosen)
                found[base, outcome] += 1
            except Wrong as error:
                wrong[number] = str(error)
                if not keep_going:
                    break
            finally:
                shutil.rmtree(place, ignore_errors=True)
    return found, wrong


def main():
    """Run so many cases and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--only", type=int)
    options = parser.parse_args()
    numbers = range(options.first, options.first + options.count)
    numbers = numbers if options.only is None else [options.only]
    start = time.perf_counter()
    found, wrong = run(numbers, keep_going=True)
    outcomes = ("refused", "same", "flagged", "as stated")
    print("| source | " + " | ".join(outcomes) + " | together |")
    print("|---|" + "--:|" * (len(outcomes) + 1))
    for base in BASES:
        counts = [found[base, outcome] for outcome in outcomes]
        print(f"| {base} | " + " | ".join(map(str, counts)) + f" | {sum(counts)} |")
    counts = [sum(found[base, outcome] for base in BASES) for outcome in outcomes]
    print("| **together** | " + " | ".join(map(str, counts)) + f" | {sum(counts)} |")
    print(f"\nwrong: {len(wrong)}; {time.perf_counter() - start:.0f} s")
    for number, error in wrong.items():
        print(f"\n--only {number}: {error}", file=sys.stderr)
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
