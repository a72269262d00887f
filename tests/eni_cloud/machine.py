"""Who has pods on a machine whose pool dies again and again: the emulator, the books, and the child to kill."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from terway_edge.core.addresses import Address
from terway_edge.eni.policy import CREATOR, CREATOR_TAG
from terway_edge.testing.openapi import CallRecord, Emulator, Server, listen
from terway_edge.testing.openapi.faults import Script
from terway_edge.testing.openapi.records import EniStatus
from tests.eni_cloud import pool_child
from tests.eni_cloud.pool_child import FastClock
from tests.eni_cloud.sites import ECS_NODE, make_site
from tests.eni_cloud.witness import Witness, over_budget, owned

ROOT = Path(__file__).parents[2]
SOON = 30.0  # seconds of ours; far more than needed, so that a busy machine is no failure


class Machine:
    """`held`: pods that were told an address and were not asked to let it go. `owed`: wanted, or to be freed, and no
    answer yet: with the next process that is asked for again."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.held: dict[str, Address] = {}
        self.owed: dict[str, str] = {}
        self.wrong: list[str] = []
        self.stands = ""
        self._news = threading.Condition()
        self.witness = Witness(ECS_NODE, self._in_use)
        self.emulator = Emulator(
            make_site(enis=4, per_eni=12), observer=self.witness, clock=FastClock().now, wall=time.time
        )
        self.witness.know(self.emulator.enis())
        self.server = Server(self.emulator, listen())
        self.server.start()
        self.child: subprocess.Popen[str] | None = None

    def close(self) -> None:
        self.kill()
        self.server.close()

    # --- the child ------------------------------------------------------------------------------------------------

    def begin(self, moment: str = "", count: int = 0, *, idle: int = 3) -> None:
        """A process begins, over what earlier ones left; who waits for an answer asks again."""
        words = [self.server.endpoint, str(self.directory), str(idle), *([moment, str(count)] if moment else [])]
        self.child = subprocess.Popen(
            [sys.executable, pool_child.__file__, *words],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        threading.Thread(target=self._listen, args=(self.child,), daemon=True).start()
        for name, verb in list(self.owed.items()):
            self._tell(f"{verb} {name}")

    def kill(self) -> None:
        """SIGKILL, unless it is dead already."""
        if self.child is not None:
            self.child.kill()
            self.child.wait()
            assert self.child.stdin is not None
            with suppress(BrokenPipeError):  # what it was not told is asked for again
                self.child.stdin.close()
            self._await(lambda: self._is_drained, "the end of what it said")
            self.child = None

    def died(self, seconds: float = SOON) -> bool:
        assert self.child is not None
        try:
            return self.child.wait(seconds) == -9
        except subprocess.TimeoutExpired:
            return False

    # --- pods -----------------------------------------------------------------------------------------------------

    def want(self, *names: str) -> None:
        for name in names:
            if name not in self.held and name not in self.owed:
                self.owed[name] = "want"
                self._tell(f"want {name}")

    def free(self, *names: str) -> None:
        for name in names:
            if name in self.held and name not in self.owed:
                self.owed[name] = "free"
                del self.held[name]
                self._tell(f"free {name}")

    def check_memory(self) -> None:
        """Every pod is told the same address again."""
        known = dict(self.held)
        with self._news:
            self.owed |= dict.fromkeys(known, "want")
        for name in known:
            self._tell(f"want {name}")
        self.settle()
        assert self.held.items() >= known.items()

    def settle(self) -> None:
        self._await(lambda: not self.owed, "answers to all")

    def await_rest(self) -> None:
        """Until the cloud has no ENI of the pool's, and the child knows of none and is about none."""
        end = time.monotonic() + SOON
        wanted = {"enis=0", "enis on their way=0", "enis leaving=0", "addresses=0"}
        while self.made() or not wanted <= set(self.stands.split(",")):
            assert time.monotonic() < end, f"{self.stands}; in the cloud: {self.made()}"
            self._tell("rest -")
            with self._news:
                self._news.wait(0.05)

    @contextmanager
    def next_calls(self, action: str) -> Iterator[Callable[[], list[CallRecord]]]:
        """Waits until something that is done within made the child call, and gives those calls."""
        before = len(self.emulator.log.calls(action))

        def calls() -> list[CallRecord]:
            return self.emulator.log.calls(action)[before:]

        yield calls
        end = time.monotonic() + SOON
        while not calls():
            assert time.monotonic() < end, f"no {action}"
            time.sleep(0.002)

    # --- what must hold -------------------------------------------------------------------------------------------

    def check(self) -> None:
        assert self.wrong == [], self.wrong
        assert self.witness.losses == [], "released in use"
        assert self.emulator.violations() == []
        enis = [each for each in self.emulator.enis(ECS_NODE) if each.status is EniStatus.IN_USE]
        assert set(self.held.values()) <= {address for eni in enis for address in owned(eni)}
        assert over_budget(self.emulator.log.calls()) == []

    def made(self) -> list[str]:
        """ENIs that carry the pool's mark, attached or not."""
        return [each.id for each in self.emulator.enis() if (CREATOR_TAG, CREATOR) in each.tags]

    def check_end(self) -> None:
        """All pods go, and with them everything of ours."""
        self.emulator.load_faults(Script())
        self.kill()
        self.begin(idle=0)
        self.check_memory()
        self.check()
        self.free(*self.held)
        self.settle()
        self.await_rest()
        self.check()

    # --- within ---------------------------------------------------------------------------------------------------

    def _in_use(self) -> set[Address]:
        return set(self.held.values())

    def _tell(self, line: str) -> None:
        if self.child is not None and self.child.stdin is not None:
            try:
                self.child.stdin.write(line + "\n")
                self.child.stdin.flush()
            except BrokenPipeError:
                return  # it has just died: asked again with the next one

    def _listen(self, child: subprocess.Popen[str]) -> None:
        self._is_drained = False
        assert child.stdout is not None
        with child.stdout as lines:
            for line in lines:
                with self._news:
                    self._take(line.split())
                    self._news.notify_all()
        with self._news:
            self._is_drained = True
            self._news.notify_all()

    _is_drained = True

    def _take(self, words: list[str]) -> None:
        match words:
            case ["got", name, text] if self.owed.get(name) == "want":
                address = Address.parse(text)
                owner = next((other for other, each in self.held.items() if each == address and other != name), None)
                if owner or self.held.get(name, address) != address:
                    self.wrong.append(f"{name} got {address}, which {owner or 'it'} has or had not")
                self.held[name] = address
                del self.owed[name]
            case ["freed", name] if self.owed.get(name) == "free":
                del self.owed[name]
            case ["failed", *why]:
                self.wrong.append(" ".join(why))
            case ["stands", *text]:
                self.stands = " ".join(text)

    def _await(self, is_so: Callable[[], bool], what: str) -> None:
        with self._news:
            assert self._news.wait_for(is_so, SOON), f"no {what}: {self.owed} {self.wrong}"
