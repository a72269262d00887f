"""The latest-value mailbox: a slow or failing worker delays nobody and never works through a backlog."""

import logging
import threading

import pytest

from terway_edge.agent.mailbox import Mailbox
from tests.agent.rig import WAIT, eventually


class Worker:
    """Blocks on its first value until `go`; raises what `errors` holds, one per call."""

    def __init__(self):
        self.seen, self.errors = [], []
        self.began, self.go = threading.Event(), threading.Event()

    def __call__(self, value):
        self.seen.append(value)
        self.began.set()
        assert self.go.wait(WAIT)
        if self.errors:
            raise self.errors.pop()


@pytest.fixture
def worker():
    return Worker()


@pytest.fixture
def mailbox(worker):
    made = Mailbox("advertiser-test", worker)
    yield made
    worker.go.set()
    made.close()


def test_only_the_newest_value_is_worked_on(mailbox, worker):
    mailbox.put(1)
    assert worker.began.wait(WAIT)
    for value in range(2, 100):
        mailbox.put(value)
    assert not mailbox.idle(0)
    worker.go.set()
    assert mailbox.idle(WAIT)
    assert worker.seen == [1, 99]


def test_it_is_busy_while_it_works(mailbox, worker):
    assert mailbox.idle(0)
    mailbox.put(1)
    assert worker.began.wait(WAIT)
    assert not mailbox.idle(0.01)


def test_a_refused_value_is_tried_again(mailbox, worker, monkeypatch):
    monkeypatch.setattr("terway_edge.agent.mailbox.RETRY_AFTER", 0.01)
    worker.go.set()
    worker.errors = [OSError("busy"), OSError("busy")]
    mailbox.put(1)
    eventually(lambda: worker.seen == [1, 1, 1])
    assert mailbox.idle(WAIT)
    assert mailbox.error == ""


def test_a_new_value_does_not_wait_for_the_retry_of_an_old_one(mailbox, worker, caplog):
    caplog.set_level(logging.ERROR)
    worker.go.set()
    worker.errors = [OSError("busy")]
    mailbox.put(1)
    eventually(lambda: mailbox.error == "OSError: busy")
    assert not mailbox.idle(0)
    mailbox.put(2)
    assert mailbox.idle(WAIT)  # far below RETRY_AFTER, or the test is slow and says so
    assert worker.seen == [1, 2]
    assert [record.getMessage() for record in caplog.records if "busy" in record.getMessage()]


def test_the_same_error_is_logged_once(mailbox, worker, monkeypatch, caplog):
    monkeypatch.setattr("terway_edge.agent.mailbox.RETRY_AFTER", 0.01)
    worker.go.set()
    worker.errors = [OSError("busy")] * 5
    mailbox.put(1)
    eventually(lambda: len(worker.seen) == 6)
    assert len([r for r in caplog.records if "busy" in r.getMessage()]) == 1


def test_close_ends_the_thread_and_drops_what_waits(mailbox, worker):
    mailbox.put(1)
    assert worker.began.wait(WAIT)
    mailbox.put(2)
    worker.go.set()
    mailbox.close()
    assert "advertiser-test" not in {thread.name for thread in threading.enumerate()}
    assert worker.seen in ([1], [1, 2])


def test_close_does_not_wait_for_a_retry(mailbox, worker):
    worker.go.set()
    worker.errors = [OSError("busy")]
    mailbox.put(1)
    eventually(lambda: mailbox.error)
    mailbox.close()
    assert not mailbox._thread.is_alive()
