"""T37: our tables of the packet filter are put right soon after an event, and an event that is lost costs a resync."""

import errno

import pytest

from terway_edge.agent.mending import TABLES
from terway_edge.core.addresses import Prefix
from terway_edge.core.anti_spoofing import sources_of
from terway_edge.core.drift import BURST, TOLERATED
from terway_edge.core.models import PortMapping
from terway_edge.core.ports import Masquerade
from tests.agent.rig import Rig

MASQUERADE = Masquerade((Prefix.parse("10.0.0.0/28"),))


@pytest.fixture
def rig():
    made = Rig()
    made.firewall.set_masquerade(MASQUERADE)
    made.add("c1", ports=(PortMapping(8080, 80),))
    return made


def watch(rig):
    return rig.firewall.watch(rig.mending.note_tables)


def is_whole(rig):
    firewall = rig.firewall
    return (firewall.sources(), firewall.masquerade) == (set(sources_of(rig.lease("c1"))), MASQUERADE) and bool(
        firewall.forwards()
    )


def test_t37_a_flush_is_put_right_at_once_and_counted(rig):
    watch(rig)
    rig.firewall.flush()
    assert is_whole(rig)
    kinds = 1 + 1 + len(rig.lease("c1").addresses)  # sources, masquerading, a forward of each family
    assert rig.telemetry.repairs == {"event": kinds}


def test_t37_a_flush_that_nobody_heard_of_is_found_by_the_audit(rig):
    rig.firewall.flush()
    rig.repair.audit()
    assert is_whole(rig)
    assert set(rig.telemetry.repairs) == {"audit"}


def test_t37_what_could_not_be_mended_is_tried_again_soon(rig, caplog):
    watch(rig)
    rig.firewall.refuse_sources(1, errno.ENOENT)
    rig.firewall.flush()
    assert not is_whole(rig)
    assert "anti-spoofing cannot be mended" in caplog.text
    rig.repair.catch_up()
    assert is_whole(rig)


def test_t37_a_fight_is_given_up_until_the_pause_is_over_and_told(rig):
    watch(rig)
    for _ in range(TOLERATED + 2):
        rig.firewall.flush()
        rig.clock.advance(2 * BURST)
    assert not is_whole(rig)
    rig.clock.advance(2)
    rig.repair.catch_up()
    assert is_whole(rig)
    (told,) = rig.conditions.all()
    assert (told.reason, told.subject) == ("DatapathFight", TABLES)
    assert "nft monitor" in told.message
    rig.clock.advance(300)
    rig.repair.audit()
    assert rig.conditions.all() == ()
