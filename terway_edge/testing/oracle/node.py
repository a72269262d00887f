"""Takes a Picture of a node whose agent runs: by its answers, its state directory, and what `ip`, `nft` and `conntrack`
show in its namespace."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

from terway_edge.agent.records import Replay, replay
from terway_edge.core.models import Lease
from terway_edge.core.names import LINK_PREFIX
from terway_edge.lab.errors import LabError
from terway_edge.lab.processes import Processes
from terway_edge.testing.oracle.invariants import OF_LINK
from terway_edge.testing.oracle.picture import Leases, Picture, PoolBook, Sight
from terway_edge.testing.oracle.sights import IP, SYSCTLS, parse

JOURNAL = "leases.journal"
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
MARK, FAILED = "--next--", "--failed--"
OF_LINKS = " ".join(f"{SYSCTLS}conf/{LINK_PREFIX}*/{name}" for name in OF_LINK)
SETTINGS = f"grep -H . {SYSCTLS}ip_forward {OF_LINKS} 2>/dev/null"
COMMANDS = (
    *IP,
    SETTINGS,
    "nft -j list table inet terway_edge 2>/dev/null",
    f"conntrack -L 2>/dev/null || echo {FAILED}",
)


class NodeReader:
    """`ask` puts a query of the command line to the agent. Every method may raise LabError."""

    def __init__(self, netns: str, state_dir: Path, ask: Callable[[str], dict[str, Any]], processes: Processes) -> None:
        self._netns = netns
        self._journal = state_dir / JOURNAL
        self._ask = ask
        self._processes = processes

    def picture(self, live: Leases, told: Collection[str], shown: list[str]) -> Picture:
        """:param told: addresses that pods have, or had: connections of others are not the agent's to forget
        :param shown: what `show` has returned just now
        """
        pools = self._ask("status")["pools"]
        stored = self._stored()
        return Picture(
            live=live,
            leases=self.leases(),
            replayed=addresses_of(stored.contents.leases.values()),
            damage=stored.damage,
            sight=_sight(shown, set(told)),
            pools={pool["name"]: PoolBook(*(pool[field] for field in PoolBook._fields)) for pool in pools},
        )

    def leases(self) -> Leases:
        """As the agent tells them."""
        rows = self._ask("leases")["leases"]
        return {(row["container"], row["ifname"]): frozenset(row["addresses"]) for row in rows}

    def ways(self) -> set[tuple[str, str]]:
        """What leads packets to or from addresses of pods, and which; the agent is not asked."""
        *ip, settings, nft, _ = self.show()
        sight = parse(ip, nft, settings=settings)
        return {
            *(("route", each.address) for each in sight.routes),
            *(("rule", each.address) for each in sight.rules),
            *(("permission to send", each.address) for each in sight.sources),
            *(("port of the node", address) for address in sight.forwards),
        }

    def show(self) -> list[str]:
        """What each of COMMANDS prints. No connections and no answer are not the same."""
        script = f"; echo {MARK}; ".join(COMMANDS)
        shown = self._processes.run(["sh", "-c", script], netns=self._netns).stdout.split(f"{MARK}\n")
        if FAILED in shown[-1]:
            raise LabError("conntrack does not tell which connections there are")
        return shown

    def _stored(self) -> Replay:
        """What the next process would read."""
        data = self._journal.read_bytes() if self._journal.exists() else b""
        return replay(data, BOOT_ID.read_text().strip())


def addresses_of(leases: Iterable[Lease]) -> Leases:
    return {lease.key: frozenset(map(str, lease.addresses)) for lease in leases}


def links(shown: list[str]) -> Iterator[tuple[str, int]]:
    """Name and index of every link that there is."""
    for link in json.loads(shown[0] or "[]"):
        if "ifname" in link:  # of a link that goes just now nothing may be told
            yield link["ifname"], link["ifindex"]


def _sight(shown: list[str], told: set[str]) -> Sight:
    *ip, settings, nft, connections = shown
    words = (word.partition("=") for word in connections.split())
    tracked = {value for name, _, value in words if name in ("src", "dst")}
    return parse(ip, nft, tracked & told, settings)
