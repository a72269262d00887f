"""Connections of released addresses go, those of others stay; conntrack(8) is the oracle on Linux."""

from __future__ import annotations

import resource
import socket
import subprocess
import sys
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terway_edge.core.addresses import Address
from terway_edge.core.plumbing import Plumbing
from terway_edge.kernel.conntrack import Conntrack, _identity_of_any
from terway_edge.kernel.netlink import BATCH
from terway_edge.kernel.netns import inside, open_netns
from terway_edge.kernel.reaper import SLICE
from terway_edge.kernel.wire import attribute, nest
from tests.kernel.contract import HOST_LINK, NEAR, POD, address, both_families, plug

OTHER_POD = {4: "10.9.0.50", 6: "2001:db8:9::50"}
SERVICE = "203.0.113.1"
TRACKING = """
table inet tracking {
    chain before { type filter hook prerouting priority 0; ct state new accept; }
    chain out { type filter hook output priority 0; ct state new accept; }
}
table ip services {
    chain out { type nat hook output priority -100; ip daddr 203.0.113.1 dnat to 10.9.0.5; }
}
"""
WITHOUT_NET_ADMIN = """
import logging, sys
from terway_edge.core.addresses import Address
from terway_edge.kernel import LinuxKernel
logging.basicConfig(format="%(levelname)s %(message)s", stream=sys.stdout)
kernel = LinuxKernel(sys.argv[1])
for _ in range(3):
    kernel.forget([Address.parse("10.9.0.5")])
    kernel.settle()
kernel.close()
"""

# --- what every kernel port does -----------------------------------------------------------------------------------


@both_families
def test_connections_of_an_address_go_and_those_of_others_stay(kernel, world, family):
    pod, peer, other = POD[family], NEAR[family], OTHER_POD[family]
    for ends in ((pod, peer), (peer, pod), (pod, other), (other, peer), (peer, other)):
        world.track(*ends)
    kernel.forget([address(pod)])
    kernel.settle()
    assert world.tracked() == {(other, peer), (peer, other)}


def test_connections_of_both_families_go_together(kernel, world):
    for family in (4, 6):
        world.track(POD[family], NEAR[family])
        world.track(OTHER_POD[family], NEAR[family])
    kernel.forget([address(POD[4]), address(POD[6])])
    kernel.settle()
    assert world.tracked() == {(OTHER_POD[family], NEAR[family]) for family in (4, 6)}


def test_an_address_without_connections_is_success(kernel, world, caplog):
    world.track(OTHER_POD[4], NEAR[4])
    kernel.forget([address(POD[4])])
    kernel.forget([])
    kernel.settle()
    assert world.tracked() == {(OTHER_POD[4], NEAR[4])}
    assert caplog.text == ""


# --- Linux ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def tracking(real_world):
    """A world whose host tracks what passes, and translates the address of a service to the pod's."""
    real_world.run("nft", "-f", "-", text=TRACKING)
    return real_world


def udp(world, netns: str = "") -> socket.socket:
    descriptor = open_netns(netns or f"/run/netns/{world._host}")
    with open(descriptor, closefd=True):
        return inside(descriptor, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))


@pytest.mark.root
def test_connections_go_without_settling(tracking, eventually):
    with udp(tracking) as sender:
        sender.sendto(b"x", (NEAR[4], 53))
    assert tracking.tracked() == {("192.0.2.1", NEAR[4])}
    tracking.kernel.forget([address(NEAR[4])])
    eventually(lambda: tracking.tracked() == set())


@pytest.mark.root
def test_a_translated_connection_goes_by_the_address_behind_the_service(tracking):
    plug(tracking.kernel, tracking.create_netns(), POD[4])
    tracking.run("ip", "route", "add", SERVICE, "via", NEAR[4])
    with udp(tracking) as sender:
        sender.sendto(b"x", (SERVICE, 53))
    assert tracking.tracked() == {("192.0.2.1", SERVICE)}
    tracking.kernel.forget([address(POD[4])])
    tracking.kernel.settle()
    assert tracking.tracked() == set()


@pytest.mark.root
def test_a_connection_in_a_zone_goes(real_world):
    real_world.track(POD[4], NEAR[4], zone=7)
    real_world.track(OTHER_POD[4], NEAR[4], zone=7)
    real_world.kernel.forget([address(POD[4])])
    real_world.kernel.settle()
    assert real_world.tracked() == {(OTHER_POD[4], NEAR[4])}


@pytest.mark.root
def test_more_connections_than_fit_in_a_batch_go(tracking, caplog):
    plug(tracking.kernel, tracking.create_netns(), POD[4])
    with udp(tracking) as sender:
        for port in range(1, 2 * BATCH + 2):
            sender.sendto(b"x", (POD[4], port))
        sender.sendto(b"x", (NEAR[4], 53))
    assert tracking.run("conntrack", "-C").strip() == str(2 * BATCH + 2)
    tracking.kernel.forget([address(POD[4])])
    tracking.kernel.settle()
    assert tracking.tracked() == {("192.0.2.1", NEAR[4])}
    assert caplog.text == ""


@pytest.mark.root
def test_a_pod_that_never_stops_sending_leaves_no_connection(tracking):
    """What it sends until its link goes, here after a slice of others, must not start a connection that stays."""
    kernel = tracking.kernel
    netns = [tracking.create_netns() for _ in range(2)]
    held = plug(kernel, netns[0], POD[4])
    plug(kernel, netns[1], OTHER_POD[4], name="c2", index=HOST_LINK + 1)
    stopped, sent = threading.Event(), threading.Event()

    def send() -> None:
        while not stopped.wait(0.0005):
            try:
                sender.sendto(b"x", ("192.0.2.1", 53))
            except OSError:  # the link is gone
                continue
            sent.set()

    with udp(tracking, netns[0]) as sender, udp(tracking, netns[1]) as other:
        other.sendto(b"x", ("192.0.2.1", 53))
        thread = threading.Thread(target=send)
        thread.start()
        try:
            assert sent.wait(2)
            assert tracking.tracked() == {(POD[4], "192.0.2.1"), (OTHER_POD[4], "192.0.2.1")}
            kernel.unplug((f"gone{number}", "eth0") for number in range(SLICE))
            Plumbing(kernel).detach(held)
            kernel.settle()
            assert tracking.tracked() == {(OTHER_POD[4], "192.0.2.1")}
        finally:
            stopped.set()
            thread.join()


@pytest.mark.root
def test_a_kernel_that_refuses_is_told_once_and_is_no_error(real_world):
    real_world.track(POD[4], NEAR[4])
    command = ["setpriv", "--inh-caps=-net_admin", "--bounding-set=-net_admin", sys.executable, "-W", "error", "-c"]
    done = subprocess.run(
        [*command, WITHOUT_NET_ADMIN, f"/run/netns/{real_world._host}"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    (told,) = done.stdout.splitlines()
    assert told.startswith("WARNING connections of released addresses stay")
    assert "EPERM" in told
    assert real_world.tracked() == {(POD[4], NEAR[4])}


@pytest.mark.root
def test_closing_finishes_what_was_asked_for(real_world):
    real_world.track(POD[4], NEAR[4])
    real_world.kernel.forget([address(POD[4])])
    real_world.kernel.close()
    assert real_world.tracked() == set()


def test_a_process_without_descriptors_tells_and_goes_on(caplog):
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))
    try:
        Conntrack(-1).forget([address(POD[4])])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert "connections of 1 released addresses stay" in caplog.text


# --- which entries -------------------------------------------------------------------------------------------------

v4 = st.sampled_from([Address(4, value) for value in (0, 10, 0x0A0A0A0A, 0x2E2A5B7C, 0x0A090005, 0xFFFFFFFF)])
v6 = st.sampled_from([Address(6, value) for value in (0, 0x0A0A0A0A, 0x0A0A0A0A << 96, (1 << 128) - 1)])
ENTRY = {4: b"\x02\0\0\0", 6: b"\x0a\0\0\0"}


@st.composite
def entries(draw: st.DrawFn) -> tuple[tuple[Address, ...], bytes, bytes]:
    """The ends of a connection, how the kernel tells it (or might, some day), and what names it in a request."""
    family = draw(st.sampled_from([4, 6]))
    one = v4 if family == 4 else v6
    ends = draw(st.tuples(one, one, one, one))
    first = 1 if family == 4 else 3
    odd = draw(st.sampled_from(["", "", "reply first", "more inside", "more before", "no reply"]))
    inside = attribute(9, b"more") if odd == "more inside" else b""
    original, reply = [
        nest(kind, nest(1, inside + attribute(first, ends[at].packed), attribute(first + 1, ends[at + 1].packed)))
        for kind, at in ((1, 0), (2, 2))
    ]
    told = {
        "reply first": [reply, original],
        "more before": [attribute(22, bytes(16)), original, reply],
        "no reply": [original],
    }.get(odd, [original, reply])
    identity = attribute(12, b"iden")
    known = ends[:2] if odd == "no reply" else ends
    return known, ENTRY[family] + b"".join(told) + identity, ENTRY[family] + original + identity


@given(st.sets(v4 | v6, min_size=1), entries(), st.booleans())
def test_exactly_the_entries_with_a_released_address_are_named(released, entry, look_alike):
    ends, data, identity = entry
    if look_alike:  # another attribute, such as a label, happens to have the bytes of the addresses
        data += b"".join(attribute(22, one.packed) for one in sorted(released))
    named = _identity_of_any(released)(b"head" + data + b"tail", 4, 4 + len(data))
    assert named == (None if released.isdisjoint(ends) else identity)


def test_a_tuple_between_the_two_is_not_taken_for_the_second():
    original, master, reply = [
        nest(kind, nest(1, attribute(1, bytes((10, 0, 0, last))), attribute(2, bytes((10, 0, 0, last + 1)))))
        for kind, last in ((1, 1), (14, 3), (2, 5))  # 14: the connection that made an expectation of this one
    ]
    data = ENTRY[4] + original + master + reply
    assert _identity_of_any([Address.parse("10.0.0.6")])(data, 0, len(data)) == ENTRY[4] + original
