"""Readers of what others write. Each target gives bytes to one of them, and lets nothing pass but the errors that this
reader documents; what was accepted must be usable."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any
from zlib import crc32

from msgspec import MsgspecError

from terway_edge.agent import netconf, records
from terway_edge.agent.requests import Command, parse_request
from terway_edge.agent.results import check_prev_result, render_result
from terway_edge.backends.bgp import codec, memory
from terway_edge.backends.bgp.errors import LocalError, ProtocolError
from terway_edge.backends.bgp.messages import Notification, Open
from terway_edge.backends.bgp.negotiation import Offer, negotiate, our_open
from terway_edge.backends.bgp.peer_spec import PeerSpec, Rebirth
from terway_edge.cluster.api.mirror import Mirror
from terway_edge.cluster.api.projection import Projector
from terway_edge.cluster.config_maps import read_config_map
from terway_edge.cluster.documents import DocumentError, parse
from terway_edge.cluster.nodes import read_node
from terway_edge.cluster.objects import read
from terway_edge.cluster.peers import read_peer
from terway_edge.cluster.secrets import read_secret
from terway_edge.cni.rivals import read_rival
from terway_edge.cni.wire import WireError, decode_request, encode_request
from terway_edge.controlplane.ledger import NOTE, DamagedError, ledger_text, read_ledger
from terway_edge.core import eni_config
from terway_edge.core.addresses import Address
from terway_edge.core.datapath import attachment
from terway_edge.core.errors import Refused
from terway_edge.core.models import Lease, Sandbox
from terway_edge.eni import intents
from tests.fuzz import cloud_targets

Target = Callable[[bytes], None]

CONF: Mapping[str, Any] = {"cniVersion": "1.1.0", "name": "terway-edge", "type": "terway-edge"}
ENVIRON = {"CNI_CONTAINERID": "c1", "CNI_NETNS": "/run/netns/c1", "CNI_IFNAME": "eth0"}
LEASE = Lease(Sandbox("c1", "eth0", "/run/netns/c1"), (Address(4, 0x0A000001), Address(6, 1)), "b", ("p4", "p6"), 1.0)
PEER = PeerSpec("lan-a", Address.parse("192.0.2.1"), Address.parse("192.0.2.10"), 65001, 65000, 7)
BOOT = "7e6f4078-550d-4b52-a642-bfd6995daae6"


def conf(data: bytes) -> None:
    """The configuration on stdin, with every command."""
    for command in Command:
        with suppress(Refused):
            parse_request({**ENVIRON, "CNI_COMMAND": command}, data)


def environment(data: bytes) -> None:
    """All variables, as NAME=VALUE with NUL between."""
    pairs = (entry.partition("=") for entry in data.decode(errors="surrogateescape").split("\0"))
    with suppress(Refused):
        parse_request({name: value for name, _, value in pairs}, json.dumps(CONF).encode())


def cni_args(data: bytes) -> None:
    environ = {**ENVIRON, "CNI_COMMAND": "ADD", "CNI_ARGS": data.decode(errors="surrogateescape")}
    with suppress(Refused):
        parse_request(environ, json.dumps(CONF).encode())


def prev_result(data: bytes) -> None:
    """The result of a plugin before us, in an ADD and in a CHECK; what comes of it is JSON."""
    stdin = json.dumps(CONF).encode()[:-1] + b', "prevResult": ' + data + b"}"
    try:
        cni = parse_request({**ENVIRON, "CNI_COMMAND": "CHECK"}, stdin)
    except Refused:
        return
    plugged = attachment(LEASE, 1500)
    for version in netconf.VERSIONS:
        result = json.loads(render_result(LEASE.sandbox, plugged, version, cni.prev_result))
        assert len(result["ips"]) >= 2
    if cni.prev_result is not None:
        check_prev_result(cni.prev_result, LEASE, plugged)


def frame(data: bytes) -> None:
    """A request from the socket or the spool; what is read is written alike, but for variables that come twice."""
    try:
        request = decode_request(data)
    except WireError:
        return
    again = decode_request(encode_request(request.environ, request.stdin, request.budget_ms))
    assert (again.environ, again.stdin, again.budget_ms) == (request.environ, request.stdin, request.budget_ms)


def journal(data: bytes) -> None:
    """The lease store: as it is, and as a JSON list of what its lines say, with the right checksums."""
    for text in (data, _lines(data)):
        with suppress(records.FormatError):
            found = records.replay(text, BOOT)
            contents = found.contents.records()
            whole = records.encode(records.Header(BOOT, found.unmended)) + b"".join(map(records.encode, contents))
            again = records.replay(whole, BOOT)
            assert again.damage == "", "what was accepted can be written and read again"
            assert again.contents.records() == contents


def _lines(data: bytes) -> bytes:
    """Empty if it is no such list."""
    try:
        documents = json.loads(data)
        bodies = [json.dumps(document).encode() for document in documents]
    except (ValueError, TypeError, RecursionError):
        return b""
    return b"".join(b"%08x %s\n" % (crc32(body), body) for body in bodies)


def bgp_memory(data: bytes) -> None:
    """bgp.json: as it is, and with the right checksum around it. Never raises: it counts as empty."""
    file = _directory() / memory.FILE
    file.write_bytes(data)
    memory.load(file.parent)
    with suppress(ValueError, RecursionError):
        text = memory._text(json.loads(data))
        file.write_bytes(b'{"format":1,"checksum":%d,"body":%s}' % (crc32(text), text))
        for each in memory.load(file.parent).peers.values():
            str(each)


def eni_memory(data: bytes) -> None:
    """eni.json, alike."""
    file = _directory() / intents.FILE
    for text in (data, b"%08x %b\n" % (crc32(data), data)):
        file.write_bytes(text)
        str(intents.IntentsFile(file.parent).load(1.0))


@cache
def _directory() -> Path:
    kept = tempfile.TemporaryDirectory(prefix="twt-fuzz-")
    _KEPT.append(kept)  # until the process ends
    return Path(kept.name)


_KEPT: list[tempfile.TemporaryDirectory[str]] = []


def manifest(data: bytes) -> None:
    """A file of a manifest directory, as YAML and as JSON."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return
    for yaml in (True, False):
        with suppress(DocumentError):
            for document in parse(text, yaml=yaml):
                for problem in read(document, "m.yaml").problems:
                    str(problem).encode(errors="surrogatepass")


READERS: Mapping[str, Callable[[Mapping[Any, Any]], object]] = {
    "Node": read_node,
    "BGPPeer": read_peer,
    "Secret": read_secret,
    "ConfigMap": read_config_map,
}


def api_object(data: bytes) -> None:
    """What an API server says of each kind: an object, a listing, an event. A mirror takes whatever can be read."""
    for kind, reader in READERS.items():
        projector, mirror = Projector(kind), Mirror(kind, reader)
        with suppress(MsgspecError):
            mirror.put(projector.one(data))
        with suppress(MsgspecError):
            mirror.replace(projector.page(data).items)
        with suppress(MsgspecError):
            change = projector.change(data)
            mirror.put(change.item) if change.error is None and change.item.name else None
        mirror.objects(), mirror.problems(), mirror.texts()


def config_map(data: bytes) -> None:
    """eni-config: each of its documents, and the node's own. Never raises: a key that is wrong is noted."""
    texts = data.decode(errors="surrogateescape").split("\0", 1)
    for key in (eni_config.CNI, eni_config.CONFLIST):
        found = eni_config.read({eni_config.ENI: texts[0], key: texts[-1]}, {eni_config.ENI: texts[-1]})
        for note in found.notes:
            str(note)


def bgp_message(data: bytes) -> None:
    """OPEN, UPDATE, NOTIFICATION and the others, from a peer with and without four-octet AS numbers."""
    for four_octet in (True, False):
        try:
            message = codec.decode(data, four_octet=four_octet)
        except ProtocolError as error:
            codec.encode(Notification(error.code, error.subcode, error.data))
            continue
        with suppress(LocalError):  # we never say it, but we understand it
            again = codec.encode(message, four_octet=four_octet, limit=codec.MAX_EXTENDED)
            assert codec.decode(again, four_octet=four_octet) == message
        if isinstance(message, Open):
            with suppress(ProtocolError):
                negotiate(PEER, our_open(PEER, Rebirth(), Offer.ALL), message)


def bgp_stream(data: bytes) -> None:
    """Bytes of a connection, in pieces."""
    buffer = codec.Buffer(codec.MAX_SIZE)
    with suppress(ProtocolError):
        for start in range(0, len(data), 37):
            buffer.receive(data[start : start + 37])
            while buffer.next_message() is not None:
                pass


def cni_file(data: bytes) -> None:
    """A CNI configuration of others, beside ours."""
    for suffix in (".conf", ".conflist"):
        path = _directory() / f"10-others{suffix}"
        path.write_bytes(data)
        str(read_rival(path))


def ledger(data: bytes) -> None:
    """Which pod CIDRs the control plane gave, as its ConfigMap says."""
    with suppress(DamagedError):
        found = read_ledger({NOTE: data.decode(errors="surrogateescape")})
        assert read_ledger({NOTE: ledger_text(found)}) == found


TARGETS: Mapping[str, Target] = {
    "conf": conf,
    "environment": environment,
    "cni_args": cni_args,
    "prev_result": prev_result,
    "frame": frame,
    "journal": journal,
    "bgp_memory": bgp_memory,
    "eni_memory": eni_memory,
    "manifest": manifest,
    "api_object": api_object,
    "config_map": config_map,
    "bgp_message": bgp_message,
    "bgp_stream": bgp_stream,
    "cni_file": cni_file,
    "ledger": ledger,
    **cloud_targets.TARGETS,
}
