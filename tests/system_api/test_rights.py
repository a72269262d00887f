"""Each right that the shipped roles give agents is needed: without it, exactly what it is for no longer happens."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from copy import deepcopy
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from deploy.access import EDGE, ENI, RIGHTS, Right
from terway_edge.cluster.api.source import KubernetesApi
from terway_edge.core.ports import Annotation, Event, Snapshot, StatusEntry
from terway_edge.lab.deployed import objects
from terway_edge.testing.apiserver import ADMIN, ApiServer, Server, Settings, listen, service_account, write_kubeconfig
from tests.cluster.api.rig import FAST, wait_until

GROUP = "network.openyurt.io"
LABELS = {EDGE: {"alibabacloud.com/is-edge-worker": "true"}, ENI: {"alibabacloud.com/is-edge-worker": "false"}}
CONDITION = {"type": "NetworkUnavailable", "status": "False", "reason": "TerwayEdgeServes", "message": "m"}
HAPPENED = Event("Established", "Node/n1", "again")
Object = dict[str, Any]


def named(kind: str, name: str, namespace: str = "", version: str = "v1", **content: Any) -> Object:
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **content}


def node(name: str, labels: dict[str, str]) -> Object:
    made = named("Node", name, status={"addresses": [{"type": "InternalIP", "address": "192.0.2.1"}]})
    made["metadata"]["labels"] = labels
    return made


def peer(name: str, *speakers: str) -> Object:
    spec = {
        "localSpeakers": list(speakers),
        "localAsNumber": 65010,
        "peerIP": "192.0.2.254",
        "peerAsNumber": 65001,
        "nodeSelector": "all()",
        "authPassword": {"secretKeyRef": {"name": "bgp-secret", "key": "password"}},
    }
    return named("BGPPeer", name, version=f"{GROUP}/v1alpha1", spec=spec)


class World:
    """A cluster with the shipped roles, but for one right, and the source of node n1's agent."""

    def __init__(self, account: str, missing: Right | None, directory: Path, closing: ExitStack) -> None:
        self.api = ApiServer(Settings(rbac=True))
        server = closing.enter_context(Server(self.api, listen()))
        self.api.tokens.add(ADMIN)
        for value in objects() if missing is None else without(objects(), missing):
            self.put(value)
        self.put(node("n1", LABELS[account]))
        self.put(peer("lan-1", "n1" if account == EDGE else "n2"))
        self.put(named("Secret", "bgp-secret", "kube-system", data={"password": "aGVsbG8="}))
        self.put(named("ConfigMap", "eni-config", "kube-system", data={"eni_conf": "{}"}))
        self.put(named("Pod", "web", "default", spec={"containers": [{"name": "c", "image": "i"}]}))
        kubeconfig = directory / "kubeconfig"
        token = self.api.tokens.add(service_account("kube-system", account))
        write_kubeconfig(kubeconfig, server.url, token=token)
        self.source = KubernetesApi("n1", directory, kubeconfig, "1", FAST)
        closing.callback(self.source.close)
        self.heard: list[Snapshot] = [self.source.load()]
        closing.callback(self.source.watch(self.heard.append).close)

    def put(self, value: Object) -> None:
        self.api.objects.put(value)

    @property
    def last(self) -> Snapshot:
        return self.heard[-1]

    def refused(self) -> set[str]:
        return {call.name for call in self.api.log.calls() if call.status == 403}

    def annotations(self, kind: str, name: str, namespace: str = "") -> dict[str, str]:
        found: dict[str, str] = self.api.objects.get(kind, name, namespace)["metadata"].get("annotations", {})
        return found

    def counts(self) -> list[int]:
        return [event["count"] for event in self.api.objects.list("Event")]


def without(values: Iterable[Object], right: Right) -> list[Object]:
    """The roles without that right, which must be there."""
    base, slash, part = right.resource.partition("/")
    plural, _, group = base.partition(".")
    role = "terway-edge-events" if plural == "events" else right.account  # agents have that one in common
    values, removed, place = deepcopy(list(values)), 0, ([group], [plural + slash + part])
    for value in values:
        rules = value.get("rules", ()) if value["metadata"]["name"] == role else ()
        for rule in rules:
            if (rule["apiGroups"], rule["resources"]) == place and right.verb in rule["verbs"]:
                rule["verbs"].remove(right.verb)
                removed += 1
    assert removed == 1
    return values


class Behaviour(NamedTuple):
    """What an agent does by its rights: `begin` it, and whether it `happened`. `needs` are (resource, verb)."""

    accounts: tuple[str, ...]
    needs: set[tuple[str, str]]
    begin: Callable[[World], object]
    happened: Callable[[World], bool]


def nothing(world: World) -> None: ...


def status(kind: str, name: str, key: str, value: dict[str, str]) -> Callable[[World], None]:
    return lambda world: world.source.write_status(StatusEntry(kind, name, key, value))


def annotate(kind: str, name: str, namespace: str = "") -> Callable[[World], None]:
    return lambda world: world.source.write_annotation(Annotation(kind, name, namespace, "k", "v"))


def has_condition(world: World) -> bool:
    return any(
        each["type"] == CONDITION["type"]
        for each in world.api.objects.get("Node", "n1")["status"].get("conditions", ())
    )


def has_entry(world: World) -> bool:
    entries = world.api.objects.get("BGPPeer", "lan-1").get("status", {}).get("speakers", ())
    return [entry["node"] for entry in entries] == ["n1"]


NODES, PEERS = {("nodes", "list"), ("nodes", "watch")}, {(f"bgppeers.{GROUP}", "list"), (f"bgppeers.{GROUP}", "watch")}
BEHAVIOURS = {
    "a new node is seen": Behaviour(
        (EDGE, ENI),
        NODES,
        lambda world: world.put(node("n2", LABELS[EDGE])),
        lambda world: "n2" in [each.name for each in world.last.nodes],
    ),
    "a new BGPPeer is seen": Behaviour(
        (EDGE, ENI),
        PEERS,
        lambda world: world.put(peer("lan-2", "n3")),
        lambda world: "lan-2" in [each.name for each in world.last.peers],
    ),
    "a session has its password": Behaviour(
        (EDGE,),
        {("secrets", "get"), (f"bgppeers.{GROUP}", "list")},
        nothing,
        lambda world: [secret.value for secret in world.last.secrets.values()] == [b"hello"],
    ),
    "the pool's configuration is followed": Behaviour(
        (ENI,),
        {("configmaps", "list"), ("configmaps", "watch"), ("nodes", "list")},
        lambda world: world.put(named("ConfigMap", "eni-config", "kube-system", data={"eni_conf": "new"})),
        lambda world: world.last.config_maps == {"eni-config": {"eni_conf": "new"}},
    ),
    "the node's condition is told": Behaviour(
        (EDGE, ENI),
        {("nodes", "get"), ("nodes/status", "patch")},
        status("Node", "n1", CONDITION["type"], CONDITION),
        has_condition,
    ),
    "the speaker's entry is told": Behaviour(
        (EDGE,),
        {(f"bgppeers.{GROUP}/status", "patch")},
        status("BGPPeer", "lan-1", "n1", {"state": "Established"}),
        has_entry,
    ),
    "the node has its annotation": Behaviour(
        (ENI,),
        {("nodes", "patch")},
        annotate("Node", "n1"),
        lambda world: world.annotations("Node", "n1") == {"k": "v"},
    ),
    "a pod has its annotation": Behaviour(
        (ENI,),
        {("pods", "patch")},
        annotate("Pod", "web", "default"),
        lambda world: world.annotations("Pod", "web", "default") == {"k": "v"},
    ),
    "what happens is an event": Behaviour(
        (EDGE, ENI),
        {("events", "create")},
        lambda world: world.source.emit(HAPPENED),
        lambda world: bool(world.counts()),
    ),
    "what happens again is counted": Behaviour(
        (EDGE, ENI), {("events", "create"), ("events", "patch")}, nothing, lambda world: world.counts() == [2]
    ),
}


def of(account: str) -> dict[str, Behaviour]:
    return {name: each for name, each in BEHAVIOURS.items() if account in each.accounts}


def go_through(world: World, wanted: Iterable[str], account: str) -> None:
    """Everything is begun; what is wanted happens."""
    for each in of(account).values():
        each.begin(world)
    world.api.log.wait("create events")
    world.source.emit(HAPPENED)
    for name in wanted:
        wait_until(lambda name=name: BEHAVIOURS[name].happened(world))  # type: ignore[misc]


@pytest.fixture
def closing() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.mark.parametrize("account", [EDGE, ENI])
def test_t59_the_shipped_role_is_enough(account: str, tmp_path: Path, closing: ExitStack) -> None:
    world = World(account, None, tmp_path, closing)
    go_through(world, of(account), account)
    assert world.last.problems == ()
    assert world.refused() == set()


def told(right: Right) -> str:
    return f"{right.account} {right.verb} {right.resource}"


@pytest.mark.parametrize("right", [right for right in RIGHTS if right.account in (EDGE, ENI)], ids=told)
def test_t59_without_a_right_that_which_needs_it_no_longer_happens(
    right: Right, tmp_path: Path, closing: ExitStack
) -> None:
    mine = of(right.account)
    lost = {name for name, each in mine.items() if (right.resource, right.verb) in each.needs}
    assert lost, "nobody would miss this right"
    world = World(right.account, right, tmp_path, closing)
    go_through(world, mine.keys() - lost, right.account)
    asked = f"{right.verb} {right.resource.replace(f'.{GROUP}', '')}"
    wait_until(lambda: asked in world.refused())
    wait_until(lambda: any(problem.reason == "ClusterForbidden" for problem in world.last.problems))
    assert world.refused() == {asked}
    assert {name for name in lost if mine[name].happened(world)} == set()
