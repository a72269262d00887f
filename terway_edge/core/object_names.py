"""Names of Kubernetes objects."""

from __future__ import annotations

import re

_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = re.compile(rf"{_LABEL}(\.{_LABEL})*")
MAX_LENGTH = 253


def is_object_name(text: str) -> bool:
    """True for a DNS subdomain (RFC 1123), as names of Nodes, BGPPeers and Secrets are."""
    return len(text) <= MAX_LENGTH and _SUBDOMAIN.fullmatch(text) is not None
