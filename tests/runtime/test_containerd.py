"""Pods as containerd's CRI makes them: our conflist, our shim, our agent, real namespaces."""

import pytest

from tests.runtime.cri import CriError
from tests.runtime.node import leases, rates, reaches, serve
from tests.system.machine import until

pytestmark = [pytest.mark.root, pytest.mark.slow]


@pytest.fixture(scope="module")
def machine(site, containerd_of_module):
    """One agent for all: nothing here harms it."""
    made, _world = site
    assert not containerd_of_module.network_ready(), "a node is not ready before an agent serves it"
    made.start()
    return made


def test_t63_the_node_is_ready_as_soon_as_the_agent_has_published_its_network(machine, runtime):
    until(runtime.network_ready, "containerd has read the configuration", 2.0)


def test_a_sandbox_is_plugged_in_and_out(machine, runtime):
    pod = runtime.run("web")
    [lease] = machine.ask("leases")["leases"]
    assert (lease["container"], lease["pod"], lease["addresses"]) == (pod.id, "default/web", [pod.address])
    assert runtime.pings(pod, "127.0.0.1"), "the loopback link is up"
    runtime.stop(pod.id)
    assert leases(machine) == {}
    until(lambda: machine.links() == [], "the link is unplugged")
    runtime.stop(pod.id)
    runtime.remove(pod.id)
    assert runtime.sandboxes() == set()


def test_pods_reach_each_other_their_node_and_the_lan(machine, runtime):
    one, two = runtime.run(), runtime.run()
    assert leases(machine) == {pod.id: [pod.address] for pod in (one, two)}
    for pod, target in ((one, two.address), (two, one.address), (one, "192.0.2.10"), (one, "192.0.2.20")):
        assert runtime.pings(pod, target), f"{pod.name} -> {target}"
    for netns in (machine.netns, machine.peer):
        assert machine.pings(netns, one.address)


@pytest.mark.parametrize(
    ("prefix", "value", "bits"),
    [
        ("kubernetes.io", "10M", 10_000_000),  # containerd makes runtimeConfig.bandwidth of it
        ("k8s.aliyun.com", "10M", 83_886_080),  # comes with the annotations
    ],
)
def test_bandwidth_annotations_become_token_buckets(machine, runtime, prefix, value, bits):
    pod = runtime.run(annotations={f"{prefix}/ingress-bandwidth": value, f"{prefix}/egress-bandwidth": value})
    [link] = machine.links()
    assert rates(machine.enter("tc", "-j", "qdisc").stdout) == {link: bits}
    assert rates(runtime.enter(pod, "tc", "-j", "qdisc").stdout) == {"eth0": bits}


def test_a_host_port_leads_to_the_pod_and_closes_with_it(machine, runtime):
    pod = runtime.run(ports=[{"protocol": "TCP", "container_port": 80, "host_port": 8080}])
    with serve(runtime.netns(pod)) as server:
        assert reaches(machine, 8080, server)
        assert not reaches(machine, 8081, server)
        runtime.stop(pod.id)
        assert not reaches(machine, 8080, server)


def test_what_we_refuse_the_runtime_tells(machine, runtime):
    with pytest.raises(CriError, match=r"k8s\.aliyun\.com/ingress-bandwidth"):
        runtime.run(annotations={"k8s.aliyun.com/ingress-bandwidth": "much"})
    port = {"protocol": "TCP", "container_port": 80, "host_port": 8080}
    holder = runtime.run("holder", ports=[port])
    with pytest.raises(CriError, match="hostPort 8080/tcp is open for pod default/holder"):
        runtime.run(ports=[port])
    assert leases(machine) == {holder.id: [holder.address]}
