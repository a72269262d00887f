"""Each node gets the agent of its kind, one that networking skips gets none, and no node two."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from terway_edge.core.models import Node
from terway_edge.core.selection import EDGE_WORKER, ENS_INSTANCE, HOST_NETWORK, IGNORE, select, skipped
from tests.deploy.objects import AGENTS, agent, of_kind, pod_of
from tests.deploy.tools import Object, kustomize

BACKENDS = {"edge": "flannel_route", "cloud": "terway", "ens": "ens_eni"}

booleans = st.sampled_from(("true", "false", ""))
labels = st.fixed_dictionaries(
    {"kubernetes.io/os": st.sampled_from(("linux", "windows"))},
    optional={
        **dict.fromkeys((*EDGE_WORKER, HOST_NETWORK, IGNORE), booleans),
        ENS_INSTANCE: st.sampled_from(("i-1", "")),
        "type": st.sampled_from(("virtual-kubelet", "real")),
    },
)


def placed_on(workload: Object, labels: dict[str, str]) -> bool:
    """As the scheduler reads node affinity: any of the terms, all of its expressions."""
    affinity = pod_of(workload)["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    return any(all(_holds(each, labels) for each in term["matchExpressions"]) for term in affinity["nodeSelectorTerms"])


def _holds(expression: Object, labels: dict[str, str]) -> bool:
    value, values = labels.get(expression["key"]), expression.get("values", [])
    return {
        "In": value in values,
        "NotIn": value not in values,
        "Exists": value is not None,
        "DoesNotExist": value is None,
    }[expression["operator"]]


@given(labels)
def test_a_node_gets_the_agent_of_the_backend_that_is_selected_for_it(labels: dict[str, str]) -> None:
    node = Node("n", labels, (), ())
    placed = [nodes for nodes in AGENTS if placed_on(agent(kustomize("."), nodes), labels)]
    if skipped(node) or labels["kubernetes.io/os"] != "linux" or labels.get("type") == "virtual-kubelet":
        assert placed == []
    else:
        assert [BACKENDS[nodes] for nodes in placed] == [select(node).backend]


@given(labels)
def test_what_takes_agents_away_goes_where_one_may_be(labels: dict[str, str]) -> None:
    [uninstall] = of_kind(kustomize("uninstall"), "DaemonSet")
    has_agent = any(placed_on(agent(kustomize("."), nodes), labels) for nodes in AGENTS)
    assert placed_on(uninstall, labels) == has_agent
