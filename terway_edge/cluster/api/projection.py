"""From bytes of the API to what is used of an object, as bytes again: trimmed manifests.

A whole Node has some 6 KB, most of it status that its kubelet rewrites; what networking needs is a tenth. The trimmed
text is what two versions of an object are compared by, what is cached on disk, and what the readers of manifests
read. Everything below the fields that are picked stays as it came: the readers say what is wrong with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Generic, NamedTuple, TypeVar

from msgspec import DecodeError, Raw, Struct, field
from msgspec.json import Decoder, Encoder

from terway_edge.cluster.nodes import INSTANCE_TYPE_INFO

Shape = TypeVar("Shape")


class Item(NamedTuple):
    """An object: `trimmed` has all that is used of it, and nothing that changes by itself."""

    name: str
    uid: str
    trimmed: bytes


class Page(NamedTuple):
    """One page of a listing; `version` is where a watch goes on, `rest` the token of the next page."""

    items: list[Item]
    version: str
    rest: str


class ErrorStatus(Struct):
    """What the API server says of a request that failed (meta/v1 Status)."""

    code: int = 0
    reason: str = ""
    message: str = ""


class Change(NamedTuple):
    """A watch's event. A BOOKMARK's item has no name; an ERROR has no item at all, but an `error`."""

    what: str
    item: Item
    version: str
    error: ErrorStatus | None = None


# One object for all, for a field is left out only if it is its default itself.
_NOTHING = Raw()


class Metadata(Struct, rename="camel", omit_defaults=True):
    """What the metadata of any shape begins with."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""


class _NodeAnnotations(Struct, omit_defaults=True):
    instance_type_info: Raw = field(default=_NOTHING, name=INSTANCE_TYPE_INFO)


class _NodeMetadata(Metadata, rename="camel", omit_defaults=True):
    labels: Raw = _NOTHING
    annotations: _NodeAnnotations | None = None


class _PeerMetadata(Metadata, rename="camel", omit_defaults=True):
    creation_timestamp: Raw = _NOTHING


class _NodeSpec(Struct, omit_defaults=True):
    pod_cidr: Raw = field(default=_NOTHING, name="podCIDR")
    pod_cidrs: Raw = field(default=_NOTHING, name="podCIDRs")
    provider_id: Raw = field(default=_NOTHING, name="providerID")


class _NodeStatus(Struct, omit_defaults=True):
    addresses: Raw = _NOTHING


class _Node(Struct):
    metadata: _NodeMetadata = field(default_factory=_NodeMetadata)
    spec: _NodeSpec = field(default_factory=_NodeSpec)
    status: _NodeStatus = field(default_factory=_NodeStatus)


class _Peer(Struct, omit_defaults=True):
    metadata: _PeerMetadata = field(default_factory=_PeerMetadata)
    spec: Raw = _NOTHING


class _Data(Struct, omit_defaults=True):
    metadata: Metadata = field(default_factory=Metadata)
    data: Raw = _NOTHING


class _ListMetadata(Struct, rename="camel"):
    resource_version: str = ""
    rest: str = field(default="", name="continue")


class _List(Struct, Generic[Shape]):
    metadata: _ListMetadata = field(default_factory=_ListMetadata)
    items: list[Shape] | None = None


class _Event(Struct):
    type: str
    object: Raw


_SHAPES: Mapping[str, Any] = {"Node": _Node, "BGPPeer": _Peer, "Secret": _Data, "ConfigMap": _Data}
_encode: Callable[[object], bytes] = Encoder().encode
_event = Decoder(_Event)
_status = Decoder(ErrorStatus)


class Projector:
    """Reads what the API says of one kind. Every method raises msgspec.MsgspecError for what is not understood."""

    def __init__(self, kind: str, shape: Any = None) -> None:
        """:param shape: a Struct with what is used of an object and `metadata`; None: as agents use this kind."""
        shape = shape or _SHAPES[kind]
        self._object: Decoder[_Node | _Peer | _Data] = Decoder(shape)
        self._list: Decoder[_List[_Node | _Peer | _Data]] = Decoder(_List[shape])

    def page(self, text: bytes) -> Page:
        found = _decoded(self._list, text)
        items = [_item(each) for each in found.items or ()]
        return Page(items, found.metadata.resource_version, found.metadata.rest)

    def one(self, text: bytes) -> Item:
        return _item(_decoded(self._object, text))

    def change(self, line: bytes) -> Change:
        event = _decoded(_event, line)
        if event.type == "ERROR":
            return Change(event.type, Item("", "", b""), "", _decoded(_status, event.object))
        found = _decoded(self._object, event.object)
        version = found.metadata.resource_version
        return Change(event.type, _item(found), version)


def _decoded(decoder: Decoder[Shape], text: bytes | Raw) -> Shape:
    """Raises msgspec.MsgspecError, also where the library has errors of other kinds."""
    try:
        return decoder.decode(text)
    except UnicodeDecodeError:
        raise DecodeError("JSON is no UTF-8") from None
    except RecursionError:
        raise DecodeError("JSON is nested too deeply") from None


def _item(found: _Node | _Peer | _Data) -> Item:
    metadata = found.metadata
    metadata.resource_version = ""
    return Item(metadata.name, metadata.uid, _encode(found))


def error_status(text: bytes) -> ErrorStatus:
    """Raises msgspec.MsgspecError."""
    return _decoded(_status, text)
