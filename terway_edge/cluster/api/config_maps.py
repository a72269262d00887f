"""The ConfigMaps that a node's networking is configured by, each followed by its name."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from terway_edge.cluster.api.failures import Trouble
from terway_edge.cluster.api.mirror import Mirror
from terway_edge.cluster.api.projection import Item
from terway_edge.cluster.api.reflector import Reflector, Sink
from terway_edge.cluster.api.resources import config_map
from terway_edge.cluster.api.timing import Timing
from terway_edge.cluster.api.transport import Transport
from terway_edge.cluster.config_maps import ConfigMapManifest, read_config_map


class _Followed(NamedTuple):
    reflector: Reflector
    task: asyncio.Task[None]


class ConfigMaps:
    """Belongs to the loop's thread."""

    def __init__(
        self,
        transport: Transport,
        sink: Callable[[Mirror[ConfigMapManifest]], Sink],
        stands: Callable[[], None],
        timing: Timing,
    ) -> None:
        """:param sink: what fills a mirror."""
        self._transport, self._sink, self._stands, self._timing = transport, sink, stands, timing
        self._mirrors: dict[str, Mirror[ConfigMapManifest]] = {}
        self._followed: dict[str, _Followed] = {}

    def restore(self, items: Iterable[Item]) -> None:
        """What an earlier process cached."""
        for item in items:
            self._mirror(item.name).restore([item])

    def follow(self, names: Iterable[str], tasks: asyncio.TaskGroup) -> None:
        """From now on these and no others."""
        wanted = set(names)
        for name in self._mirrors.keys() - wanted:
            del self._mirrors[name]
        for name in self._followed.keys() - wanted:
            self._followed.pop(name).task.cancel()
        for name in wanted - self._followed.keys():
            sink = self._sink(self._mirror(name))
            reflector = Reflector(self._transport, config_map(name), sink, self._stands, self._timing)
            self._followed[name] = _Followed(reflector, tasks.create_task(reflector.run()))

    @property
    def was_tried(self) -> bool:
        return all(each.reflector.was_tried for each in self._followed.values())

    @property
    def mirrors(self) -> list[Mirror[ConfigMapManifest]]:
        return [self._mirrors[name] for name in sorted(self._mirrors)]

    def troubles(self) -> Iterator[Trouble]:
        for each in self._followed.values():
            if each.reflector.trouble is not None:
                yield each.reflector.trouble

    def _mirror(self, name: str) -> Mirror[ConfigMapManifest]:
        return self._mirrors.setdefault(name, Mirror("ConfigMap", read_config_map))
