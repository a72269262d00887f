"""The shim and an agent: what travels, how long it may take, and answers that come in pieces or not at all."""

import os
import signal
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest

from terway_edge.cni import wire

BUDGETS = {"ADD": 60_000, "DEL": 25_000, "CHECK": 5_000, "GC": 20_000, "STATUS": 1_000}


@pytest.mark.parametrize("command", BUDGETS)
def test_environment_stdin_and_budget_arrive_unchanged(shim, start_agent, answering, command):
    agent = start_agent(answering())
    conf = bytes(range(256)) * 8  # the shim parses nothing
    ended = shim(
        command,
        stdin=conf,
        CNI_ARGS=b"K8S_POD_NAME=\xff\n\xc3\xa4=;",
        TERWAY_EDGE_QUERY="leases",
        TRACEPARENT="00-1",
    )
    assert (ended.status, ended.stdout, ended.stderr) == (0, b"", b"")
    [request] = agent.requests
    assert request.stdin == conf
    assert request.environ == {
        "CNI_COMMAND": command,
        "CNI_CONTAINERID": "c0ffee",
        "CNI_IFNAME": "eth0",
        "CNI_ARGS": "K8S_POD_NAME=\udcff\n\u00e4=;",
        "TERWAY_EDGE_QUERY": "leases",
    }
    assert BUDGETS[command] * 0.5 < request.budget_ms <= BUDGETS[command]


def test_the_operator_can_lower_budgets_but_not_raise_them(shim, start_agent, answering):
    agent = start_agent(answering())
    for limit in ("700", "90000", "0", "-5", "soon"):
        assert shim("CHECK", TERWAY_EDGE_BUDGET_MS=limit).status == 0
    lowered, *others = [request.budget_ms for request in agent.requests]
    assert lowered <= 700
    assert all(3000 < budget <= 5000 for budget in others)


@pytest.mark.parametrize("status", [0, 1, 3, 255])
def test_exit_status_and_payload_are_the_agents(shim, start_agent, answering, status):
    payload = b'{"code":7}\n' * 20_000
    start_agent(answering(status, payload))
    ended = shim("ADD")
    assert (ended.status, ended.stdout) == (status, payload)


def test_of_duplicate_variables_the_last_wins(shim, start_agent, answering):
    agent = start_agent(answering())
    environ = shim.environ("DEL")
    ended = subprocess.run(
        [shim.path], env={**environ, b"CNI_IFNAME": b"eth7", b"CNI_COMMAND": b"CHECK"}, input=b"{}", check=False
    )
    assert ended.returncode == 0
    assert agent.requests[0].environ["CNI_COMMAND"] == "CHECK"
    assert agent.requests[0].environ["CNI_IFNAME"] == "eth7"
    assert agent.requests[0].budget_ms <= BUDGETS["CHECK"]


def test_the_netns_travels_as_an_open_descriptor(shim, start_agent, answering):
    agent = start_agent(answering())
    target = shim.home / "netns"
    target.write_text("")
    assert shim("ADD", CNI_NETNS=str(target)).status == 0
    assert shim("ADD", CNI_NETNS="/proc/self/ns/net").status == 0
    own = os.stat("/proc/self/ns/net")
    assert agent.netns == [(target.stat().st_dev, target.stat().st_ino), (own.st_dev, own.st_ino)]


@pytest.mark.root
def test_the_descriptor_is_of_the_pods_netns(shim, start_agent, answering):
    agent = start_agent(answering())
    name = f"twt-shim-{os.getpid()}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        path = Path("/run/netns") / name
        assert shim("ADD", CNI_NETNS=str(path)).status == 0
        assert agent.netns == [(path.stat().st_dev, path.stat().st_ino)]
    finally:
        subprocess.run(["ip", "netns", "del", name], check=True)


@pytest.mark.parametrize("netns", [None, "", "/nowhere/netns", "proc/self/ns/net"])
def test_without_a_netns_to_open_there_is_no_descriptor(shim, start_agent, answering, netns):
    agent = start_agent(answering())
    assert shim("DEL", CNI_NETNS=netns).status == 0
    assert len(agent.requests) == 1
    assert agent.netns == []


def test_t21_a_fifo_as_netns_does_not_hang(shim, start_agent, answering):
    agent = start_agent(answering())
    fifo = shim.home / "fifo"
    os.mkfifo(fifo)
    assert shim("ADD", CNI_NETNS=str(fifo)).status == 0
    assert agent.netns == [(fifo.stat().st_dev, fifo.stat().st_ino)]


def test_large_configurations_arrive_whole(shim, start_agent, answering):
    agent = start_agent(answering())
    sizes = {"ADD": 1 << 20, "GC": 4 << 20}
    for command, size in sizes.items():
        assert shim(command, stdin=b"x" * size).status == 0
    assert [len(request.stdin) for request in agent.requests] == list(sizes.values())
    assert shim("GC", stdin=b"x" * (sizes["GC"] + 1)).code == 6


def test_an_answer_in_single_bytes_is_put_together(shim, start_agent):
    def drip(agent, connection):
        agent.receive(connection)
        for byte in wire.encode_reply(1, b'{"code":11}'):
            connection.sendall(bytes([byte]))

    start_agent(drip)
    ended = shim("ADD")
    assert (ended.status, ended.stdout) == (1, b'{"code":11}')


@pytest.mark.parametrize("size", range(8))
@pytest.mark.parametrize("command", ["ADD", "CHECK", "GC"])
def test_a_torn_answer_is_an_error_and_prints_none_of_it(shim, start_agent, command, size):
    def tear(agent, connection):
        agent.receive(connection)
        connection.sendall(wire.encode_reply(0, b"{ }")[:size])

    agent = start_agent(tear)
    ended = shim(command)
    if size == 8:
        assert ended.status == 0
    else:
        assert ended.code == 11
        assert "broke off" in ended.error["msg"]
    assert len(agent.requests) == 1  # an ADD is never repeated by us


def test_an_answer_of_absurd_length_is_refused(shim, start_agent):
    def boast(agent, connection):
        agent.receive(connection)
        connection.sendall(b"\0\xff\xff\xff\xff" + b"x" * 100)

    start_agent(boast)
    assert shim("ADD").code == 11


def test_an_answer_given_before_the_request_was_read_counts(shim, start_agent):
    def refuse(agent, connection):
        connection.sendall(wire.encode_reply(1, b'{"code":6}'))

    start_agent(refuse)
    ended = shim("ADD", stdin=b"x" * (1 << 20))
    assert (ended.status, ended.stdout) == (1, b'{"code":6}')


@pytest.mark.parametrize("command", ["ADD", "DEL", "CHECK", "GC"])
def test_a_hung_agent_costs_the_budget_and_no_more(shim, start_agent, hanging, command):
    start_agent(hanging)
    ended = shim(command, TERWAY_EDGE_BUDGET_MS="250")
    assert ended.code == 11
    assert "250 ms" in ended.error["msg"]
    assert 0.2 < ended.seconds < 3
    assert not shim.spool.exists()


def test_an_agent_that_drips_for_ever_costs_the_budget_too(shim, start_agent):
    def drip(agent, connection):
        agent.receive(connection)
        connection.sendall(b"\0\0\1\0\0")
        while not agent.ended.wait(0.02):
            connection.sendall(b" ")

    def script(agent, connection):
        with suppress(BrokenPipeError, ConnectionResetError):
            drip(agent, connection)

    start_agent(script)
    assert shim("ADD", TERWAY_EDGE_BUDGET_MS="300").code == 11


@pytest.mark.parametrize("command", ["ADD", "DEL"])
def test_an_agent_that_accepts_nobody_is_hung_and_not_away(shim, command):
    with socket.socket(socket.AF_UNIX) as listener:
        path = str(shim.run_dir / "cni.sock")
        listener.bind(path)
        listener.listen(0)
        queued = []
        with suppress(BlockingIOError):
            for _ in range(10):
                queued.append(socket.socket(socket.AF_UNIX))
                queued[-1].setblocking(False)
                queued[-1].connect(path)
        ended = shim(command, TERWAY_EDGE_BUDGET_MS="200")
        for waiting in queued:
            waiting.close()
    assert ended.code == 11
    assert "did not answer" in ended.error["msg"]
    assert not shim.spool.exists()


def test_a_shim_that_was_stopped_goes_on_waiting(shim, start_agent, wait_for):
    def answer_when_told(agent, connection):
        agent.receive(connection)
        agent.ended.wait(10)
        connection.sendall(wire.encode_reply(0, b"{}"))

    agent = start_agent(answer_when_told)
    process = shim.start("ADD")
    wait_for(lambda: agent.requests)
    for _ in range(3):
        process.send_signal(signal.SIGSTOP)
        wait_for(lambda: state_of(process) == "T")
        process.send_signal(signal.SIGCONT)
        wait_for(lambda: state_of(process) == "S")
    agent.ended.set()
    ended = shim.finish(process)
    assert (ended.status, ended.stdout) == (0, b"{}")


def state_of(process):
    return Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_a_killed_shim_is_noticed_by_the_agent(shim, start_agent, wait_for):
    noticed = []

    def watch(agent, connection):
        agent.receive(connection)
        connection.settimeout(10)
        noticed.append(connection.recv(1))

    agent = start_agent(watch)
    process = shim.start("ADD")
    wait_for(lambda: agent.requests)
    assert noticed == []  # a living shim keeps its end open
    process.kill()
    wait_for(lambda: noticed == [b""])


def test_parallel_calls_do_not_mix(shim, start_agent):
    def echo(agent, connection):
        request = agent.receive(connection)
        connection.sendall(wire.encode_reply(0, request.environ["CNI_CONTAINERID"].encode()))

    start_agent(echo)
    names = [f"id{number}" for number in range(20)]
    processes = [shim.start("ADD", CNI_CONTAINERID=name) for name in names]
    assert [shim.finish(process).stdout.decode() for process in processes] == names


def test_a_refused_user_is_told_so(shim, start_agent, answering):
    start_agent(answering())
    (shim.run_dir / "cni.sock").unlink()
    (shim.run_dir / "cni.sock").symlink_to("cni.sock")  # ELOOP stands for every error that is not "away"
    began = time.monotonic()
    error = shim("ADD").error
    assert error["code"] == 5
    assert time.monotonic() - began < 3  # no retry
