"""Who undoes the same thing every minute is mended at once each time, and told in the end."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from terway_edge.agent.mending import TABLES
from terway_edge.core.addresses import Prefix
from terway_edge.core.drift import LULL, PERSISTENT, WINDOW
from terway_edge.core.plans import LinkSetting, Sysctl
from terway_edge.core.ports import Happening, KernelEvent, Masquerade
from tests.agent.rig import Rig
from tests.agent.test_repair import host_neighbour, host_route

PATH = "ipv4/conf/up0/forwarding"


DEEDS: dict[str, Callable[[Rig], object]] = {
    "route to 10.0.0.1/32": lambda rig: rig.kernel.foreign_remove(host_route(rig, "c1")),
    "neighbour entry for 10.0.0.1": lambda rig: rig.kernel.foreign_remove(host_neighbour(rig, "c1")),
    "link": lambda rig: rig.kernel.foreign_replace(LinkSetting(rig.link("c1").ifindex, mac=b"\2\0\0\0\0\7")),
    f"setting {PATH}": lambda rig: rig.kernel.foreign_replace(Sysctl(PATH, "0")),
    TABLES: lambda rig: rig.firewall.flush(),
}


@pytest.fixture
def rig() -> Rig:
    made = Rig()
    made.firewall.set_masquerade(Masquerade((Prefix.parse("10.0.0.0/28"),)))
    made.firewall.watch(made.mending.note_tables)
    made.add("c1")
    return made


@pytest.mark.parametrize("what", DEEDS)
def test_one_deed_a_minute_is_a_fight_after_twenty(rig: Rig, what: str) -> None:
    whole = rig.kernel.snapshot()
    for _ in range(PERSISTENT):
        rig.repair.audit()
        assert rig.conditions.all() == ()
        DEEDS[what](rig)
        assert rig.kernel.snapshot() == whole
        assert rig.firewall.masquerade is not None
        rig.clock.advance(WINDOW)
    rig.repair.audit()
    (told,) = rig.conditions.all()
    assert told.reason == "DatapathFight"
    assert told.subject.startswith(what)
    rig.clock.advance(LULL)
    rig.repair.audit()
    assert rig.conditions.all() == ()


def test_events_about_what_is_there_are_none(rig: Rig) -> None:
    """The kernel tells what goes with a pod's link, and not that it was us who removed that; the address may be another
    pod's by then."""
    for _ in range(2 * PERSISTENT):
        rig.repair.on_event(KernelEvent(Happening.ROUTE_REMOVED, host_route(rig, "c1")))
        rig.repair.on_event(KernelEvent(Happening.NEIGHBOUR_REMOVED, host_neighbour(rig, "c1")))
        rig.clock.advance(WINDOW)
        rig.repair.audit()
        assert rig.conditions.all() == ()
