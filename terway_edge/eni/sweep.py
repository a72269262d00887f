"""ENIs that this node's pool made and lost: found by their tags, deleted after two looks and an age.

Only what carries our mark and this instance's id, is attached to nothing, and is not known to be on its way. It is
never detached: an old list may show as loose what is in use.
"""

from __future__ import annotations

from collections.abc import Iterable

from terway_edge.core.cloud import Eni, EniStatus
from terway_edge.core.ports import Severity
from terway_edge.eni.policy import is_ours
from terway_edge.eni.records import Leaving
from terway_edge.eni.state import State

AGE = 60.0  # seconds between the first and the last look at an orphan
PERIOD = 600.0


def can_sweep(state: State) -> bool:
    """False where ENIs are never made by the pool."""
    return state.site.features.has_tags and state.site.features.attaches_hot


def swept(state: State, enis: Iterable[Eni], asked_at: float, now: float) -> None:
    state.next_sweep = now + PERIOD
    found: dict[str, float] = {}
    for eni in enis:
        if eni.id in state.leaving and eni.instance not in ("", state.site.instance.id):
            del state.leaving[eni.id]
            state.tell("EniMoved", eni.id, f"it was attached to {eni.instance} and is that one's now", Severity.WARNING)
        if not is_ours(eni, state.site.instance.id) or eni.instance or _is_known(state, eni):
            continue
        # It stays a suspect until it is gone: one that a pod still has an address of is tried again at every sweep.
        first = found[eni.id] = state.suspects.get(eni.id, asked_at)
        if eni.status is EniStatus.AVAILABLE and asked_at >= first + AGE:
            state.leaving[eni.id] = Leaving(eni.id, eni.addresses, is_bound=False, is_orphan=True)
            state.tell("OrphanEni", eni.id, "it was made for this node and is lost; it is deleted", Severity.WARNING)
        else:
            state.next_sweep = now + AGE
    state.suspects = found


def _is_known(state: State, eni: Eni) -> bool:
    making = state.making_of(eni)
    if making is not None:
        making.eni = eni.id
    return (
        making is not None
        or eni.id in state.enis
        or eni.id in state.leaving
        or eni.id in state.gone
        or eni.id in state.strangers
    )
