"""Echo requests of pods: one that is lost is a complaint, unless the act was allowed to take it."""

import contextlib
import os
import subprocess
import time

import pytest

from terway_edge.torture.books import Books
from terway_edge.torture.voices import ECHO_REPLY, HEADER, PERIOD, Voices, answered, request

NODE, POD = f"twt-{os.getpid()}-voices", f"twt-{os.getpid()}-voices-p1"
MAC = "02:00:00:00:00:01"  # of the node's end


def ip(*lines, netns=NODE):
    subprocess.run(["ip", "-n", netns, "-batch", "-"], input="\n".join(lines), text=True, check=True)


@pytest.fixture
def pod():
    """A sandbox whose link leads to a node at 192.0.2.1."""
    for name in (NODE, POD):
        subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        ip(f"link add pod address {MAC} type veth peer name eth0 netns {POD}", "addr add 192.0.2.1/24 dev pod")
        ip("link set pod up")
        # A pod's gateway is known for good; otherwise requests would wait for its MAC until the link is up again.
        gateway = f"neigh add 192.0.2.1 lladdr {MAC} dev eth0 nud permanent"
        ip("addr add 192.0.2.2/24 dev eth0", "link set eth0 up", gateway, netns=POD)
        made = Books(f"twt-{os.getpid()}-voices").new_pod()
        made.addresses = frozenset(["192.0.2.2"])
        assert made.netns == POD
        yield made
    finally:
        for name in (NODE, POD):
            subprocess.run(["ip", "netns", "delete", name], check=False)


@pytest.fixture
def voices():
    with contextlib.closing(Voices("192.0.2.1")) as made:
        yield made


def hold_back(seconds):
    """The node's end of the link is down for so long."""
    ip("link set pod down")
    time.sleep(seconds)
    ip("link set pod up")


@pytest.mark.root
@pytest.mark.slow
def test_lost_requests_are_told_unless_the_act_took_them(pod, voices):
    assert voices.judge([pod], were_touched=False) == []
    hold_back(3 * PERIOD)
    [complaint] = voices.judge([pod], were_touched=False)
    assert "pod-1 lost" in complaint
    assert "192.0.2.2" in complaint
    hold_back(3 * PERIOD)
    assert voices.judge([pod], were_touched=True) == []
    assert voices.judge([pod], were_touched=False) == []


@pytest.mark.root
@pytest.mark.slow
def test_a_pod_that_is_not_heard_is_told_whatever_the_act(pod, voices):
    assert voices.judge([pod], were_touched=False) == []
    ip("link set pod down")
    assert voices.judge([pod], were_touched=True) == ["pod-1 does not reach its node from 192.0.2.2"]


@pytest.mark.root
def test_a_pod_that_went_has_no_voice_and_keeps_no_namespace(pod, voices):
    assert voices.judge([pod], were_touched=False) == []
    voices.hush(pod)
    subprocess.run(["ip", "netns", "delete", POD], check=True)
    assert voices.judge([], were_touched=False) == []
    deadline = time.monotonic() + 5
    while subprocess.run(["ip", "-n", NODE, "link", "show", "pod"], capture_output=True, check=False).returncode == 0:
        assert time.monotonic() < deadline, "the namespace lives on"
        time.sleep(0.01)


def test_the_checksum_of_a_request_is_right():
    for identifier, number in ((0, 0), (0xFFFF, 0xFFFF), (0x1234, 7)):
        words = [request(identifier, number)[at : at + 2] for at in range(0, 8, 2)]
        total = sum(map(int.from_bytes, words))
        while total >> 16:
            total = (total >> 16) + (total & 0xFFFF)
        assert total == 0xFFFF


def test_only_an_answer_to_oneself_is_one():
    packet = bytes([0x45]) + bytes(19)
    assert answered(packet + HEADER.pack(ECHO_REPLY, 0, 0, 7, 3), 7) == 3
    assert answered(packet + HEADER.pack(ECHO_REPLY, 0, 0, 8, 3), 7) == -1
    assert answered(packet + request(7, 3), 7) == -1
