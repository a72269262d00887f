"""Reading ping(8), and the choice of who pings whom."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from terway_edge.lab.pings import End, Ping, matrix, parse

PING = Ping(End("a", "", ("192.0.2.1", "")), End("b", "", ("192.0.2.2", "2001:db8::2")), 4)

ALL_BACK = """PING 192.0.2.2 (192.0.2.2) 56(84) bytes of data.
64 bytes from 192.0.2.2: icmp_seq=1 ttl=62 time=0.102 ms
64 bytes from 192.0.2.2: icmp_seq=2 ttl=62 time=0.055 ms

--- 192.0.2.2 ping statistics ---
2 packets transmitted, 2 received, 0% packet loss, time 20ms
rtt min/avg/max/mdev = 0.055/0.078/0.102/0.023 ms
"""
UNREACHABLE = """PING 192.0.2.2 (192.0.2.2) 56(84) bytes of data.
From 192.0.2.1 icmp_seq=1 Destination Host Unreachable

--- 192.0.2.2 ping statistics ---
2 packets transmitted, 0 received, +1 errors, 100% packet loss, time 20ms
"""
ONE_BACK = """--- 192.0.2.2 ping statistics ---
2 packets transmitted, 1 received, 50% packet loss, time 20ms
rtt min/avg/max/mdev = 0.055/0.055/0.055/0.000 ms
"""


def test_all_answers() -> None:
    answer = parse(PING, 0, ALL_BACK, "")
    assert (answer.sent, answer.lost, answer.milliseconds, answer.why) == (2, 0, 0.078, "")


def test_unreachable_names_who_said_so() -> None:
    answer = parse(PING, 1, UNREACHABLE, "")
    assert (answer.sent, answer.lost) == (2, 2)
    assert answer.why == "From 192.0.2.1 icmp_seq=1 Destination Host Unreachable"


def test_one_of_two() -> None:
    answer = parse(PING, 0, ONE_BACK, "")
    assert (answer.sent, answer.lost, answer.why) == (2, 1, "no answer")


def test_no_summary_counts_every_request_as_lost() -> None:
    answer = parse(PING, 2, "", "ping: connect: Network is unreachable\n")
    assert (answer.sent, answer.lost) == (2, 2)
    assert answer.why == "ping: connect: Network is unreachable"


def test_the_address_follows_the_family() -> None:
    assert [PING._replace(family=family).address for family in (4, 6)] == ["192.0.2.2", "2001:db8::2"]


@given(nodes=st.integers(1, 4), pods=st.integers(1, 6), hosts=st.integers(0, 2))
def test_every_pair_once_per_family(nodes: int, pods: int, hosts: int) -> None:
    node_ends, pod_ends, host_ends = (
        [End(f"{kind}-{n}", "", ("v4", "v6")) for n in range(count)]
        for kind, count in (("node", nodes), ("pod", pods), ("host", hosts))
    )
    pings = matrix(node_ends, pod_ends, host_ends)
    pairs = pods * (pods - 1) + 2 * nodes * pods + 2 * hosts * (nodes + pods) + hosts * (hosts - 1)
    assert len(pings) == len(set(pings)) == 2 * pairs
    assert all(ping.source is not ping.target for ping in pings)
    assert not any(ping.source in node_ends and ping.target in node_ends for ping in pings)


def test_a_family_is_tried_where_both_ends_have_it() -> None:
    dual, v4 = End("pod-1", "", ("192.0.2.1", "2001:db8::1")), End("pod-2", "", ("192.0.2.2", ""))
    assert [(p.source.name, p.family) for p in matrix([], [dual, v4])] == [("pod-1", 4), ("pod-2", 4)]
