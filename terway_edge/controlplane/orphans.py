"""ENIs that agents made and nobody will ever use: found by two proofs. Pure: times are of a clock that never steps.

First proof: it carries our marks, is attached to nothing, and the instance it was made for is no Node of this cluster.
Second: the cloud says that there is no such instance, at two looks; or, for an instance that there is (of another
cluster, or on its way to become a Node), nothing about the ENI changed for long, over several looks.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from terway_edge.core.cloud import Eni, EniKind, EniStatus
from terway_edge.eni.policy import CREATOR, CREATOR_TAG, INSTANCE_TAG

GONE_LOOKS = 2
IDLE_LOOKS, IDLE = 3, 900.0  # looks, and seconds between the first and the last


@dataclass(slots=True)
class _Suspect:
    eni: Eni
    first: float
    looks: int = 0
    gone_looks: int = 0


@dataclass(slots=True)
class Suspects:
    """One reign's memory of what was seen."""

    _known: dict[str, _Suspect] = field(default_factory=dict)

    def look(self, enis: Iterable[Eni], instances: Collection[str], now: float) -> frozenset[str]:
        """A new listing: ids of the instances that the cloud is to be asked about.

        :param instances: those of the cluster's Nodes
        """
        found: dict[str, _Suspect] = {}
        for eni in enis:
            if not is_suspect(eni, instances):
                continue
            before = self._known.get(eni.id)
            suspect = before if before is not None and before.eni == eni else _Suspect(eni, now)
            suspect.looks += 1
            found[eni.id] = suspect
        self._known = found
        return frozenset(each.eni.tags[INSTANCE_TAG] for each in found.values())

    def proven(self, is_there: Mapping[str, bool], now: float, *, knows_all: bool) -> list[Eni]:
        """The orphans among them, after a look.

        :param is_there: by instance, as far as the cloud answered
        :param knows_all: False if a Node may be an instance without saying which: then one that there is proves nothing
        """
        orphans = []
        for suspect in self._known.values():
            instance = suspect.eni.tags[INSTANCE_TAG]
            suspect.gone_looks = suspect.gone_looks + 1 if is_there.get(instance) is False else 0
            is_idle = suspect.looks >= IDLE_LOOKS and now >= suspect.first + IDLE
            if suspect.gone_looks >= GONE_LOOKS or (is_idle and knows_all and is_there.get(instance)):
                orphans.append(suspect.eni)
        return sorted(orphans, key=lambda eni: eni.id)


def is_suspect(eni: Eni, instances: Collection[str]) -> bool:
    """The first proof."""
    instance = eni.tags.get(INSTANCE_TAG, "")
    return (
        eni.tags.get(CREATOR_TAG) == CREATOR
        and instance != ""
        and instance not in instances
        and eni.kind is EniKind.SECONDARY
        and eni.status is EniStatus.AVAILABLE
        and not eni.instance
    )
