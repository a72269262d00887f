"""`python -m tests.fuzz TARGET --minutes N`: new inputs for a target, or for `all` of them one after the other.

By atheris where it can be imported, which finds its way by coverage; else by mutants of ours, which do not. An input
that breaks a reader is kept in the corpus, and the exit status is 1.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.fuzz.corpus import HOME

NAMES = sorted(path.name for path in HOME.iterdir())
"""Of the targets, which atheris must see being imported."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("target", choices=[*NAMES, "all"])
    parser.add_argument("--minutes", type=float, default=10.0, help="for each target")
    parser.add_argument("--plain", action="store_true", help="without atheris even if it is there")
    wanted = parser.parse_args()
    if wanted.target == "all":
        return _all([f"--minutes={wanted.minutes}", *(["--plain"] if wanted.plain else [])])
    has_atheris = importlib.util.find_spec("atheris") is not None and not wanted.plain
    print(f"{wanted.target}: by {'atheris' if has_atheris else 'mutants of ours'}, {wanted.minutes:g} min", flush=True)
    if has_atheris:
        return _by_atheris(wanted.target, wanted.minutes * 60)
    from tests.fuzz import by_mutants

    return by_mutants.search(wanted.target, wanted.minutes * 60)


def _by_atheris(target: str, seconds: float) -> int:
    """In a process that libFuzzer ends without tidying up."""
    with tempfile.TemporaryDirectory(prefix="twt-fuzz-") as home:
        found = Path(home, "found")
        found.mkdir()
        command = [sys.executable, "-m", "tests.fuzz.by_atheris", target, str(seconds), str(found)]
        return min(abs(subprocess.run(command, check=False, env={**os.environ, "TMPDIR": home}).returncode), 1)


def _all(options: list[str]) -> int:
    """Each in a process of its own: a crash of one costs no other its turn."""
    broken = []
    for target in NAMES:
        status = subprocess.run([sys.executable, "-m", "tests.fuzz", target, *options], check=False).returncode
        if status:
            broken.append(f"{target} (status {status})")
    print(f"broken: {', '.join(broken)}; see {HOME}" if broken else f"{len(NAMES)} targets, none broken")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
