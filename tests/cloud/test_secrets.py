"""No secret, no token and no AccessKeyId is ever printed, whatever fails."""

from __future__ import annotations

import json
import logging
import traceback

import pytest

from terway_edge.cloud import requests
from terway_edge.cloud.credential_files import PathCredentials
from terway_edge.cloud.credentials import Credentials, from_environment, of_texts
from terway_edge.core.cloud import CloudError
from terway_edge.testing.openapi import Server, listen
from terway_edge.testing.openapi.site import KeySpec
from tests.cloud.rig import OddApi, call

CANARIES = ("LTAIcanaryKeyId", "canarySecretText", "canaryTokenText")
FAULTS = [
    None,
    {"kind": "drop", "when": "before"},
    {"kind": "slow", "seconds": 0.5},
    {"kind": "not_json"},
    {"kind": "empty"},
    {"kind": "error", "code": "Throttling"},
    {"kind": "error", "code": "SignatureDoesNotMatch", "message": f"you signed:AccessKeyId={CANARIES[0]}"},
    {"kind": "error", "code": "Forbidden.RAM", "message": f"user of {CANARIES[0]} may not, {CANARIES[1]}"},
    {"kind": "error_in_ok", "code": "InternalError"},
]


@pytest.mark.parametrize("fault", FAULTS, ids=[str(each and each["kind"]) for each in FAULTS])
@pytest.mark.parametrize("is_known", [True, False])
def test_a_call_that_fails_prints_none(new_sender, new_world, site, caplog, capfd, monkeypatch, fault, is_known):
    monkeypatch.setenv("DEBUG", "sdk")
    caplog.set_level(logging.DEBUG)
    keys = (KeySpec(id=CANARIES[0], secret=CANARIES[1]),) if is_known else site.keys
    world = new_world(site.model_copy(update={"keys": keys}))
    sender = new_sender(world.time, world.server.endpoint, CANARIES[: 2 if is_known else 3], read_timeout=0.1)
    if fault:
        world.faults({"action": "*", **fault})
    text = ""
    try:
        text = repr(call(sender, world.time, requests.ECS_INSTANCES, InstanceIds=["i-1"]))
    except CloudError as error:
        ours = error.__traceback__.tb_next.tb_next  # without this test and its helper
        text = "".join(traceback.TracebackException(type(error), error, ours, capture_locals=True).format())
        text += repr(error) + repr(vars(error))
    text += caplog.text + "".join(capfd.readouterr())
    assert len(text) > 20
    assert [each for each in CANARIES if each in text] == []


def test_a_server_that_repeats_what_it_was_sent_is_not_repeated(new_sender, time_, caplog):
    caplog.set_level(logging.DEBUG)
    body = json.dumps({"Code": "Odd", "Message": " ".join(CANARIES), "RequestId": "R-1"}).encode()
    for status in (200, 400):
        with Server(OddApi(body, status), listen()) as server:
            sender = new_sender(time_, server.endpoint, CANARIES)
            with pytest.raises(CloudError) as caught:
                call(sender, time_, requests.ECS_INSTANCES)
        assert "*** *** ***" in str(caught.value)
        assert [each for each in CANARIES if each in str(caught.value) + caplog.text] == []


def test_credentials_show_nothing(tmp_path, caplog):
    found = of_texts(*CANARIES)
    environ = dict(zip(("ALIBABA_CLOUD_ACCESS_KEY_ID", "ALIBABA_CLOUD_ACCESS_KEY_SECRET"), CANARIES, strict=False))
    shown = [repr(found), str(found), f"{found}", repr(from_environment(environ))]
    path = tmp_path / "key.json"
    path.write_text(json.dumps({"AccessKeyId": CANARIES[0], "AccessKeySecret": CANARIES[1], "Expiration": CANARIES[2]}))
    with pytest.raises(CloudError) as caught:
        PathCredentials(path).current(0)
    path.write_text(f"{CANARIES[0]} {CANARIES[1]} {CANARIES[2]}")
    with pytest.raises(CloudError):
        PathCredentials(path).current(0)
    shown += [str(caught.value), caplog.text]
    assert [each for each in CANARIES if each in "".join(shown)] == []
    assert isinstance(found, Credentials)
    assert "credentials in" in caplog.text
