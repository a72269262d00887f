"""A node with pods, and a host outside, between which real packets go: for tests of hostPort.

Sockets stay in the namespace in which they were opened, so one thread plays all the parts.
"""

import os
import socket
import subprocess
from contextlib import ExitStack, closing, suppress

from terway_edge.core.addresses import Address
from terway_edge.core.anti_spoofing import SourceGuard
from terway_edge.core.host_ports import HostPorts
from terway_edge.core.models import Lease, Sandbox
from terway_edge.core.plumbing import Plumbing
from terway_edge.kernel.netns import inside, open_netns
from terway_edge.kernel.nft import NftFirewall

NODE = ("192.0.2.1", "2001:db8::1")
OUTSIDE = ("192.0.2.9", "2001:db8::9")
PATIENCE = 5.0  # seconds until a test fails
SOON = 0.3  # seconds after which nothing comes any more, where nothing should
KINDS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}


class InNamespace:
    """A firewall whose every call is made in one namespace."""

    def __init__(self, firewall, netns):
        self._firewall, self._netns = firewall, netns

    def __getattr__(self, name):
        method = getattr(self._firewall, name)
        return lambda *arguments: inside(self._netns, lambda: method(*arguments))


class PortWorld:
    def __init__(self, real_world, *, guarded=False):
        """`guarded`: pods are held to their own sources."""
        self._stack = ExitStack()
        self._real = real_world
        host, wire = real_world._names[:2]
        self.node, self.outside = (self._netns(f"/run/netns/{name}") for name in (host, wire))
        self._batch(wire, "addr add 192.0.2.9/24 dev wire0", "addr add 2001:db8::9/64 dev wire0 nodad")
        self._batch(wire, "link set lo up", "route add 10.0.0.0/8 via 192.0.2.1")
        self._batch(host, "addr add 192.0.2.2/24 dev up0")
        forwarding = ("ipv4/ip_forward", "ipv6/conf/all/forwarding")
        real_world.run("sh", "-c", "; ".join(f"echo 1 > /proc/sys/net/{path}" for path in forwarding))
        self.kernel, self._plumbing = real_world.kernel, Plumbing(real_world.kernel)
        self._guarded, self._leases = guarded, {}
        self.restart()

    def close(self):
        self._stack.close()

    def restart(self):
        """A new process' firewall."""
        made = NftFirewall()
        self._stack.callback(made.close)
        self.firewall = InNamespace(made, self.node)
        self.ports = HostPorts(self.kernel, self.firewall)
        self.guard = SourceGuard(self.firewall, on=self._guarded)
        if self._guarded:
            self.guard.restore(self._leases.values())

    def pod(self, number, *mappings, container=None):
        """(lease, descriptor of its namespace): a new pod whose ports are open."""
        path = self._real.create_netns()
        addresses = (Address.parse(f"10.0.0.{number}"), Address.parse(f"fd00::{number}"))
        lease = Lease(Sandbox(container or f"c{number}", "eth0", path, ports=mappings), addresses, "test", (), 0.0)
        self.guard.admit(lease)
        self._plumbing.attach(lease.sandbox, lease, 1500)
        self.ports.open(lease)
        self._leases[lease.key] = lease
        return lease, self._netns(path)

    def end(self, lease):
        del self._leases[lease.key]
        self.guard.dismiss(lease)
        self.ports.close(lease)
        self._plumbing.detach(lease)
        self.kernel.settle()

    def nft(self, *words, text=""):
        """What nft(8) prints."""
        return self._real.run("nft", *words, text=text)

    def listen(self, netns, port, protocol="tcp", family=4):
        listener = self.socket(netns, protocol, family)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == 6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind(("0.0.0.0" if family == 4 else "::", port))
        if protocol == "tcp":
            listener.listen()
        return listener

    def socket(self, netns, protocol="tcp", family=4):
        kind = (socket.AF_INET if family == 4 else socket.AF_INET6, KINDS[protocol])
        made = inside(netns, lambda: socket.socket(*kind))
        made.settimeout(PATIENCE)
        return self._stack.enter_context(closing(made))

    def seen(self, netns, address, port, listener, *, patience=PATIENCE):
        """From whom a listener hears a client in `netns` that calls a port of an address, once both have heard the
        other; None if it hears nobody."""
        family = 6 if ":" in address else 4
        is_stream = listener.type == socket.SOCK_STREAM
        with self.socket(netns, "tcp" if is_stream else "udp", family) as client:
            for end in (client, listener):
                end.settimeout(patience if is_stream else SOON)
            for _ in range(1 if is_stream else int(patience / SOON)):  # a new link may lose a datagram
                with suppress(OSError):
                    client.connect((address, port))
                    client.send(b"?")
                    source = _answer_stream(listener) if is_stream else _answer_datagram(listener)
                    assert client.recv(9) == b"!"
                    return source[0]
        return None

    def hears_nothing(self, netns, address, port, listener):
        return self.seen(netns, address, port, listener, patience=SOON) is None

    def _netns(self, path):
        descriptor = open_netns(path)
        self._stack.callback(os.close, descriptor)
        return descriptor

    def _batch(self, netns, *lines):
        subprocess.run(["ip", "-n", netns, "-batch", "-"], input="\n".join(lines), text=True, check=True)


def _answer_stream(listener):
    with listener.accept()[0] as server:
        server.settimeout(listener.gettimeout())
        assert server.recv(9) == b"?"
        server.send(b"!")
        return server.getpeername()


def _answer_datagram(listener):
    data, source = listener.recvfrom(9)
    assert data == b"?"
    listener.sendto(b"!", source)
    return source
