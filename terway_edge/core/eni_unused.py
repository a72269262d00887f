"""The keys of Terway's configuration that no value here comes from, and what is said of each.

Some ask for what this product does in its own way, some for what it does not do at all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from terway_edge.core.brief import shown
from terway_edge.core.eni_notes import Effect

DEPRECATED = "deprecated; Terway ignores it too"
OWN_CONFLIST = "the agent writes its CNI configuration itself"
NO_TRUNKS = "for trunk ENIs and ENIs of one pod each; there are neither here"
NO_POLICY = "NetworkPolicies are not enforced"
NO_CILIUM = "there is no Cilium here"


class Verdict(NamedTuple):
    effect: Effect
    message: str


class Unused(NamedTuple):
    """A key without a value of ours. `judge` says what becomes of a value; all else is for the reference page: `here`
    sums up the effects, `about` the messages."""

    kind: str
    default: str
    here: str
    about: str
    judge: Callable[[object], Verdict]


def _harmless(message: str, kind: str = "text", default: str = "") -> Unused:
    """Whatever the value, nothing is lost."""
    return Unused(kind, default, Effect.WITHOUT_EFFECT, message, lambda _: Verdict(Effect.WITHOUT_EFFECT, message))


def _not_done(message: str, kind: str = "boolean", default: str = "false") -> Unused:
    """A value that is neither false, zero nor empty asks for something that is not done."""

    def judge(value: object) -> Verdict:
        if value:
            return Verdict(Effect.NOT_DONE, message)
        return Verdict(Effect.WITHOUT_EFFECT, "nothing is asked for")

    return Unused(kind, default, Effect.NOT_DONE, message, judge)


def _one_of(default: str, choices: Mapping[str, tuple[Effect, str]]) -> Unused:
    """Each choice has its own verdict; upper and lower case are the same."""

    folded = {choice.lower(): verdict for choice, verdict in choices.items()}

    def judge(value: object) -> Verdict:
        found = folded.get(value.lower()) if isinstance(value, str) else None
        if found is None:
            expected = ", ".join(repr(choice) for choice in choices if choice)
            return Verdict(Effect.WRONG, f"got {shown(value)}, expected one of {expected}")
        return Verdict(*found)

    by_message: dict[str, list[str]] = {}
    for choice, (_, message) in choices.items():
        if choice:
            by_message.setdefault(message, []).append(f"`{choice}`")
    about = "; ".join(f"{', '.join(quoted)}: {message}" for message, quoted in by_message.items())
    kind = " or ".join(f"`{choice}`" for choice in choices if choice)
    return Unused(kind, default, "by value", about, judge)


def _auto_mtu(value: object) -> Verdict:
    if value:
        return Verdict(Effect.HONOURED, "the MTU of pods follows the uplink's")
    return Verdict(Effect.WITHOUT_EFFECT, "without mtu, the MTU of pods follows the uplink's")


def _policy_is_off(value: object) -> Verdict:
    if value in ("", "false", "0"):
        return Verdict(Effect.NOT_DONE, f'{NO_POLICY}; write "true" if that is meant')
    return Verdict(Effect.HONOURED, NO_POLICY)


VETH = "pods get a veth, and their packets leave by the ENI that owns their address"
NO_CONTROLLER = "no central controller has addresses to give"
EACH_AGENT = "each node's agent calls the cloud's API itself and needs credentials for it"

ENI_CONF: Mapping[str, Unused] = {
    "version": _harmless("a mark only", default="1"),
    "service_cidr": _harmless("pods reach Services through the host's kube-proxy, and nothing more is needed for them"),
    "extra_routes": _harmless(
        "pods reach these by their default route, which leads to the host, as all they send does",
        "list of object",
        "[]",
    ),
    "backoff_override": _harmless(
        "the pauses between attempts are the agent's own: from 1 s on, ever longer, and up to 10 min for what an "
        "operator must mend",
        *("object", "{}"),
    ),
    "kube_client_qps": _harmless("the agent watches; it makes too few requests to be held back", "number"),
    "kube_client_burst": _harmless("the agent watches; it makes too few requests to be held back", "integer"),
    "custom_stateful_workload_kinds": _not_done(
        "a pod of a StatefulSet does not keep its address when it is replaced", "list of text", "[]"
    ),
    "ipam_type": _one_of(
        "",
        {
            "": (Effect.WITHOUT_EFFECT, EACH_AGENT),
            "crd": (Effect.NOT_DONE, f"{NO_CONTROLLER}: {EACH_AGENT}"),
            "preferCRD": (Effect.NOT_DONE, f"{NO_CONTROLLER}: {EACH_AGENT}"),
        },
    ),
    "enable_eni_trunking": _not_done("there are no trunk ENIs, so pods have no vSwitch or security group of their own"),
    "enable_erdma": _not_done("there is no eRDMA"),
    "disable_device_plugin": _harmless("there is no device plugin", "boolean", "false"),
    "ipv6_prefix_count": _harmless("with dual stack each ENI with prefixes gets one IPv6 prefix", "integer", "0"),
    "prefix": _harmless("for a mode that Terway no longer has"),
    "enable_eip_pool": _harmless(DEPRECATED),
    "enable_eip_migrate": _harmless(DEPRECATED),
    "allow_eip_rob": _harmless(DEPRECATED),
    "disable_security_group_check": _harmless(DEPRECATED, "boolean"),
    "wait_trunk_eni": _harmless(DEPRECATED, "boolean"),
    "eni_cap_policy": _harmless(DEPRECATED),
}

CNI_CONF: Mapping[str, Unused] = {
    "type": _harmless(OWN_CONFLIST),
    "name": _harmless(OWN_CONFLIST),
    "cniVersion": _harmless(OWN_CONFLIST),
    "eniip_virtual_type": _one_of(
        "veth",
        {
            "": (Effect.HONOURED, VETH),
            "veth": (Effect.HONOURED, VETH),
            "ipvlan": (Effect.NOT_DONE, f"there is no IPvlan: {VETH}"),
            "datapathv2": (Effect.NOT_DONE, f"there is no DataPath V2: {VETH}"),
        },
    ),
    "bandwidth_mode": _one_of(
        "tc",
        {
            "": (Effect.HONOURED, "token buckets enforce bandwidth annotations"),
            "tc": (Effect.HONOURED, "token buckets enforce bandwidth annotations"),
            "edt": (Effect.WITHOUT_EFFECT, "token buckets enforce bandwidth annotations all the same"),
        },
    ),
    "host_stack_cidrs": _harmless(
        "all that pods send passes the host's stack, and so does what goes to these", "list of text", "[]"
    ),
    "enable_network_priority": _not_done("the annotation k8s.aliyun.com/network-priority has no effect"),
    "auto_mtu": Unused(
        "boolean", "false", Effect.HONOURED, "the MTU of pods follows the uplink's, unless mtu is set", _auto_mtu
    ),
    "vlan_strip_type": _harmless(NO_TRUNKS),
    "disable_host_peer": _harmless(NO_TRUNKS, "boolean", "false"),
    "veth_prefix": _harmless("Terway ignores it too; links of pods begin with tw"),
    "debug": _harmless("set log.level in the agent's own configuration", "boolean", "false"),
    "network_policy_provider": _not_done(NO_POLICY, "text", ""),
    "cilium_args": _not_done(NO_CILIUM, "text", ""),
    "cilium_enable_hubble": _not_done(f"{NO_CILIUM}, and no Hubble"),
    "cilium_hubble_metrics": _harmless(NO_CILIUM, default="drop"),
    "cilium_hubble_listen_address": _harmless(NO_CILIUM, default=":4244"),
    "cilium_hubble_metrics_server": _harmless(NO_CILIUM, default=":9091"),
    "symmetric_routing": _not_done(
        "replies to what came in by a NodePort on the node's own ENI leave by the pod's ENI; "
        "route such traffic to the pods' addresses, as a load balancer with ENI back ends does"
    ),
    "symmetric_routing_config": _harmless("for symmetric_routing", "object"),
    "runtimeConfig": _harmless("the container runtime fills it in for each pod", "object"),
}

DATA: Mapping[str, Unused] = {
    "disable_network_policy": Unused(
        *("`true` or `false`", "false", "by value", f"`true` is what happens: {NO_POLICY}", _policy_is_off),
    ),
    "in_cluster_loadbalance": _harmless("for eBPF only; kube-proxy balances the load of Services"),
    "felix_relay_service": _harmless("for Felix, which is not here"),
    "cni_chain": _not_done("no plugins are chained after the agent's; hostPort works without portmap", "text", ""),
}
