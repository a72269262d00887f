"""Canaries: secrets that agents are given are where they belong, and nowhere else, whatever happens."""

from __future__ import annotations

import base64
import json
import math
import os
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from terway_edge.testing.openapi import Script
from tests.system.machine import Machine, until
from tests.system.switch import new_switch, password_secret
from tests.system_api.canaries import CloudNode, EdgeNode, Shown, crashed, files, leaks

pytestmark = [pytest.mark.root, pytest.mark.slow]

PASSWORD, LATER = "c4naryOfTheSwitch", "c4naryOfTheSwitchLater"
ROLE = "edge-node"
KEYRING = "c4naryOfTheToken"  # 16 bytes, AES-128
QUESTIONS = (
    *("status", "config show --running"),
    *("bgp peers", "bgp routes", "bgp explain 10.64.1.0/24", "bgp switch-config lan"),
)
Key = dict[str, str]
"""AccessKeyId, AccessKeySecret, SecurityToken."""


def test_t58_forms_of_a_canary_are_seen() -> None:
    for before in (b"", b"a", b"ab"):
        text = base64.b64encode(before + PASSWORD.encode() + b" and more")
        assert Shown("", text).has(PASSWORD)
    assert Shown("", f"password={PASSWORD}".encode()).has(PASSWORD)
    assert not Shown("", b"c4nary").has(PASSWORD)


def test_t58_an_edge_node(tmp_path: Path) -> None:
    """With a session, with a password that cannot be used, after a change, and with errors of a plugin."""
    with ExitStack() as closing:
        node = EdgeNode(tmp_path)
        closing.callback(node.close)
        switch = new_switch(node, tmp_path / "switch", PASSWORD)
        closing.callback(switch.stop)
        node.start()
        _, address = node.add()
        until(lambda: node.pings(node.peer, address), "the switch has learned the way")
        until(lambda: in_files(node, PASSWORD) == {"bgp.json", "secrets.json"}, "it is where it has to be")
        node.write("secret", password_secret(b"x" * 81 + LATER.encode()))
        node.api.log.wait("get secrets", 1)
        node.kill()
        node.write("secret", password_secret(LATER.encode()))
        node.start()
        until(lambda: LATER.encode() in (node.directory / "state" / "bgp.json").read_bytes(), "the new one is used")
        secrets = (PASSWORD, LATER, node.token)
        assert leaks(node.shown(*QUESTIONS), secrets, ("bgp.json", "secrets.json")) == set()
        assert_talkative(node)


def assert_talkative(node: Machine) -> None:
    """The plugin has shown all that it knows, in a traceback too, and the log is as verbose as it can be."""
    log = node.log.read_text()
    assert "Traceback" in log
    assert log.count("RuntimeError: RouteSet(") >= 2
    assert "secrets={" in log
    assert " DEBUG " in log


def in_files(node: EdgeNode, secret: str) -> set[str]:
    """Names of the agent's files that have it."""
    return {each.place for each in files(node.directory / "state") if each.has(secret)}


# --- nodes in the cloud -------------------------------------------------------------------------------------------


def a_key(node: CloudNode) -> Key:
    """One that the cloud takes for twelve hours."""
    vault = node.emulator._desk._vault
    made = vault.assume(ROLE, "canary", expires=time.time() + 43200)
    return {"AccessKeyId": made.key_id, "AccessKeySecret": made.secret, "SecurityToken": made.token}


def by_secret(node: CloudNode) -> Key:
    """A directory, as a Secret is mounted."""
    key, place = a_key(node), Path(node.settings["cloud"]["credentials_path"])
    for name, value in zip(("access-key-id", "access-key-secret", "security-token"), key.values(), strict=True):
        (place / name).write_text(value)
    return key


def by_file(node: CloudNode) -> Key:
    key, place = a_key(node), node.directory / "key.json"
    place.write_text(json.dumps(key))
    node.settings["cloud"]["credentials_path"] = str(place)
    return key


def by_addon_token(node: CloudNode) -> Key:
    """The values are encrypted, and the key to them is beside them."""
    key, place = a_key(node), node.directory / "token-config"
    names = ("access.key.id", "access.key.secret", "security.token")
    values = dict(zip(names, map(encrypted, key.values()), strict=True))
    place.write_text(json.dumps({**values, "keyring": KEYRING}))
    node.settings["cloud"]["credentials_path"] = str(place)
    return {**key, "keyring": KEYRING, **values}


def by_role(node: CloudNode) -> Key:
    del node.settings["cloud"]["credentials_path"]
    node.settings["cloud"]["credentials"] = "role"
    vault = node.emulator._desk._vault
    made = vault.of_instance(ROLE, "i-1", time.time())
    return {"AccessKeyId": made.key_id, "AccessKeySecret": made.secret, "SecurityToken": made.token}


def by_configuration(node: CloudNode) -> Key:
    """A permanent key in eni-config, as Terway has it; the cache of that object has it too."""
    key, vault = a_key(node), node.emulator._desk._vault
    vault._known[key["AccessKeyId"]] = replace(vault._known[key["AccessKeyId"]], token="", expires=math.inf)
    del node.settings["cloud"]["credentials_path"], node.settings["cloud"]["credentials"], key["SecurityToken"]
    node.write_conf(access_key=key["AccessKeyId"], access_secret=key["AccessKeySecret"])
    return key


def by_environment(node: CloudNode) -> Key:
    """Of the agent; what it executes does not get it."""
    key = a_key(node)
    del node.settings["cloud"]["credentials_path"]
    node.settings["cloud"]["credentials"] = "environment"
    names = ("ACCESS_KEY_ID", "ACCESS_KEY_SECRET", "SECURITY_TOKEN")
    node.environ |= {f"ALIBABA_CLOUD_{name}": value for name, value in zip(names, key.values(), strict=True)}
    return key


GIVEN = (by_secret, by_file, by_addon_token, by_role, by_configuration, by_environment)


def encrypted(text: str) -> str:
    padder = PKCS7(128).padder()
    padded = padder.update(text.encode()) + padder.finalize()
    vector = os.urandom(16)
    encryptor = Cipher(algorithms.AES(KEYRING.encode()), modes.CBC(vector)).encryptor()
    return base64.b64encode(vector + encryptor.update(padded) + encryptor.finalize()).decode()


@pytest.mark.parametrize("give", GIVEN)
def test_t58_a_cloud_node(give: Callable[[CloudNode], Key], tmp_path: Path) -> None:
    """With a refused call whose answer repeats what was sent, and with errors of a plugin."""
    with ExitStack() as closing:
        node = CloudNode(tmp_path, ROLE)
        closing.callback(node.close)
        key = give(node)
        refused = {"kind": "error", "code": "SignatureDoesNotMatch", "message": " ".join(key.values())}
        fault = {**refused, "action": "CreateNetworkInterface", "count": 1}
        node.emulator.load_faults(Script.model_validate({"faults": [fault]}))
        node.start()
        until(lambda: "SignatureDoesNotMatch" in node.log.read_text(), "a call fails")
        assert any(ROLE in each.identity for each in node.emulator.log.calls() if not each.code), "the key is used"
        own = f"/proc/{node._process.pid}/environ"
        allowed = {by_configuration: ("configmaps.json",), by_environment: (own,)}.get(give, ())
        assert leaks(node.shown(), (*key.values(), node.token), allowed) == set()
        assert_talkative(node)


# --- core files ---------------------------------------------------------------------------------------------------


def test_t58_a_crash_leaves_no_core_file(tmp_path: Path) -> None:
    """Whatever its size may be, and where another process does leave one."""
    other = subprocess.Popen(["sleep", "60"], cwd=tmp_path)
    if crashed(other) != os.CLD_DUMPED:
        pytest.skip("nothing leaves core files here")
    node = Machine(tmp_path)
    try:
        node.sources = tmp_path
        node.start()
        assert crashed(node._process) == os.CLD_KILLED
    finally:
        node.close()
