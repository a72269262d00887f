"""hostPort as runtimes ask for it: `runtimeConfig.portMappings` (CNI conventions, "portMappings"). Pure.

Go runtimes write the names of fields as Go does (`HostPort`), others in lower camel case: case makes no difference.
"""

from __future__ import annotations

from terway_edge.agent.netconf import Conf, runtime_config, shown
from terway_edge.core.addresses import Address
from terway_edge.core.errors import Refused
from terway_edge.core.host_ports import overlap
from terway_edge.core.models import PortMapping

WHERE = "runtimeConfig.portMappings"
PROTOCOLS = ("tcp", "udp", "sctp")
PORT_MAX = 65535


def port_mappings(conf: Conf) -> tuple[PortMapping, ...]:
    """What the pod wants of the node's ports, without repetitions; an entry without a host port asks for nothing.

    Raises Refused if an entry makes no sense, or two of them contradict each other.
    """
    entries = runtime_config(conf).get(WHERE.rpartition(".")[2].lower())
    if entries is None:
        return ()
    if not isinstance(entries, list):
        raise Refused(f"{WHERE} must be a list, not {shown(entries)}")
    found: dict[tuple[int, str], list[PortMapping]] = {}
    for index, entry in enumerate(entries):
        mapping = _mapping(f"{WHERE}[{index}]", entry)
        if mapping is not None:
            _add(found.setdefault((mapping.host_port, mapping.protocol), []), mapping)
    return tuple(mapping for group in found.values() for mapping in group)


def _add(group: list[PortMapping], mapping: PortMapping) -> None:
    if mapping in group:
        return
    if any(overlap(mapping, other) for other in group):
        raise Refused(f"{WHERE}: hostPort {mapping} is asked for twice, and leads to two places")
    group.append(mapping)


def _mapping(where: str, entry: object) -> PortMapping | None:
    if not isinstance(entry, dict):
        raise Refused(f"{where} must be an object, not {shown(entry)}")
    fields = {key.lower(): value for key, value in entry.items()}
    host_port = _port(f"{where}.hostPort", fields.get("hostport", 0), least=0)
    if not host_port:
        return None
    return PortMapping(
        host_port,
        _port(f"{where}.containerPort", fields.get("containerport"), least=1),
        _protocol(f"{where}.protocol", fields.get("protocol")),
        _host_ip(f"{where}.hostIP", fields.get("hostip")),
    )


def _port(where: str, value: object, least: int) -> int:
    if type(value) is not int or not least <= value <= PORT_MAX:
        raise Refused(f"{where} must be a number from {least} to {PORT_MAX}, not {shown(value)}")
    return value


def _protocol(where: str, value: object) -> str:
    if value is None or value == "":
        return PROTOCOLS[0]
    if not isinstance(value, str) or value.lower() not in PROTOCOLS:
        raise Refused(f"{where} must be one of {', '.join(PROTOCOLS)}, not {shown(value)}")
    return value.lower()


def _host_ip(where: str, value: object) -> Address | None:
    if value is None or value == "":
        return None
    try:
        address = Address.parse(value if isinstance(value, str) else "")
    except ValueError:
        raise Refused(f"{where} must be an address of the node, not {shown(value)}") from None
    if _stays_on_link(address):
        raise Refused(
            f"{where} {address} is a loopback or link-local address, which leads to no pod; give another address of "
            "the node, or none"
        )
    return address


def _stays_on_link(address: Address) -> bool:
    """Of the kinds that the firewall leaves alone."""
    if address.family == 4:
        return address.value >> 24 == 127
    return address.value == 1 or address.value >> 118 == 0xFE80 >> 6
