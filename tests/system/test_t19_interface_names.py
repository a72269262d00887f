"""T19: names that no link may have, or that one has already: an error, and what is there stays as it is."""

import os

import pytest

from terway_edge.core.errors import CONFLICTING_STATE, INVALID_CONFIG, INVALID_ENVIRONMENT
from tests.system.machine import until
from tests.system.pictures import picture

pytestmark = [pytest.mark.root, pytest.mark.slow]

BAD = [
    "", ".", "..", "a/b", "/", "a:b", "eth0:1", "a b", " eth0", "eth0 ", "a\tb", "eth0\n", "eth%d", "%", "eth%s",
    "x" * 16, "x" * 300, "eth\u00e9", "\u4e2d\u6587", "\u202eeth0", "eth\x7f", "eth\x1b", b"eth\xff",
]  # fmt: skip
GOOD = ["e", "net1", "x" * 15, "a.b-c_d@e", "all1", "-", "0", "$(id)"]
TAKEN = {"eth0": "a veth of somebody else", "lo": "the loopback"}


@pytest.fixture
def machine(shared):
    return shared


def test_t19_a_bad_name_makes_no_link(machine):
    pod = machine.new_pod()
    until(lambda: "10.64.2.0/24" in machine.routes(), "the first routes")
    before = picture(machine, pod)
    for name in BAD:
        for command in ("ADD", "CHECK", "DEL"):
            status, error = machine.cni(command, pod, CNI_IFNAME=os.fsencode(name))
            assert (status, error["code"]) == (1, INVALID_ENVIRONMENT), (command, name, error)
            assert "CNI_IFNAME" in error["msg"]
    assert picture(machine, pod) == before


def test_t19_a_name_that_is_taken_stays_whose_it_is(machine):
    def seen():
        return picture(machine, pod, but=["leases.journal"])  # which had a lease, and its end

    pod = machine.new_pod()
    machine.ip("link add eth0 type veth peer name other", "addr add 192.168.7.1/24 dev eth0", netns=pod)
    until(lambda: "10.64.2.0/24" in machine.routes(), "the first routes")
    before = seen()
    for name in TAKEN:
        status, error = machine.cni("ADD", pod, CNI_IFNAME=name)
        assert (status, error["code"]) == (1, INVALID_CONFIG), (name, error)
        assert f"link {name} exists already" in error["msg"]
        assert seen() == before
        assert machine.cni("DEL", pod, CNI_IFNAME=name) == (0, None)
        assert seen() == before, "what is not ours outlives a DEL"


def test_t19_a_second_add_leaves_the_first_as_it_is_and_other_names_are_served(machine):
    pod, address = machine.add()
    before = picture(machine, pod)
    status, error = machine.cni("ADD", pod)
    assert (status, error["code"]) == (1, CONFLICTING_STATE)
    assert picture(machine, pod) == before
    assert machine.pings(machine.peer, address)
    bare = machine.new_pod()
    for name in GOOD:
        status, result = machine.cni("ADD", bare, CNI_IFNAME=name)
        assert status == 0, (name, result)
        assert result["interfaces"][1]["name"] == name
        assert name in machine.enter("ip", "-o", "link", netns=bare).stdout
        assert machine.cni("CHECK", bare, CNI_IFNAME=name) == (0, None)
        assert machine.cni("DEL", bare, CNI_IFNAME=name) == (0, None)
        until(lambda: len(machine.links()) == 1, "the link is unplugged")
