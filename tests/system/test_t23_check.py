"""T23: CHECK by the real shim sees every damage, and nothing where later plugins of a chain added what is theirs.

What is broken on the host's side the agent mends by itself: there CHECK may say so, or it is mended already. That it
sees those damages while nobody mends is in tests/core/test_plumbing.py.
"""

import json
import os
import subprocess

import pytest

from terway_edge.core.names import link_name
from tests.system.machine import CONF, until

pytestmark = [pytest.mark.root, pytest.mark.slow]

FULL = os.environ.get("TERWAY_EDGE_FULL") == "1"
ROUNDS = 1000 if FULL else 30
GATEWAY = "169.254.1.1"
PORT = {"runtimeConfig": {"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]}}
BEFORE = {
    "interfaces": [{"name": "net0", "mac": "02:00:00:00:00:09", "sandbox": "/run/netns/elsewhere"}],
    "ips": [{"address": "192.168.9.2/24", "interface": 0, "gateway": "192.168.9.1"}, {"address": "192.168.8.2/24"}],
    "routes": [{"dst": "192.168.9.0/24"}],
    "dns": {"nameservers": ["192.0.2.53"]},
}
IN_THE_POD = {
    "address": "addr del {address}/32 dev eth0",
    "all addresses": "addr flush dev eth0",
    "default route": "route del default",
    "default route by another gateway": "route replace default via 169.254.1.2 dev eth0 onlink",
    "link down": "link set eth0 down",
    "MAC": "link set eth0 address 02:00:00:00:00:01",
    "MTU": "link set eth0 mtu 9000",
    "neighbour": "neigh del 169.254.1.1 dev eth0",
    "neighbour's MAC": "neigh replace 169.254.1.1 lladdr 02:00:00:00:00:02 dev eth0 nud permanent",
    "link renamed": ("link set eth0 down", "link set eth0 name eth9"),
    "link gone": "link del eth0",
}
ON_THE_HOST = {
    "route": "ip route del {address}/32",
    "neighbour": "ip neigh del {address} dev {link}",
    "link down": "ip link set {link} down",
    "MAC": "ip link set {link} address 02:00:00:00:00:03",
    "hostPorts": "nft delete table inet terway_edge",
    "sources": "nft flush table arp terway_edge",
}
LATER = [
    "route add 10.96.0.0/12 via 169.254.1.1 dev eth0 onlink",
    "route add default via 169.254.1.1 dev eth0 onlink metric 500 table 100",
    "route add 172.16.0.0/12 dev eth0",
    "addr add 192.168.77.7/32 dev eth0",
    "link add net1 type veth peer name net1peer",
    "rule add from 192.168.77.7 table 100",
    "link set eth0 mtu 1300",
    "neigh add 169.254.1.3 lladdr 02:00:00:00:00:04 dev eth0 nud permanent",
]
LATER_RESULT = {
    "interfaces": [{"name": "net1", "mac": "02:00:00:00:00:05", "sandbox": "/run/netns/x"}, {"name": "bond0"}],
    "ips": [{"address": "192.168.77.7/32", "interface": 3}],
    "routes": [{"dst": "10.96.0.0/12", "gw": GATEWAY}, {"dst": "172.16.0.0/12"}],
}


@pytest.fixture
def machine(shared):
    return shared


def conf(**keys):
    return json.dumps({**json.loads(CONF), **PORT, **keys})


def add(machine, pod):
    """The result of its ADD."""
    status, result = machine.cni("ADD", pod, conf=conf())
    assert status == 0, result
    return result


def check(machine, pod, result):
    """What CHECK complains of, "" if nothing."""
    status, error = machine.cni("CHECK", pod, conf=conf(prevResult=result))
    assert (status == 0) == (error is None)
    return error["msg"] if error else ""


def test_t23_every_damage_in_the_pod_is_told(machine):
    assert len(IN_THE_POD) + len(ON_THE_HOST) + 1 >= 12
    for what, commands in IN_THE_POD.items():
        pod = machine.new_pod()
        result = add(machine, pod)
        address = result["ips"][0]["address"].split("/")[0]
        assert check(machine, pod, result) == "", what
        commands = [commands] if isinstance(commands, str) else commands
        machine.ip(*(command.format(address=address) for command in commands), netns=pod)
        assert check(machine, pod, result), f"{what} was missed"
        assert machine.cni("DEL", pod) == (0, None)
        assert "no lease" in check(machine, pod, result)


def test_t23_every_damage_on_the_host_is_told_or_mended(machine):
    pod = machine.new_pod()
    result = add(machine, pod)
    words = {"address": result["ips"][0]["address"].split("/")[0], "link": link_name((pod, "eth0"))}
    tables = rules(machine)
    for what, command in ON_THE_HOST.items():
        machine.enter(*command.format(**words).split())
        assert check(machine, pod, result) or is_whole(machine, words, tables), f"{what} was missed"
        if command.startswith("nft"):  # tables are compared by and by
            machine.kill()
            machine.start()
        until(lambda: check(machine, pod, result) == "", f"{what} is mended")
        assert is_whole(machine, words, tables), what


def rules(machine):
    """In no order: that of tables and chains is the one in which they were made."""
    return sorted(machine.enter("nft", "--stateless", "list", "ruleset").stdout.splitlines())


def is_whole(machine, words, tables):
    link = machine.enter("ip", "-o", "link", "show", words["link"]).stdout
    return (
        words["address"] in machine.routes()
        and words["address"] in machine.enter("ip", "neigh").stdout
        and "02:00:00:00:00:03" not in link
        and ",UP" in link
        and rules(machine) == tables
    )


def test_t23_a_result_passes_through_and_what_later_plugins_add_is_no_damage(machine):
    pod = machine.new_pod()
    status, result = machine.cni("ADD", pod, conf=conf(prevResult={"cniVersion": "1.1.0", **BEFORE}))
    assert status == 0, result
    for key in ("interfaces", "ips", "routes"):
        assert result[key][: len(BEFORE[key])] == BEFORE[key]
    assert result["dns"] == BEFORE["dns"]
    assert check(machine, pod, result) == ""
    for command in LATER:
        machine.ip(command, netns=pod)
        assert check(machine, pod, result) == "", command
    final = {**result, **{key: result[key] + more for key, more in LATER_RESULT.items()}}
    argv = [*machine.entry, "--", str(machine.directory / "bin" / "terway-edge")]
    for _ in range(ROUNDS):
        assert check(machine, pod, final) == ""
    environ = machine.shim_environ("CHECK", pod)
    shims = [
        subprocess.Popen(argv, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(20)
    ]
    answers = [shim.communicate(conf(prevResult=final))[0] for shim in shims]
    assert answers == [""] * 20, "at once, too"
