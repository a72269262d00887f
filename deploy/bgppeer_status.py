"""The status of a BGPPeer: an entry of each speaker, written by its agent, and conditions, by the control plane.

Both lists are keyed, so that server-side apply keeps the writers out of each other's way.
"""

from __future__ import annotations

from typing import Any

TEXT = {"type": "string"}
COUNT = {"type": "integer", "format": "int64", "minimum": 0}
TIME = {"type": "string", "format": "date-time"}

CONDITION: dict[str, Any] = {
    "type": "object",
    "required": ["type", "status", "lastTransitionTime", "reason", "message"],
    "properties": {
        "type": {"type": "string", "maxLength": 316},
        "status": {"type": "string", "enum": ["True", "False", "Unknown"]},
        "observedGeneration": COUNT,
        "lastTransitionTime": TIME,
        "reason": {"type": "string", "minLength": 1, "maxLength": 1024},
        "message": {"type": "string", "maxLength": 32768},
    },
}
"""As Kubernetes' own (metav1.Condition)."""

SPEAKER: dict[str, Any] = {
    "type": "object",
    "required": ["node"],
    "properties": {
        "node": {"description": "name of the speaker's Node", "type": "string"},
        "speaker": {"description": "the same, as `terway-edge bgp peers` shows it", "type": "string"},
        "localAddress": {"description": "address that the session is made from", "type": "string"},
        "state": {"description": "state of the session (RFC 4271, section 8)", "type": "string"},
        "since": {"description": "when it came to that state", **TIME},
        "prefixesAnnounced": COUNT,
        "prefixesReceived": {"description": "prefixes that the switch sent; they are not used", **COUNT},
        "flaps": {"description": "how often an established session was lost", **COUNT},
        "negotiated": {
            "description": "what both sides agreed on; absent without a session",
            "type": "object",
            "nullable": True,
            "properties": {
                "holdTimeSeconds": COUNT,
                "families": {"type": "array", "items": TEXT, "x-kubernetes-list-type": "atomic"},
                "gracefulRestart": {"type": "boolean"},
                "survivesNotification": {"type": "boolean"},
            },
        },
        "lastError": {"description": "why the last session ended, or was not made; empty if it was not", **TEXT},
    },
}

STATUS: dict[str, Any] = {
    "type": "object",
    "properties": {
        "observedGeneration": COUNT,
        "conditions": {
            "type": "array",
            "items": CONDITION,
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["type"],
        },
        "speakers": {
            "type": "array",
            "items": SPEAKER,
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["node"],
        },
    },
}
