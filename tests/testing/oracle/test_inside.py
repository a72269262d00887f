"""Which addresses a pod has inside, as /proc tells them."""

from terway_edge.testing.oracle.inside import inside, local4, local6

TRIE = """Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     |-- 10.64.4.3
        /32 host LOCAL
     +-- 127.0.0.0/8 2 0 2
        |-- 127.0.0.1
           /32 host LOCAL
     |-- 169.254.1.1
        /32 link UNICAST
"""
SIX = """00000000000000000000000000000001 01 80 10 80       lo
fd000064000000040000000000000003 02 80 00 80     eth0
fe80000000000000a8bbccfffe000001 02 40 20 80     eth0
"""


def test_only_what_others_can_reach_counts():
    assert list(local4(TRIE)) == ["10.64.4.3"]
    assert list(local6(SIX)) == ["fd00:64:0:4::3"]


def test_a_namespace_that_is_gone_has_none():
    assert inside({("c1", "eth0"): "terway-edge-nowhere"}) == {("c1", "eth0"): frozenset()}
