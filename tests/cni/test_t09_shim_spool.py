"""DEL without an agent: kept in the spool and answered, and never lost between two agents."""

import fcntl
import os
import stat
import subprocess
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from terway_edge.cni import wire

SWALLOWED = ("not found", "no such file or directory")  # what go-cni takes for success in a DEL error


def spooled(shim):
    return {path.name: wire.decode_request(path.read_bytes()) for path in shim.spool.glob("*.del")}


def locked(shim, exclusive=True):
    """Open the spool's lock as an agent does."""
    shim.spool.mkdir(parents=True, exist_ok=True)
    lock = (shim.spool / ".lock").open("w")  # the caller closes it
    fcntl.flock(lock, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH)
    return lock


def has_open(process, path):
    with suppress(FileNotFoundError):
        for descriptor in Path(f"/proc/{process.pid}/fd").iterdir():
            with suppress(FileNotFoundError):
                if os.readlink(descriptor) == str(path):
                    return True
    return False


def test_del_is_kept_and_answered(shim):
    conf = b'{"name":"x"}\0\xff'
    ended = shim("DEL", stdin=conf, CNI_NETNS="/proc/self/ns/net")
    assert (ended.status, ended.stdout, ended.stderr) == (0, b"", b"")
    [request] = spooled(shim).values()
    assert request.stdin == conf
    assert request.environ["CNI_CONTAINERID"] == "c0ffee"
    assert request.environ["CNI_NETNS"] == "/proc/self/ns/net"
    assert request.budget_ms > 0


def test_the_spool_is_for_root_only_and_holds_no_leftovers(shim):
    assert shim("DEL").status == 0
    assert stat.S_IMODE(shim.spool.stat().st_mode) == 0o700
    assert stat.S_IMODE(shim.spool.parent.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in shim.spool.iterdir()} == {0o600}
    assert sorted(path.suffix for path in shim.spool.iterdir()) == ["", ".del"]  # .lock has no suffix


def test_repeats_overwrite_one_another_and_other_sandboxes_do_not(shim):
    for key in (("a", "eth0"), ("a", "eth0"), ("a", "eth1"), ("ae", "th0"), ("b", "eth0")):
        assert shim("DEL", CNI_CONTAINERID=key[0], CNI_IFNAME=key[1]).status == 0
    keys = {(r.environ["CNI_CONTAINERID"], r.environ["CNI_IFNAME"]) for r in spooled(shim).values()}
    assert keys == {("a", "eth0"), ("a", "eth1"), ("ae", "th0"), ("b", "eth0")}
    assert len(spooled(shim)) == 4


def test_both_shims_choose_the_same_names(shim, shim_paths):
    for path in shim_paths.values():
        shim.path = path
        assert shim("DEL", CNI_IFNAME=b"\xff").status == 0
    assert len(spooled(shim)) == 1


def test_t20_ids_cannot_leave_the_spool(shim):
    assert shim("DEL", CNI_CONTAINERID="../../../evil").status == 0
    assert len(spooled(shim)) == 1
    assert [path.name for path in shim.home.rglob("*evil*")] == []


def test_a_stale_socket_counts_as_away(shim, start_agent, answering):
    start_agent(answering()).refuse()
    assert shim("DEL").status == 0
    assert len(spooled(shim)) == 1


def test_an_agent_that_dies_while_it_works_leaves_the_del_to_the_spool(shim, start_agent):
    def die(agent, connection):
        agent.receive(connection)
        agent.refuse()

    agent = start_agent(die)
    assert shim("DEL").status == 0
    assert len(agent.requests) == len(spooled(shim)) == 1


@pytest.mark.parametrize("size", range(8))
def test_a_torn_answer_is_asked_for_again(shim, start_agent, size):
    def tear_once(agent, connection):
        agent.receive(connection)
        reply = wire.encode_reply(0, b"{ }")
        connection.sendall(reply[:size] if len(agent.requests) == 1 else reply)

    agent = start_agent(tear_once)
    ended = shim("DEL")
    assert (ended.status, ended.stdout) == (0, b"{ }")
    assert len(agent.requests) == 2
    assert not shim.spool.exists()


def test_an_error_of_the_agent_is_no_reason_to_spool(shim, start_agent, answering):
    start_agent(answering(1, b'{"code":11}'))
    ended = shim("DEL")
    assert (ended.status, ended.stdout) == (1, b'{"code":11}')
    assert not shim.spool.exists()


def test_del_waits_for_an_agent_that_is_replaying_and_then_asks_it(shim, start_agent, answering, wait_for):
    with locked(shim) as lock:
        process = shim.start("DEL")
        wait_for(lambda: has_open(process, lock.name))
        agent = start_agent(answering(payload=b"{}"))
    ended = shim.finish(process)
    assert (ended.status, ended.stdout) == (0, b"{}")
    assert len(agent.requests) == 1
    assert spooled(shim) == {}


def test_del_is_spooled_if_the_agent_went_away_while_it_replayed(shim, wait_for):
    with locked(shim) as lock:
        process = shim.start("DEL")
        wait_for(lambda: has_open(process, lock.name))
    assert shim.finish(process).status == 0
    assert len(spooled(shim)) == 1


def test_after_a_torn_answer_the_lock_is_taken_anew(shim, start_agent, answering, wait_for):
    """Two agents die in a row and a third one starts: the DEL must reach it, not the spool it has just replayed."""
    replaying = threading.Event()

    def die_and_replay(agent, connection):
        agent.receive(connection)
        agent.refuse()
        connection.close()
        with locked(shim):  # granted when the shim lets go
            replaying.set()
            third_may_start.wait(10)
            thirds.append(start_agent(answering(payload=b"{}")))

    thirds = []
    third_may_start = threading.Event()
    with locked(shim) as lock:
        process = shim.start("DEL")
        wait_for(lambda: has_open(process, lock.name))
        start_agent(die_and_replay)
    assert replaying.wait(10)
    wait_for(lambda: process.poll() is not None or has_open(process, lock.name))
    third_may_start.set()
    ended = shim.finish(process)
    assert (ended.status, ended.stdout) == (0, b"{}")
    assert len(thirds[0].requests) == 1
    assert spooled(shim) == {}


def test_a_replay_that_never_ends_costs_the_budget(shim):
    with locked(shim):
        ended = shim("DEL", TERWAY_EDGE_BUDGET_MS="200")
    assert ended.code == 11
    assert spooled(shim) == {}


def test_other_shims_do_not_wait_for_one_another(shim):
    with locked(shim, exclusive=False):
        assert shim("DEL").status == 0
    assert len(spooled(shim)) == 1


def test_no_del_is_lost_while_an_agent_starts(shim, start_agent, answering):
    names = {f"id{number}" for number in range(24)}
    replayed = set()
    half = threading.Event()
    processes = []

    def runtime():
        for number, name in enumerate(sorted(names)):
            processes.append(shim.start("DEL", CNI_CONTAINERID=name))
            if number == len(names) // 2:
                half.set()

    thread = threading.Thread(target=runtime)
    thread.start()
    half.wait(30)
    with locked(shim):
        for path in shim.spool.glob("*.del"):
            replayed.add(wire.decode_request(path.read_bytes()).environ["CNI_CONTAINERID"])
            path.unlink()
        agent = start_agent(answering())
    thread.join()
    assert {shim.finish(process).status for process in processes} == {0}
    answered = {request.environ["CNI_CONTAINERID"] for request in agent.requests}
    assert replayed | answered == names
    assert spooled(shim) == {}


@pytest.mark.parametrize("state", ["file/state", "missing/parent/state", "file"])
def test_a_spool_that_cannot_be_made_is_an_io_error(shim, state):
    (shim.home / "file").write_text("")
    error = shim("DEL", TERWAY_EDGE_STATE=str(shim.home / state), CNI_NETNS="").error
    assert error["code"] == 5
    assert "spool" in error["msg"]
    assert not any(words in str(error).lower() for words in SWALLOWED)


@pytest.mark.parametrize("lock", ["directory", "link"])
def test_a_lock_that_is_no_file_is_an_io_error(shim, lock):
    shim.spool.mkdir(parents=True)
    path = shim.spool / ".lock"
    path.mkdir() if lock == "directory" else path.symlink_to("/dev/null")
    assert shim("DEL").code == 5


@pytest.mark.root
def test_a_full_disk_is_an_io_error_and_leaves_nothing(shim):
    script = """
        mkdir -p "$TERWAY_EDGE_STATE" && mount -t tmpfs -o size=4k,mode=700 twt "$TERWAY_EDGE_STATE" || exit 77
        "$0"; status=$?
        ls -A "$TERWAY_EDGE_STATE/spool" >&2
        exit $status
    """
    argv = ["unshare", "--mount", "--propagation=private", "sh", "-c", script, shim.path]
    ended = subprocess.run(argv, env=shim.environ("DEL"), input=b"x" * 10_000, capture_output=True, check=False)
    assert ended.returncode == 1, ended.stderr
    assert b'"code":5' in ended.stdout
    assert b"No space left" in ended.stdout
    assert ended.stderr.split() == [b".lock"]
