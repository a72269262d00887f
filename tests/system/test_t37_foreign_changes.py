"""T37 on an edge node: what somebody else does to settings, tables, links and neighbours is put right within a second;
what gives no event, by the next comparison; and pods reach each other and the world as before."""

import re
import time
from pathlib import Path

import pytest

from terway_edge.core.drift import BURST, TOLERATED
from tests.system.machine import Machine, until

pytestmark = [pytest.mark.root, pytest.mark.slow]

EVENT, AUDIT = 1.0, 5.0  # seconds
OTHERS = "add table inet others; add chain inet others c; add rule inet others c counter"


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    made = Machine(tmp_path_factory.mktemp("node"))
    try:
        made.settings["routes"] = {**made.settings["routes"], "resync_seconds": 3600}
        made.start()
        made.pod, made.address = made.add()
        (made.link,) = made.links()
        yield made
    finally:
        made.close()


def sysctl(machine, path, value=None):
    if value is None:
        return machine.enter("cat", f"/proc/sys/net/{path}").stdout.strip()
    return machine.enter("tee", f"/proc/sys/net/{path}", text=value).stdout


def tables(machine):
    """Our tables in any order, without what packets count."""
    listed = [
        machine.enter("nft", "list", "table", family, "terway_edge", check=False).stdout for family in ("inet", "arp")
    ]
    return sorted(re.sub(r"packets \d+ bytes \d+", "", "".join(listed)).splitlines())


def repairs(machine):
    """What the log tells of; to ask the agent takes longer than the repair."""
    told = machine.log.read_text(errors="replace")
    return told.count(", put right") + told.count(", put back")


def within(machine, condition, what, timeout=EVENT):
    """The time of the question itself, which starts a process, is on top."""
    until(condition, f"{what}\n{machine.tail()}", timeout)


@pytest.mark.parametrize(
    ("path", "bad"),
    [
        ("ipv4/ip_forward", "0"),
        ("ipv4/conf/lan0/forwarding", "0"),
        ("ipv4/conf/LINK/forwarding", "0"),
        ("ipv4/conf/LINK/rp_filter", "1"),
    ],
)
def test_t37_a_setting_is_put_right_at_once(shared, path, bad):
    path, before = path.replace("LINK", shared.link), repairs(shared)
    good = sysctl(shared, path)
    sysctl(shared, path, bad)
    within(shared, lambda: sysctl(shared, path) == good, path)
    assert shared.pings(shared.peer, shared.address)
    within(shared, lambda: repairs(shared) > before, "it is counted")


@pytest.mark.parametrize(
    "damage",
    [
        "flush ruleset",
        "delete table inet terway_edge",
        "flush chain inet terway_edge pod_in",
        "flush chain inet terway_edge postrouting",
        "flush set inet terway_edge sources4",
        "delete table arp terway_edge",
        "chain inet terway_edge pod_in { policy drop; }",
        "table inet terway_edge { flags dormant; }",
    ],
)
def test_t37_our_tables_are_put_right_at_once_and_others_left_alone(shared, damage):
    good, before = tables(shared), repairs(shared)
    shared.enter("nft", OTHERS)
    others = shared.enter("nft", "list", "table", "inet", "others").stdout
    shared.enter("nft", damage)
    within(shared, lambda: tables(shared) == good, damage)
    assert shared.pings(shared.pod, "192.0.2.20")
    assert shared.seen_source(shared.pod, "203.0.113.1") == "192.0.2.10", "it is masqueraded"
    within(shared, lambda: repairs(shared) > before, "it is counted")
    if damage != "flush ruleset":
        assert shared.enter("nft", "list", "table", "inet", "others").stdout == others
    shared.enter("nft", "add table inet others; delete table inet others")


@pytest.mark.parametrize("act", ["link set LINK down", "link set LINK address fe:00:00:00:00:07", "neigh flush dev LINK"
                                 " nud permanent", "route flush dev LINK"])  # fmt: skip
def test_t37_a_pods_link_is_put_right_at_once(shared, act):
    def picture():
        show = ("link show dev", "neigh show dev", "route show dev")
        shown = [shared.enter("ip", *words.split(), shared.link).stdout for words in show]
        return sorted(line.split(" state ")[0].strip() for line in "\n".join(shown).splitlines() if "STALE" not in line)

    good, before = picture(), repairs(shared)
    shared.ip(act.replace("LINK", shared.link))
    within(shared, lambda: picture() == good, act)
    assert shared.pings(shared.peer, shared.address)
    within(shared, lambda: repairs(shared) > before, "it is counted")


def test_t37_routes_that_go_in_silence_with_an_address_come_back_with_it(shared):
    """The node's own address is not ours to put back; all that hung on it is."""
    good = shared.routes()
    shared.ip("addr del 192.0.2.10/24 dev lan0")
    shared.ip("addr add 192.0.2.10/24 dev lan0", "route add default via 192.0.2.99")
    within(shared, lambda: shared.routes() == good, "the routes")
    assert shared.pings(shared.peer, shared.address)


def test_t37_what_gives_no_event_is_found_by_comparison(tmp_path: Path):
    machine = Machine(tmp_path)
    try:
        machine.settings["routes"] = {**machine.settings["routes"], "resync_seconds": 1}
        machine.start()
        machine.add()
        (link,) = machine.links()
        paths = [f"ipv4/conf/{link}/accept_redirects", f"ipv6/conf/{link}/accept_ra"]
        for path in paths:
            sysctl(machine, path, "1")
        within(machine, lambda: [sysctl(machine, path) for path in paths] == ["0", "0"], "settings", AUDIT)
        assert machine.ask("status")["repairs"] == {"audit": 2}
    finally:
        machine.close()


def test_t37_a_route_that_a_fight_left_away_is_back_soon_after_it(shared):
    """Long before the next comparison, though nothing happens any more that would be told of."""
    good, undone, away_since = shared.routes(), 0, time.monotonic()
    victim = min(prefix for prefix, words in good.items() if not words.startswith("dev"))
    kind = ["unreachable"] if good[victim].startswith("unreachable") else []
    while time.monotonic() - away_since < 1.0:
        assert undone < 5 * TOLERATED, shared.tail()
        if shared.enter("ip", "route", "del", *kind, victim, "proto", "158", check=False).returncode == 0:
            undone, away_since = undone + 1, time.monotonic()
        time.sleep(1.5 * BURST)  # quicker ones count as one
    assert undone > TOLERATED
    within(shared, lambda: shared.routes() == good, "the route", 10)


def test_t37_a_fight_over_our_tables_is_told_and_left_and_taken_up_again(shared):
    good, undone, before, end = tables(shared), 0, repairs(shared), time.monotonic() + 30
    while "DatapathFight" not in shared.log.read_text(errors="replace"):
        assert time.monotonic() < end, f"undone {undone} times and not told\n{shared.tail()}"
        if tables(shared):
            shared.enter("nft", "flush", "ruleset")
            undone += 1
    assert undone > TOLERATED, "each burst was mended"
    assert repairs(shared) - before > TOLERATED
    within(shared, lambda: tables(shared) == good, "the tables are back when nobody takes them any more", 30)
    (told,) = [each for each in shared.ask("status")["conditions"] if each["reason"] == "DatapathFight"]
    assert told["subject"] == "nftables tables terway_edge"
    assert "nft monitor" in told["message"]
