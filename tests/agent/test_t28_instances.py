"""T28: however two agents come together, one serves; what became of the files of a former one does not matter."""

import fcntl
import shutil
import socket
import threading
import time

import pytest

from terway_edge.agent.conditions import Conditions
from terway_edge.agent.door import Door
from terway_edge.agent.instance import instance_lock
from terway_edge.cni.wire import Reply, call, encode_request
from terway_edge.core.config import Settings
from terway_edge.core.errors import Refused
from terway_edge.testing import RecordedEvents
from tests.agent.rig import WAIT, InThread


@pytest.fixture
def run(tmp_path):
    return tmp_path / "run"


@pytest.fixture
def state(tmp_path):
    return tmp_path / "state"


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr("terway_edge.agent.instance.LOCK_WAIT", 0.0)


def test_t28_a_second_agent_is_refused(run, state, impatient):
    with instance_lock(run, state), pytest.raises(Refused, match=f"another agent holds {run}/agent.lock"):
        instance_lock(run, state)
    instance_lock(run, state).close()


def test_t28_the_state_is_locked_as_well(run, state, impatient):
    """With the run directory its lock is gone, and two agents with one journal would give an address twice."""
    with instance_lock(run, state):
        shutil.rmtree(run)
        with pytest.raises(Refused, match=f"another agent holds {state}"):
            instance_lock(run, state)
    instance_lock(run, state).close()


def test_t28_one_that_waits_is_there_once_the_other_has_ended(run, state):
    first = instance_lock(run, state)
    second = InThread(lambda: instance_lock(run, state).close())
    assert second.running
    first.close()
    began = time.monotonic()
    assert second.join() is None
    assert time.monotonic() - began < 5


class Handler:
    """Echoes; `deleted` are the containers of spooled DELs."""

    def __init__(self):
        self.deleted = []

    def __call__(self, request, connection):
        connection.send(Reply(0, request.environ["CNI_CONTAINERID"].encode()))

    def delete_spooled(self, request):
        self.deleted.append(request.environ["CNI_CONTAINERID"])


@pytest.fixture
def handler():
    return Handler()


@pytest.fixture
def conditions():
    return Conditions(RecordedEvents())


@pytest.fixture
def door(run, state, handler, conditions):
    run.mkdir(mode=0o700)
    stale = socket.socket(socket.AF_UNIX)
    with stale:
        stale.bind(str(run / "cni.sock"))  # and nobody listens any more
    made = Door(Settings(node_name="n1", run_dir=run, state_dir=state), handler, conditions)
    made.serve()
    yield made
    assert made.drain(WAIT)


def ask(run):
    return call(f"{run}/cni.sock", {"CNI_COMMAND": "DEL", "CNI_CONTAINERID": "c1"}).payload


def test_t28_a_stale_socket_is_replaced(door, run):
    assert ask(run) == b"c1"


def test_t28_dels_that_found_no_socket_are_carried_out_before_there_is_one(door, run, state, handler, conditions):
    shutil.rmtree(run)
    spooled = state / "spool" / "0.del"
    spooled.write_bytes(encode_request({"CNI_COMMAND": "DEL", "CNI_CONTAINERID": "gone"}, b"", 1000))
    door.keep()
    assert handler.deleted == ["gone"]
    assert not spooled.exists()
    assert ask(run) == b"c1"
    assert conditions.all() == ()


def test_t28_a_socket_that_is_there_is_let_be(door, run):
    before = (run / "cni.sock").stat()
    door.keep()
    assert (run / "cni.sock").stat() == before


def test_t28_what_cannot_be_made_anew_is_told_and_tried_again(door, run, conditions):
    (run / "cni.sock").unlink()
    run.chmod(0o755)
    door.keep()
    (told,) = conditions.all()
    assert told.reason == "NotReachable"
    assert "has mode 0755, expected 0700" in told.message
    run.chmod(0o700)
    door.keep()
    assert conditions.all() == ()
    assert ask(run) == b"c1"


def test_t28_threads_do_not_add_up(door, run):
    before = threading.active_count()
    for _ in range(5):
        (run / "cni.sock").unlink()
        door.keep()
        assert ask(run) == b"c1"
    assert threading.active_count() == before


def spool_del(state, container):
    path = state / "spool" / f"{container}.del"
    path.write_bytes(encode_request({"CNI_COMMAND": "DEL", "CNI_CONTAINERID": container}, b"", 1000))
    return path


@pytest.fixture
def hung_shim(state, monkeypatch):
    """One that was stopped while it spools: the lock is held, its file not finished."""
    monkeypatch.setattr("terway_edge.agent.door.LOCK_WAIT", 0.05)
    (state / "spool").mkdir(parents=True, mode=0o700)
    state.chmod(0o700)
    (state / "spool" / "hung.del.1.tmp").touch()
    with (state / "spool" / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        yield lock


def test_t09_a_shim_that_hangs_as_it_spools_keeps_nobody_out(state, run, handler, conditions, hung_shim, caplog):
    other = spool_del(state, "other")
    door = Door(Settings(node_name="n1", run_dir=run, state_dir=state), handler, conditions)
    door.serve()
    try:
        assert ask(run) == b"c1"
        assert handler.deleted == ["other"]
        assert not other.exists()
        assert "a shim holds the lock" in caplog.text
        door.keep()
        assert handler.deleted == ["other"]
        (state / "spool" / "hung.del.1.tmp").unlink()  # it goes on
        spool_del(state, "hung")
        door.keep()
        assert handler.deleted == ["other"], "as long as it holds the lock there may come more"
        hung_shim.close()
        door.keep()
        assert handler.deleted == ["other", "hung"]
        spool_del(state, "later")
        door.keep()
        assert handler.deleted == ["other", "hung"], "those that come later found no socket"
    finally:
        assert door.drain(WAIT)


def test_t09_the_file_that_a_hung_shim_writes_is_let_be(state, run, handler, conditions, hung_shim):
    door = Door(Settings(node_name="n1", run_dir=run, state_dir=state), handler, conditions)
    door.serve()
    try:
        assert (state / "spool" / "hung.del.1.tmp").exists()
        (run / "cni.sock").unlink()
        door.keep()
        assert ask(run) == b"c1", "nor does it keep the socket from being made anew"
        assert (state / "spool" / "hung.del.1.tmp").exists()
    finally:
        assert door.drain(WAIT)
