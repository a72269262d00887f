"""Names of Kubernetes objects."""

from __future__ import annotations

import re

_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
"""A pattern of the whole name (RFC 1123)."""
MAX_LENGTH = 253

_subdomain = re.compile(SUBDOMAIN)


def is_object_name(text: str) -> bool:
    """True for a DNS subdomain (RFC 1123), as names of Nodes, BGPPeers and Secrets are."""
    return len(text) <= MAX_LENGTH and _subdomain.fullmatch(text) is not None
