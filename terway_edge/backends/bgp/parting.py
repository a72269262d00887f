"""What a peer is told when a session ends from our side, if anything."""

from __future__ import annotations

from terway_edge.backends.bgp.errors import Cease, Code
from terway_edge.backends.bgp.link import Link
from terway_edge.backends.bgp.messages import Notification

CONFIG_CHANGE = Notification(Code.CEASE, Cease.CONFIG_CHANGE)
COLLISION = Notification(Code.CEASE, Cease.COLLISION)
TOO_MANY = Notification(Code.CEASE, Cease.MAX_PREFIXES)
DECONFIGURED = Notification(Code.CEASE, Cease.DECONFIGURED)
HARD_RESET = Notification(Code.CEASE, Cease.HARD_RESET, bytes([Code.CEASE, Cease.DECONFIGURED]))
"""With the N bit agreed a plain Cease would make the peer keep our routes (RFC 8538, section 3)."""


def keeps_routes(link: Link) -> bool:
    """True if the peer does when the connection breaks (RFC 4724)."""
    negotiated = link.session.negotiated
    return negotiated is not None and negotiated.graceful_restart is not None


def word_of_change(link: Link) -> Notification | None:
    """When it begins anew: a peer that keeps our routes, or may do so since an earlier session, is told nothing."""
    return None if link.session.negotiated is None or keeps_routes(link) else CONFIG_CHANGE


def last_word(link: Link) -> Notification | None:
    """When the peer should forget us."""
    negotiated = link.session.negotiated
    if negotiated is None:
        return None
    return HARD_RESET if negotiated.notification else DECONFIGURED
