"""What the lab applies for agents is what kustomize makes of deploy/, object by object."""

from __future__ import annotations

from terway_edge.lab.clouds import cloud_nodes
from terway_edge.lab.deployed import objects, service_account
from terway_edge.lab.lans import lab_node
from terway_edge.lab.layout import Layout
from tests.deploy.objects import agent, by_name, name_of, pod_of
from tests.deploy.tools import kustomize

LAYOUT = Layout("twt")


def test_nothing_is_added_on_the_way() -> None:
    made = by_name(kustomize("."))
    assert {name: made[name] for name in map(name_of, objects())} == by_name(objects())


def test_accounts_are_those_of_the_daemonsets() -> None:
    made = kustomize(".")
    cloud, _, ens = cloud_nodes(LAYOUT)
    for nodes, host in (("edge", lab_node(LAYOUT, 1)), ("cloud", cloud), ("ens", ens)):
        assert pod_of(agent(made, nodes))["serviceAccountName"] == service_account(host)
