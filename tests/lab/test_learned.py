"""What a switch learned, judged."""

from __future__ import annotations

from terway_edge.lab.lans import lab_lans, lab_node
from terway_edge.lab.layout import Layout
from terway_edge.lab.learned import compare, expected
from terway_edge.lab.routers import RibPath

LAYOUT = Layout("twt")
NEAR, FAR = lab_lans(LAYOUT)


def path(prefix: str, next_hop: str, peer: str = "172.16.0.11", *, valid: bool = True, stale: bool = False) -> RibPath:
    return RibPath(prefix, next_hop, peer, valid, stale)


def test_pods_are_behind_their_node_and_those_of_the_other_lan_behind_the_core() -> None:
    nodes = [lab_node(LAYOUT, index) for index in (1, 4)]
    assert expected(NEAR, [FAR], nodes) == {
        "10.64.1.0/24": "172.16.0.11",
        "fd00:64:0:1::/64": "fd00:18::11",
        "10.64.4.0/24": "172.16.254.1",
        "fd00:64:0:4::/64": "fd00:18:0:fe0::1",
        "fd00:18:0:1::/64": "fd00:18:0:fe0::1",
    }


def test_what_is_wrong_is_told() -> None:
    wanted = {f"10.64.{n}.0/24": "172.16.0.11" for n in (1, 2, 3, 4, 10)}
    paths = [
        path("10.64.1.0/24", "172.16.0.11"),
        path("10.64.2.0/24", "172.16.0.11", valid=False),
        path("10.64.3.0/24", "172.16.0.12"),
        path("10.64.10.0/24", "172.16.0.11"),
        path("10.64.10.0/24", "172.16.0.11", "172.16.0.12", stale=True),
        path("10.99.0.0/16", "172.16.0.11"),
    ]
    rows = compare("switch-a", wanted, paths)
    assert [(row.prefix, row.state) for row in rows] == [
        ("10.64.1.0/24", "ok"),
        ("10.64.2.0/24", "INVALID"),
        ("10.64.3.0/24", "not via 172.16.0.11"),
        ("10.64.4.0/24", "MISSING"),
        ("10.64.10.0/24", "stale"),
        ("10.99.0.0/16", "UNEXPECTED"),
    ]
    assert rows[4].tellers == ("172.16.0.11", "172.16.0.12")
    assert str(rows[0]) == "10.64.1.0/24 via 172.16.0.11"


def test_two_next_hops_are_one_too_many() -> None:
    paths = [path("10.64.1.0/24", "172.16.0.11"), path("10.64.1.0/24", "172.16.0.12", "172.16.0.12")]
    (row,) = compare("switch-a", {"10.64.1.0/24": "172.16.0.11"}, paths)
    assert (row.next_hops, row.state) == (("172.16.0.11", "172.16.0.12"), "not via 172.16.0.11")
