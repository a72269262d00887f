"""The CustomResourceDefinition of BGPPeer, built from the model that agents read it with.

So that a server refuses at once what the agents would refuse, as far as a schema and CEL rules can tell: a nodeSelector
is read by the agents only, and what the cluster has (nodes, Secrets, other BGPPeers) too. Names of unknown fields are
told by `kubectl`; a server drops them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from deploy.bgppeer_status import STATUS
from terway_edge.core import node_selector, object_names
from terway_edge.core.addresses import Prefix
from terway_edge.core.bgp_fields import AS_TRANS, LAST_16_BIT_AS, LAST_32_BIT_AS, MAX_COMMUNITIES
from terway_edge.core.bgp_peer import BgpPeerSpec
from terway_edge.core.communities import WELL_KNOWN
from terway_edge.core.unusable import UNUSABLE

Schema = dict[str, Any]
Version = tuple[int, int]

STRUCTURAL, WITH_CEL, WITH_IP = (1, 16), (1, 25), (1, 31)
"""Kubernetes versions: the first that has this API at all, rules in CEL, and addresses in CEL."""

GROUP, VERSION, KIND, PLURAL = "network.openyurt.io", "v1alpha1", "BGPPeer", "bgppeers"
COLUMNS = (
    ("LocalSpeakers", "string", ".spec.localSpeakers", 0),  # as string: it is printed as JSON
    ("LocalASNumber", "integer", ".spec.localAsNumber", 0),
    ("PeerIP", "string", ".spec.peerIP", 0),
    ("PeerASNumber", "integer", ".spec.peerAsNumber", 0),
    ("Established", "string", '.status.conditions[?(@.type=="Established")].status', 1),  # with -o wide only
    ("Reason", "string", '.status.conditions[?(@.type=="Established")].reason', 1),
    ("Age", "date", ".metadata.creationTimestamp", 0),
)
LONGEST_ADDRESS = 45  # characters: IPv6 that ends as IPv4


NAME: Schema = {"maxLength": object_names.MAX_LENGTH, "pattern": f"^{object_names.SUBDOMAIN}$"}
NUMBER = "[0-9]{1,10}"
ADDRESS: Schema = {"maxLength": LONGEST_ADDRESS}
ASN: Schema = {"format": "int64", "minimum": 1, "maximum": LAST_32_BIT_AS - 1}
CONSTRAINTS: Mapping[tuple[str, ...], Schema] = {
    ("localSpeakers",): {"minItems": 1, "x-kubernetes-list-type": "set"},
    ("localSpeakers", "[]"): NAME,
    ("localAsNumber",): ASN,
    ("peerAsNumber",): ASN,
    ("peerIP",): ADDRESS,
    ("gateway",): ADDRESS,
    ("nodeSelector",): {"maxLength": node_selector.MAX_LENGTH},
    ("authPassword", "secretKeyRef", "name"): NAME,
    ("gracefulRestart",): {"default": {}},  # which its fields' defaults fill
    ("keepaliveSeconds",): {"maximum": LAST_16_BIT_AS // 3},
    ("communities",): {"maxItems": MAX_COMMUNITIES, "x-kubernetes-list-type": "set"},
    ("communities", "[]"): {
        "maxLength": 32,
        "pattern": rf"^([0-9]{{1,10}}(:[0-9]{{1,10}}){{1,2}}|{'|'.join(WELL_KNOWN)})$",
    },
}
"""What the model checks by functions of its own, as far as JSON Schema can say it; by the path of a field."""


class Rule(NamedTuple):
    """A CEL rule on the field at `path` (of the spec itself, if empty). A server older than `since` gets `instead`."""

    path: tuple[str, ...]
    rule: str
    message: str
    since: Version = WITH_CEL
    instead: Schema = {}  # noqa: RUF012 - read only


def bgppeer_crd(server: Version) -> Schema:
    """The definition for servers of this version and later ones."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{PLURAL}.{GROUP}",
            "labels": {"app.kubernetes.io/name": "terway-edge"},
            "annotations": {"helm.sh/resource-policy": "keep"},  # BGPPeers outlive a chart that is uninstalled
        },
        "spec": {
            "group": GROUP,
            "names": {"kind": KIND, "listKind": f"{KIND}List", "plural": PLURAL, "singular": KIND.lower()},
            "scope": "Cluster",
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": [_column(*column) for column in COLUMNS],
                    "schema": {"openAPIV3Schema": whole_schema(server)},
                }
            ],
        },
    }


def spec_schema(server: Version) -> Schema:
    """Of `spec`."""
    model = BgpPeerSpec.model_json_schema(by_alias=True)
    schema = _structural(model, model["$defs"])
    for path, constraints in CONSTRAINTS.items():
        _at(schema, path).update(constraints)
    for rule in RULES:
        field = _at(schema, rule.path)
        if server >= rule.since:
            rules = field.setdefault("x-kubernetes-validations", [])
            rules.append({"rule": rule.rule, "message": rule.message})
        else:
            field.update(rule.instead)
    return schema


def whole_schema(server: Version) -> Schema:
    return {
        "description": "Which nodes of a LAN speak BGP with the LAN's switch, and for which nodes.",
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": spec_schema(server),
            "status": STATUS,
        },
    }


def _column(name: str, kind: str, path: str, priority: int) -> Schema:
    return {"name": name, "type": kind, "jsonPath": path, **({"priority": priority} if priority else {})}


def _structural(part: Mapping[str, Any], definitions: Mapping[str, Any]) -> Schema:
    """JSON Schema of pydantic as structural schema: everything inline, one type each, nothing a server refuses."""
    if "$ref" in part:
        return _structural({**definitions[part["$ref"].rpartition("/")[2]], **_own(part)}, definitions)
    if "anyOf" in part:
        [option] = [option for option in part["anyOf"] if option != {"type": "null"}]
        return _structural({**option, **_own(part)}, definitions)
    schema = {key: part[key] for key in KEPT if key in part}
    if isinstance(default := part.get("default"), bool | int):
        schema["default"] = default
    if "properties" in part:
        schema["properties"] = {name: _structural(each, definitions) for name, each in part["properties"].items()}
    if "items" in part:
        schema["items"] = _structural(part["items"], definitions)
    return schema


KEPT = ("description", "type", "minimum", "maximum", "pattern", "required")


def _own(part: Mapping[str, Any]) -> dict[str, Any]:
    """What a field says beside its type."""
    return {key: part[key] for key in ("description", "default") if key in part}


def _at(schema: Schema, path: Iterable[str]) -> Schema:
    """The part at these names of fields; `[]` stands for the items of a list."""
    for name in path:
        schema = schema["items"] if name == "[]" else schema["properties"][name]
    return schema


def _address_rules(field: str) -> Iterator[Rule]:
    yield Rule(
        (field,),
        "isIP(self)",
        "must be an IPv4 or IPv6 address such as 192.0.2.1",
        WITH_IP,
        {"pattern": "^[0-9a-fA-F:.]{2,}$"},
    )
    # A server takes IPv4 written as IPv6 for no address at all, and would not take this prefix.
    around = [str(prefix) for prefix in UNUSABLE if prefix != Prefix.parse("::ffff:0:0/96")]
    yield Rule(
        (field,),
        f"!isIP(self) || !{json.dumps(around)}.exists(range, cidr(range).containsIP(self))",
        f"must be the address of a host, in none of {', '.join(around)}",
        WITH_IP,
    )


RULES = (
    Rule(
        ("localAsNumber",),
        f"self != {AS_TRANS}",
        f"AS number {AS_TRANS} is reserved (RFC 6793)",
        instead={"not": {"enum": [AS_TRANS]}},
    ),
    Rule(
        ("peerAsNumber",),
        f"!(self in [{AS_TRANS}, {LAST_16_BIT_AS}])",
        f"AS numbers {AS_TRANS} and {LAST_16_BIT_AS} are reserved (RFC 6793, RFC 7300)",
        instead={"not": {"enum": [AS_TRANS, LAST_16_BIT_AS]}},
    ),
    *_address_rules("peerIP"),
    *_address_rules("gateway"),
    Rule(
        ("holdTimeSeconds",),
        "self == 0 || self >= 3",
        "must be 0 or at least 3 (RFC 4271, section 4.2)",
        instead={"not": {"enum": [1, 2]}},
    ),
    Rule(
        ("communities", "[]"),
        f"self in {json.dumps([*WELL_KNOWN])} || self.split(':').all(part, int(part) <= "
        f"(self.split(':').size() == 2 ? {LAST_16_BIT_AS} : {LAST_32_BIT_AS}))",
        f"must be two numbers up to {LAST_16_BIT_AS}, three up to {LAST_32_BIT_AS}, or a well-known name",
    ),
    Rule(
        (),
        "!has(self.gateway) || self.gateway.contains(':') == self.peerIP.contains(':')",
        "gateway must be of the same family as peerIP",
    ),
    Rule(
        (),
        "!has(self.keepaliveSeconds) || self.keepaliveSeconds * 3 <= self.holdTimeSeconds",
        "keepaliveSeconds must be at most a third of holdTimeSeconds",
    ),
    Rule(
        (),
        "self.ttlSecurity == 0 || self.ebgpMultihop == 0",
        "ttlSecurity and ebgpMultihop exclude each other",
    ),
)
