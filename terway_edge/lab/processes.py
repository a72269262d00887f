"""The lab's processes: how they are started and by what proof they are killed.

Every process is started with a secret of this lab in its environment, and its children inherit it. The proof is in
place before the process runs its first instruction, so there is no moment in which a killed lab could lose one, and a
process that somebody else started never carries it.
"""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from terway_edge.lab.errors import LabError
from terway_edge.lab.layout import Layout, netns_path

MARK = "TWLAB_TOKEN"
TIMEOUT = 30.0  # seconds; nothing the lab runs to its end takes longer


class Processes:
    """Starts marked processes, inside a namespace when one is named."""

    def __init__(self, token: str) -> None:
        # Variables of the caller must not reach agents and shims: they would override the lab's own settings.
        foreign = ("TERWAY_EDGE_", "CNI_", "K8S_", "NODE_NAME")
        self._environ = {k: v for k, v in os.environ.items() if not k.startswith(foreign)}
        self._environ |= {MARK: token, "LC_ALL": "C"}

    def run(
        self,
        arguments: Sequence[str],
        *,
        netns: str = "",
        stdin: str = "",
        environ: Mapping[str, str] | None = None,
        timeout: float = TIMEOUT,
    ) -> subprocess.CompletedProcess[str]:
        """Run to the end; the exit status is the caller's to judge. Raises LabError if it takes too long."""
        try:
            return subprocess.run(
                _inside(netns, arguments),
                input=stdin,
                env=self._environ | dict(environ or {}),
                capture_output=True,
                text=True,
                errors="replace",
                timeout=timeout,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise LabError(f"'{' '.join(arguments)}' did not end within {timeout:.0f} s") from error

    def must(self, arguments: Sequence[str], *, netns: str = "", stdin: str = "") -> str:
        """Run what has to succeed; returns its stdout. Raises LabError with what it said."""
        done = self.run(arguments, netns=netns, stdin=stdin)
        if done.returncode:
            said = (done.stderr or done.stdout).strip().replace("\n", "; ")
            raise LabError(f"'{' '.join(arguments)}' in {netns or 'the host'} ended with {done.returncode}: {said}")
        return done.stdout

    def start(
        self,
        arguments: Sequence[str],
        *,
        netns: str,
        log: Path,
        environ: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> subprocess.Popen[bytes]:
        """Start a process that outlives this one if need be: its own session, output appended to `log`."""
        with log.open("ab") as output:
            return subprocess.Popen(
                _inside(netns, arguments),
                env=self._environ | dict(environ or {}),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=cwd,
                start_new_session=True,
            )


def new_token(layout: Layout) -> str:
    """Make this lab's secret and record it for whoever has to clean up."""
    token = secrets.token_hex(16)
    layout.token.write_text(token)
    layout.token.chmod(0o600)
    return token


def recorded_token(layout: Layout) -> str:
    """The secret of the lab that lives below the root; empty if there is none."""
    try:
        return layout.token.read_text()
    except FileNotFoundError:
        return ""


def kill_marked(token: str, patience: float = 5.0) -> int:
    """SIGKILL every process that carries the token and wait until they are gone; returns how many there were.

    :raises LabError: some are still there after `patience` seconds.
    """
    if not token:
        return 0
    killed: set[int] = set()
    deadline = time.monotonic() + patience
    while marked := marked_processes(token):
        for pid in marked:
            if _kill(pid, token):
                killed.add(pid)
        if time.monotonic() > deadline:
            raise LabError(f"processes {', '.join(map(str, marked))} do not end after SIGKILL")
        time.sleep(0.01)
    return len(killed)


def marked_processes(token: str) -> list[int]:
    """Ids of the living processes that carry the token, this one excepted."""
    found = (int(entry) for entry in os.listdir("/proc") if entry.isdigit())
    return [pid for pid in found if pid != os.getpid() and _is_marked(pid, token)]


def _is_marked(pid: int, token: str) -> bool:
    try:
        return f"{MARK}={token}".encode() in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:  # it has ended, or it is not ours to look at
        return False


def _kill(pid: int, token: str) -> bool:
    """Kill a process through a descriptor, so that a recycled id cannot hit another one."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return False
    try:
        if not _is_marked(pid, token):
            return False
        signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        return True
    except ProcessLookupError:
        return False
    finally:
        os.close(descriptor)


def _inside(netns: str, arguments: Sequence[str]) -> list[str]:
    return [*(["nsenter", f"--net={netns_path(netns)}"] if netns else []), *arguments]
