"""What was last announced, on disk: how a fresh process knows what its peers may still remember of it.

`bgp.json` in the state directory, mode 0600, replaced as a whole and fsynced. It holds the peers with everything that
a session to them needs, the password included, since a BGPPeer that was deleted meanwhile must be taken leave of, and
the routes that each was told. A checksum tells a file that was damaged: what it says would be announced.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

from terway_edge.backends.bgp.announcements import Announcement
from terway_edge.backends.bgp.messages import Family
from terway_edge.backends.bgp.peer_spec import PeerSpec
from terway_edge.backends.bgp.wish import Attributes
from terway_edge.core.addresses import Address, Prefix
from terway_edge.core.failpoints import reach
from terway_edge.core.secret import Secret

FILE = "bgp.json"
FORMAT = 1
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

log = logging.getLogger(__name__)


class Remembered(NamedTuple):
    """One peer and what it was last told; the MED is not remembered."""

    spec: PeerSpec
    announcements: tuple[Announcement, ...]
    attributes: Attributes = Attributes()


Peers = Mapping[Address, Remembered]


class Remembrance(NamedTuple):
    """What a file says: the boot in which it was written, and the peers."""

    boot_id: str = ""
    peers: Peers = {}  # noqa: RUF012 - never changed


def boot_id() -> str:
    """What changes with every boot of the node."""
    return BOOT_ID.read_text().strip()


def load(directory: Path) -> Remembrance:
    """The last saved; nothing if there is none or it cannot be read, which is logged: peers then forget by
    themselves what we would have taken back."""
    path = directory / FILE
    try:
        document = json.loads(path.read_bytes())
        if document["format"] != FORMAT:
            raise ValueError(f"is of another format than {FORMAT}")
        if document["checksum"] != crc32(_text(document["body"])):
            raise ValueError("its checksum is wrong")
        boot, peers = document["body"]
        return Remembrance(boot, {r.spec.address: r for r in map(_remembered, peers)})
    except FileNotFoundError:
        return Remembrance()
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        log.error("%s is unusable and passed over: %s: %s", path, type(error).__name__, error)
        return Remembrance()


def save(directory: Path, remembrance: Remembrance) -> None:
    """Replace the file; without peers there is none. Raises OSError."""
    path, temporary = directory / FILE, directory / f"{FILE}.tmp"
    reach("bgp.save.before")
    temporary.unlink(missing_ok=True)  # of a process that died
    if not remembrance.peers:
        path.unlink(missing_ok=True)
        return
    body = _text([remembrance.boot_id, [_document(remembered) for remembered in remembrance.peers.values()]])
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with open(descriptor, "wb") as file:
        file.write(b'{"format":%d,"checksum":%d,"body":%b}' % (FORMAT, crc32(body), body))
        file.flush()
        os.fsync(file.fileno())
    reach("bgp.save.written")
    temporary.replace(path)
    directory_fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory_fd)
    finally:
        os.close(directory_fd)
    reach("bgp.save.after")


def _text(body: object) -> bytes:
    return json.dumps(body, separators=(",", ":")).encode()


_PLAIN = ("address", "local_address", "password", "families")


def _document(remembered: Remembered) -> dict[str, Any]:
    spec = remembered.spec
    plain = {field.name: getattr(spec, field.name) for field in fields(PeerSpec) if field.name not in _PLAIN}
    return {
        **plain,
        "address": str(spec.address),
        "local_address": str(spec.local_address),
        "password": None if spec.password is None else spec.password.value.decode("latin-1"),
        "families": [family.name for family in spec.families],
        "communities": remembered.attributes.communities,
        "large_communities": remembered.attributes.large_communities,
        "routes": [[str(prefix), str(next_hop), origin] for prefix, next_hop, origin in remembered.announcements],
    }


def _remembered(document: dict[str, Any]) -> Remembered:
    routes = document.pop("routes")
    communities = tuple(document.pop("communities"))
    large = tuple((first, second, third) for first, second, third in document.pop("large_communities"))
    password = document.pop("password")
    spec = PeerSpec(
        address=Address.parse(document.pop("address")),
        local_address=Address.parse(document.pop("local_address")),
        password=None if password is None else Secret(password.encode("latin-1")),
        families=tuple(Family[name] for name in document.pop("families")),
        **document,
    )
    found = (Announcement(Prefix.parse(prefix), Address.parse(hop), str(origin)) for prefix, hop, origin in routes)
    attributes = Attributes(communities=communities, large_communities=large)
    return Remembered(spec, tuple(found), attributes)
