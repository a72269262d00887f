"""`python -m benchmarks NAME [--json] [--check] [ARGUMENTS OF THE BENCH]`."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from benchmarks.report import Report

BENCHES = ("agent", "bgp", "cni", "eni", "ipam", "routes", "watch")


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status: 0 if the bench ran (with --check: and met its goals), 1 if a goal was missed, 2 for wrong usage."""
    parser = argparse.ArgumentParser(prog="./dev bench", description="Run a benchmark and compare it with its goals.")
    parser.add_argument("name", choices=BENCHES, metavar="NAME", help=", ".join(BENCHES))
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    parser.add_argument("--check", action="store_true", help="exit with 1 if a goal is missed")
    options, rest = parser.parse_known_args(argv)
    report = Report(options.name)
    importlib.import_module(f"benchmarks.{options.name}").run(report, rest)
    print(report.text())
    if options.json:
        print(report.json())
    return 1 if options.check and not report.met else 0


if __name__ == "__main__":
    sys.exit(main())
