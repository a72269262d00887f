"""Sessions as status entries, conditions and report details. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from terway_edge.backends.bgp.answers import Picture, peer_row
from terway_edge.backends.bgp.fsm import State
from terway_edge.backends.bgp.peering import SessionState
from terway_edge.core.models import Condition


def status_entry(picture: Picture, state: SessionState, now: datetime) -> dict[str, Any]:
    """The entry of one speaker in the status of a BGPPeer; times as Kubernetes writes them."""
    row = peer_row(picture, state)
    since = now - timedelta(seconds=picture.now - state.since)
    return {
        "speaker": row["speaker"],
        "localAddress": row["local_address"],
        "state": row["state"],
        "since": since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "prefixesAnnounced": row["announced"],
        "prefixesReceived": row["received"],
        "flaps": row["flaps"],
        "negotiated": {
            "holdTimeSeconds": row["hold_time"],
            "families": row["families"],
            "gracefulRestart": row["graceful_restart"],
            "survivesNotification": row["survives_notification"],
        }
        if state.negotiated
        else None,
        "lastError": row["last_error"],
    }


def conditions_of(node: str, states: Iterable[SessionState]) -> list[Condition]:
    """Sessions that an operator must look at; one that is only being made is none."""
    found = []
    for state in states:
        subject = f"BGPPeer/{state.spec.name}"
        if state.state is not State.ESTABLISHED and state.failure is not None:
            message = f"no session of {node} with {state.spec.address}: {state.failure.message}"
            found.append(Condition(state.failure.reason, subject, message))
        if state.is_over_limit:
            message = (
                f"{state.spec.address} announces more than bgp.max_received_prefixes to {node}; nothing of it is used: "
                f"let the switch announce nothing to its speakers"
            )
            found.append(Condition("TooManyPrefixes", subject, message))
    return found


def details_of(states: Iterable[SessionState]) -> dict[str, str | int | float]:
    known = tuple(states)
    return {
        "sessions": len(known),
        "established": sum(state.state is State.ESTABLISHED for state in known),
        "prefixes": max((state.announced for state in known), default=0),
    }
