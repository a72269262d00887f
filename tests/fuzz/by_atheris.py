"""Inputs that atheris (https://github.com/google/atheris) finds by coverage: a program, for libFuzzer ends it."""

from __future__ import annotations

import logging
import random
import sys
from collections.abc import Callable

import atheris

from tests.fuzz.corpus import HOME, inputs
from tests.fuzz.limits import BYTES, SECONDS
from tests.fuzz.mutating import LARGEST, mutated

with atheris.instrument_imports(include=["terway_edge"], enable_loader_override=False):
    from tests.fuzz.targets import TARGETS

PROCESS = 512 << 20
"""Bytes that the process may have besides."""


def search(name: str, seconds: float, found: str) -> None:
    """libFuzzer ends the process, with a status other than 0 if an input broke the reader.

    :param found: directory for the inputs that led further
    """
    logging.disable()
    known = inputs(name)

    def mutate(data: bytes, most: int, seed: int) -> bytes:
        rng = random.Random(seed)
        return bytes(atheris.Mutate(data, most)) if rng.random() < 0.5 else mutated(rng, data, known)[:most]

    options = {
        "max_total_time": max(int(seconds), 1),
        "timeout": int(SECONDS),
        "max_len": LARGEST,
        "malloc_limit_mb": BYTES >> 20,
        "rss_limit_mb": (BYTES + PROCESS) >> 20,
        "artifact_prefix": HOME / name / "broke-",
        "print_final_stats": 1,
        "verbosity": 0,
    }
    arguments = [f"-{option}={value}" for option, value in options.items()]
    atheris.Setup(["fuzz", *arguments, found, str(HOME / name)], _quiet(TARGETS[name]), custom_mutator=mutate)
    atheris.Fuzz()


def _quiet(target: Callable[[bytes], None]) -> Callable[[bytes], None]:
    return lambda data: target(bytes(data))


if __name__ == "__main__":
    search(sys.argv[1], float(sys.argv[2]), sys.argv[3])
