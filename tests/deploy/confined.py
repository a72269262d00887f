"""Machines whose agents run as in their containers: with the capabilities of deploy/ and no other, read-only root and
/proc/sys, and no shell.

Not tried: seccomp, of which only a container runtime has the profile.
"""

from __future__ import annotations

import shlex
import stat
from collections.abc import Sequence
from pathlib import Path

from tests.deploy.objects import agent, by_name, containers
from tests.deploy.tools import Object, kustomize
from tests.eni_cloud.cloud_machine import CloudMachine
from tests.system.machine import POD_CIDR, Machine, node_manifest, run

POD_CIDR6 = "fd00:64:1::/64"
WRITABLE = ("run", "state", "net.d", "manifests")  # the last for events: those of the API need no file
DENIALS = ("not permitted", "EPERM", "ermission denied", "EACCES", "Read-only", "EROFS")
SHELLS = sorted({str(Path("/bin", name).resolve()) for name in ("sh", "bash", "dash") if Path("/bin", name).exists()})


def rights_of(container: Object) -> list[str]:
    """Its capabilities."""
    capabilities = container["securityContext"]["capabilities"]
    assert capabilities["drop"] == ["ALL"]
    return capabilities.get("add", [])


def shipped(nodes: str) -> tuple[list[str], list[str]]:
    """Of the init container and of the agent, of the DaemonSet for these nodes."""
    prepare, main = containers(agent(kustomize("."), nodes))
    return rights_of(prepare), rights_of(main)


def shipped_uninstall() -> list[str]:
    [daemonset] = [each for each in by_name(kustomize("uninstall")).values() if each["kind"] == "DaemonSet"]
    return rights_of(next(each for each in containers(daemonset) if each.get("args") == ["uninstall"]))


def with_rights(rights: Sequence[str]) -> list[str]:
    """A prefix for commands: root with these capabilities, who cannot get others."""
    added = "".join(f",+{right.lower()}" for right in rights)
    return ["setpriv", "--no-new-privs", f"--bounding-set=-all{added}", "--inh-caps=-all"]


class Confining(Machine):
    """Mixed into a machine; `confine` comes before anything is started."""

    def confine(self, rights: Sequence[str]) -> None:
        self.rights = rights
        self.sysctls = self.directory / "proc-sys-net"
        self.sysctls.mkdir()
        self.settings["proc_sys_net"] = str(self.sysctls)
        for name in ("run", "state"):  # as the kubelet makes them
            (self.directory / name).chmod(0o755)

    def prepare(self) -> str:
        """The init container; what it prints."""
        return run(*with_rights(shipped("edge")[0]), *self.command("prepare")).stdout

    def command(self, *arguments: str) -> list[str]:
        command = super().command(*arguments)
        if arguments not in (("agent",), ("uninstall",)):
            return command
        writable = (*WRITABLE, "bin") if arguments == ("uninstall",) else WRITABLE
        steps = [f"mount --bind {self.directory}/{name} {self.directory}/{name}" for name in writable]
        steps += [f"mount --bind /proc/sys/net {self.sysctls}", "mount --bind /proc/sys /proc/sys"]
        steps += [f"mount -o remount,bind,ro {path}" for path in ("/proc/sys", "/")]
        steps += [f"mount --bind /dev/null {shell}" for shell in SHELLS]
        script = " && ".join([*steps, f"exec {shlex.join([*with_rights(self.rights), *command])}"])
        return ["unshare", "--mount", "--propagation", "slave", "--", "sh", "-c", script]

    def mode(self, name: str) -> int:
        return stat.S_IMODE((self.directory / name).stat().st_mode)

    def denials(self) -> list[str]:
        """What the kernel has not let it do, by its log."""
        return [line for line in self.log.read_text().splitlines() if any(each in line for each in DENIALS)]

    def complaints(self) -> list[str]:
        """Of the log; but not that the shim has other directories built in."""
        lines = self.log.read_text().splitlines()
        return [
            line for line in lines if (" WARNING " in line or " ERROR " in line) and "the CNI shim looks" not in line
        ]


class ConfinedEdge(Confining):
    """Of both families."""

    def __init__(self, directory: Path, rights: Sequence[str]) -> None:
        super().__init__(directory)
        self.confine(rights)
        self.write("n1", node_manifest("n1", "192.0.2.10", POD_CIDR, POD_CIDR6))


class ConfinedCloud(Confining, CloudMachine):
    def __init__(self, directory: Path, rights: Sequence[str]) -> None:
        super().__init__(directory)
        self.confine(rights)
