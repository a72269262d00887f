"""Specifications and sessions for the tests of this folder: a speaker and its switch."""

from __future__ import annotations

from dataclasses import replace

from terway_edge.backends.bgp import codec
from terway_edge.backends.bgp.events import Down, Event
from terway_edge.backends.bgp.messages import Capabilities, Family, Keepalive, Message, Open
from terway_edge.backends.bgp.peer_spec import PeerSpec, Rebirth
from terway_edge.backends.bgp.session import Session
from terway_edge.core.addresses import Address
from terway_edge.testing.bgp_pair import BgpPair

NOW = 1000.0
FIRST_LIFE = Rebirth()

SPEAKER = PeerSpec(
    name="lan-a",
    address=Address.parse("192.0.2.1"),
    local_address=Address.parse("192.0.2.10"),
    local_asn=65100,
    peer_asn=65001,
    router_id=0xC000020A,
)
BOTH = (Family.IPV4, Family.IPV6)
THEIRS = Open(65001, 180, 0xC0000201, Capabilities(BOTH, 65001))
"""What a plain switch says to `SPEAKER`."""


def switch_of(spec: PeerSpec) -> PeerSpec:
    """The same session as the peer sees it."""
    return replace(
        spec,
        address=spec.local_address,
        local_address=spec.address,
        local_asn=spec.peer_asn,
        peer_asn=spec.local_asn,
        router_id=0xC0000201,
    )


def session(spec: PeerSpec = SPEAKER, rebirth: Rebirth = FIRST_LIFE, *, jitter: float = 1.0) -> Session:
    return Session(spec, rebirth, jitter=lambda pause: pause * jitter)


def pair(left: PeerSpec = SPEAKER, right: PeerSpec | None = None, chunk: int = 1 << 16) -> BgpPair:
    return BgpPair(session(left), session(right or switch_of(left)), now=NOW, chunk=chunk)


def established(spec: PeerSpec = SPEAKER, theirs: Open = THEIRS) -> Session:
    """A session in Established at `NOW`, its events and bytes taken."""
    made = accepted(spec)
    feed(made, theirs, Keepalive())
    made.data_to_send()
    return made


def accepted(spec: PeerSpec = SPEAKER) -> Session:
    """A session in OpenSent at `NOW`, its OPEN taken."""
    made = session(spec)
    made.accepted(NOW)
    made.data_to_send()
    return made


def feed(to: Session, *messages: Message | bytes, now: float = NOW) -> list[Event]:
    """All in one read; what it leads to."""
    to.receive_data(b"".join(m if isinstance(m, bytes) else codec.encode(m) for m in messages), now)
    return drain(to, now)


def drain(of: Session, now: float = NOW) -> list[Event]:
    events = []
    while (event := of.next_event(now)) is not None:
        events.append(event)
    return events


def sent(by: Session) -> list[Message]:
    """The messages in what it has to send, taken out."""
    stream = codec.Buffer(codec.MAX_EXTENDED)
    data = by.data_to_send()
    messages = []
    for start in range(0, len(data), codec.MAX_SIZE):
        stream.receive(data[start : start + codec.MAX_SIZE])
        while (message := stream.next_message()) is not None:
            messages.append(codec.decode(message))
    assert not len(stream)
    return messages


def the_down(events: list[Event]) -> Down:
    """The only Down among events; it comes last."""
    downs = [event for event in events if isinstance(event, Down)]
    assert len(downs) == 1
    assert events[-1] is downs[0]
    return downs[0]
