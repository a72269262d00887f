"""Who has which port of the node, and what the firewall is told."""

import errno
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terway_edge.core.addresses import Address, Prefix
from terway_edge.core.errors import Bug, Conflict, KernelError
from terway_edge.core.host_ports import HostPorts, forwards_of, mappings_to, overlap
from terway_edge.core.models import Lease, PortMapping, Sandbox
from terway_edge.core.plans import Rule
from terway_edge.core.ports import Forward
from terway_edge.testing import FakeKernel, MemoryFirewall

POD4, POD6 = Address.parse("10.0.0.5"), Address.parse("fd00::5")
NODE4, NODE6 = Address.parse("192.0.2.10"), Address.parse("2001:db8::10")
ALL4, ALL6 = Address.parse("0.0.0.0"), Address.parse("::")
WEB = PortMapping(8080, 80)


def lease_of(name, *mappings, addresses=(POD4, POD6)):
    return Lease(Sandbox(name, "eth0", pod_namespace="shop", pod_name=name, ports=mappings), addresses, "b", (), 0.0)


class World:
    def __init__(self):
        self.kernel, self.firewall = FakeKernel(), MemoryFirewall()
        self.ports = HostPorts(self.kernel, self.firewall)


@pytest.fixture
def world():
    return World()


def test_a_port_leads_to_every_address_of_the_pod(world):
    world.ports.open(lease_of("web", WEB))
    assert world.firewall.forwards() == {
        Forward("tcp", 8080, None, POD4, 80),
        Forward("tcp", 8080, None, POD6, 80),
    }
    world.ports.close(lease_of("web", WEB))
    assert world.firewall.forwards() == frozenset()


@pytest.mark.parametrize(
    ("host_ip", "expected"),
    [
        (NODE4, Forward("udp", 53, NODE4, POD4, 5353)),
        (NODE6, Forward("udp", 53, NODE6, POD6, 5353)),
        (ALL4, Forward("udp", 53, None, POD4, 5353)),
        (ALL6, Forward("udp", 53, None, POD6, 5353)),
    ],
)
def test_a_host_ip_leads_to_the_address_of_its_family(world, host_ip, expected):
    world.ports.open(lease_of("dns", PortMapping(53, 5353, "udp", host_ip)))
    assert world.firewall.forwards() == {expected}


def test_a_pod_without_ports_costs_the_firewall_nothing():
    ports = HostPorts(FakeKernel(), None)  # whatever is asked of None fails
    lease = lease_of("plain")
    ports.refuse_taken(lease.sandbox)
    ports.open(lease)
    assert ports.check(lease) == []
    ports.close(lease)
    assert ports.mend() == []


def test_a_taken_port_is_refused_with_the_name_of_who_has_it(world):
    world.ports.open(lease_of("web", WEB))
    before = world.firewall.forwards()
    second = lease_of("other", PortMapping(8080, 81, "tcp", NODE4))
    for attempt in (lambda: world.ports.refuse_taken(second.sandbox), lambda: world.ports.open(second)):
        with pytest.raises(Conflict, match=r"8080/tcp of .* is open for pod shop/web, container web"):
            attempt()
    world.ports.close(second)
    assert world.firewall.forwards() == before
    world.ports.close(lease_of("web", WEB))
    world.ports.open(second)


def test_the_same_lease_may_open_its_ports_again(world):
    for _ in range(2):
        world.ports.open(lease_of("web", WEB))
    assert world.firewall.writes == 1


def test_what_the_firewall_refuses_is_not_open(world):
    world.firewall.refuse_next()
    with pytest.raises(KernelError, match="a test asked for it"):
        world.ports.open(lease_of("web", WEB))
    world.ports.open(lease_of("other", WEB))
    world.firewall.refuse_next()
    with pytest.raises(KernelError):
        world.ports.close(lease_of("other", WEB))
    with pytest.raises(Conflict):
        world.ports.open(lease_of("web", WEB))
    world.ports.close(lease_of("other", WEB))
    assert world.firewall.forwards() == frozenset()


def test_without_nft_the_error_says_what_to_install_and_why(world):
    world.firewall.refuse_next(number=errno.ENOENT)
    with pytest.raises(KernelError, match="install nftables; this pod has a hostPort, which needs it") as refusal:
        world.ports.open(lease_of("web", WEB))
    assert refusal.value.errno == errno.ENOENT


def test_a_pod_that_rules_send_out_elsewhere_answers_by_the_node(world):
    world.kernel.foreign_add(Rule(2048, 1005, src=Prefix.parse("10.0.0.5/32")))
    world.ports.open(lease_of("web", WEB))
    assert {(forward.to, forward.masquerade) for forward in world.firewall.forwards()} == {(POD4, True), (POD6, False)}


def test_a_new_process_makes_the_table_what_the_leases_say(world):
    world.firewall.add_stranger(Forward("tcp", 9, None, POD4, 9))
    world.ports.restore([lease_of("web", WEB), lease_of("plain", addresses=(Address.parse("10.0.0.6"),))])
    assert world.firewall.forwards() == set(forwards_of(lease_of("web", WEB), ()))
    with pytest.raises(Conflict):
        world.ports.open(lease_of("late", WEB))


def test_check_tells_each_mapping_that_is_not_in_force(world):
    lease = lease_of("web", WEB, PortMapping(53, 53, "udp", NODE6))
    world.ports.open(lease)
    assert world.ports.check(lease) == []
    world.firewall.flush()
    assert [found.what for found in world.ports.check(lease)] == [
        "hostPort 53/udp of 2001:db8::10 to [fd00::5] port 53 is not in force",
        "hostPort 8080/tcp to 10.0.0.5 port 80 is not in force",
        "hostPort 8080/tcp to [fd00::5] port 80 is not in force",
    ]


def test_mending_tells_what_it_put_right_and_then_rests(world):
    world.ports.open(lease_of("web", WEB, addresses=(POD4,)))
    assert world.ports.mend() == []
    world.firewall.flush()
    world.firewall.add_stranger(Forward("tcp", 9, None, POD4, 9))
    assert world.ports.mend() == [
        "hostPort 8080/tcp to 10.0.0.5 port 80 was not in force",
        "hostPort 9/tcp to 10.0.0.5 port 9 is no pod's",
    ]
    assert world.ports.mend() == []
    assert world.firewall.forwards() == {Forward("tcp", 8080, None, POD4, 80)}


@pytest.mark.parametrize(
    "wanted",
    [
        [Forward("tcp", 80, None, POD4, 80), Forward("tcp", 80, None, Address.parse("10.0.0.6"), 80)],
        [Forward("icmp", 80, None, POD4, 80)],
        [Forward("tcp", 0, None, POD4, 80)],
        [Forward("tcp", 80, NODE6, POD4, 80)],
        [Forward("tcp", 80, ALL4, POD4, 80)],
    ],
)
def test_the_firewall_in_memory_is_as_strict_as_a_kernel(wanted):
    firewall = MemoryFirewall()
    with pytest.raises(Bug):
        firewall.set_forwards(wanted)
    assert firewall.forwards() == frozenset()


# --- laws -------------------------------------------------------------------------------------------------------------

HOST_IPS = st.sampled_from([None, ALL4, ALL6, NODE4, NODE6])
MAPPINGS = st.builds(PortMapping, st.integers(1, 3), st.integers(1, 3), st.sampled_from(["tcp", "udp"]), HOST_IPS)


def without_overlap(mappings):
    kept = []
    for mapping in mappings:
        if not any(overlap(mapping, other) for other in kept):
            kept.append(mapping)
    return tuple(sorted(kept, key=str))


@given(st.lists(MAPPINGS, max_size=6).map(without_overlap))
def test_what_is_in_force_tells_what_a_pod_asked_for(mappings):
    lease = lease_of("web", *mappings)
    forwards = forwards_of(lease, ())
    told = mappings_to(lease.addresses, [*forwards, Forward("tcp", 7, None, NODE4, 7)])
    assert set(forwards_of(lease_of("web", *told), ())) == set(forwards)


@given(MAPPINGS, MAPPINGS)
def test_overlap_is_when_a_packet_would_have_two_ways(one, other):
    def ways(mapping):
        for address in (NODE4, NODE6, Address(4, 1), Address(6, 1)):
            host_ip = mapping.host_ip
            if host_ip is None or host_ip == address or (not host_ip.value and host_ip.family == address.family):
                yield mapping.host_port, mapping.protocol, address

    assert overlap(one, other) == overlap(other, one) == bool(set(ways(one)) & set(ways(other)))


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans(), MAPPINGS), max_size=12))
def test_the_firewall_always_says_what_the_open_leases_say(steps):
    world, leases = World(), {}
    for name, is_open, mapping in steps:
        address = Address(4, 0x0A000001 + ord(name))
        if is_open and name not in leases:
            lease = lease_of(name, mapping, addresses=(address,))
            taken = any(overlap(mapping, held) for other in leases.values() for held in other.sandbox.ports)
            try:
                world.ports.open(lease)
                leases[name] = lease
                assert not taken
            except Conflict:
                assert taken
        elif not is_open:
            world.ports.close(leases.pop(name, lease_of(name, mapping)))
        assert world.firewall.forwards() == {f for lease in leases.values() for f in forwards_of(lease, ())}


def test_rules_that_were_gone_when_a_new_process_began_count_when_they_are_back_and_while_they_are_gone_again(world):
    world.ports.restore([lease_of("web", WEB)])
    rule = Rule(2048, 1010, src=POD4.host)
    world.kernel.foreign_add(rule)
    steered = {(POD4, True), (POD6, False)}
    for act in (world.kernel.foreign_remove, world.kernel.foreign_add):
        world.ports.mend()
        assert {(forward.to, forward.masquerade) for forward in world.firewall.forwards()} == steered
        act(rule)


class MuteKernel(FakeKernel):
    """Whose lists change while they are read."""

    is_mute = True

    def dump(self, kind, *where):
        if self.is_mute:
            raise KernelError("the list changed 20 times while it was read", errno=errno.EINTR)
        return super().dump(kind, *where)


def test_a_new_process_without_ports_looks_at_no_rules():
    ports = HostPorts(MuteKernel(), MemoryFirewall())
    ports.restore([lease_of("plain")])
    assert ports.mend() == []


def test_a_new_process_that_cannot_see_rules_has_its_ports_taken_and_opens_them_later():
    kernel, firewall = MuteKernel(), MemoryFirewall()
    ports = HostPorts(kernel, firewall)
    with pytest.raises(KernelError):
        ports.restore([lease_of("web", WEB)])
    with pytest.raises(Conflict):
        ports.refuse_taken(lease_of("other", WEB).sandbox)
    kernel.is_mute = False
    kernel.foreign_add(Rule(2048, 1010, src=POD4.host))
    assert len(ports.mend()) == 2
    assert {(forward.to, forward.masquerade) for forward in firewall.forwards()} == {(POD4, True), (POD6, False)}


def test_a_new_process_knows_which_pods_are_steered_by_rules_of_ours(world):
    """A rule for all of a network, or of somebody else, steers no pod."""
    world.kernel.foreign_add(Rule(512, 254, dst=POD4.host))
    world.kernel.foreign_add(Rule(2049, 1010, src=Prefix.parse("10.0.0.0/24")))
    world.kernel.foreign_add(Rule(2050, 1010, src=POD6.host, family=6, proto=3))
    world.ports.restore([lease_of("web", WEB)])
    assert not any(forward.masquerade for forward in world.firewall.forwards())
    world.kernel.foreign_add(Rule(2048, 1010, src=POD4.host))
    world.ports.restore([lease_of("web", WEB)])
    assert {(forward.to, forward.masquerade) for forward in world.firewall.forwards()} == {(POD4, True), (POD6, False)}
    assert world.ports.check(lease_of("web", WEB)) == []


def test_a_lease_whose_ports_nobody_opened_is_seen(world):
    (missing, _) = world.ports.check(lease_of("web", WEB))
    assert missing.what == "hostPort 8080/tcp to 10.0.0.5 port 80 is not in force"


def test_a_third_pod_is_refused_whoever_asked_before(world):
    world.ports.open(lease_of("first", WEB))
    world.ports.open(lease_of("second", PortMapping(9090, 90)))
    again = lease_of("first", WEB, PortMapping(9090, 91))
    with pytest.raises(Conflict, match=r"hostPort 9090/tcp.* is open for pod shop/second"):
        world.ports.open(again)


def test_a_sandbox_of_no_pod_is_called_by_its_container(world):
    nameless = Lease(Sandbox("c9", "eth0", ports=(WEB,)), (POD4,), "b", (), 0.0)
    world.ports.open(nameless)
    with pytest.raises(Conflict, match="is open for container c9; give one of the two pods another port"):
        world.ports.open(lease_of("web", WEB))


def test_what_leads_elsewhere_hides_nothing_of_a_pod():
    elsewhere = Forward("tcp", 1, None, Address.parse("10.0.0.9"), 1)
    assert mappings_to([POD4], [elsewhere, *forwards_of(lease_of("web", WEB, addresses=(POD4,)), set())]) == (WEB,)


def test_the_lock_is_held_while_the_firewall_works():
    lock = threading.Lock()

    class Guarded(MemoryFirewall):
        def set_forwards(self, wanted):
            assert lock.locked()
            super().set_forwards(wanted)

    ports = HostPorts(FakeKernel(), Guarded(), lock=lock)
    ports.restore([lease_of("web", WEB)])
    ports.close(lease_of("web", WEB))
    ports.open(lease_of("web", WEB))
    assert not lock.locked()


def test_a_mapping_is_written_with_its_address_if_it_has_one():
    assert str(WEB) == "8080/tcp"
    assert str(PortMapping(53, 53, "udp", NODE4)) == "53/udp of 192.0.2.10"
