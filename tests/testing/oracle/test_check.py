"""The oracle itself: it is silent about a sound picture, and each damage is told by the invariant that it breaks."""

from dataclasses import replace

import pytest

from terway_edge.core.names import link_alias, link_macs, link_name
from terway_edge.testing.oracle import (
    HostRoute,
    Neighbour,
    Picture,
    PodLink,
    PodRule,
    PoolBook,
    Reuse,
    Sight,
    Source,
    check,
)

ONE, TWO, GONE = ("c1", "eth0"), ("c2", "eth0"), ("c3", "eth0")
BOOK = {ONE: frozenset({"10.0.0.2", "fd00::2"}), TWO: frozenset({"10.0.0.3", "fd00::3"})}
TABLE = 1007
CLOUD = dict.fromkeys(("10.0.0.2", "fd00::2", "10.0.0.3", "fd00::3", "10.0.0.4"), TABLE)


def sight(book=None):
    """A kernel in which all of the leases is as it should be."""
    pairs = [(key, address) for key, held in (book or BOOK).items() for address in held]
    return Sight(
        frozenset(PodLink(link_name(key), link_alias(key), True) for key in (book or BOOK)),
        frozenset(HostRoute(address, link_name(key)) for key, address in pairs),
        frozenset(Neighbour(address, link_name(key), link_macs(key)[1].hex(":")) for key, address in pairs),
        frozenset(rule for _, address in pairs for rule in rules(address)),
        frozenset(Source(address, link_name(key), link_macs(key)[1].hex(":")) for key, address in pairs),
        forwards=frozenset({"10.0.0.2", "fd00::2"}),
        tracked=frozenset({"10.0.0.3"}),
        settings={"ip_forward": "1", f"{link_name(ONE)}/rp_filter": "0", "lo/rp_filter": "1"},
    )


def rules(address):
    return PodRule(512, False, address, 254), PodRule(2048, True, address, TABLE)


def picture(**changes):
    """Everything that can be looked at, and nothing wrong, but for `changes`."""
    sound = Picture(
        live=BOOK,
        leases=BOOK,
        inside=BOOK,
        replayed=BOOK,
        sight=sight(),
        ported=frozenset({ONE}),
        is_guarded=True,
        pools={"four": PoolBook(8, 2, 2, 1, 3), "six": PoolBook(8, 3, 2, 0, 1, 2)},
        owned=frozenset({"10.0.0.0/28"}),
        advertised=frozenset({"10.0.0.0/28"}),
        reuses=(Reuse("10.0.0.2", GONE, ONE, 30.5),),
        cooldown=30.0,
        cloud=CLOUD,
    )
    return replace(sound, **changes)


def found(picture):
    return [(breach.invariant, breach.subject) for breach in check(picture)]


def test_a_sound_picture_has_no_breach():
    assert check(picture()) == []


def test_what_was_not_looked_at_is_not_judged():
    assert check(Picture(live=BOOK, leases=BOOK)) == []


def test_a_breach_says_what_is_wrong_and_where_to_look():
    [breach] = check(picture(reuses=(Reuse("10.0.0.2", GONE, ONE, 29.0),)))
    assert str(breach) == "I7 10.0.0.2: c1/eth0 got it 29.00 s after c3/eth0; the cool-down is 30 s"


# --- each invariant, damaged --------------------------------------------------------------------------------------

DOUBLE = {**BOOK, TWO: frozenset({"10.0.0.2", "fd00::3"})}
LESS = {ONE: BOOK[ONE]}
MORE = {**BOOK, GONE: frozenset({"10.0.0.4"})}


def linked(**fields):
    one = PodLink(link_name(ONE), link_alias(ONE), True)
    return sight()._replace(links=sight().links - {one} | {one._replace(**fields)})


def added(part, *items):
    return sight()._replace(**{part: getattr(sight(), part) | set(items)})


def lost(part, *items):
    return sight()._replace(**{part: getattr(sight(), part) - set(items)})


STRANGER = PodLink(link_name(GONE), link_alias(GONE), True)
OTHERS_MAC = Neighbour("10.0.0.2", link_name(ONE), link_macs(TWO)[1].hex(":"))
OWN_ENTRY = Neighbour("10.0.0.2", link_name(ONE), link_macs(ONE)[1].hex(":"))

DAMAGES = {
    "the agent leases one address twice": ("I1", {"leases": DOUBLE}),
    "two pods were told one address": ("I1", {"live": DOUBLE}),
    "two pods have one address inside": ("I1", {"inside": DOUBLE}),
    "the store has two owners": ("I1", {"replayed": DOUBLE}),
    "two links have a route to one address": ("I1", {"sight": added("routes", HostRoute("10.0.0.2", link_name(TWO)))}),
    "a live pod has no lease": ("I2", {"leases": LESS}),
    "a live pod leases something else": ("I2", {"leases": {**BOOK, TWO: frozenset({"10.0.0.4"})}}),
    "a live pod leases less": ("I2", {"leases": {**BOOK, TWO: frozenset({"10.0.0.3"})}}),
    "a pod lacks an address inside": ("I2", {"inside": {**BOOK, TWO: frozenset({"10.0.0.3"})}}),
    "a pod's namespace is gone": ("I2", {"inside": LESS}),
    "a host link is missing": ("I2", {"sight": lost("links", PodLink(link_name(ONE), link_alias(ONE), True))}),
    "a host link is down": ("I2", {"sight": linked(up=False)}),
    "a host link is somebody else's": ("I2", {"sight": linked(alias="something else")}),
    "a pod's route is missing": ("I2", {"sight": lost("routes", HostRoute("fd00::2", link_name(ONE)))}),
    "a neighbour entry is missing": ("I2", {"sight": lost("neighbours", OWN_ENTRY)}),
    "a neighbour entry has another MAC": (
        "I2",
        {"sight": sight()._replace(neighbours=sight().neighbours - {OWN_ENTRY} | {OTHERS_MAC})},
    ),
    "a rule is missing": ("I2", {"sight": lost("rules", PodRule(512, False, "10.0.0.2", 254))}),
    "a rule leads to another ENI": ("I2", {"cloud": {**CLOUD, "10.0.0.2": 1008}}),
    "a pod may not send": ("I2", {"sight": lost("sources", Source(*OWN_ENTRY))}),
    "nobody looks at who sends": ("I2", {"sight": sight()._replace(sources=frozenset())}),
    "the node does not forward": ("I2", {"sight": sight()._replace(settings={"ip_forward": "0"})}),
    "a pod's link asks for the way back": (
        "I2",
        {"sight": sight()._replace(settings={f"{link_name(TWO)}/rp_filter": "1"})},
    ),
    "a port of the node is closed": ("I2", {"sight": lost("forwards", "10.0.0.2")}),
    "a lease of no pod": ("I3", {"leases": MORE}),
    "a link of no lease": ("I4", {"sight": added("links", STRANGER)}),
    "a link without an alias": ("I4", {"sight": added("links", STRANGER._replace(alias=""))}),
    "a route of no lease": ("I4", {"sight": added("routes", HostRoute("10.0.0.4", link_name(ONE)))}),
    "a neighbour entry of no lease": ("I4", {"sight": added("neighbours", Neighbour("10.0.0.4", "tw0", "02:00"))}),
    "a permission to send of no lease": ("I4", {"sight": added("sources", Source("10.0.0.4", "tw0", "02:00"))}),
    "a permission for another MAC": (
        "I4",
        {"sight": added("sources", Source("10.0.0.2", link_name(ONE), link_macs(TWO)[1].hex(":")))},
    ),
    "a second rule with another table": ("I4", {"sight": added("rules", PodRule(2048, True, "10.0.0.2", 1008))}),
    "a port of the node that its pod did not want": ("I4", {"sight": added("forwards", "10.0.0.3")}),
    "a rule of no lease": ("I4", {"sight": added("rules", PodRule(512, False, "10.0.0.4", 254))}),
    "a port of the node leads nowhere": ("I4", {"sight": added("forwards", "10.0.0.4")}),
    "a connection of a dead pod": ("I4", {"sight": added("tracked", "10.0.0.4")}),
    "a pool does not add up": ("I5", {"pools": {"four": PoolBook(8, 3, 2, 1, 3)}}),
    "a pool has a negative count": ("I5", {"pools": {"four": PoolBook(8, 8, -1, 0, 1)}}),
    "used addresses are nobody's": ("I5", {"pools": {"four": PoolBook(8, 1, 5, 0, 2)}}),
    "something foreign is advertised": ("I6", {"advertised": frozenset({"10.0.0.0/28", "0.0.0.0/0"})}),
    "something of ours is not advertised": ("I6", {"advertised": frozenset()}),
    "the cloud has taken a leased address": ("I6", {"cloud": {a: t for a, t in CLOUD.items() if a != "fd00::3"}}),
    "an address was not rested": ("I7", {"reuses": (Reuse("10.0.0.2", GONE, ONE, 29.9),)}),
    "the store is damaged": ("I8", {"damage": "line 3: no checksum"}),
    "the store has less": ("I8", {"replayed": LESS}),
    "the store has more": ("I8", {"replayed": MORE}),
    "the store has another address": ("I8", {"replayed": {**BOOK, TWO: frozenset({"10.0.0.4"})}}),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_picture_is_flagged_by_its_invariant(damage):
    invariant, changes = DAMAGES[damage]
    assert invariant in {each for each, _ in found(picture(**changes))}


def test_every_invariant_has_a_damage():
    assert {invariant for invariant, _ in DAMAGES.values()} == {f"I{number}" for number in range(1, 9)}


def test_of_an_address_that_the_cloud_has_taken_only_that_is_told():
    taken = picture(cloud={address: table for address, table in CLOUD.items() if address != "fd00::3"})
    assert found(taken) == [("I6", "fd00::3")]


# --- what is allowed ----------------------------------------------------------------------------------------------


def test_an_attachment_nobody_saw_end_may_have_a_lease_or_none():
    for leases in (BOOK, LESS):
        seen = sight(leases)._replace(forwards=frozenset({"10.0.0.2", "fd00::2"}), tracked=frozenset())
        changes = {"leases": leases, "replayed": leases, "sight": seen, "pools": {}, "inside": LESS}
        assert found(picture(live=LESS, unsure=frozenset({TWO}), **changes)) == []


def test_a_pod_whose_namespace_is_gone_may_lack_its_datapath():
    seen = sight(LESS)._replace(tracked=frozenset())
    assert found(picture(partial=frozenset({TWO}), sight=seen)) == []


def test_a_link_with_a_name_like_ours_and_another_alias_is_no_orphan():
    foreign = PodLink(link_name(GONE), "of another program", True)
    assert found(picture(sight=added("links", foreign))) == []


def test_an_address_that_rested_exactly_for_the_cool_down_may_be_used():
    assert found(picture(reuses=(Reuse("10.0.0.2", GONE, ONE, 30.0),))) == []
