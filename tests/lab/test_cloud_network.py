"""The way to the cloud and its networks in namespaces: who reaches whom, ENIs that come and go, wrong sources."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterator

import pytest

from terway_edge.lab import border, pings, spoofing, vpc
from terway_edge.lab.cloud import CloudSide
from terway_edge.lab.cloud_process import stage
from terway_edge.lab.clouds import CloudNode
from terway_edge.lab.lans import SITE, LabNode, lab_lans, lab_node
from terway_edge.lab.layout import Layout
from terway_edge.lab.processes import Processes, marked_processes, recorded_token
from terway_edge.lab.sockets import socket_in
from terway_edge.lab.topology import batch, build, join, make_namespaces
from terway_edge.lab.way import VPC, device_netns
from terway_edge.testing.lab_cloud import Stage
from terway_edge.testing.lab_wires import Wires
from terway_edge.testing.openapi import Emulator
from terway_edge.testing.openapi.pace import Pace
from tests.lab.test_topology import host_links

pytestmark = pytest.mark.root


@pytest.fixture
def edge(layout: Layout, processes: Processes) -> list[LabNode]:
    """A node of each LAN, with the routes that an agent gives it."""
    nodes = [lab_node(layout, 1), lab_node(layout, 4)]
    build(nodes, processes)
    join(layout, lab_lans(layout), processes)
    for node in nodes:
        beyond = [f"route add {cidr} via {node.lan.gateways[0]}" for cidr in ("192.168.0.0/16", "172.20.0.0/16")]
        batch(node.netns, beyond, processes)
    return nodes


@pytest.fixture
def side(edge: list[LabNode], layout: Layout, processes: Processes) -> Iterator[CloudSide]:
    side = CloudSide(layout, processes)
    side.build()
    side.apply_plan()
    side.process.wait_ready()
    yield side
    side.process.stop()


def ends(*nodes: LabNode | CloudNode) -> list[pings.End]:
    return [pings.End(node.name, node.netns, (node.addresses[0], "")) for node in nodes]


def test_hosts_of_all_domains_reach_each_other_and_the_host_sees_no_link(
    side: CloudSide, edge: list[LabNode], processes: Processes
) -> None:
    before = host_links()
    everybody = [*ends(*edge, *side.nodes), *side.hosts()]
    answers = pings.run([pings.Ping(a, b, 4) for a in everybody for b in everybody if a is not b], processes)
    assert [(a.ping.source.name, a.ping.target.name, a.why) for a in answers if a.lost] == []
    assert len(answers) == 7 * 6
    assert side.foreign() == 0
    assert host_links() == before


def test_a_device_without_its_lines_is_where_packets_end(
    side: CloudSide, edge: list[LabNode], layout: Layout, processes: Processes
) -> None:
    batch(device_netns(layout, "ecr"), ["route del 192.168.0.0/16"], processes)
    near, far = ends(edge[0], side.nodes[0])
    (answer,) = pings.run([pings.Ping(near, far, 4)], processes)
    assert (answer.lost, answer.why) == (2, "From 169.254.255.6 icmp_seq=1 Destination Net Unreachable")


def test_what_an_eni_does_not_own_is_dropped_and_counted(side: CloudSide) -> None:
    assert side.spoof("192.168.1.12") == [("vpc", 3, 3), ("ens", 3, 3)]
    assert side.foreign() == 6


def test_the_report_tells_calls_and_enis(side: CloudSide) -> None:
    report = side.report()
    assert (report.made, report.violations, report.orphans) == (0, [], [])
    assert [(eni.instance, eni.link, eni.type) for eni in report.enis if eni.instance == "i-ens-1"] == [
        ("i-ens-1", "eth0", "Primary"),
        ("i-ens-1", "eth1", "Secondary"),
        ("i-ens-1", "eth2", "Secondary"),
    ]


def test_faults_are_loaded_and_refused_calls_counted(side: CloudSide) -> None:
    side.process.load_faults([{"kind": "throttle"}])
    plane = side.control_plane
    with socket_in(side.nodes[-1].netns, 2) as client:
        client.connect((plane.address, 8080))
        client.sendall(b"GET /?Action=DescribeInstances&Version=2017-11-10 HTTP/1.0\r\n\r\n")
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    assert b"HTTP/1.1 4" in answer
    assert sum(side.report().failed.values()) == 1


def test_metadata_is_told_by_the_address_that_asks(side: CloudSide) -> None:
    for node in side.nodes[:2]:
        with socket_in(node.netns, 2) as client:
            client.connect(("100.100.100.200", 80))
            client.sendall(b"PUT /latest/api/token HTTP/1.0\r\nX-aliyun-ecs-metadata-token-ttl-seconds: 60\r\n\r\n")
            token = b"".join(iter(lambda: client.recv(65536), b"")).split(b"\r\n\r\n")[1]
        with socket_in(node.netns, 2) as client:
            client.connect(("100.100.100.200", 80))
            head = b"GET /latest/meta-data/instance-id HTTP/1.0\r\nX-aliyun-ecs-metadata-token: "
            client.sendall(head + token + b"\r\n\r\n")
            assert client.recv(65536).endswith(node.instance.encode())


def test_the_process_is_marked_as_the_labs(side: CloudSide, layout: Layout) -> None:
    assert len(marked_processes(recorded_token(layout))) == 1
    side.process.stop()
    assert marked_processes(recorded_token(layout)) == []


class Wired:
    """An emulator whose ENIs are links, in this process."""

    def __init__(self, layout: Layout, processes: Processes) -> None:
        self.node, self.network = layout.netns("cloud-1"), device_netns(layout, VPC)
        self._processes = processes
        told = Stage.model_validate_json(json.dumps(stage(layout, ("id", "secret"), "/unused")))
        site = told.site.model_copy(update={"pace": Pace()})  # nothing takes time
        self.wires = Wires(told.places, processes)
        self.emulator = Emulator(site, observer=self.wires)
        for eni in self.emulator.enis("i-cloud-1"):
            self.wires.on_attached("i-cloud-1", eni)

    def call(self, action: str, **parameters: str) -> None:
        reply = self.emulator.invoke("ecs", action, {"RegionId": "cn-hangzhou", **parameters})
        assert reply.status == 200, reply.body

    def links(self) -> dict[str, str]:
        """Names of the node's links and their MACs."""
        shown = json.loads(self._processes.must(["ip", "-j", "link", "show"], netns=self.node))
        return {link["ifname"]: link["address"] for link in shown if link["ifname"] != "lo"}

    def routed(self, port: str) -> list[str]:
        """Addresses that the network sends to a port."""
        shown = json.loads(self._processes.must(["ip", "-j", "route", "show", "dev", port], netns=self.network))
        return [route["dst"] for route in shown]

    def owned(self) -> str:
        return self._processes.must(["nft", "list", "set", "ip", vpc.TABLE, vpc.SET], netns=self.network)


@pytest.fixture
def wired(layout: Layout, processes: Processes) -> Wired:
    side = CloudSide(layout, processes)
    make_namespaces([layout.netns("core")], processes)
    side.build_networks()
    return Wired(layout, processes)


def test_an_attached_eni_is_a_link_and_its_addresses_are_routed_to_it(wired: Wired) -> None:
    wired.call(
        "CreateNetworkInterface", VSwitchId="vsw-pod-h", SecurityGroupId="sg-lab", SecondaryPrivateIpAddressCount="1"
    )
    (eni,) = [eni for eni in wired.emulator.enis() if eni.status == "Available"]
    assert set(wired.links()) == {"eth0"}
    wired.call("AttachNetworkInterface", InstanceId="i-cloud-1", NetworkInterfaceId=eni.id)
    assert wired.links()["eth1"] == eni.mac
    assert wired.routed("cloud-1-eth1") == [str(address) for address in eni.ipv4]

    wired.call("AssignPrivateIpAddresses", NetworkInterfaceId=eni.id, SecondaryPrivateIpAddressCount="2")
    more = {str(address) for address in wired.emulator.enis("i-cloud-1")[-1].ipv4}
    assert set(wired.routed("cloud-1-eth1")) == more
    assert len(more) == 4
    assert all(f'"cloud-1-eth1" . {address}' in wired.owned() for address in more)

    gone = str(eni.secondary[0])
    wired.call("UnassignPrivateIpAddresses", **{"NetworkInterfaceId": eni.id, "PrivateIpAddress.1": gone})
    assert set(wired.routed("cloud-1-eth1")) == more - {gone}
    assert f'"cloud-1-eth1" . {gone} ' not in wired.owned().replace(",", " ")

    wired.call("DetachNetworkInterface", InstanceId="i-cloud-1", NetworkInterfaceId=eni.id)
    assert set(wired.links()) == {"eth0"}
    assert "cloud-1-eth1" not in wired.owned()
    assert wired.emulator.violations() == []


def test_a_link_that_cannot_be_made_is_a_violation(wired: Wired, processes: Processes) -> None:
    batch(wired.node, ["link add eth1 type bridge"], processes)
    wired.call("CreateNetworkInterface", VSwitchId="vsw-pod-h", SecurityGroupId="sg-lab")
    (eni,) = [eni for eni in wired.emulator.enis() if eni.status == "Available"]
    wired.call("AttachNetworkInterface", InstanceId="i-cloud-1", NetworkInterfaceId=eni.id)
    (violation,) = wired.emulator.violations()
    assert "File exists" in violation


def test_a_spoofed_datagram_says_what_it_is_told() -> None:
    packet = spoofing.datagram("192.0.2.1", "198.51.100.7")
    assert packet[:1] == b"\x45"
    assert len(packet) == int.from_bytes(packet[2:4]) == 28
    assert (packet[12:16], packet[16:20]) == (bytes([192, 0, 2, 1]), bytes([198, 51, 100, 7]))


def test_the_host_in_the_data_center_is_in_no_lan(layout: Layout) -> None:
    host = ipaddress.ip_address(border.HOST_ADDRESS)
    assert host in ipaddress.ip_network(SITE[0])
    assert not any(host in ipaddress.ip_network(lan.prefixes[0]) for lan in lab_lans(layout))
