"""Packets take the way that the speakers announce, and what the switch knows of it."""

from __future__ import annotations

from functools import partial

import pytest

from terway_edge.backends.bgp.wish import Attributes, Wish
from terway_edge.lab.frr import Frr
from terway_edge.lab.routers import Router
from tests.interop import places
from tests.interop.rib import best_path
from tests.interop.stage import Stage, pod_routes, spec_of, wait_for_routes
from tests.interop.switches import Extra, Kind
from tests.interop.waiting import until

pytestmark = pytest.mark.root

POD_CIDR = places.pod_cidrs(3)


def wait_for_pods(stage: Stage, switch: Router) -> None:
    """Until the switch and its kernel know the pod CIDRs of all nodes, each once and via its own node."""
    wait_for_routes(switch, pod_routes())
    stage.wait_for_kernel(pod_routes())


def test_s19_third_party_next_hops_are_taken_and_forwarded_to(stage: Stage, kind: Kind) -> None:
    spec = spec_of()
    switch, speaker = stage.switch(kind, spec), stage.speaker()
    speaker.want(Wish(spec, pod_routes()))
    wait_for_pods(stage, switch)
    assert all(path.valid for version in (4, 6) for path in switch.paths(version))
    for address in places.pod(3):
        pings = stage.pings(address)
        pings.wait_for(100)
        assert pings.end().lost == 0
    assert best_path(switch, POD_CIDR[0]).as_path == (spec.local_asn,)
    assert [edge.reason for edge in speaker.edges()] == [""]


def test_s20_a_switch_in_another_subnet_ignores_the_routes_and_keeps_the_session(stage: Stage, kind: Kind) -> None:
    spec = spec_of(peer=places.HOST[0], multihop=2)
    switch = stage.switch(kind, spec, netns=stage.site.host)
    speaker = stage.speaker()
    speaker.want(Wish(spec, pod_routes()))
    wait_for_routes(switch, pod_routes())
    for version in (4, 6):
        assert not any(path.valid for path in switch.paths(version))
        assert not any(stage.kernel_routes(version, stage.site.host).values())
    assert switch.sessions() == {places.node(1)[0]: "Established"}
    assert [edge.reason for edge in speaker.edges()] == [""]


def test_s21_a_switch_of_the_same_as_is_told_a_preference(stage: Stage, kind: Kind) -> None:
    spec = spec_of(local_asn=65001)
    switch, speaker = stage.switch(kind, spec), stage.speaker()
    speaker.want(Wish(spec, pod_routes()))
    wait_for_pods(stage, switch)
    for prefix in POD_CIDR:
        path = best_path(switch, prefix)
        assert (path.as_path, path.local_pref) == ((), 100)


def test_s22_one_of_two_speakers_dies_and_nothing_is_lost(stage: Stage, kind: Kind) -> None:
    # Without graceful restart: the switch forgets what the dead one said at once.
    specs = spec_of(1, restart_time=0), spec_of(2, restart_time=0)
    switch = stage.switch(kind, *specs)
    first, second = stage.speaker(1), stage.speaker(2)
    for speaker, spec in zip((first, second), specs, strict=True):
        speaker.want(Wish(spec, pod_routes()))
        speaker.wait_settled()
    until(lambda: len(switch.paths(4)) == len(switch.paths(6)) == 6, "both announced the same set")
    wait_for_pods(stage, switch)
    monitor = stage.monitor()
    pings = [stage.pings(address) for address in places.pod(3)]
    first.kill()
    until(lambda: {path.peer for path in switch.paths(4)} == {places.node(2)[0]}, "the switch lost one speaker")
    for ping in pings:
        ping.wait_for(ping.answered + 100)
        assert ping.end().lost == 0
    # zebra replaces an IPv6 route by another in two steps.
    assert [prefix for prefix in monitor.deleted() if kind == "bird" or ":" not in prefix] == []
    wait_for_pods(stage, switch)


def test_s45_the_paths_of_two_speakers_are_one_way_to_each_node(stage: Stage, kind: Kind) -> None:
    specs = spec_of(1), spec_of(2)
    switch = stage.switch(kind, *specs, extra=Extra(frr=("maximum-paths 8", "maximum-paths ibgp 8")))
    if kind == "bird":
        merging = switch.config.replace("protocol kernel {", "protocol kernel { merge paths on;")
        switch.configure(merging.splitlines())
    for index, spec in enumerate(specs, 1):
        stage.speaker(index).want(Wish(spec, pod_routes()))
    until(lambda: len(switch.paths(4)) == len(switch.paths(6)) == 6, "both announced the same set")
    wait_for_pods(stage, switch)


def is_plain(switch: Router, prefix: str) -> bool:
    path = best_path(switch, prefix)
    return path.med == 0 and not path.communities and not path.large_communities


def test_communities_and_med_arrive(stage: Stage, kind: Kind) -> None:
    spec = spec_of()
    switch, speaker = stage.switch(kind, spec), stage.speaker()
    attributes = Attributes(100, ((65010 << 16) + 7, (65010 << 16) + 8), ((65010, 1, 2), (4200000000, 0, 1)))
    speaker.want(Wish(spec, pod_routes(), attributes))
    speaker.wait_settled()
    for prefix in POD_CIDR:
        path = best_path(switch, prefix)
        assert path.med == 100
        assert path.communities == {"65010:7", "65010:8"}
        assert path.large_communities == {"65010:1:2", "4200000000:0:1"}
    speaker.want(Wish(spec, pod_routes()))  # a change of attributes alone is told, too
    for prefix in POD_CIDR:
        until(partial(is_plain, switch, prefix), f"{prefix} without communities, and with MED 0")
    assert [edge.reason for edge in speaker.edges()] == [""]


def test_no_export_is_understood(stage: Stage) -> None:
    spec = spec_of()
    switch, speaker = stage.switch("frr", spec), stage.speaker()
    speaker.want(Wish(spec, pod_routes(), Attributes(communities=(0xFFFFFF01,))))
    speaker.wait_settled()
    assert isinstance(switch, Frr)
    assert best_path(switch, POD_CIDR[0]).communities == {"no-export"}
