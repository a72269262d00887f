"""Finding the uplink with what the kernel and the settings say."""

from __future__ import annotations

from terway_edge.core.config import Settings
from terway_edge.core.models import Uplink
from terway_edge.core.plans import MAIN, FibRoute, Link, LinkAddress, Where
from terway_edge.core.ports import Kernel, Snapshot
from terway_edge.core.uplink import Choice, Found, choose_uplink


def find_uplink(kernel: Kernel, settings: Settings, snapshot: Snapshot) -> Uplink | None:
    """The uplink now; None if the cluster does not know this node yet. Raises Refused if there is none to choose."""
    own = next((node for node in snapshot.nodes if node.name == settings.node_name), None)
    if own is None:
        return None
    found = Found(kernel.dump(Link), kernel.dump(LinkAddress), kernel.dump(FibRoute, Where(table=MAIN)))
    return choose_uplink(found, _choice(settings), own.addresses)


def _choice(settings: Settings) -> Choice:
    wish = settings.interface
    return Choice(
        names=wish.names,
        regexes=wish.regex,
        can_reach=wish.can_reach,
        public_ips=tuple(address for address in (wish.public_ip, wish.public_ipv6) if address),
    )
