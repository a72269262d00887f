"""A node's configuration as it changes while the agent runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from terway_edge.core.errors import Refused
from terway_edge.core.models import Condition, Node
from terway_edge.core.ports import ConfigMaps

if TYPE_CHECKING:
    from terway_edge.core.eni_config import Reading
    from terway_edge.core.eni_keys import EniConfig
    from terway_edge.core.eni_notes import Note

SUBJECT = "ConfigMap eni-config"
DRAIN = "drain the node, then restart its agent"
RESTART = "restart the node's agent, which disturbs no pod"
FIXED = {
    "ip_stack": DRAIN,
    "enable_ip_prefix": DRAIN,
    "access_key": RESTART,
    "access_secret": RESTART,
    "credential_path": RESTART,
    "region_id": RESTART,
    "rate_limit": RESTART,
}
"""Keys that stay as they were once the pool is at work, and what makes a change of theirs count."""


class Configuration:
    """The newest that can be used; `current` is None while the cluster has none. One thread at a time may follow it.

    The ConfigMaps are asked each time, and compared with what they were: that costs microseconds.
    """

    def __init__(self, config_maps: ConfigMaps) -> None:
        self._config_maps = config_maps
        self._seen: tuple[Mapping[str, object] | None, Mapping[str, object] | None] = (None, None)
        self.current: EniConfig | None = None
        self.is_fixed = False
        """Whether the pool is at work: FIXED counts from then on."""
        self.conditions: tuple[Condition, ...] = ()

    def start(self, node: Node) -> None:
        """Raises Refused if the first one there is cannot be used as it is. Keys that are wrong count as absent."""
        if self.is_fixed:
            self.follow(node)
            return
        self._seen = self._look(node)
        reading = self._read()
        wrong = _wrong(reading)
        if reading is not None and reading.config is None:
            raise Refused(f"{SUBJECT} cannot be used: {_told(wrong)}")
        self.current = None if reading is None else reading.config
        self._say([_told(wrong)] if wrong else [])

    def follow(self, node: Node) -> None:
        """Take in what has changed. What is wrong leaves all as it was before."""
        seen = self._look(node)
        if seen == self._seen:
            return
        self._seen = seen
        reading = self._read()
        if reading is None:
            gone = "it is gone; what it said stays in force until the agent restarts"
            self._say([gone] if self.current is not None else [])
        elif wrong := _wrong(reading):
            causes = _told(note._replace(message=note.message.partition("; it counts as")[0]) for note in wrong)
            self._say([f"its change is not followed until this is mended: {causes}"])
        elif reading.config is not None:
            self._take(reading.config)

    def _take(self, config: EniConfig) -> None:
        before = self.current or type(config)()
        kept = {key: getattr(before, key) for key in FIXED if getattr(before, key) != getattr(config, key)}
        if not self.is_fixed:
            kept = {}
        self.current = config.model_copy(update=kept)
        self._say([], [f"{key} has changed: {FIXED[key]}; until then it counts as before" for key in kept])

    def _look(self, node: Node) -> tuple[Mapping[str, object] | None, Mapping[str, object] | None]:
        """The ConfigMap of all nodes and the node's own."""
        # Imported here, as in `_read`: a node whose pods are not on ENIs has no use for it.
        from terway_edge.core.eni_config import NAME, NODE_LABEL

        label = node.labels.get(NODE_LABEL, "")
        return self._config_maps(NAME), self._config_maps(label) if label else None

    def _read(self) -> Reading | None:
        from terway_edge.core.eni_config import read

        data, own = self._seen
        return None if data is None else read(data, own)

    def _say(self, wrong: Iterable[str], waiting: Iterable[str] = ()) -> None:
        self.conditions = (
            *(Condition("ConfigWrong", SUBJECT, what) for what in wrong),
            *(Condition("ConfigWaits", SUBJECT, what) for what in waiting),
        )


def _wrong(reading: Reading | None) -> list[Note]:
    from terway_edge.core.eni_notes import Effect

    return [note for note in reading.notes if note.effect is Effect.WRONG] if reading else []


def _told(notes: Iterable[Note]) -> str:
    return "; ".join(f"{note.key} {note.message}" for note in notes)
