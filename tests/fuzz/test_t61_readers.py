"""T61: whatever others write, a reader takes it or raises what it documents, within a second and 256 MiB.

Long runs: `python -m tests.fuzz`. TERWAY_EDGE_FULL=1 tries as many inputs here as take some minutes.
"""

import logging
import os
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.corpus import HOME, inputs
from tests.fuzz.limits import TooSlow, alarmed, bounded_memory, run
from tests.fuzz.mutating import mutated
from tests.fuzz.targets import TARGETS

TRIES = 10_000 if os.environ.get("TERWAY_EDGE_FULL") == "1" else 40


@pytest.fixture(autouse=True)
def limited():
    logging.disable(logging.CRITICAL)  # pytest would collect lines that no terminal and no worker's pipe can carry
    with alarmed(), bounded_memory():
        yield
    logging.disable(logging.NOTSET)


def test_t61_every_target_has_a_corpus_and_no_corpus_is_left_over():
    assert {path.name for path in HOME.iterdir()} == set(TARGETS)


@pytest.mark.parametrize("target", TARGETS)
def test_t61_what_once_broke_a_reader_breaks_it_no_more(target):
    for data in inputs(target):
        run(TARGETS[target], data)


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("target", TARGETS)
@settings(max_examples=TRIES, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(seed=st.integers(0, 2**64 - 1))
def test_t61_mutants_of_the_corpus(target, seed):
    rng, known = random.Random(seed), inputs(target)
    run(TARGETS[target], mutated(rng, rng.choice(known), known))


@pytest.mark.parametrize("target", TARGETS)
@settings(max_examples=TRIES, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.binary(max_size=300))
def test_t61_any_bytes(target, data):
    run(TARGETS[target], data)


def test_an_input_that_takes_too_long_is_told(monkeypatch):
    monkeypatch.setattr("tests.fuzz.limits.SECONDS", 0.05)

    def slow(_data):
        while True:
            pass

    with pytest.raises(TooSlow, match=r"more than 0.05 s"):
        run(slow, b"")


def test_an_input_that_takes_too_much_memory_is_told():
    with pytest.raises(MemoryError):
        run(lambda data: bytearray(len(data) << 28), b"xx")


def test_mutants_are_the_same_each_time_and_leave_their_origin_alone():
    known = inputs("conf")
    before = list(known)
    made = [mutated(random.Random(seed), known[0], known) for seed in range(50)]
    assert made == [mutated(random.Random(seed), known[0], known) for seed in range(50)]
    assert known == before
    assert len(set(made)) > 40
