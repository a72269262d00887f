"""All that is known of the cluster, from the mirrors to one snapshot. Belongs to the source's thread."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from terway_edge.cluster.api.failures import WHERE, Reason, Trouble
from terway_edge.cluster.api.mirror import Mirror
from terway_edge.cluster.config_maps import ConfigMapManifest
from terway_edge.cluster.secrets import SecretManifest, passwords_for
from terway_edge.core.bgp_peer import BgpPeer
from terway_edge.core.models import Node
from terway_edge.core.ports import Problem, Snapshot


def snapshot(
    nodes: Mirror[Node],
    peers: Mirror[BgpPeer],
    secrets: Mirror[SecretManifest],
    config_maps: Iterable[Mirror[ConfigMapManifest]],
    problems: Iterable[Problem],
) -> Snapshot:
    """:param problems: what is to be told beside what is wrong with the objects."""
    found = tuple(peers.objects())
    passwords, wrong = passwords_for(found, (("kube-system", secret) for secret in secrets.objects()))
    maps = [each for mirror in config_maps for each in mirror.objects()]
    return Snapshot(
        tuple(nodes.objects()),
        (*nodes.problems(), *peers.problems(), *wrong, *problems),
        nodes.is_in_sync,
        found,
        passwords,
        peers.is_in_sync,
        {each.name: each.data for each in maps},
        nodes.is_live and peers.is_live,
    )


class Absence:
    """Since when, and why, the API server is away; told with one reason as long as it lasts."""

    def __init__(self, grace: float) -> None:
        """:param grace: seconds until it is worth telling."""
        self._grace = grace
        self._since: float | None = None
        self._told: Trouble | None = None

    @property
    def due_at(self) -> float | None:
        """When to judge again, even if nothing happens."""
        return self._since + self._grace if self._since is not None and self._told is None else None

    def judge(self, troubles: Iterable[Trouble], now: float) -> Trouble | None:
        """What is to be told of it now, of troubles that stand now."""
        passing = next((trouble for trouble in troubles if not trouble.is_lasting), None)
        if passing is None:
            self._since = self._told = None
            return None
        if self._since is None:
            self._since = now
        if self._told is None and now >= self._since + self._grace:
            self._told = passing
        return self._told


def told(troubles: Iterable[Trouble]) -> Iterator[Problem]:
    """What an operator should know of the API itself."""
    for each in dict.fromkeys(troubles):
        goes_on = "" if each.reason is Reason.NO_CRD else "; what was last known stays in force"
        yield Problem(WHERE, f"{each.message}{goes_on}", each.reason)
