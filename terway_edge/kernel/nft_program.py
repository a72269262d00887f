"""The `nft` program, and what it says of our table."""

from __future__ import annotations

import errno
import os
import re
import subprocess
from collections import deque
from collections.abc import Callable, Iterable
from shutil import which

from terway_edge.core.errors import KernelError
from terway_edge.core.failpoints import reach

TABLE = "terway_edge"
TIMEOUT = 20.0  # seconds for one run of nft; large sets take a fraction of one

writers: deque[int] = deque(maxlen=16)
"""Process numbers of the last runs that changed something, which notifications carry as port ids."""

_BLOCK = re.compile(r"^\t(?:set|map|chain) (\S+) \{\n.*?^\t\}$", re.DOTALL | re.MULTILINE)
_COUNT = re.compile(r"\s*# count \d+$", re.MULTILINE)  # newer ones print it, of a set's elements
_DORMANT = re.compile(r"^\tflags .*\bdormant\b", re.MULTILINE)


def run(script: str) -> None:
    """Carry out a script, all of it or nothing. Raises KernelError, ENOENT if the program is missing."""
    _nft("-f", "-", script=script)
    reach("nft.run.after")


def run_anyhow(script: str, clearance: Callable[[], str]) -> None:
    """As run(), of a script that nft may refuse for what others made of our table: then it is run after the script
    that `clearance` gives, and what that deletes is not there for a moment. What rules of others hold fast cannot be
    deleted but with all of our tables."""
    try:
        run(script)
    except KernelError as error:
        if error.errno != errno.EINVAL:
            raise
        # A transaction that wakes a table must not make a base chain (Linux 6.9).
        run(f"add table inet {TABLE}\n")
        try:
            run(clearance() + script)
        except KernelError as refusal:
            if refusal.errno != errno.EINVAL:
                raise
            _run_on_nothing(script)


def _run_on_nothing(script: str) -> None:
    """In one transaction with the end of our tables, which is told like a stranger's: it takes all parts."""
    gone = [family for family in ("inet", "arp") if listing(family)]
    _nft("-f", "-", script="".join(f"delete table {family} {TABLE}\n" for family in gone) + script, is_told=True)


def is_installed() -> bool:
    return which("nft") is not None


def listing(family: str = "inet") -> str:
    """Our table of a family as nft prints it, without what its sets hold, which is thousands of lines; empty if there
    is none. Raises KernelError as run()."""
    return _nft("-s", "-t", "list", "table", family, TABLE, missing_ok=True)


def blocks(listed: str) -> dict[str, str]:
    """The text of each set, map and chain of a listing, by name, without how many elements a set has."""
    return {match[1]: match[0] for match in _BLOCK.finditer(_COUNT.sub("", listed))}


def in_force(listed: str) -> dict[str, str]:
    """The same, of a table that is awake: `flags dormant` unhooks the chains of one that looks as before."""
    return {} if _DORMANT.search(listed) else blocks(listed)


def clearance(chains: Iterable[str], sets: Iterable[str]) -> str:
    """The script that deletes what is there of these chains, sets and maps of the inet family."""
    there = blocks(listing())
    found = [name for name in chains if name in there]
    lines = [f"{verb} chain inet {TABLE} {name}" for verb in ("flush", "delete") for name in found]
    lines += [f"delete {there[name].split()[0]} inet {TABLE} {name}" for name in sets if name in there]
    return "".join(f"{line}\n" for line in lines)


def rule_count(listed: Iterable[str]) -> int:
    """How many rules there are in blocks, but for the line that makes a base chain of one.

    What is listed after a write may have been changed by others already: it must not become what is wanted.
    """
    lines = [line for block in listed if block.startswith("\tchain") for line in block.splitlines()[1:-1]]
    return sum(not line.startswith("\t\ttype ") for line in lines)


def _nft(*arguments: str, script: str = "", missing_ok: bool = False, is_told: bool = False) -> str:
    try:
        if script:
            reach("nft.run.before")
        # Of the environment, which may hold keys, it gets what it needs; and its messages are read.
        environ = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}
        done = _run(["nft", *arguments], script, environ, is_told=is_told)
    except FileNotFoundError as error:
        raise KernelError("the nft program is missing: install nftables", errno=errno.ENOENT) from error
    except subprocess.TimeoutExpired as error:
        raise KernelError(f"nft did not end within {TIMEOUT:.0f} s", errno=errno.ETIMEDOUT) from error
    except OSError as error:
        raise KernelError(f"cannot run nft: {error.strerror}", errno=error.errno or 0) from error
    if done.returncode:
        if missing_ok and "No such file" in done.stderr:
            return ""
        told = done.stderr.strip() or f"it ended with {_ending(done.returncode)} and without a word"
        raise KernelError(f"nft refused our table: {told.splitlines()[0]}", errno=errno.EINVAL)
    return done.stdout


def _ending(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"code {code}"


def _run(
    command: list[str], script: str, environ: dict[str, str], *, is_told: bool
) -> subprocess.CompletedProcess[str]:
    """As subprocess.run(); a run that changes something is one of `writers` before it can do so, unless it `is_told`.
    Comments of others, which nft prints too, need not be UTF-8."""
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, stdin=pipe, stdout=pipe, stderr=pipe, env=environ, encoding="utf-8", errors="replace"
    ) as process:
        if script and not is_told:
            writers.append(process.pid)
        try:
            out, errors = process.communicate(script, TIMEOUT)
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(command, process.returncode, out, errors)
