"""The body of an UPDATE (RFC 4271, section 4.3), read with the tolerance of RFC 7606."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from terway_edge.backends.bgp.attribute_reader import Fault, Reading, read_attributes
from terway_edge.backends.bgp.attribute_types import Malformed, Subcode, Type
from terway_edge.backends.bgp.attributes import decode_nlri, encode_nlri, encode_path, mp_reach, mp_unreach
from terway_edge.backends.bgp.errors import Code, LocalError, ProtocolError
from terway_edge.backends.bgp.messages import Family, Update
from terway_edge.backends.bgp.wire import unsigned
from terway_edge.core.addresses import Prefix

MAX_FAULTS = 8
"""So many are told one by one: a hostile UPDATE could hold thousands."""


def join(withdrawn: bytes, attributes: bytes, nlri: bytes) -> bytes:
    """The body of three encoded fields."""
    return b"%b%b%b%b%b" % (
        unsigned(len(withdrawn), 2, "length of the withdrawn routes"),
        withdrawn,
        unsigned(len(attributes), 2, "length of the attributes"),
        attributes,
        nlri,
    )


def encode_update(update: Update, *, four_octet: bool = True) -> bytes:
    """The body; LocalError if `update` is none that `decode_update` could return without faults.

    Several kinds of prefixes may stand together, although a speaker should send them apart (RFC 7606, section 5.1).
    """
    if update.faults:
        raise LocalError("faults are told of received UPDATEs only")
    if update.end_of_rib is not None:
        if update != Update(end_of_rib=update.end_of_rib):
            raise LocalError("an End-of-RIB holds nothing else")
        return _end_of_rib(update.end_of_rib)
    if not (update.announced or update.withdrawn):
        raise LocalError("an UPDATE without prefixes would be an End-of-RIB")
    if not set(update.announced).isdisjoint(update.withdrawn):
        raise LocalError("a prefix is announced and withdrawn at once")
    attributes = b"".join(_attributes(update, four_octet))
    return join(_field(update.withdrawn, Family.IPV4), attributes, _field(update.announced, Family.IPV4))


def _end_of_rib(family: Family) -> bytes:
    """RFC 4724, section 2."""
    return join(b"", b"" if family is Family.IPV4 else mp_unreach(family, b""), b"")


def _field(prefixes: Sequence[Prefix], family: Family) -> bytes:
    return b"".join(encode_nlri(prefix) for prefix in prefixes if prefix.family == family.version)


def _attributes(update: Update, four_octet: bool) -> Iterator[bytes]:
    """The prefixes come first, so that they are known whatever is wrong behind (RFC 7606, section 5.1)."""
    path = update.path
    if (path is None) == bool(update.announced):
        raise LocalError("a path and announced prefixes belong together")
    withdrawn, announced = _field(update.withdrawn, Family.IPV6), _field(update.announced, Family.IPV6)
    if withdrawn:
        yield mp_unreach(Family.IPV6, withdrawn)
    if path is None:
        return
    families = {prefix.family for prefix in update.announced}
    if (path.next_hop is not None, path.mp_next_hop is not None) != (4 in families, 6 in families):
        raise LocalError("IPv4 prefixes want `next_hop`, IPv6 prefixes `mp_next_hop`, and neither without its prefixes")
    if path.mp_next_hop is not None:
        yield mp_reach(Family.IPV6, path.mp_next_hop, announced)
    yield encode_path(path, four_octet=four_octet)


def decode_update(body: bytes, *, four_octet: bool = True) -> Update:
    """Read a body. Raises ProtocolError 3/x only where RFC 7606 leaves nothing but the end of the session."""
    withdrawn_field, attributes, nlri_field = _split(body)
    withdrawn, nlri = _prefixes(withdrawn_field), _prefixes(nlri_field)
    reading = read_attributes(attributes, four_octet=four_octet)
    if not (withdrawn or nlri) and (family := _ended(reading)) is not None:
        return Update(end_of_rib=family)
    announced = nlri + reading.reached
    faults = _faults(reading, bool(nlri), bool(announced))
    errors = [fault.error for fault in faults if fault.error is not None]
    if errors and not (announced or reading.has_foreign):
        raise errors[0]  # which prefixes were meant is not certain (RFC 7606, section 5.2)
    withdrawn = _without(withdrawn + reading.unreached, announced)
    if errors:
        return Update(withdrawn=withdrawn + announced, faults=_texts(faults))
    return Update(announced, withdrawn, reading.path() if announced else None, faults=_texts(faults))


def _split(body: bytes) -> tuple[bytes, bytes, bytes]:
    """Withdrawn routes, path attributes, NLRI."""
    middle = 2 + int.from_bytes(body[:2], "big")
    start = middle + 2
    end = start + int.from_bytes(body[middle:start], "big")
    if len(body) < end:
        raise ProtocolError(Code.UPDATE, Subcode.ATTRIBUTE_LIST, "the lengths of the fields exceed the message")
    return body[2:middle], body[start:end], body[end:]


def _prefixes(field: bytes) -> tuple[Prefix, ...]:
    try:
        return decode_nlri(field, Family.IPV4)
    except Malformed as fault:
        raise ProtocolError(Code.UPDATE, fault.subcode, str(fault)) from fault


def _ended(reading: Reading) -> Family | None:
    """The family whose End-of-RIB this is, if no prefixes stand outside the attributes."""
    if reading.faults or reading.unreached or reading.seen - {Type.MP_UNREACH_NLRI}:
        return None
    return reading.unreach_family or Family.IPV4


def _faults(reading: Reading, has_nlri: bool, has_prefixes: bool) -> list[Fault]:
    """All that is wrong, once it is known what is announced and where."""
    if has_prefixes:
        for code in (Type.ORIGIN, Type.AS_PATH, Type.NEXT_HOP):
            if code not in reading.seen:
                reading.withdraw(code, Subcode.MISSING, "is missing", bytes((code,)))
    elif not reading.has_foreign and reading.seen - {Type.MP_UNREACH_NLRI}:
        reading.faults.append(Fault(0, "attributes of a path without prefixes", None))
    if has_nlri or Type.MP_REACH_NLRI not in reading.seen:
        return reading.faults
    # NEXT_HOP does not count where MP_REACH_NLRI holds all that is announced (RFC 4760, section 3).
    reading.next_hop = None
    return [fault for fault in reading.faults if fault.code != Type.NEXT_HOP]


def _without(prefixes: tuple[Prefix, ...], announced: tuple[Prefix, ...]) -> tuple[Prefix, ...]:
    """A prefix that is withdrawn and announced at once is announced (RFC 4271, section 4.3)."""
    if not (prefixes and announced):
        return prefixes
    newer = set(announced)
    return tuple(prefix for prefix in prefixes if prefix not in newer)


def _texts(faults: Sequence[Fault]) -> tuple[str, ...]:
    texts = tuple(fault.text for fault in faults[:MAX_FAULTS])
    return (*texts, f"and {len(faults) - MAX_FAULTS} more") if len(faults) > MAX_FAULTS else texts
