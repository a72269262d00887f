"""A speaker as people see it, at one moment: up, and down."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from terway_edge.backends.bgp.answers import Picture
from terway_edge.backends.bgp.failures import Failure
from terway_edge.backends.bgp.fsm import State
from terway_edge.backends.bgp.memory import Remembrance
from terway_edge.backends.bgp.messages import Capabilities, GracefulRestart, Open
from terway_edge.backends.bgp.negotiation import Negotiated
from terway_edge.backends.bgp.peering import SessionState
from terway_edge.backends.bgp.planner import Plan, Planner
from terway_edge.backends.bgp.targets import targets
from terway_edge.core.models import NodeView
from tests.bgp.clusters import node, peer, view
from tests.bgp.sessions import BOTH

NOW = 1000.0
RESTART = GracefulRestart(120, BOTH, BOTH, notification=True)
NEGOTIATED = Negotiated(
    Open(65001, 90, 9, Capabilities(BOTH, 65001, graceful_restart=RESTART)),
    families=BOTH,
    hold_time=90,
    keepalive=30.0,
    four_octet=True,
    extended=True,
    graceful_restart=RESTART,
    notification=True,
    route_refresh=True,
)
REFUSED = Failure("ConnectRefused", "192.0.2.1 refuses connections to port 179")
PEER = peer()
VIEW = view([node(1), node(2), node(3)], PEER)


def planned(seen: NodeView, *, in_sync: bool = True) -> Plan:
    found = targets(seen, {})
    plan = Planner(Remembrance(), "b", shrink_percent=30, hold_back=300).plan(found.targets, NOW, in_sync=in_sync)
    return plan._replace(conditions=(*plan.conditions, *found.conditions))


def established(seen: NodeView = VIEW, **changes: Any) -> SessionState:
    (target,) = targets(seen, {}).targets
    state = SessionState(target.spec, State.ESTABLISHED, NOW - 61.25, NEGOTIATED, 6, True, 3, False, 2, None)
    return replace(state, **changes)


def down(seen: NodeView = VIEW, failure: Failure | None = REFUSED) -> SessionState:
    return established(
        seen, state=State.ACTIVE, negotiated=None, announced=0, is_settled=False, received=0, failure=failure
    )


def picture(*states: SessionState, seen: NodeView = VIEW, plan: Plan | None = None) -> Picture:
    return Picture("n1", NOW, states, plan or planned(seen), seen, ())


UP = picture(established())
DOWN = picture(down())
