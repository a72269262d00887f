"""The eight invariants. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from terway_edge.core.names import Key, is_own_link, link_macs, link_name
from terway_edge.testing.oracle.picture import Breach, Leases, Picture, PodRule, Sight, Source

TO_POD, FROM_POD, MAIN = 512, 2048, 254
"""Priorities of a pod's rules on ENIs, and the main table (docs/explanation/architecture.md, "Datapath")."""

OF_LINK = {"forwarding": "1", "rp_filter": "0", "accept_redirects": "0", "accept_source_route": "0"}
"""Of the host's end of a pod's link: it forwards what comes by another way than it went, and believes no pod."""


def check(picture: Picture) -> list[Breach]:
    """What does not hold, in the order of the invariants; empty if all is well."""
    return [breach for invariant in INVARIANTS for breach in invariant(picture)]


def one_owner(picture: Picture) -> Iterator[Breach]:
    """I1: no address has two owners, whoever is asked."""
    books: dict[str, Leases] = {"the runtime": picture.live, "the agent": picture.leases}
    if picture.replayed is not None:
        books["the store"] = picture.replayed
    if picture.inside is not None:
        books["somebody"] = picture.inside
    for who, book in books.items():
        yield from _doubles(((address, _text(key)) for key, held in book.items() for address in held), who)
    if picture.sight:
        yield from _doubles(picture.sight.routes, "the kernel's routes")


def _doubles(pairs: Iterable[tuple[str, str]], who: str) -> Iterator[Breach]:
    owners: dict[str, str] = {}
    for address, owner in pairs:
        other = owners.setdefault(address, owner)
        if other != owner:
            told = f"{who} gave it to {other} and to {owner}"
            yield Breach("I1", address, told, "delete one of the pods, and look for both in the agent's log")


def exact_lease(picture: Picture) -> Iterator[Breach]:
    """I2: every live attachment has exactly its lease, and all of the lease is in the kernel."""
    for key, told in picture.live.items():
        held = picture.leases.get(key)
        if held is None:
            yield Breach("I2", _text(key), "a live attachment without a lease", "look for its release in the log")
        elif held != told:
            differs = f"was told {_list(told)} and leases {_list(held)}"
            yield Breach("I2", _text(key), differs, "compare the CNI result with 'terway-edge leases'")
        elif picture.inside is not None and picture.inside.get(key) != held:
            has = f"leases {_list(held)} and has {_list(picture.inside.get(key))} inside"
            yield Breach("I2", _text(key), has, "see what CHECK says, and 'ip address' in the pod's namespace")
        elif picture.sight and key not in picture.partial:
            wrong = [f"{missing} is missing" for missing in _missing(picture, picture.sight, key, held)]
            wrong += [f"setting {each} is wrong" for each in _deviating(picture.sight.settings, link_name(key))]
            for each in wrong:
                yield Breach("I2", _text(key), each, "see what CHECK and 'ip monitor' say of it")


def _missing(picture: Picture, sight: Sight, key: Key, held: frozenset[str]) -> Iterator[str]:
    """What of a lease the kernel has not."""
    name, pod_mac = link_name(key), link_macs(key)[1].hex(":")
    link = next((link for link in sight.links if link.name == name and is_own_link(name, link.alias)), None)
    if link is None:
        yield f"link {name}"
        return
    if not link.up:
        yield f"link {name} is down: carrier"
    if picture.is_guarded and not sight.sources:
        yield "anti-spoofing (the rules that ask for permissions to send, or the drop behind them)"
    for address in sorted(held):
        if (address, name) not in sight.routes:
            yield f"route to {address} over {name}"
        if (address, name, pod_mac) not in sight.neighbours:
            yield f"neighbour entry of {address} on {name} with {pod_mac}"
        if picture.is_guarded and sight.sources and (address, name, pod_mac) not in sight.sources:
            yield f"permission to send from {address} on {name} with {pod_mac}"
        if key in (picture.ported or ()) and address not in sight.forwards:
            yield f"port of the node for {address}"
        cloud = picture.cloud or {}
        if address in cloud:  # what is of none of our ENIs I6 tells
            for rule in _rules(address, cloud):
                if rule not in sight.rules:
                    yield f"rule {rule[0]} of {address} with table {rule[3]}"


def _deviating(settings: Mapping[str, str], link: str) -> Iterator[str]:
    """Settings without which packets of a pod get lost, or do harm."""
    wanted = {"ip_forward": "1", **{f"{link}/{name}": value for name, value in OF_LINK.items()}}
    for name, value in wanted.items():
        if (found := settings.get(name, value)) != value:
            yield f"{name} = {found}"


def _rules(address: str, cloud: Mapping[str, int]) -> tuple[PodRule, PodRule]:
    """Those that a leased address of an ENI has, and no others."""
    return PodRule(TO_POD, False, address, MAIN), PodRule(FROM_POD, True, address, cloud[address])


def leases_are_live(picture: Picture) -> Iterator[Breach]:
    """I3: in quiet, there are leases of live attachments only."""
    for key in picture.leases.keys() - picture.live.keys() - picture.unsure:
        told = f"{_list(picture.leases[key])} is leased and no runtime knows it"
        yield Breach("I3", _text(key), told, "see whether its DEL came, was kept in the spool, or failed")


def nothing_left(picture: Picture) -> Iterator[Breach]:
    """I4: the kernel has nothing of ours that belongs to no lease."""
    sight = picture.sight
    if sight is None:
        return
    cloud = picture.cloud or {}
    owners = {address: key for key, held in picture.leases.items() for address in held}
    leased = {address: link_name(key) for address, key in owners.items()}
    names = {link_name(key) for key in picture.leases}
    senders = {Source(address, link_name(key), link_macs(key)[1].hex(":")) for address, key in owners.items()}
    orphans = [
        *(
            (f"link {link.name}", f"'{link.alias}'")
            for link in sight.links
            if link.name not in names and (not link.alias or is_own_link(link.name, link.alias))
        ),
        *((f"route to {each.address}", each.link) for each in sight.routes if leased.get(each.address) != each.link),
        *(
            (f"neighbour entry of {each.address}", each.link)
            for each in sight.neighbours
            if leased.get(each.address) != each.link
        ),
        *((f"permission to send of {each.address}", f"{each.link}, {each.mac}") for each in sight.sources - senders),
        *((f"rule {each.priority}", each.address) for each in sight.rules if each.address not in leased),
        *(
            (f"rule {each.priority} with table {each.table}", each.address)
            for each in sight.rules
            if each.address in cloud and each.address in leased and each not in _rules(each.address, cloud)
        ),
        *(("port of the node", address) for address in sight.forwards - leased.keys()),
        *(
            ("port of the node that nobody wanted", address)
            for address in sight.forwards & leased.keys()
            if picture.ported is not None and owners[address] not in picture.ported | picture.unsure
        ),
        *(("tracked connection", address) for address in sight.tracked - leased.keys()),
    ]
    for subject, about in sorted(orphans):
        yield Breach("I4", subject, f"about {about}, of no lease", "the agent should have removed it: see its log")


def pools_add_up(picture: Picture) -> Iterator[Breach]:
    """I5: every address of a pool is free, used, cooling, reserved or unavailable, and what is used is leased."""
    for name, book in picture.pools.items():
        total = book.free + book.used + book.cooling + book.reserved + book.unavailable
        if total != book.size or min(book) < 0:
            yield Breach("I5", f"pool {name}", f"{book} does not add up", "restart the agent, and report it")
    used, held = sum(book.used for book in picture.pools.values()), sum(map(len, picture.leases.values()))
    if used > held:
        told = f"{used} addresses are used and {held} leased"
        yield Breach("I5", "pools", told, "restart the agent, which takes leases from its store, and report it")


def advertised_is_owned(picture: Picture) -> Iterator[Breach]:
    """I6: peers are told of what the node owns and of nothing else; what is leased is the cloud's to lease."""
    if picture.owned is not None:
        for prefix in sorted(picture.advertised ^ picture.owned):
            told = "advertised and not owned" if prefix in picture.advertised else "owned and not advertised"
            yield Breach("I6", prefix, told, "compare 'terway-edge bgp peers' with the Node objects")
    if picture.cloud is not None:
        for key, held in picture.leases.items():
            for address in sorted(held - picture.cloud.keys()):
                told = f"{_text(key)} leases it, but no ENI of this instance has it"
                yield Breach("I6", address, told, "compare with the cloud's console, and see 'terway-edge status'")


def rested(picture: Picture) -> Iterator[Breach]:
    """I7: an address rests for the cool-down before another pod gets it."""
    for reuse in picture.reuses:
        if reuse.distance < picture.cooldown:
            told = f"{_text(reuse.after)} got it {reuse.distance:.2f} s after {_text(reuse.before)}"
            yield Breach("I7", reuse.address, told, f"the cool-down is {picture.cooldown:g} s")


def store_replays(picture: Picture) -> Iterator[Breach]:
    """I8: what is in the store's file leads to the leases that are in force."""
    if picture.damage:
        yield Breach("I8", "store", picture.damage, "see which write failed before that in the agent's log")
    if picture.replayed is None:
        return
    for key in sorted(picture.replayed.keys() | picture.leases.keys()):
        stored, held = picture.replayed.get(key), picture.leases.get(key)
        if stored != held:
            told = f"the store says {_list(stored)}, the agent {_list(held)}"
            yield Breach("I8", _text(key), told, "a restart would change it: look at the store's journal")


INVARIANTS = (
    one_owner,
    exact_lease,
    leases_are_live,
    nothing_left,
    pools_add_up,
    advertised_is_owned,
    rested,
    store_replays,
)


def _text(key: Key) -> str:
    return f"{key[0]}/{key[1]}"


def _list(addresses: Iterable[str] | None) -> str:
    return "nothing" if addresses is None else ", ".join(sorted(addresses))
