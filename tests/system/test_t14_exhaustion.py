"""T14: more pods than addresses: the first ones are served, the others are told which pool has no more, at once."""

import os
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.system.machine import node_manifest
from tests.system.reboots import leases, usage

pytestmark = [pytest.mark.root, pytest.mark.slow]

FULL = os.environ.get("TERWAY_EDGE_FULL") == "1"
CIDR = "10.64.1.0/24" if FULL else "10.64.1.0/29"
EXTRA = 50
QUIET = 10.0 if FULL else 1.5  # seconds of watching an agent that has nothing to do


def cpu_seconds(machine):
    fields = (machine.process_directory() / "stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def lines(machine):
    return len(machine.log.read_bytes().splitlines())


def test_t14_exactly_as_many_pods_as_addresses(stopped):
    machine = stopped
    machine.settings["ipam"] = {"cooldown_seconds": 0}
    machine.write("n1", node_manifest("n1", "192.0.2.10", CIDR))
    machine.start()
    room = usage(machine)["free"]
    pods = [machine.new_pod() for _ in range(room)]
    spare = machine.new_pod()

    def add(number):
        began = time.monotonic()
        netns, container = (pods[number], f"c{number}") if number < room else (spare, f"extra{number}")
        return *machine.cni("ADD", netns, container=container), time.monotonic() - began

    with ThreadPoolExecutor(8) as runtime:
        assert {status for status, *_ in runtime.map(add, range(room))} == {0}
        told = lines(machine)
        refused = list(runtime.map(add, range(room, room + EXTRA)))
    for status, error, seconds in refused:
        assert (status, error["code"], error["details"]) == (1, 11, "pool exhausted")
        assert f"pool {CIDR}: all {room} addresses are in use" in error["msg"]
        assert seconds <= 5.0
    assert lines(machine) - told <= EXTRA + 2, "a line for each of them"
    assert len(set(leases(machine).values())) == room
    assert usage(machine)["free"] == 0
    assert machine.cni("STATUS", spare) == (0, None), "no free address is no reason to take no pods"

    told, used = lines(machine), cpu_seconds(machine)
    time.sleep(QUIET)  # this is the time that it is watched for, not a wait for something
    assert lines(machine) - told <= QUIET
    assert cpu_seconds(machine) - used <= QUIET / 10

    status, error = machine.cni("DEL", pods[0], container="c0")
    assert status == 0, error
    assert add(room)[0] == 0, "the next one is served"
    assert add(room + 1)[0] == 1
