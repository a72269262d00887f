"""Keys from the environment, a file, a directory, and the encrypted token of ACK; rotated while they are used."""

from __future__ import annotations

import base64
import json
import os
from pathlib import PosixPath
from typing import ClassVar

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from terway_edge.cloud.addon_token import decrypt_token
from terway_edge.cloud.credential_files import PathCredentials
from terway_edge.cloud.credentials import from_environment, of_texts, read_time
from terway_edge.cloud.opening import open_credentials
from terway_edge.cloud.role import RoleCredentials
from terway_edge.cloud.settings import CloudSettings, CredentialSource
from terway_edge.core.cloud import Cause, CloudError
from tests.cloud.rig import KEY, Time, surroundings

ENVIRONMENT = {
    "ALIBABA_CLOUD_ACCESS_KEY_ID": "id",
    "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "secret",
    "ALIBABA_CLOUD_SECURITY_TOKEN": "token",
}


def test_environment():
    assert from_environment(ENVIRONMENT) == of_texts("id", "secret", "token")
    assert from_environment({}) is None
    with pytest.raises(CloudError, match="ALIBABA_CLOUD_ACCESS_KEY_SECRET is not"):
        from_environment({"ALIBABA_CLOUD_ACCESS_KEY_ID": "id"})


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2016-02-23T12:46:24Z", 1456231584),
        ("2016-02-23T12:46:24", 1456231584),
        ("2016-02-23T20:46:24+08:00", 1456231584),
        ("", float("inf")),
    ],
)
def test_times(text, seconds):
    assert read_time(text) == seconds


def write(path, **fields):
    path.write_text(json.dumps(fields))


def test_a_file_with_json(tmp_path):
    path = tmp_path / "key.json"
    write(path, AccessKeyId="id", AccessKeySecret="secret")
    assert PathCredentials(path).current(0) == of_texts("id", "secret")
    write(path, AccessKeyId="id", AccessKeySecret="secret", SecurityToken="t", Expiration="2016-02-23T12:46:24Z")
    assert PathCredentials(path).current(0) == of_texts("id", "secret", "t", 1456231584)


def write_directory(path, key_id, secret, token=""):
    """As the kubelet mounts a Secret: a new directory, and a link that is swapped."""
    version = path / f"..{key_id}"
    version.mkdir(parents=True)
    (version / "access-key-id").write_text(f"{key_id}\n")
    (version / "access-key-secret").write_text(secret)
    if token:
        (version / "security-token").write_text(token)
    link = path / "..new"
    link.symlink_to(version.name)
    os.replace(link, path / "..data")
    for name in ("access-key-id", "access-key-secret", "security-token"):
        if not (path / name).is_symlink():
            (path / name).symlink_to(f"..data/{name}")


def test_a_mounted_secret_that_is_rotated(tmp_path):
    write_directory(tmp_path, "one", "secret1")
    provider = PathCredentials(tmp_path)
    assert provider.current(0) == of_texts("one", "secret1")
    write_directory(tmp_path, "two", "secret2", "token2")
    assert provider.current(0) == of_texts("two", "secret2", "token2")


class Swapped(PosixPath):
    """The Secret changes after the key id is read and before its secret is."""

    swap: ClassVar = None

    def open(self, *arguments, **options):
        if self.name == "access-key-secret" and Swapped.swap:
            swap, Swapped.swap = Swapped.swap, None
            swap()
        return super().open(*arguments, **options)


def test_a_pair_is_of_one_time(tmp_path):
    write_directory(tmp_path, "one", "secret1")
    Swapped.swap = lambda: write_directory(tmp_path, "two", "secret2")
    assert PathCredentials(Swapped(tmp_path)).current(0) == of_texts("two", "secret2")
    assert Swapped.swap is None


def test_unchanged_files_are_not_read_again(tmp_path):
    path = tmp_path / "key.json"
    write(path, AccessKeyId="id", AccessKeySecret="secret")
    provider = PathCredentials(path)
    assert provider.current(0) is provider.current(0)


@pytest.mark.parametrize(
    "broken", ["", "[1]", "{", '{"AccessKeyId": "x"}', '{"AccessKeyId": 1, "AccessKeySecret": 2}', "{}" + " " * 70_000]
)
def test_what_cannot_be_read_leaves_the_last_good_ones(tmp_path, broken, caplog):
    path = tmp_path / "key.json"
    write(path, AccessKeyId="id", AccessKeySecret="secret")
    provider = PathCredentials(path)
    good = provider.current(0)
    path.write_text(broken)
    for _ in range(3):
        assert provider.current(0) == good
    assert caplog.text.count("those of before stay in use") == 1
    path.unlink()
    assert provider.current(0) == good
    write(path, AccessKeyId="new", AccessKeySecret="secret")
    assert provider.current(0) == of_texts("new", "secret")


def test_a_path_without_any_is_denied_until_there_are_some(tmp_path):
    path = tmp_path / "later"
    provider = PathCredentials(path)
    with pytest.raises(CloudError) as caught:
        provider.current(0)
    assert caught.value.cause is Cause.DENIED
    write_directory(path, "id", "secret")
    assert provider.current(0) == of_texts("id", "secret")


def test_a_refused_key_is_read_again(tmp_path):
    path = tmp_path / "key.json"
    write(path, AccessKeyId="id", AccessKeySecret="secret")
    provider = PathCredentials(path)
    old = provider.current(0)
    assert not provider.renew(old, 0)
    times = path.stat()
    write(path, AccessKeyId="di", AccessKeySecret="secret")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))  # as a coarse clock would have it
    assert provider.current(0) == old
    assert provider.renew(old, 0)
    assert provider.current(0) == of_texts("di", "secret")


KEYRING = "0123456789abcdef"


def encrypted(text: str) -> str:
    padder = PKCS7(128).padder()
    padded = padder.update(text.encode()) + padder.finalize()
    vector = os.urandom(16)
    encryptor = Cipher(algorithms.AES(KEYRING.encode()), modes.CBC(vector)).encryptor()
    return base64.b64encode(vector + encryptor.update(padded) + encryptor.finalize()).decode()


def test_the_token_that_ack_mounts(tmp_path):
    path = tmp_path / "token-config"
    document = {
        "access.key.id": encrypted("id"),
        "access.key.secret": encrypted("secret"),
        "security.token": encrypted("a token of more than one block"),
        "expiration": "2016-02-23T12:46:24Z",
        "keyring": KEYRING,
    }
    path.write_text(json.dumps(document))
    assert PathCredentials(path).current(0) == of_texts("id", "secret", "a token of more than one block", 1456231584)


@pytest.mark.parametrize(
    "change", [{"keyring": "fedcba9876543210"}, {"keyring": "short"}, {"access.key.id": "%"}, {"access.key.id": ""}]
)
def test_a_token_that_does_not_decrypt(change):
    document = {"access.key.id": encrypted("id"), "keyring": KEYRING} | change
    if document["access.key.id"]:
        with pytest.raises(ValueError, match="do not decrypt with its keyring"):
            decrypt_token(document)
    else:
        assert decrypt_token(document) == {"Expiration": None}


@pytest.mark.parametrize(
    ("settings", "environ", "expected"),
    [
        ({}, {}, RoleCredentials),
        ({"credentials": CredentialSource.ROLE}, KEY, RoleCredentials),
        ({"credentials_path": "/nowhere"}, KEY, PathCredentials),
    ],
)
def test_sources(settings, environ, expected):
    assert type(open_credentials(CloudSettings(**settings), surroundings(Time(), environ))) is expected


def test_a_key_in_the_environment_comes_before_the_role():
    found = open_credentials(CloudSettings(), surroundings(Time(), KEY))
    assert found.current(0) == of_texts("testid", "testsecret")
    assert not found.renew(found.current(0), 0)


@pytest.mark.parametrize("source", [CredentialSource.ENVIRONMENT, CredentialSource.PATH])
def test_a_source_that_is_named_and_has_none(source):
    with pytest.raises(CloudError) as caught:
        open_credentials(CloudSettings(credentials=source), surroundings(Time(), {}))
    assert caught.value.cause is Cause.DENIED
