"""The DEL spool: replayed oldest first, and nothing in it can keep the agent from starting."""

import fcntl
import os
import threading

import pytest

from terway_edge.agent.spool import locked, replay, tidy
from terway_edge.cni.wire import WireError, encode_request
from terway_edge.core.errors import Retry
from tests.agent.rig import WAIT


def spool(directory, name, container, age=0):
    path = directory / f"{name}.del"
    path.write_bytes(encode_request({"CNI_COMMAND": "DEL", "CNI_CONTAINERID": container}, b"{}", 1000))
    os.utime(path, (1_000_000 - age, 1_000_000 - age))
    return path


@pytest.fixture
def deleted():
    return []


@pytest.fixture
def delete(deleted):
    return lambda request: deleted.append(request.environ["CNI_CONTAINERID"])


def test_the_oldest_goes_first_and_what_is_done_is_gone(tmp_path, delete, deleted):
    spool(tmp_path, "a", "young", age=1)
    spool(tmp_path, "b", "old", age=9)
    assert replay(tmp_path, delete) == 2
    assert deleted == ["old", "young"]
    assert list(tmp_path.iterdir()) == []
    assert replay(tmp_path, delete) == 0


@pytest.mark.parametrize(
    "error",
    [
        Retry("no space"),
        ValueError("a plugin's mistake"),
        KeyError("x"),
        TimeoutError("a cloud"),
        WireError("a cloud's"),
    ],
)
def test_one_that_fails_stays_and_stops_no_other(tmp_path, deleted, error):
    failing = spool(tmp_path, "a", "bad", age=9)
    spool(tmp_path, "b", "good")

    def delete(request):
        if request.environ["CNI_CONTAINERID"] == "bad":
            raise error
        deleted.append("good")

    assert replay(tmp_path, delete) == 1
    assert deleted == ["good"]
    assert list(tmp_path.iterdir()) == [failing]


@pytest.mark.parametrize("content", [b"", b"TWE1", b"garbage" * 100, b"TWE1\0\0\0\1\0\0\0\5ab"])
def test_what_cannot_be_read_is_set_aside(tmp_path, delete, deleted, content):
    (tmp_path / "a.del").write_bytes(content)
    spool(tmp_path, "b", "good")
    assert replay(tmp_path, delete) == 1
    assert deleted == ["good"]
    assert [path.name for path in tmp_path.iterdir()] == ["a.bad"]


def test_a_directory_among_them_is_set_aside(tmp_path, delete, deleted):
    (tmp_path / "a.del").mkdir()
    spool(tmp_path, "b", "good")
    assert replay(tmp_path, delete) == 1
    assert deleted == ["good"]


def test_a_link_that_leads_nowhere_is_set_aside(tmp_path, delete, deleted):
    (tmp_path / "a.del").symlink_to("nowhere")
    spool(tmp_path, "b", "good")
    assert replay(tmp_path, delete) == 1
    assert deleted == ["good"]
    assert [path.name for path in tmp_path.iterdir()] == ["a.bad"]


def test_one_that_cannot_be_set_aside_stays(tmp_path, delete, deleted):
    (tmp_path / "a.del").mkdir()
    (tmp_path / "a.bad").mkdir()
    (tmp_path / "a.bad" / "kept").touch()
    spool(tmp_path, "b", "good")
    assert replay(tmp_path, delete) == 1
    assert deleted == ["good"]


def test_a_leftover_that_cannot_be_removed_stays(tmp_path):
    (tmp_path / "a.del.1.tmp").mkdir()
    (tmp_path / "b.del.1.tmp").touch()
    tidy(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["a.del.1.tmp"]


def test_what_killed_shims_did_not_finish_goes_and_nothing_else(tmp_path):
    whole = spool(tmp_path, "a", "c1")
    (tmp_path / "b.del.77.tmp").write_bytes(b"TWE1")
    (tmp_path / ".lock").touch()
    tidy(tmp_path)
    assert sorted(tmp_path.iterdir()) == [tmp_path / ".lock", whole]


def test_other_files_are_none_of_our_business(tmp_path, delete):
    (tmp_path / ".half-written").write_bytes(b"x")
    assert replay(tmp_path, delete) == 0
    assert (tmp_path / ".half-written").exists()


def test_the_lock_keeps_shims_out_until_it_is_given_back(tmp_path):
    directory = tmp_path / "new" / "spool"
    got = threading.Event()

    def shim():
        descriptor = os.open(directory / ".lock", os.O_RDWR)
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        got.set()
        os.close(descriptor)

    with locked(directory, WAIT) as is_alone:
        assert is_alone
        assert directory.stat().st_mode & 0o777 == 0o700
        thread = threading.Thread(target=shim)
        thread.start()
        assert not got.wait(0.1)
    assert got.wait(WAIT)
    thread.join()
