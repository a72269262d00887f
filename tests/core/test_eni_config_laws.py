"""What holds for any ConfigMap, however broken."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from terway_edge.core.eni_config import CNI, ENI, read
from terway_edge.core.eni_keys import CniConf, EniConf, EniConfig
from terway_edge.core.eni_notes import Effect
from terway_edge.core.eni_unused import CNI_CONF, DATA, ENI_CONF
from terway_edge.core.merge_patch import merge_patch

HUSH = "hush-hush"
REMARKABLE: tuple[Any, ...] = (
    *("", "0", "ipv4", "dual", "10.0.0.0/8", "5m", "0.5", "/token", "random", "\ud800", "a\nb"),
    *(0, 1, -1, 5, 2**70, 0.5, 1e300, True, False, None, [], {}, {"bandwidth": True}, [{"dst": "10.0.0.0/8"}]),
    *({"z": ["vsw-1"]}, {"k": "v"}, [{"key": "k", "value": "v"}], {"eni_ops": {"Duration": 1, "Steps": 1}}),
)
ENI_KEYS = [*(field.alias or name for name, field in EniConf.model_fields.items()), *ENI_CONF]
CNI_KEYS = [*(field.alias or name for name, field in CniConf.model_fields.items()), *CNI_CONF]

names = st.text(max_size=4) | st.sampled_from(["Steps", "dst", "key"])
values = st.sampled_from(REMARKABLE) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=6,
)
eni_conf = st.dictionaries(st.sampled_from(ENI_KEYS) | st.text(max_size=5), values, max_size=8)
cni_conf = st.dictionaries(st.sampled_from(CNI_KEYS) | st.text(max_size=5), values, max_size=5)


def texts(document: st.SearchStrategy[Any]) -> st.SearchStrategy[str]:
    return document.map(json.dumps) | st.text(max_size=8)


config_maps = st.fixed_dictionaries(
    {ENI: texts(eni_conf)},
    optional={
        CNI: texts(cni_conf),
        "10-terway.conflist": texts(st.fixed_dictionaries({"plugins": values | st.lists(cni_conf, max_size=2)})),
        **dict.fromkeys(DATA, values),
    },
)


@given(config_maps | st.dictionaries(names, values), st.none() | config_maps)
def test_nothing_is_raised_and_each_note_is_one_line(data: dict[str, object], node: dict[str, object] | None) -> None:
    reading = read(data, node)
    assert all(note.key.isprintable() and note.message.isprintable() for note in reading.notes)
    assert reading.config is not None or any(note.effect is Effect.WRONG for note in reading.notes)
    assert read(data, node) == reading


@given(eni_conf)
def test_every_key_is_told_of(document: dict[str, Any]) -> None:
    effects = Counter()
    for note in read({ENI: json.dumps(document)}).notes:
        effects[note.key.split(".")[1] if note.key.count(".") == 1 else ""] += 1
    for key in document:
        if key in ENI_KEYS and not isinstance(document[key], dict | list):
            assert effects[key] == 1, key


@given(eni_conf)
def test_what_is_right_is_not_lost_to_what_is_wrong(document: dict[str, Any]) -> None:
    broken = {**document, "max_pool_size": 9, "region_id": "r", "ip_pool_sync_period": "oops"}
    config = read({ENI: json.dumps(broken)}).config
    if config is not None:
        assert (config.max_pool_size, config.region_id, config.ip_pool_sync_period_seconds) == (9, "r", 120)


@given(eni_conf, eni_conf)
def test_a_nodes_changes_do_what_the_merged_text_does(document: dict[str, Any], patch: dict[str, Any]) -> None:
    merged = json.dumps(merge_patch(document, patch))
    apart = read({ENI: json.dumps(document)}, {ENI: json.dumps(patch)})
    assert read({ENI: merged}).config == apart.config
    assert read({ENI: merged}, {ENI: json.dumps(patch)}).config == apart.config


@given(cni_conf, eni_conf)
def test_a_configuration_without_mistakes_is_the_models_own(cni: dict[str, Any], eni: dict[str, Any]) -> None:
    reading = read({ENI: json.dumps(eni), CNI: json.dumps(cni)})
    if all(note.effect is not Effect.WRONG for note in reading.notes):
        own = {key: value for key, value in cni.items() if key in CNI_KEYS}
        assert reading.config == EniConfig.model_validate({**eni, **own, **({"mtu": None} if "mtu" not in own else {})})


@given(
    st.sampled_from(["access_key", "access_secret", "acces_key", "max_pool_size_"]),
    st.sampled_from([HUSH, [HUSH], {"k": HUSH}]),
    eni_conf,
)
def test_a_secret_is_never_repeated(key: str, value: object, document: dict[str, Any]) -> None:
    reading = read({ENI: json.dumps({**document, key: value}), "stray": json.dumps(value), CNI: json.dumps(value)})
    assert HUSH not in repr(reading)
    assert reading.config is None or HUSH not in reading.config.model_dump_json()


def test_a_text_that_is_no_json_is_not_repeated() -> None:
    for text in (HUSH, f'{{"access_secret": "{HUSH}" oops}}', {"access_secret": HUSH}, [HUSH]):
        assert HUSH not in repr(read({ENI: text, CNI: text}, {ENI: text}))
