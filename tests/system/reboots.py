"""A machine that can be rebooted: what a boot takes away goes, what is on its disk stays, and its boot has a new id."""

import shutil
import uuid

from tests.system.machine import run

SEE_OWN_BOOT_ID = 'mount --bind "$0" /proc/sys/kernel/random/boot_id && shift && exec "$@"'


class Reboots:
    """`machine` must be new; its agents see the boot id that this says."""

    def __init__(self, machine):
        self._machine = machine
        self._boot_id = machine.directory / "boot_id"
        alone = ["unshare", "--mount", "--propagation", "private", "sh", "-c", SEE_OWN_BOOT_ID, str(self._boot_id)]
        machine.entry += ["--", *alone]
        self._begin()

    def reboot(self, pods):
        """These are the pods that there were. The agent, if one runs, ends as by SIGKILL."""
        machine = self._machine
        machine.kill()
        for pod in pods:
            machine.forget_pod(pod)
        for family in ("-4", "-6"):
            machine.enter("ip", family, "route", "flush", "table", "all", "proto", "158", check=False)
        machine.enter("nft", "flush", "ruleset")
        shutil.rmtree(machine.settings["run_dir"])
        (machine.directory / "run").mkdir(mode=0o700)
        self._begin()

    def _begin(self):
        self._boot_id.write_text(f"{uuid.uuid4()}\n")


def usage(machine):
    """The use of the node's only pool, by what its addresses do."""
    status, answer = machine.cni("STATUS", "", TERWAY_EDGE_QUERY="status")
    assert status == 0, answer
    [pool] = answer["pools"]
    return pool


def leases(machine):
    """{container: address}"""
    status, answer = machine.cni("STATUS", "", TERWAY_EDGE_QUERY="leases")
    assert status == 0, answer
    return {lease["container"]: lease["addresses"][0] for lease in answer["leases"]}


def remake_namespace(pod):
    """The runtime ends a namespace and makes a new one by the same name."""
    run("ip", "netns", "delete", pod)
    run("ip", "netns", "add", pod)
