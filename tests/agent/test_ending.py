"""The agent's end: what hangs is told and left to itself, and delays the end by no more than its limit."""

import logging
import subprocess
import sys
import threading

import pytest

from terway_edge.agent.clock import BootClock
from terway_edge.agent.ending import Ending
from terway_edge.agent.housekeeper import Chore, Housekeeper
from terway_edge.agent.mailbox import Mailbox
from tests.agent.rig import WAIT, eventually

SHORT = 0.05  # seconds


@pytest.fixture
def hook():
    """A hook that hangs; `hook.began` is set once it does."""
    made = Hanging()
    yield made
    made.go.set()


class Hanging:
    def __init__(self):
        self.began, self.go = threading.Event(), threading.Event()

    def __call__(self, *_):
        self.began.set()
        assert self.go.wait(WAIT)


def test_a_part_that_hangs_is_told_with_its_plugin(hook, caplog):
    caplog.set_level(logging.ERROR)
    housekeeper = Housekeeper([Chore("reports", 3600, hook, first=0)], BootClock())
    housekeeper.start()
    assert hook.began.wait(WAIT)
    ending = Ending(lambda: [("slowpoke", "report")])
    ending.end("chores", housekeeper.close, SHORT)
    (line,) = caplog.messages
    assert line == "chores: not at an end after 0 s and left as they are; still running: report of plugin slowpoke"
    hook.go.set()
    eventually(lambda: housekeeper.close(0))


def test_a_part_that_ends_in_time_is_not_told(caplog):
    Ending(lambda: [("other", "advertise")]).end("chores", Housekeeper([], BootClock()).close)
    assert caplog.messages == []


def test_a_mailbox_leaves_work_that_hangs_to_itself(hook):
    mailbox = Mailbox("advertiser-slowpoke", hook)
    mailbox.put(1)
    assert hook.began.wait(WAIT)
    assert not mailbox.close(SHORT)
    mailbox.put(2)
    hook.go.set()
    assert mailbox.close()


def test_calls_are_made_at_once_and_one_that_hangs_holds_no_other(hook, caplog):
    done = threading.Event()
    Ending(lambda: [("slowpoke", "stop")]).call("plugins", [hook, done.set], SHORT)
    assert done.wait(WAIT)
    assert "still running: stop of plugin slowpoke" in caplog.text


def test_calls_that_end_are_waited_for():
    order = []
    Ending(list).call("plugins", [lambda: order.append("stopped")])
    assert order == ["stopped"]


def test_whatever_holds_the_process_it_ends_at_the_last_moment():
    """Here a main thread that hangs, as that of an agent may while it starts."""
    script = (
        "import os, signal, threading; from terway_edge.agent.ending import end_on_signals;"
        "ended = end_on_signals(0.1); os.kill(os.getpid(), signal.SIGTERM); ended.wait(); threading.Event().wait()"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=WAIT, check=False)
    assert (done.returncode, done.stderr.strip()) == (
        1,
        "not at an end 0 s after the signal: the process leaves what holds it",
    )
