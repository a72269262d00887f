"""Mutants of the corpus for a time: no coverage leads the way, but it runs wherever the tests do."""

from __future__ import annotations

import logging
import random
import time
import traceback

from tests.fuzz.corpus import inputs, keep
from tests.fuzz.limits import TooSlow, alarmed, bounded_memory, run
from tests.fuzz.mutating import mutated
from tests.fuzz.targets import TARGETS

KEPT = 3
"""Broken inputs after which it ends: more of them tell the same as a rule."""


def search(name: str, seconds: float) -> int:
    """1 if an input broke the reader."""
    logging.disable()
    rng, known, tries, broken = random.Random(), inputs(name), 0, 0
    until = time.monotonic() + seconds
    with alarmed(), bounded_memory():
        while time.monotonic() < until and broken < KEPT:
            data = mutated(rng, rng.choice(known), known)
            tries += 1
            try:
                run(TARGETS[name], data)
            except (Exception, TooSlow):  # noqa: BLE001 - whatever it is, it is what we look for
                broken += 1
                traceback.print_exc()
                print(f"kept as {keep(name, data)}", flush=True)
            else:
                if rng.random() < 0.02:  # a mutant of a mutant goes further
                    known[rng.randrange(len(known))] = data
    print(f"{name}: {tries} inputs, {broken} broken", flush=True)
    return 1 if broken else 0
