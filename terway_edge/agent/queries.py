"""Answers to `terway-edge status | leases | routes | plugins | config`, as JSON-ready mappings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from terway_edge.agent.conditions import Conditions
from terway_edge.agent.reconciler import Reconciler
from terway_edge.agent.telemetry import Telemetry
from terway_edge.core.config import Settings
from terway_edge.core.datapath import host_items
from terway_edge.core.dispatcher import Dispatcher
from terway_edge.core.errors import Refused
from terway_edge.core.ipam import Ipam
from terway_edge.core.models import Lease, Uplink
from terway_edge.core.names import link_name
from terway_edge.core.plans import MAIN, PROTO, FibRoute, Link, RouteKind, Where
from terway_edge.core.plugins import PluginInfo
from terway_edge.core.ports import Clock, Kernel

Answer = dict[str, Any]


class Queries:
    """Read-only; every method may be called from any thread."""

    def __init__(
        self,
        settings: Settings,
        kernel: Kernel,
        ipam: Ipam,
        dispatcher: Dispatcher,
        reconciler: Reconciler,
        conditions: Conditions,
        plugins: Sequence[PluginInfo],
        telemetry: Telemetry,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._kernel = kernel
        self._ipam = ipam
        self._dispatcher = dispatcher
        self._reconciler = reconciler
        self._conditions = conditions
        self._plugins = plugins
        self._telemetry = telemetry
        self._clock = clock
        self._started_at = clock.now()
        self._table: dict[str, Callable[[], Answer]] = {
            "status": self.status,
            "leases": self.leases,
            "routes": self.routes,
            "plugins": self.plugins,
            "config": self.config,
        }

    def answer(self, query: str) -> Answer:
        """Of the agent itself, or `PLUGIN WORDS` of a plugin. Raises Refused for a query that does not exist."""
        if query in self._table:
            return self._table[query]()
        plugin, *words = query.split() or [""]
        if not words or not self._dispatcher.has(plugin):
            raise Refused(f"no query {query!r}; there are {', '.join(self._table)}, and those of plugins")
        return dict(self._dispatcher.query(plugin, words))

    def status(self) -> Answer:
        node = self._reconciler.node()
        view = self._reconciler.view
        reports = [report for name in self._reconciler.active if (report := self._dispatcher.report(name))]
        conditions = list(self._conditions.all())
        for report in reports:
            conditions += [condition for condition in report.conditions if condition not in conditions]
        return {
            "node": self._settings.node_name,
            "ready": not node.why_not,
            "why_not": node.why_not,
            "uptime_seconds": round(self._clock.now() - self._started_at, 1),
            "backend": view.selection.backend if view else "",
            "advertisers": list(view.selection.advertisers) if view else [],
            "lan": view.selection.lan if view else "",
            "nodes": len(view.members) + 1 if view else 0,
            "uplink": _uplink(view.uplink) if view else None,
            "pools": [{"name": name, **self._ipam.usage(name)._asdict()} for name in self._ipam.pools()],
            "leases": len(self._ipam.leases()),
            "routes": len(self._reconciler.routes.routes),
            "plugins": [
                {"plugin": report.plugin, "in_sync": report.in_sync, "details": dict(report.details)}
                for report in reports
            ],
            "repairs": dict(self._telemetry.repairs),
            "conditions": [condition._asdict() for condition in conditions],
        }

    def leases(self) -> Answer:
        links = {link.name: link for link in self._kernel.dump(Link)}
        return {"leases": [self._lease(lease, links.get(link_name(lease.key))) for lease in self._ipam.leases()]}

    def routes(self) -> Answer:
        """Desired routes, the pods' included, beside what the kernel has of ours; `state` says how they differ."""
        desired = self._desired()
        names = {link.ifindex: link.name for link in self._kernel.dump(Link)}
        dumped = self._kernel.dump(FibRoute, Where(table=MAIN, proto=PROTO))
        actual = {_key(route): _text(route, names) for route in dumped}
        rows = []
        for key in sorted(desired.keys() | actual.keys()):
            (wanted, origin), found = desired.get(key, ("", "")), actual.get(key, "")
            state = _state(wanted, found)
            rows.append({"prefix": key[0], "desired": wanted, "origin": origin, "actual": found, "state": state})
        return {"routes": rows, "in_sync": all(row["state"] == "ok" for row in rows)}

    def plugins(self) -> Answer:
        active = self._reconciler.active
        return {"plugins": [{**asdict(info), "active": info.name in active} for info in self._plugins]}

    def config(self) -> Answer:
        return self._settings.model_dump(mode="json")

    def _desired(self) -> dict[tuple[str, int], tuple[str, str]]:
        view = self._reconciler.view
        uplink = view.uplink.name if view and view.uplink else "?"
        desired = {
            (str(route.prefix), 0): (f"via {route.next_hop} dev {uplink}", route.origin)
            for route in self._reconciler.routes.routes
        }
        for prefix in view.node.pod_cidrs if view else ():
            desired[str(prefix), 1] = ("unreachable", "own pod CIDR")
        for lease in self._ipam.leases():
            owner = f"pod {lease.sandbox.pod or lease.sandbox.container_id}"
            for item in host_items(lease, 0):
                if isinstance(item, FibRoute):
                    desired[str(item.prefix), 0] = (f"dev {link_name(lease.key)}", owner)
        return desired

    def _lease(self, lease: Lease, link: Link | None) -> Answer:
        sandbox = lease.sandbox
        return {
            "container": sandbox.container_id,
            "ifname": sandbox.ifname,
            "pod": sandbox.pod,
            "addresses": [str(address) for address in lease.addresses],
            "ports": [str(mapping) for mapping in sandbox.ports],
            "backend": lease.backend,
            "link": link_name(lease.key),
            "link_state": "missing" if link is None else "up" if link.up else "down",
            "age_seconds": round(self._clock.now() - lease.granted_at, 1),
        }


def _key(route: FibRoute) -> tuple[str, int]:
    return (str(route.prefix), 1 if route.kind is RouteKind.UNREACHABLE else 0)


def _text(route: FibRoute, names: Mapping[int, str]) -> str:
    if route.kind is RouteKind.UNREACHABLE:
        return "unreachable"
    via = f"via {route.via} " if route.via else ""
    return f"{via}dev {names.get(route.link, route.link)}"


def _state(desired: str, actual: str) -> str:
    if desired == actual:
        return "ok"
    if not actual:
        return "missing"
    return "different" if desired else "stale"


def _uplink(uplink: Uplink | None) -> Answer | None:
    if uplink is None:
        return None
    return {
        "link": uplink.name,
        "mtu": uplink.mtu,
        "addresses": [f"{address}/{length}" for address, length in uplink.addresses],
        "gateways": [str(gateway) for gateway in uplink.gateways],
        "why": uplink.why,
    }
