"""T37: settings that others change are put right, at once where the kernel tells, else by the audit; nobody is fought
for ever, and what is others' stays."""

import errno

import pytest

from terway_edge.core.drift import BURST, TOLERATED
from terway_edge.core.names import link_name
from terway_edge.core.plans import Sysctl
from tests.agent.rig import Rig

POD = link_name(("c1", "eth0"))
TOLD = {
    "ipv4/ip_forward": "0",
    "ipv6/conf/all/forwarding": "0",
    "ipv4/conf/up0/forwarding": "0",
    f"ipv4/conf/{POD}/forwarding": "0",
    f"ipv4/conf/{POD}/rp_filter": "2",
}
SILENT = {
    "ipv6/conf/up0/accept_ra": "1",
    f"ipv4/conf/{POD}/accept_redirects": "1",
    f"ipv4/conf/{POD}/proxy_arp": "1",
    f"ipv6/conf/{POD}/accept_ra": "1",
    f"ipv6/conf/{POD}/accept_redirects": "1",
}


@pytest.fixture
def rig():
    made = Rig()
    made.add("c1")
    return made


@pytest.mark.parametrize("path", TOLD)
def test_t37_what_the_kernel_tells_is_put_right_at_once(rig, path):
    before = rig.kernel.sysctl(path)
    rig.kernel.foreign_replace(Sysctl(path, TOLD[path]))
    assert rig.kernel.sysctl(path) == before
    assert rig.telemetry.repairs["event"] > 0
    assert set(rig.telemetry.repairs) == {"event"}


@pytest.mark.parametrize("path", SILENT)
def test_t37_what_it_does_not_tell_is_found_by_the_audit(rig, path):
    before = rig.kernel.sysctl(path)
    rig.kernel.foreign_replace(Sysctl(path, SILENT[path]))
    assert rig.kernel.sysctl(path) == SILENT[path]
    rig.repair.audit()
    assert rig.kernel.sysctl(path) == before
    assert rig.telemetry.repairs == {"audit": 1}
    rig.repair.audit()
    assert rig.telemetry.repairs == {"audit": 1}


def test_t37_forwarding_switched_off_for_all_is_back_on_every_link(rig):
    rig.add("c2")
    rig.kernel.foreign_replace(Sysctl("ipv4/ip_forward", "0"))
    for name in ("up0", POD, link_name(("c2", "eth0"))):
        assert rig.kernel.sysctl(f"ipv4/conf/{name}/forwarding") == "1"


def test_t37_the_settings_of_others_links_stay_as_they_are(rig):
    rig.kernel.create_link("eth9")
    for key, value in (("forwarding", "0"), ("rp_filter", "1")):
        rig.kernel.foreign_replace(Sysctl(f"ipv4/conf/eth9/{key}", value))
    rig.kernel.foreign_replace(Sysctl("ipv4/conf/up0/rp_filter", "1"))
    rig.repair.audit()
    paths = ("ipv4/conf/eth9/forwarding", "ipv4/conf/eth9/rp_filter", "ipv4/conf/up0/rp_filter")
    assert [rig.kernel.sysctl(path) for path in paths] == ["0", "1", "1"]
    assert rig.telemetry.repairs == {}


def test_t37_a_pod_that_went_is_not_looked_for(rig):
    rig.delete("c1")
    rig.kernel.foreign_replace(Sysctl("ipv4/ip_forward", "0"))
    rig.repair.audit()
    assert set(rig.telemetry.repairs) == {"event"}


def test_t37_a_pod_with_a_call_in_flight_is_left_alone_until_that_is_over(rig):
    path = f"ipv4/conf/{POD}/rp_filter"
    with rig.locks.hold(("c1", "eth0"), timeout=1):
        rig.kernel.foreign_replace(Sysctl(path, "2"))
        rig.repair.audit()
        rig.repair.catch_up()
        assert rig.kernel.sysctl(path) == "2"
        assert rig.telemetry.repairs == {}
    rig.repair.catch_up()
    assert rig.kernel.sysctl(path) == "0"
    assert rig.telemetry.repairs == {"event": 1}


def test_t37_one_that_cannot_be_written_is_counted_as_such_and_tried_again(rig):
    rig.kernel.fail_next(lambda change: isinstance(change.item, Sysctl), errno=errno.EROFS)
    rig.kernel.foreign_replace(Sysctl("ipv4/conf/up0/forwarding", "0"))
    assert rig.telemetry.repairs == {"event failed": 1}
    rig.repair.audit()
    assert rig.kernel.sysctl("ipv4/conf/up0/forwarding") == "1"


def test_t37_one_whose_link_goes_meanwhile_is_no_failure(rig):
    rig.kernel.fail_next(lambda change: isinstance(change.item, Sysctl), errno=errno.ENOENT)
    rig.kernel.foreign_replace(Sysctl(f"ipv4/conf/{POD}/forwarding", "0"))
    assert rig.telemetry.repairs == {}


def test_t37_who_keeps_switching_is_left_alone_for_a_while_and_told_of(rig):
    path = "ipv4/conf/up0/forwarding"
    for _ in range(TOLERATED + 3):
        rig.kernel.foreign_replace(Sysctl(path, "0"))
        rig.clock.advance(2 * BURST)
    assert rig.kernel.sysctl(path) == "0"
    rig.clock.advance(2)
    rig.repair.catch_up()
    assert rig.kernel.sysctl(path) == "1"
    (told,) = rig.conditions.all()
    assert (told.reason, told.subject) == ("DatapathFight", f"setting {path}")
    assert "sysctl.d" in told.message
    rig.clock.advance(300)
    rig.repair.audit()
    assert rig.conditions.all() == ()
