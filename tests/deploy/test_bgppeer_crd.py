"""The definition of BGPPeer says what the model says; what it prints is the product's own table.

Schema and rules are evaluated by the API server's double (`terway_edge.testing.apiserver`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from deploy.bgppeer import COLUMNS, STRUCTURAL, WITH_CEL, WITH_IP, bgppeer_crd, spec_schema
from terway_edge.cluster.api.bodies import SPEAKER_KEY, SPEAKERS
from terway_edge.core.bgp_peer import BgpPeerSpec, InvalidSpec, parse_spec
from terway_edge.core.communities import WELL_KNOWN
from terway_edge.testing.apiserver.crds import mistakes
from terway_edge.testing.apiserver.schema.fitting import drop_nulls, fill, prune
from terway_edge.testing.apiserver.schema.validation import validate

SEED = Path(__file__).parents[1] / "cluster/bgppeer.yaml"
SERVERS = (STRUCTURAL, WITH_CEL, WITH_IP)
GOOD: dict[str, Any] = {
    "localSpeakers": ["node-1", "node-2"],
    "localAsNumber": 65010,
    "peerIP": "172.16.0.1",
    "peerAsNumber": 65001,
    "nodeSelector": "all()",
}

asns = st.sampled_from((-1, 0, 1, 23456, 65534, 65535, 65536, 4294967294, 4294967295, "65010", True))
# fmt: off
addresses = st.sampled_from(
    (
        "172.16.0.1", "2001:db8::1", "2001:DB8:0::1", "::1", "::", "::2", "fe80::1", "fe80::1%eth0", "ff02::1",
        "::ffff:10.0.0.1", "0.0.0.1", "127.0.0.1", "169.254.1.1", "169.253.255.255", "224.0.0.1", "223.255.255.255",
        "240.0.0.1", "255.255.255.255", "010.0.0.1", "10.0.0.1/24", "10.0.0", "lan", "10.0.0.256", "::10.0.0.1",
        "2001:db8::10.1.2.3", "1:2:3:4:5:6:7:8:9", ""
    )
)
# fmt: on
names = st.sampled_from(("node-1", "node-2", "a.b", "Node_1", "a..b", "-a", "", "a" * 253, "a" * 254))
numbers = st.sampled_from((0, 1, 65535, 65536, 4294967295, 4294967296, 9999999999, 10**10))
communities = st.sampled_from((*WELL_KNOWN, "internet", "1", "1:2:3:4", ":1", "1: 2", "-1:2", "65010:+1")) | st.lists(
    numbers.map(str), min_size=2, max_size=3
).map(":".join)
FIELDS = {
    "localSpeakers": st.lists(names, max_size=3),
    "localAsNumber": asns,
    "peerIP": addresses,
    "peerAsNumber": asns,
    "gateway": addresses | st.none(),
    "nodeSelector": st.sampled_from(("all()", "", "zone=a", "zone == 'a'", "x=" + "y" * 1023)),
    "authPassword": st.one_of(
        st.none(),
        st.just({}),
        st.builds(
            lambda n, k: {"secretKeyRef": {"name": n, "key": k}}, names, st.sampled_from(("a.b_C-1", "", "ä", "a/b"))
        ),
    ),
    "gracefulRestart": st.fixed_dictionaries(
        {},
        optional={
            "restartTimeSeconds": st.sampled_from((0, 1, 600, 4095, 4096)),
            "notification": st.sampled_from((True, False, "yes", 1)),
        },
    ),
    "holdTimeSeconds": st.sampled_from((-1, 0, 1, 2, 3, 9, 90, 65535, 65536, None)),
    "keepaliveSeconds": st.sampled_from((0, 1, 3, 30, 31, 21845, 21846, None)),
    "connectRetrySeconds": st.sampled_from((0, 1, 65535, 65536)),
    "ttlSecurity": st.sampled_from((-1, 0, 1, 254, 255)),
    "ebgpMultihop": st.sampled_from((-1, 0, 1, 255, 256)),
    "communities": st.lists(communities, max_size=4) | st.lists(numbers.map("1:{}".format), min_size=60, max_size=70),
}
few_changes = st.lists(st.sampled_from(tuple(FIELDS)), max_size=3, unique=True).flatmap(
    lambda names: st.fixed_dictionaries({name: FIELDS[name] for name in names})
)


def server_refuses(spec: dict[str, Any], server: tuple[int, int]) -> list[str]:
    """What a server of this version says, after it did with the object what comes before."""
    schema = {"type": "object", "properties": {"spec": spec_schema(server)}}
    written = {"spec": deepcopy(spec)}
    assert prune(written, schema) == []
    drop_nulls(written, schema)
    fill(written, schema)
    return [cause.sentence for cause in validate(written, schema)]


def agents_refuse(spec: dict[str, Any]) -> str:
    try:
        parse_spec(spec)
    except InvalidSpec as error:
        return str(error)
    return ""


@settings(max_examples=400)
@given(few_changes)
@example({})
def test_a_server_refuses_what_agents_refuse_and_nothing_else(changes: dict[str, Any]) -> None:
    spec = {**GOOD, **changes}
    assert bool(server_refuses(spec, WITH_IP)) == bool(agents_refuse(spec)), server_refuses(spec, WITH_IP)


@given(few_changes, st.sampled_from(SERVERS[:2]))
def test_an_older_server_takes_all_that_agents_take(changes: dict[str, Any], server: tuple[int, int]) -> None:
    spec = {**GOOD, **changes}
    if not agents_refuse(spec):
        assert server_refuses(spec, server) == []


ONLY_NEWER = {
    STRUCTURAL: {"address", "family", "third", "both", "community"},
    WITH_CEL: {"address"},
    WITH_IP: set(),
}
BAD = {
    "speakers": {"localSpeakers": []},
    "speaker": {"localSpeakers": ["Node_1"]},
    "trans": {"localAsNumber": 23456},
    "reserved": {"peerAsNumber": 65535},
    "hold": {"holdTimeSeconds": 2},
    "no address": {"peerIP": "lan"},
    "address": {"peerIP": "224.0.0.1"},
    "family": {"gateway": "2001:db8::1"},
    "third": {"keepaliveSeconds": 31},
    "both": {"ttlSecurity": 1, "ebgpMultihop": 2},
    "community": {"communities": ["70000:1"]},
}


@pytest.mark.parametrize("server", SERVERS)
def test_what_each_server_leaves_to_the_agents(server: tuple[int, int]) -> None:
    passed = {what for what, changes in BAD.items() if not server_refuses({**GOOD, **changes}, server)}
    assert passed == ONLY_NEWER[server]
    assert all(agents_refuse({**GOOD, **changes}) for changes in BAD.values())


def test_a_refusal_says_what_to_do() -> None:
    [told] = server_refuses({**GOOD, "keepaliveSeconds": 31}, WITH_IP)
    assert told.endswith("keepaliveSeconds must be at most a third of holdTimeSeconds")


def test_what_is_not_written_is_as_the_model_has_it() -> None:
    schema = {"type": "object", "properties": {"spec": spec_schema(WITH_IP)}}
    written = {"spec": {key: value for key, value in GOOD.items() if key != "nodeSelector"}}
    fill(written, schema)
    assert parse_spec(written["spec"]) == parse_spec({key: GOOD[key] for key in GOOD if key != "nodeSelector"})
    defaults = BgpPeerSpec.model_validate(GOOD, by_alias=True).model_dump(mode="json", by_alias=True)
    filled = {key: value for key, value in written["spec"].items() if key not in GOOD}
    assert filled == {key: defaults[key] for key in filled}
    assert "nodeSelector" not in written["spec"], "or the hint that it is missing would be lost"


def test_every_field_of_the_model_is_there() -> None:
    fields = {field.alias or "" for field in BgpPeerSpec.model_fields.values()}
    assert spec_schema(WITH_IP)["properties"].keys() == fields
    assert FIELDS.keys() == fields


def test_the_products_own_manifest_is_taken() -> None:
    [peer, _secret] = yaml.safe_load_all(SEED.read_text())
    for server in SERVERS:
        assert server_refuses(peer["spec"], server) == []


def test_the_table_has_the_products_columns() -> None:
    assert [name.upper() for name, _, _, priority in COLUMNS if not priority] == [
        "LOCALSPEAKERS",
        "LOCALASNUMBER",
        "PEERIP",
        "PEERASNUMBER",
        "AGE",
    ]


@pytest.mark.parametrize("server", SERVERS)
def test_a_server_takes_the_definition(server: tuple[int, int]) -> None:
    assert list(mistakes(bgppeer_crd(server))) == []


def test_older_servers_get_nothing_that_they_do_not_know() -> None:
    assert "x-kubernetes-validations" not in json.dumps(bgppeer_crd(STRUCTURAL))
    assert not any(word in json.dumps(bgppeer_crd(WITH_CEL)) for word in ("isIP(", "cidr("))


def test_the_definition_clashes_with_none_of_openyurts() -> None:
    spec = bgppeer_crd(WITH_IP)["spec"]
    assert spec["scope"] == "Cluster"
    assert "poolservices" not in json.dumps(spec["names"])
    assert "shortNames" not in spec["names"], "the product has none"


def test_speakers_entries_are_kept_apart_and_whole() -> None:
    status = bgppeer_crd(WITH_IP)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"]
    speakers = status["properties"][SPEAKERS]
    assert (speakers["x-kubernetes-list-type"], speakers["x-kubernetes-list-map-keys"]) == ("map", [SPEAKER_KEY])
    assert speakers["items"]["required"] == [SPEAKER_KEY]


def rules(schema: Any) -> Iterator[dict[str, str]]:
    if isinstance(schema, dict):
        yield from schema.get("x-kubernetes-validations", ())
        for part in schema.values():
            yield from rules(part)


def test_what_rules_look_at_is_bounded() -> None:
    """Else the server's estimate of a rule's cost has no limit, and it refuses the definition."""
    schema = spec_schema(WITH_IP)
    assert len(list(rules(schema))) == 11
    looked_at = [schema["properties"][name] for name in ("peerIP", "gateway")]
    looked_at.append(schema["properties"]["communities"]["items"])
    assert all("maxLength" in each for each in looked_at)
    assert "maxItems" in schema["properties"]["communities"]
