"""Ports of the node that lead to pods (CNI convention "portMappings"): who has which, and what the firewall is told.

A mapping holds from a pod's attach to its detach. The leases say which are open; the firewall's table only follows, so
that a table that somebody flushed, or that a killed agent left, can be made right.
"""

from __future__ import annotations

import errno
from collections.abc import Collection, Iterable
from contextlib import AbstractContextManager, nullcontext

from terway_edge.core.addresses import Address
from terway_edge.core.errors import Conflict, KernelError
from terway_edge.core.models import Discrepancy, Lease, PortMapping, Sandbox
from terway_edge.core.names import Key
from terway_edge.core.plans import PROTO, Rule, Where
from terway_edge.core.ports import Firewall, Forward, Kernel


class HostPorts:
    """Opens and closes the ports of leases. Give a lock if several threads call; it is held while the firewall works.

    A lease without mappings costs a look at its tuple.
    """

    def __init__(
        self, kernel: Kernel, firewall: Firewall, *, lock: AbstractContextManager[object] | None = None
    ) -> None:
        self._kernel = kernel
        self._firewall = firewall
        self._lock = nullcontext() if lock is None else lock
        self._open: dict[Key, tuple[Lease, tuple[Forward, ...]]] = {}

    def refuse_taken(self, sandbox: Sandbox) -> None:
        """Raises Conflict if a port that the sandbox asks for is open for another one."""
        if sandbox.ports:
            with self._lock:
                self._refuse_taken(sandbox)

    def open(self, lease: Lease) -> None:
        """Open the ports of a lease that is attached. Raises Conflict or KernelError, having opened none."""
        if not lease.sandbox.ports:
            return
        with self._lock:
            self._refuse_taken(lease.sandbox)
            self._open[lease.key] = (lease, forwards_of(lease, self._steered()))
            try:
                self._firewall.set_forwards(self._wanted())
            except KernelError as error:
                del self._open[lease.key]
                if error.errno == errno.ENOENT:
                    raise KernelError(f"{error}; this pod has a hostPort, which needs it", errno=error.errno) from error
                raise

    def close(self, lease: Lease) -> None:
        """Close the ports of a lease; closed ones are success. Raises KernelError; then they are open still."""
        if not lease.sandbox.ports:
            return
        with self._lock:
            opened = self._open.pop(lease.key, None)
            if opened is None:
                return
            try:
                self._firewall.set_forwards(self._wanted())
            except KernelError:
                self._open[lease.key] = opened
                raise

    def restore(self, leases: Iterable[Lease]) -> None:
        """Take over from a former process: exactly the ports of these leases are open. Raises KernelError; what is
        not as it should be after that is for mend()."""
        with self._lock:
            # Before the kernel is asked: whatever it answers, these ports are taken, and mend() opens them.
            self._open = {lease.key: (lease, forwards_of(lease, ())) for lease in leases if lease.sandbox.ports}
            self._steer()
            self._firewall.set_forwards(self._wanted())

    def check(self, lease: Lease) -> list[Discrepancy]:
        """The mappings of a lease that are not in force. Raises KernelError."""
        if not lease.sandbox.ports:
            return []
        with self._lock:
            _, wanted = self._open.get(lease.key, (lease, forwards_of(lease, set())))
            missing = set(wanted) - self._firewall.forwards()
        return [Discrepancy(f"hostPort {_text(forward)} is not in force") for forward in sorted(missing, key=_text)]

    def mend(self) -> list[str]:
        """Put right what others changed; tells what it was, a line for each. Raises KernelError."""
        with self._lock:
            if not self._open:
                return []
            self._steer()
            wanted, found = self._wanted(), self._firewall.forwards()
            if found == wanted:
                return []
            self._firewall.set_forwards(wanted)
            lines = [f"hostPort {_text(forward)} was not in force" for forward in wanted - found]
            return sorted(lines + [f"hostPort {_text(forward)} is no pod's" for forward in found - wanted])

    def _wanted(self) -> frozenset[Forward]:
        return frozenset(forward for _, forwards in self._open.values() for forward in forwards)

    def _refuse_taken(self, sandbox: Sandbox) -> None:
        for other, _ in self._open.values():
            if other.key == sandbox.key:
                continue
            for mapping in sandbox.ports:
                if any(overlap(mapping, held) for held in other.sandbox.ports):
                    raise Conflict(
                        f"hostPort {mapping} is open for {_name(other.sandbox)}; give one of the two pods another port"
                    )

    def _steer(self) -> None:
        """Look which pods rules steer: those of a new process may have been gone when it began, and be back. Who was
        steered once stays so, for the rules may be gone just now. Raises KernelError."""
        if self._open:
            before = {each.to for _, forwards in self._open.values() for each in forwards if each.masquerade}
            steered = self._steered() | before
            self._open = {key: (lease, forwards_of(lease, steered)) for key, (lease, _) in self._open.items()}

    def _steered(self) -> set[Address]:
        """Addresses of pods that rules send out by links of their own."""
        rules = self._kernel.dump(Rule, Where(proto=PROTO))
        return {rule.src.address for rule in rules if rule.src is not None and rule.src.length == rule.src.address.bits}


def overlap(one: PortMapping, other: PortMapping) -> bool:
    """Whether a packet could match both."""
    if (one.host_port, one.protocol) != (other.host_port, other.protocol):
        return False
    if one.host_ip is None or other.host_ip is None:
        return True
    same_family = one.host_ip.family == other.host_ip.family
    return same_family and (one.host_ip == other.host_ip or 0 in (one.host_ip.value, other.host_ip.value))


def forwards_of(lease: Lease, steered: Collection[Address]) -> tuple[Forward, ...]:
    """One forward for each mapping and address of its family.

    :param steered: pods whose answers would leave by a link of their own, with the node's address as source
    """
    return tuple(
        Forward(
            mapping.protocol,
            mapping.host_port,
            mapping.host_ip if mapping.host_ip is not None and mapping.host_ip.value else None,
            address,
            mapping.container_port,
            masquerade=address in steered,
        )
        for mapping in lease.sandbox.ports
        for address in lease.addresses
        if mapping.host_ip is None or mapping.host_ip.family == address.family
    )


def mappings_to(addresses: Collection[Address], forwards: Iterable[Forward]) -> tuple[PortMapping, ...]:
    """The mappings of a pod with these addresses, told from what is in force: forwards_of() backwards."""
    found: dict[tuple[str, int, int], list[Forward]] = {}
    mappings = []
    for forward in forwards:
        if forward.to not in addresses:
            continue
        if forward.address is None:
            found.setdefault((forward.protocol, forward.port, forward.to_port), []).append(forward)
        else:
            mappings.append(PortMapping(forward.port, forward.to_port, forward.protocol, forward.address))
    for (protocol, port, to_port), group in found.items():
        only = None if len(group) == len(addresses) else Address(group[0].to.family, 0)
        mappings.append(PortMapping(port, to_port, protocol, only))
    return tuple(sorted(mappings, key=str))


def _name(sandbox: Sandbox) -> str:
    pod = f"pod {sandbox.pod}, " if sandbox.pod else ""
    return f"{pod}container {sandbox.container_id}"


def _text(forward: Forward) -> str:
    where = "" if forward.address is None else f" of {forward.address}"
    target = f"[{forward.to}]" if forward.to.family == 6 else str(forward.to)
    return f"{forward.port}/{forward.protocol}{where} to {target} port {forward.to_port}"
