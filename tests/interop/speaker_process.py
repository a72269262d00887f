"""A speaker in a process of its own, which tests can kill and freeze: commands come as JSON lines, one answer each.

    {"do": "want", "wishes": [...]}   the whole desired state; answered before it is carried out
    {"do": "states"}                  every session
    {"do": "edges"}                   every edge since the start, oldest first
    {"do": "close"}                   end without a word, and the process with it

Passwords come over the pipe only; what is started with is in one argument, as JSON of `Options`.
"""

from __future__ import annotations

import json
import logging
import random
import sys
from dataclasses import asdict, dataclass, fields
from typing import Any, NamedTuple

from terway_edge.agent.clock import BootClock
from terway_edge.backends.bgp.messages import Family
from terway_edge.backends.bgp.peer_spec import PeerSpec, Rebirth
from terway_edge.backends.bgp.peering import Edge, SessionState, Surroundings
from terway_edge.backends.bgp.speaker import Speaker
from terway_edge.backends.bgp.suspicion import suspected
from terway_edge.backends.bgp.transport import TcpNetwork, unsigned_segments
from terway_edge.backends.bgp.wish import Attributes, Wish
from terway_edge.core.addresses import Address, Prefix
from terway_edge.core.secret import Secret


@dataclass(frozen=True, slots=True)
class Options:
    """`longest_pause` cuts the speaker's pauses short, so that a test need not wait for them; 0: as they are.
    `on_link` is where addresses answer for themselves, `most_received` and `ends_when_over` are of `Surroundings`."""

    listen_port: int = 0
    longest_pause: float = 0.0
    most_received: int = 0
    ends_when_over: bool = False
    on_link: tuple[str, ...] = ()


class SessionView(NamedTuple):
    """What `SessionState` says, in plain values. `reason` and `message` are of the last failure, empty if there is
    none; what was negotiated is 0, False or empty before the peer's OPEN."""

    peer: str
    name: str
    state: str
    since: float
    flaps: int
    announced: int
    is_settled: bool
    received: int
    is_over_limit: bool
    reason: str
    message: str
    hold_time: int
    families: tuple[str, ...]
    four_octet: bool
    has_restart: bool
    has_notification: bool


class EdgeView(NamedTuple):
    """What `Edge` says, in plain values, and when by the speaker's clock; `reason` is empty if a session came up."""

    at: float
    peer: str
    reason: str
    message: str
    code: int
    subcode: int
    received: bool
    was_established: bool
    is_gone: bool


# --- wishes as JSON ---------------------------------------------------------------------------------------------------

_SPECIAL = ("address", "local_address", "password", "families")


def wish_to_json(wish: Wish) -> dict[str, Any]:
    spec = wish.spec
    return {
        "spec": {field.name: getattr(spec, field.name) for field in fields(PeerSpec) if field.name not in _SPECIAL},
        "address": str(spec.address),
        "local_address": str(spec.local_address),
        "password": spec.password.value.decode("latin-1") if spec.password else None,
        "families": [family.name for family in spec.families],
        "routes": {
            family.name: {str(prefix): str(hop) for prefix, hop in table.items()}
            for family, table in wish.routes.items()
        },
        "attributes": asdict(wish.attributes),
        "rebirth": asdict(wish.rebirth),
    }


def wish_from_json(document: dict[str, Any]) -> Wish:
    password, attributes = document["password"], document["attributes"]
    return Wish(
        PeerSpec(
            address=Address.parse(document["address"]),
            local_address=Address.parse(document["local_address"]),
            password=None if password is None else Secret(password.encode("latin-1")),
            families=tuple(Family[name] for name in document["families"]),
            **document["spec"],
        ),
        {
            Family[name]: {Prefix.parse(prefix): Address.parse(hop) for prefix, hop in table.items()}
            for name, table in document["routes"].items()
        },
        Attributes(
            attributes["med"],
            tuple(attributes["communities"]),
            tuple((first, second, third) for first, second, third in attributes["large_communities"]),
        ),
        Rebirth(**document["rebirth"]),
    )


# --- the process ------------------------------------------------------------------------------------------------------


class Process:
    def __init__(self, options: Options) -> None:
        self._now = BootClock().now
        self._edges: list[EdgeView] = []
        self._on_link = [Prefix.parse(text) for text in options.on_link]
        self._unsigned = unsigned_segments()
        longest = options.longest_pause

        def jitter(pause: float) -> float:
            return min(pause, longest) if longest else pause * random.uniform(0.75, 1.0)

        around = Surroundings(TcpNetwork(), self._tell, jitter, options.most_received, options.ends_when_over)
        self._speaker = Speaker(around, self._now, options.listen_port)
        self._speaker.start()

    def serve(self) -> None:
        for line in sys.stdin:
            command = json.loads(line)
            print(json.dumps(self._answer(command)), flush=True)
            if command["do"] == "close":
                return

    def _answer(self, command: dict[str, Any]) -> Any:
        match command["do"]:
            case "want":
                self._speaker.want([wish_from_json(wish) for wish in command["wishes"]])
                return None
            case "states":
                return [_view(state) for state in self._speaker.states]
            case "edges":
                return list(self._edges)
            case "close":
                self._speaker.close()
                return None
            case other:
                raise ValueError(f"unknown command {other}")

    def _tell(self, edge: Edge) -> None:
        """As the backend hears of it."""
        failure = edge.failure
        if failure is not None:
            before, self._unsigned = self._unsigned, unsigned_segments()
            is_on_link = any(network.contains(edge.spec.address) for network in self._on_link)
            new_unsigned = self._unsigned - before
            failure = suspected(failure, edge.spec, is_on_link=is_on_link, new_unsigned=new_unsigned)
        self._edges.append(
            EdgeView(
                self._now(),
                str(edge.spec.address),
                failure.reason if failure else "",
                failure.message if failure else "",
                failure.code if failure else 0,
                failure.subcode if failure else 0,
                failure is not None and failure.received,
                edge.was_established,
                edge.is_gone,
            )
        )


def _view(state: SessionState) -> SessionView:
    negotiated, failure = state.negotiated, state.failure
    return SessionView(
        str(state.spec.address),
        state.spec.name,
        str(state.state),
        state.since,
        state.flaps,
        state.announced,
        state.is_settled,
        state.received,
        state.is_over_limit,
        failure.reason if failure else "",
        failure.message if failure else "",
        negotiated.hold_time if negotiated else 0,
        tuple(family.name for family in negotiated.families) if negotiated else (),
        negotiated is not None and negotiated.four_octet,
        negotiated is not None and negotiated.graceful_restart is not None,
        negotiated is not None and negotiated.notification,
    )


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    Process(Options(**json.loads(sys.argv[1]))).serve()
