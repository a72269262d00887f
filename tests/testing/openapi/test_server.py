"""Over HTTP: connections, threads, and requests that are none."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import threading
import time
from contextlib import closing

import pytest

from terway_edge.kernel.netns import inside
from terway_edge.testing.openapi import Emulator, Server, listen
from terway_edge.testing.openapi.pace import Delay, Pace
from tests.testing.openapi.recorder import Recorder
from tests.testing.openapi.sdk import Sdk

THREADS, ROUNDS = 8, 12


def raw(server, data):
    """What comes back for some bytes, until the connection ends."""
    host, port = server.endpoint.split(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def test_many_calls_on_one_connection(server):
    connection = http.client.HTTPConnection(server.endpoint, timeout=5)
    connection.connect()
    port = connection.sock.getsockname()[1]
    for _ in range(20):
        connection.request("POST", "/?Action=DescribeInstances&Version=2014-05-26")
        answer = connection.getresponse()
        assert (answer.status, b"MissingParameter" in answer.read()) == (400, True)
        assert connection.sock.getsockname()[1] == port
    connection.close()


def test_threads_of_clients_leave_the_cloud_whole(site, clock):
    """Each attaches an ENI of its own, fills it, empties it and takes it away, all on one vSwitch."""
    emulator = Emulator(site.model_copy(update={"enis_per_region": 100}), clock=clock.now)
    done = []

    def work(endpoint, number):
        with closing(Sdk(endpoint)) as sdk:
            for turn in range(ROUNDS):
                token = f"t{number}-{turn}"
                made = sdk(
                    "ecs", "CreateNetworkInterface", VSwitchId="vsw-h", SecurityGroupId="sg-1", ClientToken=token
                )
                eni = made["NetworkInterfaceId"]
                asked = {"NetworkInterfaceId": eni, "SecondaryPrivateIpAddressCount": 5}
                given = sdk("ecs", "AssignPrivateIpAddresses", **asked)["AssignedPrivateIpAddressesSet"]
                addresses = given["PrivateIpSet"]["PrivateIpAddress"]
                assert len(addresses) == 5
                sdk("ecs", "UnassignPrivateIpAddresses", NetworkInterfaceId=eni, PrivateIpAddress=addresses[:3])
                if turn % 2:
                    sdk("ecs", "DeleteNetworkInterface", NetworkInterfaceId=eni)
        done.append(number)

    with Server(emulator, listen()) as server:
        threads = [threading.Thread(target=work, args=(server.endpoint, number)) for number in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert sorted(done) == list(range(THREADS))
    assert emulator.violations() == []
    assert emulator.log.counts["ecs:CreateNetworkInterface"] == THREADS * ROUNDS
    mine = [eni for eni in emulator.enis() if eni.status == "Available"]
    assert len(mine) == THREADS * ROUNDS / 2
    assert {len(eni.secondary) for eni in mine} == {2}


def test_the_same_token_from_many_threads_at_once_makes_one_eni(emulator, server):
    made = []

    def work():
        with closing(Sdk(server.endpoint)) as sdk:
            answer = sdk("ecs", "CreateNetworkInterface", VSwitchId="vsw-h", SecurityGroupId="sg-1", ClientToken="same")
            made.append(answer["NetworkInterfaceId"])

    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert (len(made), len(set(made))) == (THREADS, 1)
    assert len(emulator.enis()) == 6


def test_a_change_ends_by_the_real_clock_without_a_call(site):
    recorder = Recorder()
    told = threading.Event()
    recorder.on_attached = lambda instance, eni: told.set()
    pace = Pace(attach=Delay(seconds=0.1))
    emulator = Emulator(site.model_copy(update={"pace": pace}), observer=recorder)
    with Server(emulator, listen()) as server, closing(Sdk(server.endpoint)) as sdk:
        eni = sdk("ecs", "CreateNetworkInterface", VSwitchId="vsw-h", SecurityGroupId="sg-1")["NetworkInterfaceId"]
        sdk("ecs", "AttachNetworkInterface", InstanceId="i-1", NetworkInterfaceId=eni)
        assert not told.is_set()
        assert told.wait(10)
    assert emulator.log.total == 2


def test_closing_ends_connections_that_wait(emulator):
    server = Server(emulator, listen())
    server.start()
    connection = http.client.HTTPConnection(server.endpoint, timeout=5)
    connection.request("GET", "/nowhere")
    assert connection.getresponse().read()
    begun = time.monotonic()
    server.close()
    assert time.monotonic() - begun < 5
    assert connection.sock.recv(1) == b"", "the open connection was cut"
    connection.close()
    assert not is_served(server)


def test_a_server_that_never_started_closes_its_socket(emulator):
    server = Server(emulator, listen())
    assert is_served(server), "the kernel takes connections already"
    server.close()
    assert not is_served(server)


FORGETFUL = """
import http.client
from terway_edge.testing.openapi import Emulator, Server, example_site, listen
server = Server(Emulator(example_site()), listen())
server.start()
connection = http.client.HTTPConnection(server.endpoint)
connection.request("GET", "/latest/meta-data/")
print(connection.getresponse().status)
"""


def test_a_server_that_nobody_closes_keeps_no_process_alive():
    done = subprocess.run([sys.executable, "-c", FORGETFUL], capture_output=True, text=True, check=False, timeout=30)
    assert (done.returncode, done.stdout) == (0, "404\n")


def is_served(server):
    host, port = server.endpoint.split(":")
    with socket.socket() as connection:
        return connection.connect_ex((host, int(port))) == 0


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"POST /elsewhere HTTP/1.1\r\nHost: x\r\n\r\n", b"404"),
        (b"PUT / HTTP/1.1\r\nHost: x\r\n\r\n", b"404"),
        (b"DELETE / HTTP/1.1\r\nHost: x\r\n\r\n", b"501"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n", b"400"),
        (b"nonsense\r\n\r\n", b"400"),
        (b"POST /?%ff=%fe&Action=%00 HTTP/1.1\r\nHost: x\r\n\r\n", b"400"),
    ],
)
def test_requests_that_are_none(server, sdk, data, status):
    assert status in raw(server, data).split(b"\r\n")[0]
    assert sdk("ecs", "DescribeInstances")["TotalCount"] == 2


def test_a_client_that_leaves_in_the_middle(server, sdk):
    assert raw(server, b"POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\nabc").startswith(b"HTTP/1.1 400")
    assert raw(server, b"") == b""
    assert sdk("ecs", "DescribeInstances")["TotalCount"] == 2


def test_ipv6(emulator):
    with Server(emulator, listen("::1")) as server, closing(Sdk(server.endpoint)) as sdk:
        assert server.endpoint.startswith("[::1]:")
        assert sdk("ecs", "DescribeInstances")["TotalCount"] == 2


@pytest.mark.root
def test_a_listener_in_another_network_namespace(emulator):
    """Its client and its socket are there, the emulator is here; metadata goes by the client's address."""
    name = f"te-openapi-{os.getpid()}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        for command in (
            "link set lo up",
            "address add 192.168.0.11/32 dev lo",
            "address add 100.100.100.200/32 dev lo",
        ):
            subprocess.run(["ip", "-n", name, *command.split()], check=True)
        descriptor = os.open(f"/run/netns/{name}", os.O_RDONLY)
        listening = inside(descriptor, lambda: listen("100.100.100.200", 80))
        os.close(descriptor)
        with Server(emulator, listening):
            ask = "import socket, sys; s = socket.create_connection(('100.100.100.200', 80), 5, ('192.168.0.11', 0)); "
            ask += "s.sendall(b'GET /latest/meta-data/instance-id HTTP/1.0\\r\\n\\r\\n'); print(s.recv(999).decode())"
            command = ["ip", "netns", "exec", name, sys.executable, "-c", ask]
            done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
        assert done.stdout.strip().endswith("i-1")
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=True)
