"""The command line: what is refused before anything is built."""

import subprocess
import sys

import pytest

from terway_edge.torture import command


def refused(*options):
    """What is said, on stderr, by a run that ends with status 2."""
    arguments = [sys.executable, "-m", "terway_edge.cli.main", "torture", *options]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=20, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    return done.stderr


@pytest.mark.parametrize("mode", ["random", "load", "replace"])
def test_only_a_soak_has_a_rate(mode):
    assert "--rate is for '--mode soak'" in refused("--mode", mode, "--rate", "5")


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--rate", "0"),
        ("--rate", "-1"),
        ("--rate", "many"),
        ("--rate", "inf"),
        ("--minutes", "0"),
        ("--minutes", "nan"),
        ("--acts", "0"),
        ("--acts", "-3"),
        ("--acts", "1.5"),
    ],
)
def test_a_run_that_would_do_nothing_or_never_end_is_refused(option, value):
    parser = command.argparse.ArgumentParser(exit_on_error=False)
    command.add_arguments(parser)
    with pytest.raises(command.argparse.ArgumentError, match=f"{option}: '{value}' is no"):
        parser.parse_args([f"{option}={value}"])
