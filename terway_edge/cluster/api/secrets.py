"""The passwords of the sessions that this node speaks in: each Secret by its name, looked at every minute.

`get` of these few names is the only right that this needs; a watch would need two more.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping

from msgspec import MsgspecError
from msgspec.json import decode, encode

from terway_edge.cluster.api.failures import NOT_FOUND, ApiError, GoneError, Trouble, UnreachableError, trouble
from terway_edge.cluster.api.mirror import Mirror
from terway_edge.cluster.api.projection import Item, Projector
from terway_edge.cluster.api.resources import secret_path
from terway_edge.cluster.api.timing import Timing
from terway_edge.cluster.api.transport import Transport
from terway_edge.cluster.secrets import SecretManifest, keep_passwords, read_secret
from terway_edge.core.bgp_peer import BgpPeer, SecretRef

log = logging.getLogger(__name__)


class Secrets:
    """Follows the Secrets that are wanted, and holds of each no key but those."""

    def __init__(
        self, transport: Transport, changed: Callable[[], None], stands: Callable[[], None], timing: Timing
    ) -> None:
        """:param changed: called when what is known of a Secret changed.
        :param stands: called when one was tried for the first time, or why one is not known changed."""
        self._transport, self._changed, self._stands, self._timing = transport, changed, stands, timing
        self._projector = Projector("Secret")
        self._mirror: Mirror[SecretManifest] = Mirror("Secret", self._read)
        self._wanted: Mapping[str, frozenset[str]] = {}
        self._tried: set[str] = set()
        self._new = asyncio.Event()
        self.troubles: dict[str, Trouble] = {}

    @property
    def mirror(self) -> Mirror[SecretManifest]:
        return self._mirror

    @property
    def was_tried(self) -> bool:
        """Whether each that is wanted was asked for once, with whatever result."""
        return self._wanted.keys() <= self._tried

    def want(self, refs: Iterable[SecretRef]) -> None:
        """From now on these and no others."""
        wanted: dict[str, set[str]] = {}
        for ref in refs:
            wanted.setdefault(ref.name, set()).add(ref.key)
        now = {name: frozenset(keys) for name, keys in wanted.items()}
        if now == self._wanted:
            return
        changed = {name for name in now if now[name] != self._wanted.get(name)}
        self._wanted = now
        self._tried -= changed
        for name in (self._mirror.names() | self.troubles.keys()) - now.keys():
            self._mirror.drop(name)
            self.troubles.pop(name, None)
        self._tried &= now.keys()
        if changed:
            self._new.set()

    def restore(self, items: Iterable[Item]) -> None:
        """What an earlier process cached."""
        self._mirror.restore(items)

    async def run(self) -> None:
        pause = self._timing.first_pause
        while True:
            self._new.clear()
            failed = [name for name in sorted(self._wanted) if not await self._look(name)]
            wait = pause if failed else self._timing.poll
            pause = min(pause * 2, self._timing.poll) if failed else self._timing.first_pause
            try:
                async with asyncio.timeout(self._timing.jitter(wait)):
                    await self._new.wait()
            except TimeoutError:
                pass

    async def _look(self, name: str) -> bool:
        before = self.troubles.pop(name, None)
        was_tried = name in self._tried
        changed = False
        try:
            # All news wait for a Secret that is new (`Follower`), so not for as long as a listing may take.
            text = await self._transport.get(secret_path(name), limit=self._timing.write)
            if name not in self._wanted:
                return True
            changed = self._mirror.put(self._trimmed(name, text))
        except ApiError as error:
            if error.status == NOT_FOUND:
                changed = self._mirror.drop(name)
            else:
                self.troubles[name] = trouble(error, f"secrets/{name}", "get")
        except (GoneError, UnreachableError, MsgspecError) as error:
            self.troubles[name] = trouble(error, f"secrets/{name}", "get")
        self._tried.add(name)
        if changed:
            self._changed()
        elif not was_tried or before != self.troubles.get(name):
            self._stands()
        return name not in self.troubles

    def _trimmed(self, name: str, text: bytes) -> Item:
        """Without the keys that nobody refers to. Raises msgspec.MsgspecError."""
        item = self._projector.one(text)
        document = decode(item.trimmed)
        data = document.get("data")
        if isinstance(data, dict):
            keys = self._wanted.get(name, frozenset())
            document["data"] = {key: value for key, value in data.items() if key in keys}
        return item._replace(trimmed=encode(document))

    def _read(self, document: Mapping[str, object]) -> SecretManifest | None:
        found = read_secret(document)
        before = self._mirror.get(found.name) if found else None
        return keep_passwords(before, found) if before and found else found


def refs_of(node: str, peers: Iterable[BgpPeer]) -> list[SecretRef]:
    """The passwords of the sessions that a node speaks in."""
    spoken = (peer.spec.auth_password for peer in peers if node in peer.spec.local_speakers)
    return [password.secret_key_ref for password in spoken if password]
