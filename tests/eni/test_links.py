"""The links of ENIs as a new process finds them: known before the cloud has said a word."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import NoReturn

import pytest

from terway_edge.core.addresses import Address
from terway_edge.core.errors import KernelError
from terway_edge.core.node_settings import NodeSettings
from terway_edge.core.plans import HOST, MAIN, Change, FibRoute, Item, Link, LinkAddress, Plan, Step, Verb, Where
from terway_edge.eni.links import EniLinks, Wanted
from terway_edge.eni.policy_routing import table_of
from terway_edge.testing.clock import FakeClock
from terway_edge.testing.fake_kernel import FakeKernel
from tests.backends.eni_node import LINKS, MACS, EniWorld

NODE = Address.parse("192.0.2.10")
GATEWAYS = (Address.parse("192.168.0.253"), Address.parse("2001:db8:1::fd"))
ENIS = [Wanted(f"eni-{number}", mac, GATEWAYS, (NODE,), 1400 if number else 1500) for number, mac in enumerate(MACS)]


def links(kernel: FakeKernel) -> EniLinks:
    made = EniLinks(kernel, FakeClock(), NodeSettings())
    kernel.subscribe(made.on_event)
    return made


@pytest.fixture
def kernel() -> FakeKernel:
    """After a process that had both ENIs ready and is gone; the node's own address is on a link of its own."""
    kernel = EniWorld().kernel
    kernel.apply(Plan((Step(HOST, (Change(Verb.ADD, LinkAddress(1, NODE, 32)),)),), atomic=False))
    before = EniLinks(kernel, FakeClock(), NodeSettings())
    for each in ENIS:
        before.make_ready(each)
    return kernel


def state(kernel: FakeKernel) -> tuple[set[Item], set[bool]]:
    dumped: set[Item] = {*kernel.dump(FibRoute), *kernel.dump(LinkAddress)}
    return dumped, {link.up for link in kernel.dump(Link) if link.ifindex in LINKS}


DAMAGES: dict[str, Callable[[FakeKernel], object]] = {
    "down": lambda kernel: kernel.set_link("eth1", up=False),
    "table": lambda kernel: kernel.flush_routes(table=table_of(LINKS[1])),
    "address": lambda kernel: kernel.foreign_remove(LinkAddress(LINKS[1], NODE, 32)),
}


def empty_table(kernel: FakeKernel) -> None:
    """Of the first link."""
    for family in (4, 6):
        kernel.flush_routes(table=table_of(LINKS[0]), family=family)


@pytest.mark.parametrize("damage", DAMAGES)
def test_links_of_a_former_process_are_mended_at_events(kernel: FakeKernel, damage: str) -> None:
    before = state(kernel)
    links(kernel).recall()
    DAMAGES[damage](kernel)
    assert state(kernel) == before


def test_a_link_without_a_table_of_ours_is_nobodys_concern(kernel: FakeKernel) -> None:
    empty_table(kernel)
    links(kernel).recall()
    kernel.set_link("eth1", up=False)
    assert state(kernel)[1] == {False, True}


def test_a_default_route_of_the_node_makes_no_link_ours(kernel: FakeKernel) -> None:
    empty_table(kernel)
    [route] = kernel.dump(FibRoute, Where(table=table_of(LINKS[1]), family=4))
    kernel.foreign_add(route._replace(table=MAIN, link=LINKS[0], proto=3))
    links(kernel).recall()
    kernel.set_link("eth1", up=False)
    assert state(kernel)[1] == {False, True}


def test_what_the_cloud_says_later_counts(kernel: FakeKernel) -> None:
    made = links(kernel)
    made.recall()
    wanted = ENIS[0]._replace(gateways=GATEWAYS[:1], mtu=1400)
    made.keep([wanted])
    assert made.find(wanted).mtu == 1400
    empty_table(kernel)
    assert [route.via for route in kernel.dump(FibRoute, Where(table=table_of(LINKS[0])))] == [GATEWAYS[0]]


def test_what_becomes_known_is_put_right_and_looked_at_once(kernel: FakeKernel) -> None:
    before = state(kernel)
    DAMAGES["table"](kernel)
    made = links(kernel)
    made.keep(ENIS[:1])
    assert state(kernel) != before
    made.keep(ENIS)
    assert state(kernel) == before
    dumped = []
    real = kernel.dump
    kernel.dump = lambda kind, *where: dumped.append(kind) or real(kind, *where)
    made.keep(ENIS)
    made.keep(ENIS[1:])
    assert dumped == []


def test_what_the_kernel_did_not_show_is_looked_at_the_next_time(kernel: FakeKernel) -> None:
    before = state(kernel)
    DAMAGES["table"](kernel)
    made, real = links(kernel), kernel.dump

    def refuse(*_: object) -> NoReturn:
        raise KernelError("interrupted", errno=errno.EINTR)

    kernel.dump = refuse
    with pytest.raises(KernelError):
        made.keep(ENIS)
    kernel.dump = real
    made.keep(ENIS)
    assert state(kernel) == before
