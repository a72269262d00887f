"""Who wants which sysctls: the last word of each counts, and none is asked for twice."""

from __future__ import annotations

from terway_edge.core.node_settings import NodeSettings
from terway_edge.core.plans import Sysctl

FORWARD, FILTER = Sysctl("ipv4/ip_forward", "1"), Sysctl("ipv4/conf/eth1/rp_filter", "0")
ADVERTS = Sysctl("ipv6/conf/eth0/accept_ra", "2", when="1")


def test_each_says_all_that_it_wants_every_time() -> None:
    settings = NodeSettings()
    settings.want("one", iter([FORWARD, FILTER]))
    settings.want("other", [ADVERTS, FORWARD])
    assert settings.all() == [FORWARD, FILTER, ADVERTS]
    settings.want("one", [FILTER])
    assert (settings.of("one"), settings.all()) == ((FILTER,), [FILTER, ADVERTS, FORWARD])


def test_who_dropped_out_or_never_came_wants_nothing() -> None:
    settings = NodeSettings()
    settings.want("one", [FORWARD])
    for owner in ("one", "one", "other"):
        settings.drop(owner)
    assert (settings.of("one"), settings.all()) == ((), [])
