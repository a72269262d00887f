"""Whatever happens to objects, server and agent: once all is quiet the snapshot equals what the server has."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.cluster.api.rig import Cluster, Listener, write_kubeconfig
from tests.cluster.api.scripted import CONFIG_MAPS, NODES, PEERS, SECRETS, Body, ScriptedApi, node, peer

names = st.sampled_from(["n1", "n2", "n3", "n4"])
numbers = st.integers(1, 9)


def config_map(name: str, number: int) -> Body:
    return {"metadata": {"name": name, "namespace": "kube-system"}, "data": {"eni_conf": str(number)}}


def secret(name: str, number: int) -> Body:
    return {"metadata": {"name": name, "namespace": "kube-system"}, "data": {"password": f"eHh{number}eA=="}}


def with_secret(name: str, number: int) -> Body:
    return peer(name, "n1", secret="s", peerAsNumber=65000 + number)


MAKERS = {
    "node": (NODES, node),
    "bad node": (NODES, lambda name, number: {**node(name), "spec": {"podCIDR": "nonsense"}}),
    "peer": (PEERS, with_secret),
    "secret": (SECRETS, lambda _, number: secret("s", number)),
    "config map": (CONFIG_MAPS, lambda _, number: config_map("eni-config", number)),
}
changes = st.tuples(st.sampled_from(["put", "delete", "recreate"]), st.sampled_from(list(MAKERS)), names, numbers)
troubles = st.sampled_from(
    ["expire", "drop", "restart server", "restart agent", "kill cache", "429", "500", "410", "cut"]
)
acts = st.lists(changes | st.tuples(troubles, st.just(""), st.just(""), numbers), max_size=25)


class World:
    def __init__(self, directory: Path) -> None:
        self.api = ScriptedApi(bookmark_every=0.01)
        self.directory = directory
        self.cluster = Cluster(self.api, directory / "state", write_kubeconfig(directory / "config", self.api.url))
        self.listener: Listener
        self.start()

    def start(self) -> None:
        _, self.listener = self.cluster.followed()

    def act(self, what: str, kind: str, name: str, number: int) -> None:
        if what in ("put", "delete", "recreate"):
            self.change(what, kind, name, number)
        elif what == "expire":
            self.api.expire()
        elif what == "drop":
            self.api.drop_connections()
        elif what == "restart server":
            self.api.stop()
            self.api.start()
        elif what in ("restart agent", "kill cache"):
            self.cluster.closing.close()
            if what == "kill cache":
                for path in (self.directory / "state" / "cluster").glob("*.json"):
                    path.write_bytes(path.read_bytes()[:-number])
            self.start()
        elif what == "cut":
            self.api.fail(lambda request: True, lambda h: h.raw(200, b'{"items":[{"metadata":'), times=number)
        else:
            self.api.fail(lambda request: True, lambda h: h.error(int(what), "Reason", "no"), times=number)

    def change(self, what: str, kind: str, name: str, number: int) -> None:
        path, make = MAKERS[kind]
        value = make(name, number)
        found = value["metadata"]["name"]
        if what != "put" and found in self.api.objects[path]:
            self.api.delete(path, found)
        if what != "delete":
            self.api.put(path, value)

    def is_equal(self, snapshot) -> bool:
        """Of a bad object that was good before, an older version may be in force; all else is the server's."""
        api = self.api
        good = {
            name: stored.value["spec"]["podCIDR"]
            for name, stored in api.objects[NODES].items()
            if stored.value["spec"]["podCIDR"] != "nonsense"
        }
        seen = {each.name: str(each.pod_cidrs[0]) for each in snapshot.nodes}
        bad = api.objects[NODES].keys() - good.keys()
        peers = {name: stored.value["spec"]["peerAsNumber"] for name, stored in api.objects[PEERS].items()}
        passwords = [stored.value["data"]["password"] for stored in api.objects[SECRETS].values()] if peers else []
        maps = {name: stored.value["data"] for name, stored in api.objects[CONFIG_MAPS].items()}
        return (
            {name: cidr for name, cidr in seen.items() if name not in bad} == good
            and {problem.where for problem in snapshot.problems} == {f"Node/{name}: spec.podCIDR" for name in bad}
            and {each.name: each.spec.peer_as_number for each in snapshot.peers} == peers
            and len(snapshot.secrets) == len(passwords)
            and ("n1" not in good or snapshot.config_maps == maps)
            and snapshot.peers_in_sync
        )

    def close(self) -> None:
        self.cluster.closing.close()
        self.api.stop()


@settings(max_examples=30)
@given(acts)
def test_in_the_end_the_snapshot_equals_the_cluster(given_acts) -> None:
    with tempfile.TemporaryDirectory() as directory:
        world = World(Path(directory))
        try:
            for act in given_acts:
                world.act(*act)
            world.listener.until(world.is_equal)
        finally:
            world.close()
