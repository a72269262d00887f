"""What of a machine an ADD, a DEL or a GC changes, to be compared with what was so before."""

import os
import re

LOOKS = ("ip -o link", "ip -o -4 address", "ip rule", "ip -4 route show table all", "nft -s list ruleset")
RESTLESS = ("agent.log", "config.yaml", "heartbeat", ".heartbeat.tmp")
"""Files that change by themselves."""

CARRIER = re.compile(r",?(NO-CARRIER|LOWER_UP|M-DOWN),?| state \S+")
"""What a link says some time after it was made."""


def picture(machine, *pods, but=()):
    """(the node's kernel and that of the pods, files `but` those of some names, namespaces, leases)"""
    kernel = [machine.enter(*look.split()).stdout for look in LOOKS]
    kernel += [machine.enter(*look.split(), netns=pod).stdout for pod in pods for look in LOOKS[:2]]
    kernel = [CARRIER.sub("", seen) for seen in kernel]
    files = {
        str(path): (path.lstat().st_ino, path.lstat().st_size)
        for path in machine.directory.rglob("*")
        if path.name not in (*RESTLESS, *but)
    }
    ours = [name for name in sorted(os.listdir("/run/netns")) if name.startswith(f"twt-{os.getpid()}-")]
    return kernel, files, ours, [{**lease, "age_seconds": 0} for lease in leases(machine)]


def leases(machine):
    """As the agent tells them, without the command line, which takes its time."""
    status, answer = machine.cni("STATUS", "", TERWAY_EDGE_QUERY="leases")
    assert status == 0, answer
    return answer["leases"]


def holders(machine):
    """The containers that hold a lease."""
    return [lease["container"] for lease in leases(machine)]
