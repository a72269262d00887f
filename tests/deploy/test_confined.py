"""The rights that the manifests leave to the agent are enough, and it needs each of them.

Not tried here: seccomp, of which only a container runtime has the profile.
"""

from __future__ import annotations

import shlex
import stat
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.deploy.objects import containers, written_agent
from tests.deploy.tools import Object
from tests.system.machine import POD_CIDR, Machine, node_manifest, run, until

pytestmark = [pytest.mark.root, pytest.mark.slow]

POD_CIDR6 = "fd00:64:1::/64"
WRITABLE = ("run", "state", "net.d", "manifests")  # the last for events: those of the API need no file


def rights_of(container: Object) -> list[str]:
    """Its capabilities."""
    capabilities = container["securityContext"]["capabilities"]
    assert capabilities["drop"] == ["ALL"]
    return capabilities.get("add", [])


PREPARE, AGENT = map(rights_of, containers(written_agent()))


def with_rights(rights: Sequence[str]) -> list[str]:
    """A prefix for commands: root with these capabilities, who cannot get others."""
    added = "".join(f",+{right.lower()}" for right in rights)
    return ["setpriv", "--no-new-privs", f"--bounding-set=-all{added}", "--inh-caps=-all"]


class Confined(Machine):
    """A machine whose agent runs as in its container: read-only root and /proc/sys, and few capabilities."""

    def __init__(self, directory: Path, rights: Sequence[str]) -> None:
        super().__init__(directory)
        self.rights = rights
        self.sysctls = directory / "proc-sys-net"
        self.sysctls.mkdir()
        self.settings["proc_sys_net"] = str(self.sysctls)
        self.write("n1", node_manifest("n1", "192.0.2.10", POD_CIDR, POD_CIDR6))
        for name in ("run", "state"):  # as the kubelet makes them
            (directory / name).chmod(0o755)

    def prepare(self) -> str:
        """The init container; what it prints."""
        return run(*with_rights(PREPARE), *self.command("prepare")).stdout

    def command(self, *arguments: str) -> list[str]:
        command = super().command(*arguments)
        if arguments != ("agent",):
            return command
        steps = [f"mount --bind {self.directory}/{name} {self.directory}/{name}" for name in WRITABLE]
        steps += [f"mount --bind /proc/sys/net {self.sysctls}", "mount --bind /proc/sys /proc/sys"]
        steps += [f"mount -o remount,bind,ro {path}" for path in ("/proc/sys", "/")]
        script = " && ".join([*steps, f"exec {shlex.join([*with_rights(self.rights), *command])}"])
        return ["unshare", "--mount", "--propagation", "slave", "--", "sh", "-c", script]

    def mode(self, name: str) -> int:
        return stat.S_IMODE((self.directory / name).stat().st_mode)

    def complaints(self) -> list[str]:
        """Of the log; but not that the shim has other directories built in."""
        lines = self.log.read_text().splitlines()
        return [
            line for line in lines if (" WARNING " in line or " ERROR " in line) and "the CNI shim looks" not in line
        ]


@pytest.fixture
def confined(tmp_path: Path) -> Iterator[Callable[..., Confined]]:
    made = []

    def make(rights: Sequence[str] = AGENT) -> Confined:
        made.append(Confined(tmp_path, rights))
        return made[-1]

    yield make
    for machine in made:
        machine.close()


def test_the_init_container_leaves_what_the_agent_asks_for(confined: Callable[..., Confined]) -> None:
    machine = confined()
    told = machine.prepare()
    assert (machine.mode("run"), machine.mode("state")) == (0o700, 0o700)
    assert (machine.directory / "bin" / "terway-edge").is_file()
    assert told.splitlines()[:2] == [f"made {machine.directory}/{name} private" for name in ("run", "state")]
    assert machine.prepare() == "", "all is right already"


def test_pods_of_both_families_live_and_end(confined: Callable[..., Confined]) -> None:
    machine = confined()
    machine.prepare()
    machine.start()
    one, address = machine.add()
    two, _ = machine.add()
    assert machine.pings(two, address)
    assert machine.pings(one, "192.0.2.20")
    assert machine.seen_source(one, "203.0.113.1") == "192.0.2.10", "masqueraded"
    for name in ("net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"):
        assert machine.enter("sysctl", "-n", name).stdout == "1\n"
    assert machine.enter("sysctl", "-n", "net.ipv6.conf.eth0.accept_ra", netns=one).stdout == "0\n"
    assert machine.connections(address)
    assert machine.cni("CHECK", one)[0] == 0
    machine.delete(one)
    until(lambda: len(machine.links()) == 1, "the link is unplugged")
    until(lambda: not machine.connections(address), "its connections are forgotten")
    assert machine.complaints() == []
    assert machine.terminate() == 0


@pytest.mark.parametrize("missing", AGENT)
def test_no_right_can_be_left_out(confined: Callable[..., Confined], missing: str) -> None:
    machine = confined([right for right in AGENT if right != missing])
    machine.prepare()
    machine.start(wait=False)
    told = {"NET_ADMIN": "Operation not permitted", "SYS_ADMIN": "the agent needs CAP_SYS_ADMIN"}[missing]
    until(lambda: told in machine.log.read_text(), f"it says: {told}")
