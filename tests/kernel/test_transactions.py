"""A transaction of nfnetlink happens as a whole or not at all, and its answer is read to the end."""

import errno
import os

import pytest

from terway_edge.kernel.netns import inside, open_netns
from terway_edge.kernel.nft_elements import DELETE, NEW, NFGENMSG, Element, Elements
from terway_edge.kernel.own_ports import OwnPorts
from terway_edge.kernel.uapi import NFNL_MSG_BATCH_BEGIN, NFNL_MSG_BATCH_END, NLM_F_REQUEST

pytestmark = [pytest.mark.root]
TABLE = "table inet t { set a { type ipv4_addr; }; set b { type ipv4_addr; }; }"
FIRST, SECOND = (Element("a", bytes((10, 0, 0, number))) for number in (1, 2))
STRANGER = Element("nowhere", bytes(4))
NO_SUBSYSTEM = NFGENMSG.pack(0, 0, 0xFE)


@pytest.fixture
def elements(real_world):
    host = open_netns(f"/run/netns/{real_world._host}")
    real_world.run("nft", TABLE)
    made = Elements("t", OwnPorts())
    try:
        inside(host, lambda: made.read(("a",)))  # opens the socket there
        yield made
    finally:
        made.close()
        os.close(host)


def held(elements):
    return elements.read(("a", "b"))


def test_changes_happen_together(elements):
    assert elements.change((), [FIRST]) == []
    assert elements.change([FIRST], [SECOND, FIRST._replace(set="b")]) == []
    assert held(elements) == {SECOND, FIRST._replace(set="b")}


def test_no_change_is_no_transaction(elements):
    assert elements.change((), ()) == []
    assert held(elements) == set()


@pytest.mark.parametrize("wrong", [Element("!", bytes(4)), STRANGER])  # sorts before the others, and after them
def test_what_is_refused_takes_the_others_along(elements, wrong):
    refusals = elements.change((), [FIRST, wrong, FIRST._replace(set="b")])
    assert {refusal.errno for refusal in refusals} == {errno.ENOENT}
    assert held(elements) == set()
    assert elements.change((), [FIRST]) == []  # nothing of the former answer is left in the socket
    assert held(elements) == {FIRST}


def test_each_refusal_is_told(elements):
    refusals = elements.change([FIRST, FIRST._replace(set="b")], ())
    assert [refusal.errno for refusal in refusals] == [errno.ENOENT] * 2
    assert len({refusal.seq for refusal in refusals}) == 2


@pytest.mark.parametrize("kind", [NEW, DELETE])
def test_a_batch_that_is_refused_itself(elements, kind):
    with elements.lend() as endpoint:
        parts = [(NFNL_MSG_BATCH_BEGIN, NLM_F_REQUEST, NO_SUBSYSTEM), (kind, NLM_F_REQUEST, NFGENMSG.pack(1, 0, 0))]
        refusals = endpoint.commit([*parts, (NFNL_MSG_BATCH_END, NLM_F_REQUEST, NO_SUBSYSTEM)])
    assert refusals
    assert refusals[0].errno in (errno.EINVAL, errno.EOPNOTSUPP)
    assert elements.change((), [FIRST]) == []
