"""Our speaker alone: a process that imports what sessions and routes need, and nothing of the agent.

Arguments are the number of prefixes, that of next hops, and a password or nothing. Every line on standard input takes
the last prefix away or brings it back; the time of each such wish (ns of the monotonic clock) is printed.
"""

from __future__ import annotations

import signal
import sys
import time
from dataclasses import replace

from benchmarks.bgp_load import NODE, NODE_ASN, PREFIX_LENGTH, SWITCH, SWITCH_ASN, Load, routes
from terway_edge.backends.bgp.messages import Family
from terway_edge.backends.bgp.peer_spec import PeerSpec
from terway_edge.backends.bgp.peering import Surroundings
from terway_edge.backends.bgp.speaker import Speaker
from terway_edge.backends.bgp.transport import TcpNetwork
from terway_edge.backends.bgp.wish import Wish
from terway_edge.core.addresses import Address, Prefix
from terway_edge.core.secret import Secret


def main() -> None:
    prefixes, next_hops, password = sys.argv[1:]
    around = Surroundings(TcpNetwork(), tell=lambda edge: None, jitter=lambda pause: pause)
    speaker = Speaker(around, time.monotonic)
    speaker.start()
    wish = _wish(Load(int(prefixes), int(next_hops)), password)
    speaker.want([wish])
    _change(speaker, wish)
    signal.pause()


def _wish(load: Load, password: str) -> Wish:
    node = Address.parse(NODE)
    secret = Secret(password.encode()) if password else None
    spec = PeerSpec("switch", Address.parse(SWITCH), node, NODE_ASN, SWITCH_ASN, node.value, password=secret)
    next_hops: dict[int, Address] = {}
    announced = {
        Prefix(4, prefix, PREFIX_LENGTH): next_hops.setdefault(hop, Address(4, hop)) for prefix, hop in routes(load)
    }
    return Wish(spec, {Family.IPV4: announced})


def _change(speaker: Speaker, whole: Wish) -> None:
    for number, _ in enumerate(sys.stdin):
        announced = dict(whole.routes[Family.IPV4])
        if number % 2 == 0:
            announced.popitem()
        wish = replace(whole, routes={Family.IPV4: announced})
        now = time.monotonic_ns()
        speaker.want([wish])
        print(now, flush=True)


if __name__ == "__main__":
    main()
