"""What is under way in the cloud, on disk: so that a process killed at any point leaves nothing behind.

One small file, mode 0600, replaced as a whole and fsynced before any call that it tells of: a checksum and JSON. An
intent is the ClientToken of its call, so a new process repeats the call and gets the same ENI or addresses. A damaged
file counts as empty: what was under way is then found by its tags (`sweep.py`) and by listing. What pods can be served
from is in it as well (`remembered.py`), so that it never tells of an address that was being given back.
"""

from __future__ import annotations

import json
import logging
import os
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from terway_edge.core.addresses import Address
from terway_edge.core.cloud import AddressWish, EniWish
from terway_edge.core.errors import IO_FAILURE, Retry
from terway_edge.core.failpoints import reach
from terway_edge.eni import remembered
from terway_edge.eni.actions import Item
from terway_edge.eni.remembered import Remembered, items_of

FILE = "eni.json"
FORMAT = 1
WRONG = (ValueError, LookupError, TypeError, AttributeError, RecursionError)
"""What reading a file raises that is not as it should be."""

log = logging.getLogger(__name__)


class Made(NamedTuple):
    """An ENI that was wished for; `eni` is empty until the cloud told its id."""

    wish: EniWish
    eni: str = ""


class Left(NamedTuple):
    """An ENI that is given up, as in `records.Leaving`."""

    eni: str
    addresses: tuple[Address, ...] = ()
    is_bound: bool = True
    is_orphan: bool = False


class Parted(NamedTuple):
    """Items taken from an ENI at a time of the clock; `is_done`: the cloud has confirmed it."""

    eni: str
    items: tuple[Item, ...]
    at: float
    is_done: bool = False


class Memory(NamedTuple):
    """`gone`: ENIs that were deleted, and when."""

    making: tuple[Made, ...] = ()
    assigning: tuple[AddressWish, ...] = ()
    leaving: tuple[Left, ...] = ()
    parted: tuple[Parted, ...] = ()
    gone: tuple[tuple[str, float], ...] = ()
    is_warm: bool = False
    remembered: Remembered = Remembered()


class Intents(Protocol):
    """Durable: what `save` returned from survives SIGKILL and a power cut."""

    def load(self, now: float) -> Memory:
        """What was saved last; no time in it is after `now` (a reboot sets the clock back)."""

    def save(self, memory: Memory) -> None:
        """Raises Retry if it cannot be written; the one before then still stands."""


class IntentsFile:
    """`Intents` in a directory of the agent's own; a file of another instance, as in a copied disk, is unusable."""

    def __init__(self, directory: Path, instance: str = "") -> None:
        self._path = directory / FILE
        self._instance = instance

    def load(self, now: float) -> Memory:
        try:
            return read(self._path.read_bytes(), now, self._instance)
        except FileNotFoundError:
            return Memory()
        except (OSError, *WRONG) as error:
            log.error("%s is unusable and passed over: %s: %s", self._path, type(error).__name__, error)
            return Memory()

    def save(self, memory: Memory) -> None:
        temporary = self._path.with_name(f"{FILE}.tmp")
        try:
            reach("eni.save.before")
            temporary.unlink(missing_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            with open(os.open(temporary, flags, 0o600), "wb") as file:
                file.write(write(memory, self._instance))
                file.flush()
                os.fsync(file.fileno())
            reach("eni.save.written")
            temporary.replace(self._path)
            _sync_directory(self._path.parent)
        except OSError as error:
            raise Retry(
                f"cannot write {self._path}: {error.strerror}; ENIs stay as they are; look at the disk's space",
                code=IO_FAILURE,
            ) from error
        reach("eni.save.after")


def write(memory: Memory, instance: str = "") -> bytes:
    document = {
        "format": FORMAT,
        "instance": instance,
        "making": [{"wish": _eni_wish(made.wish), "eni": made.eni} for made in memory.making],
        "assigning": [_address_wish(wish) for wish in memory.assigning],
        "leaving": [left._asdict() | {"addresses": _texts(left.addresses)} for left in memory.leaving],
        "parted": [parted._asdict() | {"items": _texts(parted.items)} for parted in memory.parted],
        "gone": memory.gone,
        "is_warm": memory.is_warm,
        "remembered": remembered.write(memory.remembered),
    }
    text = json.dumps(document, separators=(",", ":")).encode()
    return b"%08x %b\n" % (zlib.crc32(text), text)


def read(data: bytes, now: float, instance: str = "") -> Memory:
    """Raises ValueError, LookupError, TypeError or AttributeError if it was damaged, or is of another version or
    instance."""
    checksum, _, text = data.rstrip(b"\n").partition(b" ")
    if b"%08x" % zlib.crc32(text) != checksum:
        raise ValueError("the checksum is wrong")
    document = json.loads(text)
    if document["format"] != FORMAT:
        raise ValueError(f"it has format {document['format']}, expected {FORMAT}")
    if document["instance"] != instance:
        raise ValueError(f"it is of instance {document['instance']}, this one is {instance}")
    return Memory(
        making=tuple(Made(_read_eni_wish(each["wish"]), each["eni"]) for each in document["making"]),
        assigning=tuple(_read_address_wish(each) for each in document["assigning"]),
        leaving=tuple(Left(**each | {"addresses": _addresses(each["addresses"])}) for each in document["leaving"]),
        parted=tuple(
            Parted(**each | {"items": items_of(each["items"]), "at": min(each["at"], now)})
            for each in document["parted"]
        ),
        gone=tuple((eni, min(at, now)) for eni, at in document["gone"]),
        is_warm=document["is_warm"],
        remembered=_read_remembered(document.get("remembered")),
    )


def _read_remembered(document: Mapping[str, Any] | None) -> Remembered:
    """It is a convenience: if it is of no use, what was under way counts all the same."""
    try:
        return remembered.read(document)
    except WRONG as error:
        log.warning("what %s says of ENIs in use is passed over: %s: %s", FILE, type(error).__name__, error)
        return Remembered()


def _eni_wish(wish: EniWish) -> dict[str, object]:
    return wish._asdict() | {"tags": dict(wish.tags)}


def _read_eni_wish(document: Mapping[str, Any]) -> EniWish:
    return EniWish(**{**document, "security_groups": tuple(document["security_groups"])})


def _address_wish(wish: AddressWish) -> dict[str, object]:
    return wish._asdict() | {"before": _texts(wish.before), "parted": _texts(wish.parted)}


def _read_address_wish(document: Mapping[str, Any]) -> AddressWish:
    return AddressWish(**{**document, "before": items_of(document["before"]), "parted": items_of(document["parted"])})


def _texts(items: tuple[Item, ...]) -> list[str]:
    return [str(item) for item in items]


def _addresses(texts: list[str]) -> tuple[Address, ...]:
    return tuple(map(Address.parse, texts))


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
