"""A cloud network as a router: a VPC, or the network of an ENS site. Each ENI is a link with its end here.

As in the real thing there is no LAN: the router answers for every address of the network, knows which ENI owns which
address, and throws away what an ENI sends with an address that it does not own. What an ENI has is added and removed
by whoever plays the cloud, in the lines that are made here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from terway_edge.lab.processes import Processes
from terway_edge.lab.topology import batch

TABLE, SET, COUNTER = "twlab_sources", "owned", "spoofed"
SYSCTLS = {
    "ipv4/conf/all/proxy_arp": "1",
    "ipv4/conf/all/rp_filter": "0",  # whose source is wrong is for the set to say
    "ipv4/conf/default/rp_filter": "0",
}


def prepare(netns: str, local: Sequence[str], uplinks: Sequence[str], processes: Processes) -> None:
    """Make a forwarding namespace a cloud network.

    :param local: addresses that the network itself has: gateways of vSwitches, services such as metadata
    :param uplinks: links that are no ENI's
    """
    for name, value in SYSCTLS.items():
        processes.must(["tee", f"/proc/sys/net/{name}"], netns=netns, stdin=value)
    batch(netns, [f"address add {address}/32 dev lo" for address in local], processes)
    processes.must(["nft", "-f", "-"], netns=netns, stdin=ruleset(uplinks))


def ruleset(uplinks: Sequence[str]) -> str:
    """Everything that comes from an ENI needs a source that this ENI owns."""
    trusted = ", ".join(f'"{name}"' for name in ("lo", *uplinks))
    return f"""\
table ip {TABLE} {{
  set {SET} {{ type ifname . ipv4_addr; }}
  counter {COUNTER} {{ }}
  chain check {{
    type filter hook prerouting priority raw; policy accept;
    iifname {{ {trusted} }} accept
    iifname . ip saddr @{SET} accept
    counter name {COUNTER} drop
  }}
}}
"""


def plug_lines(port: str, link: str, node: str, mac: str) -> list[str]:
    """Lines of `ip -batch` in the network's namespace: a new ENI, whose end on the node appears down."""
    return [
        f"link add {port} type veth peer name {link} address {mac} netns {node}",
        f"link set {port} addrgenmode none",
        f"link set {port} up",
        # An answer for somebody else would wait up to 0.8 s.
        f"ntable change name arp_cache dev {port} proxy_delay 0",
    ]


def address_lines(port: str, mac: str, added: Iterable[str], removed: Iterable[str] = ()) -> list[str]:
    """The same for its addresses. Nobody is asked who has one: the network knows."""
    lines = [f"route del {address}/32 dev {port}" for address in removed]
    for address in added:
        lines += [
            f"neighbour replace {address} lladdr {mac} dev {port} nud permanent",
            f"route replace {address}/32 dev {port}",
        ]
    return lines


def source_lines(port: str, added: Iterable[str], removed: Iterable[str] = ()) -> str:
    """Commands of nft: which sources an ENI may use."""
    verbs = [("delete", address) for address in removed] + [("add", address) for address in added]
    return "".join(f'{verb} element ip {TABLE} {SET} {{ "{port}" . {address} }}\n' for verb, address in verbs)


def spoofed(netns: str, processes: Processes) -> int:
    """Packets thrown away because of their source so far. Raises LabError."""
    text = processes.must(["nft", "-j", "list", "counter", "ip", TABLE, COUNTER], netns=netns)
    return next(int(item["counter"]["packets"]) for item in json.loads(text)["nftables"] if "counter" in item)
