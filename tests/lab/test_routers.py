"""FRR and BIRD in namespaces of the tests' own, as each other's neighbour."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from terway_edge.lab.bird import Bird
from terway_edge.lab.errors import LabError
from terway_edge.lab.frr import Frr
from terway_edge.lab.layout import Layout
from terway_edge.lab.processes import Processes, marked_processes, recorded_token
from terway_edge.lab.routers import Router
from terway_edge.lab.topology import batch, make_namespaces

pytestmark = [pytest.mark.root, pytest.mark.slow]

FRR_CONFIG = """
router bgp 65001
 bgp router-id 172.16.0.1
 no bgp ebgp-requires-policy
 no bgp network import-check
 neighbor 172.16.0.2 remote-as 65002
 neighbor 172.16.0.2 password s3cret
 address-family ipv4 unicast
  network 10.1.0.0/24
 exit-address-family
 address-family ipv6 unicast
  neighbor 172.16.0.2 activate
  network fd00:1::/64
 exit-address-family
"""

BIRD_CONFIG = """
router id 172.16.0.2;
protocol device {}
protocol static own4 { ipv4; route 10.2.0.0/24 blackhole; }
protocol static own6 { ipv6; route fd00:2::/64 blackhole; }
protocol kernel k4 { ipv4 { export where source = RTS_BGP; }; }
protocol kernel k6 { ipv6 { export where source = RTS_BGP; }; }
protocol bgp frr {
  local 172.16.0.2 as 65002;
  neighbor 172.16.0.1 as 65001;
  password "s3cret";
  connect delay time 1;
  error wait time 1, 5;
  graceful restart on;
  ipv4 { import all; export all; };
  ipv6 { import all; export all; next hop address fd00:18::2; };
}
"""


@pytest.fixture
def cable(layout: Layout, processes: Processes) -> tuple[str, str]:
    """Two namespaces and a cable between them."""
    left, right = layout.netns("left"), layout.netns("right")
    make_namespaces([left, right], processes)
    batch(left, [f"link add wire type veth peer name wire netns {right}"], processes)
    for number, netns in enumerate((left, right), 1):
        addresses = [f"address add 172.16.0.{number}/24 dev wire", f"address add fd00:18::{number}/64 dev wire nodad"]
        batch(netns, [*addresses, "link set wire up"], processes)
    return left, right


@pytest.fixture
def frr(cable: tuple[str, str], layout: Layout, processes: Processes) -> Iterator[Frr]:
    router = Frr("left", cable[0], layout.root / "a" / "left", processes, FRR_CONFIG)
    router.start()
    router.wait_ready()
    yield router
    router.stop()


@pytest.fixture
def bird(cable: tuple[str, str], layout: Layout, processes: Processes) -> Iterator[Bird]:
    router = Bird("right", cable[1], layout.root / "right", processes, BIRD_CONFIG)
    router.start()
    router.wait_ready()
    yield router
    router.stop()


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "does not happen"
        time.sleep(0.02)


def test_neighbours_tell_what_they_learned(frr: Frr, bird: Bird, processes: Processes) -> None:
    wait_for(lambda: frr.prefixes_received("172.16.0.2") == bird.prefixes_received("172.16.0.1") == 2)
    assert frr.sessions() == {"172.16.0.2": "Established"}
    assert bird.sessions() == {"172.16.0.1": "Established"}
    assert frr.routes(4) == {"10.2.0.0/24": ("172.16.0.2",)}
    assert frr.routes(6) == {"fd00:2::/64": ("fd00:18::2",)}
    assert bird.routes(4) == {"10.1.0.0/24": ("172.16.0.1",)}
    assert bird.routes(6) == {"fd00:1::/64": ("fd00:18::1",)}
    assert [path.valid for path in (*frr.paths(4), *bird.paths(6))] == [True, True]
    wait_for(lambda: frr.kernel_routes(4) == {"10.2.0.0/24"})


def test_routes_of_a_lost_neighbour_are_stale(frr: Frr, bird: Bird) -> None:
    wait_for(lambda: len(frr.routes(4)) == 1 and len(frr.routes(6)) == 1)
    assert frr.stale(4) == bird.stale(4) == set()
    bird.vty("disable frr")  # sends a Cease: not a restart
    wait_for(lambda: frr.routes(4) == {})
    assert "Cease" in frr.last_error("172.16.0.2")
    bird.vty("enable frr")
    wait_for(lambda: len(frr.routes(4)) == 1 and len(frr.routes(6)) == 1)
    bird.vty("graceful restart")  # BIRD ends by itself, silently
    wait_for(lambda: frr.stale(4) == {"10.2.0.0/24"} and frr.stale(6) == {"fd00:2::/64"})


def test_a_running_router_is_configured(frr: Frr, bird: Bird) -> None:
    wait_for(lambda: len(frr.routes(4)) == 1)
    frr.configure(["router bgp 65001", "address-family ipv4 unicast", "network 10.3.0.0/24"])
    wait_for(lambda: set(bird.routes(4)) == {"10.1.0.0/24", "10.3.0.0/24"})
    bird.configure(BIRD_CONFIG.replace("10.2.0.0", "10.4.0.0").splitlines())
    wait_for(lambda: set(frr.routes(4)) == {"10.4.0.0/24"})
    assert bird.sessions() == {"172.16.0.1": "Established"}


def test_a_wrong_line_is_refused_and_named(frr: Frr, bird: Bird) -> None:
    with pytest.raises(LabError, match=r"router left refuses 'neighbor nobody': % "):
        frr.configure(["router bgp 65001", "neighbor nobody"])
    with pytest.raises(LabError, match=r"(?s)router right refuses 'configure': .*bird.conf:2:1 syntax error"):
        bird.configure(["nonsense"])
    for router in (frr, bird):
        with pytest.raises(LabError, match="refuses 'nonsense'"):
            router.vty("nonsense")


def test_a_wrong_configuration_is_told_at_start(cable: tuple[str, str], layout: Layout, processes: Processes) -> None:
    frr = Frr("left", cable[0], layout.root / "left", processes, FRR_CONFIG + "nonsense\n")
    frr.start()
    with pytest.raises(LabError, match=r"refuses its configuration: .* on config line \d+: nonsense"):
        frr.wait_ready()
    frr.stop()
    bird = Bird("right", cable[1], layout.root / "right", processes, BIRD_CONFIG + "nonsense\n")
    bird.start()
    with pytest.raises(LabError, match=r"does not run: .* syntax error"):
        bird.wait_ready()
    bird.stop()


def test_a_bgpd_alone_takes_next_hops_for_valid(
    cable: tuple[str, str], layout: Layout, bird: Bird, processes: Processes
) -> None:
    frr = Frr("left", cable[0], layout.root / "left", processes, FRR_CONFIG, kernel=False)
    frr.start()
    frr.wait_ready()
    bird.configure(BIRD_CONFIG.replace("fd00:18::2", "fd00:77::1").splitlines())
    wait_for(lambda: [(path.next_hop, path.valid) for path in frr.paths(6)] == [("fd00:77::1", True)])
    assert frr.kernel_routes(4) == set()
    frr.stop()


def test_a_stopped_router_leaves_nothing(frr: Frr, bird: Bird, layout: Layout, processes: Processes) -> None:
    wait_for(lambda: frr.kernel_routes(4) == {"10.2.0.0/24"})
    wait_for(lambda: bird.kernel_routes(4) == {"10.1.0.0/24"})
    routers: list[Router] = [frr, bird]
    for router in routers:
        router.stop()
        assert router.kernel_routes(4) == router.kernel_routes(6) == set()
        with pytest.raises(LabError, match="does not answer"):
            router.sessions()
    assert marked_processes(recorded_token(layout)) == []
