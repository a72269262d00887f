"""The torture as a user runs it."""

import json
import subprocess
import sys
from pathlib import Path


def torture(*options, code=("-m", "terway_edge.cli.main"), limit=100):
    """(exit status, what scripts get, what people get)"""
    command = [sys.executable, *code, "torture", "--json", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=limit, check=False)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout.splitlines()[-1]), done.stderr


def left_over():
    """What a torture made and did not take away again."""
    names = {path.name for path in Path("/run/netns").glob("twtor-*")}
    mounts = {line for line in Path("/proc/self/mounts").read_text().splitlines() if "torture" in line}
    return names | mounts | {str(path) for path in Path("/run").glob("terway-edge-torture-*")}
