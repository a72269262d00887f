"""The tests' end of a speaker process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from terway_edge.backends.bgp.wish import Wish
from terway_edge.lab.processes import MARK
from tests.interop.speaker_process import EdgeView, Options, SessionView, wish_to_json
from tests.interop.waiting import until

ROOT = Path(__file__).parents[2]
STOP_TIMEOUT = 10.0  # seconds


class Usage(NamedTuple):
    """`cpu` and `rss` are seconds and octets."""

    descriptors: int
    threads: int
    cpu: float
    rss: int


class SpeakerProcess:
    """Runs in `netns` from its making until it is closed or killed."""

    def __init__(self, netns: str, log: Path, token: str, options: Options) -> None:
        """:param token: the mark by which the site's processes are found and ended."""
        self.log = log
        command = [sys.executable, "-m", "tests.interop.speaker_process", json.dumps(asdict(options))]
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                ["ip", "netns", "exec", netns, *command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                cwd=ROOT,
                env={**os.environ, MARK: token},
                text=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    # --- what it is asked -----------------------------------------------------------------------------------------

    def want(self, *wishes: Wish) -> None:
        self._ask({"do": "want", "wishes": [wish_to_json(wish) for wish in wishes]})

    def states(self) -> list[SessionView]:
        views = [SessionView(*state) for state in self._ask({"do": "states"})]
        return [view._replace(families=tuple(view.families)) for view in views]  # JSON has no tuples

    def state(self, peer: str) -> SessionView:
        return next(state for state in self.states() if state.peer == peer)

    def edges(self, peer: str = "") -> list[EdgeView]:
        """All so far, or those of one peer."""
        edges = [EdgeView(*edge) for edge in self._ask({"do": "edges"})]
        return [edge for edge in edges if not peer or edge.peer == peer]

    def close(self) -> None:
        """What an upgrade does: no word to the peers."""
        self._ask({"do": "close"})
        self._process.wait(STOP_TIMEOUT)
        self._close_pipes()

    def leave(self) -> None:
        """Take leave of every peer."""
        self.want()
        until(lambda: not self.states(), "the speaker has left all peers")

    # --- what it is waited for ------------------------------------------------------------------------------------

    def wait_settled(self, *peers: str, timeout: float = 20.0) -> None:
        """Until the sessions with these peers, or all, are established and told everything."""
        until(lambda: self._is_settled(peers), lambda: f"all sessions settled: {self._picture()}", timeout)

    def wait_failure(self, reason: str, peer: str = "", timeout: float = 20.0) -> EdgeView:
        """Until an edge of this reason was told, which is returned."""

        def found() -> EdgeView | None:
            return next((edge for edge in self.edges(peer) if edge.reason == reason), None)

        edge = until(found, lambda: f"{reason} among {[edge.reason for edge in self.edges(peer)]}", timeout)
        assert edge is not None
        return edge

    def _is_settled(self, peers: Iterable[str]) -> bool:
        states = [state for state in self.states() if not peers or state.peer in peers]
        return bool(states) and all(state.state == "Established" and state.is_settled for state in states)

    def _picture(self) -> str:
        return "; ".join(f"{state.peer} {state.state} {state.reason}" for state in self.states())

    # --- what is done to it ---------------------------------------------------------------------------------------

    def kill(self) -> None:
        """SIGKILL, and wait; harmless if it has ended."""
        self._process.kill()
        self._process.wait(STOP_TIMEOUT)
        self._close_pipes()

    def freeze(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    # --- what it costs --------------------------------------------------------------------------------------------

    def usage(self) -> Usage:
        proc = Path(f"/proc/{self.pid}")
        fields = (proc / "stat").read_text().rpartition(")")[2].split()
        return Usage(
            len(list((proc / "fd").iterdir())),
            len(list((proc / "task").iterdir())),
            (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"),
            int(fields[21]) * os.sysconf("SC_PAGE_SIZE"),
        )

    def _ask(self, command: dict[str, Any]) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(command) + "\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
        except OSError:
            answer = ""
        assert answer, f"the speaker process has ended:\n{self.log.read_text()}"
        return json.loads(answer)

    def _close_pipes(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):  # a command that never reached it
                    pipe.close()
