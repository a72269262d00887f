"""What a running ping lost, and when."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terway_edge.lab.lans import lab_node
from terway_edge.lab.layout import Layout
from terway_edge.lab.pods import LabPod
from terway_edge.lab.processes import Processes
from terway_edge.lab.streams import Packet, Stream, between, packets
from terway_edge.lab.topology import build

OUTPUT = """PING 10.64.4.1 (10.64.4.1) 56(84) bytes of data.
[1764237600.000000] 64 bytes from 10.64.4.1: icmp_seq=1 ttl=59 time=0.102 ms
[1764237600.020000] 64 bytes from 10.64.4.1: icmp_seq=2 ttl=59 time=0.102 ms
From 10.64.1.1 icmp_seq=3 Destination Host Unreachable
[1764237600.080000] 64 bytes from 10.64.4.1: icmp_seq=5 ttl=59 time=0.102 ms

--- 10.64.4.1 ping statistics ---
6 packets transmitted, 3 received, +1 errors, 50% packet loss, time 120ms
"""
START = 1764237600.0


def test_lost_packets_get_the_time_between_their_neighbours() -> None:
    found = packets(OUTPUT)
    assert [packet.is_lost for packet in found] == [False, False, True, True, False]
    assert [packet.at - START for packet in found] == pytest.approx([0, 0.02, 0.04, 0.06, 0.08], abs=1e-6)


def test_what_was_on_its_way_at_the_end_is_not_lost() -> None:
    assert len(packets(OUTPUT)) == 5


def test_without_an_answer_there_is_nothing_to_tell() -> None:
    assert packets("PING 10.64.4.1 (10.64.4.1) 56(84) bytes of data.\n") == []


def test_a_packet_belongs_to_the_time_it_was_sent_in() -> None:
    found = [Packet(at, lost) for at, lost in ((1.0, False), (2.0, True), (3.0, True), (4.0, False))]
    assert between(found, 1.0, 3.0) == (2, 1)
    assert between(found, 3.0, 9.0) == (2, 1)
    assert between(found, 9.0, 10.0) == (0, 0)


@given(st.lists(st.booleans(), min_size=1, max_size=60))
def test_every_packet_up_to_the_last_answer_is_counted_once(is_answered: list[bool]) -> None:
    lines = [
        f"[{START + number * 0.02:.6f}] 64 bytes from 10.64.4.1: icmp_seq={number} ttl=59 time=0.1 ms"
        for number, answered in enumerate(is_answered, 1)
        if answered
    ]
    found = packets("\n".join(lines))
    last = max((number for number, answered in enumerate(is_answered, 1) if answered), default=0)
    assert [not packet.is_lost for packet in found] == is_answered[:last]
    assert [packet.at for packet in found] == sorted(packet.at for packet in found)


@pytest.mark.root
def test_a_running_stream_tells_its_answers(layout: Layout, processes: Processes) -> None:
    nodes = [lab_node(layout, index) for index in (1, 2)]
    build(nodes, processes)
    pods = [LabPod(node, 1, node.netns, "", "") for node in nodes]
    for pod in pods:
        pod.result = {"ips": [{"address": address} for address in pod.node.addresses]}
    streams = [Stream(pods[0], pods[1], family, layout.root, processes) for family in (4, 6)]
    try:
        while min(stream.answered for stream in streams) < 5:
            time.sleep(0.005)
    finally:
        found = [stream.stop() for stream in streams]
    assert [sum(packet.is_lost for packet in each) for each in found] == [0, 0]
    assert min(map(len, found)) >= 5
    assert str(streams[1]) == "pod-1-1 -> pod-2-1 (IPv6)"
