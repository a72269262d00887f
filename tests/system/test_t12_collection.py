"""T12: GC by the real shim: what is listed stays, what is not goes, and no list at all frees nobody."""

import json
import time

import pytest

from tests.system.crashes import Crashes
from tests.system.machine import CONF, until

pytestmark = [pytest.mark.root, pytest.mark.slow]

BUDGET = 20.0  # seconds
MANY = 10_000
KEY = "cni.dev/valid-attachments"


@pytest.fixture
def crashes(tmp_path):
    made = Crashes(tmp_path)
    try:
        made.machine.start()
        yield made
    finally:
        made.close()


def collect(machine, conf=CONF, **keys):
    """(code, message) of a GC, (0, "") if it succeeded; it never takes longer than it may."""
    began = time.monotonic()
    environ = dict.fromkeys(("CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_ARGS"), "")
    status, error = machine.cni("GC", "", conf=json.dumps({**json.loads(conf), **keys}), **environ)
    assert time.monotonic() - began < BUDGET
    return (0, "") if status == 0 else (error["code"], error["msg"])


def entries(*pods):
    return [{"containerID": pod, "ifname": "eth0"} for pod in pods]


def test_t12_only_what_a_list_leaves_out_goes(crashes):
    machine = crashes.machine
    pods = [machine.new_pod() for _ in range(4)]
    assert all(map(crashes.add, pods))
    whole = dict(crashes.books)
    unknown = entries(*(f"unknown-{number}" for number in range(MANY)))
    for keys, code in (
        ({}, 7),
        ({KEY: {}}, 7),
        ({KEY: [{"containerID": pods[0]}]}, 7),
        ({KEY: [None]}, 7),
        ({KEY: [], "name": "another-network"}, 0),
        ({KEY: None, "name": "another-network"}, 0),
        ({KEY: entries(*pods)}, 0),
        ({KEY: unknown + entries(*pods), "cni.dev/attachments": []}, 0),
        ({"cni.dev/attachments": entries(*pods)}, 0),
    ):
        assert collect(machine, **keys)[0] == code, list(keys)
        assert crashes.leases() == whole
    crashes.assert_whole()
    assert collect(machine, **{KEY: unknown + entries(*pods[:3])}) == (0, "")
    crashes.books.pop(pods[3])
    crashes.assert_whole()


def test_t12_null_and_an_empty_list_mean_that_nobody_is_left(crashes):
    machine = crashes.machine
    for empty in (None, []):
        assert all(crashes.add(machine.new_pod()) for _ in range(2))
        assert collect(machine, **{KEY: empty}) == (0, "")
        crashes.books.clear()
        crashes.assert_whole()


def test_t12_an_error_in_the_middle_stops_nothing_else_and_is_told(crashes):
    machine = crashes.machine
    pods = [machine.new_pod() for _ in range(5)]
    assert all(map(crashes.add, pods))
    crashes.points.write("store.append.before EIO 3")
    code, told = collect(machine, **{KEY: entries(pods[0])})
    crashes.points.write()
    assert code == 105
    assert "1 attachments could not be collected" in told
    left = crashes.leases()
    assert pods[0] in left
    assert len(left) == 2
    assert collect(machine, **{KEY: entries(pods[0])}) == (0, "")
    crashes.books = {pods[0]: crashes.books[pods[0]]}
    until(lambda: len(machine.links()) == 1, "the links are unplugged")
    crashes.assert_whole()
