"""Documents to passwords, of which no value is ever repeated in a message."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from terway_edge.cluster.fields import Wrong, read_name, read_section, read_text
from terway_edge.core.bgp_peer import BgpPeer, SecretRef
from terway_edge.core.ports import Problem
from terway_edge.core.secret import Secret

NAMESPACE = "kube-system"
MAX_BYTES = 80  # TCP_MD5SIG_MAXKEYLEN of the kernel


class SecretManifest(NamedTuple):
    """What a Secret has under each key: a password, or why it is none; both if it was one before."""

    name: str
    passwords: Mapping[str, Secret]
    faults: Mapping[str, str]


def read_secret(item: Mapping[Any, Any]) -> SecretManifest | None:
    """None for a Secret of another namespace. Raises Wrong."""
    metadata = read_section(item, "metadata")
    if read_text(metadata, "namespace", "metadata.namespace") != NAMESPACE:
        return None
    name = read_name(metadata, "name such as bgp-secret")
    passwords: dict[str, Secret] = {}
    faults: dict[str, str] = {}
    for section, decode in (("data", _decoded), ("stringData", _encoded)):  # the second wins, as in the API server
        for key, value in _texts(item, section).items():
            faults.pop(key, None)
            try:
                passwords[key] = _password(decode(value))
            except ValueError as error:
                passwords.pop(key, None)
                faults[key] = str(error)
    return SecretManifest(name, passwords, faults)


def keep_passwords(before: SecretManifest, now: SecretManifest) -> SecretManifest:
    """What was a password and cannot be one now stays in force."""
    kept = {key: before.passwords[key] for key in now.faults if key in before.passwords}
    return now._replace(passwords={**now.passwords, **kept}) if kept else now


def passwords_for(
    peers: Iterable[BgpPeer], secrets: Iterable[tuple[str, SecretManifest]]
) -> tuple[dict[SecretRef, Secret], list[Problem]]:
    """(the passwords that the BGPPeers refer to, problems with these); `secrets` come with their files.

    A reference to what does not exist is left out: the sessions that need it tell.
    """
    by_name = {secret.name: (file, secret) for file, secret in secrets}
    found: dict[SecretRef, Secret] = {}
    problems: list[Problem] = []
    for ref in dict.fromkeys(peer.spec.auth_password.secret_key_ref for peer in peers if peer.spec.auth_password):
        file, secret = by_name.get(ref.name, ("", None))
        if secret is None:
            continue
        if ref.key in secret.passwords:
            found[ref] = secret.passwords[ref.key]
        if ref.key in secret.faults:
            problems.append(Problem(f"{file}: Secret/{ref.name}: {ref.key}", secret.faults[ref.key]))
    return found, problems


def _texts(item: Mapping[Any, Any], section: str) -> Mapping[str, object]:
    found = item.get(section) or {}
    if not isinstance(found, Mapping):
        raise Wrong(section, "expected a mapping of keys to texts")
    return found


def _decoded(value: object) -> bytes:
    if not isinstance(value, str):
        raise ValueError("expected text in Base64; write it in quotes")
    try:
        return b64decode("".join(value.split()), validate=True)
    except ValueError:
        raise ValueError("is no Base64; encode the password, or write it as it is under stringData") from None


def _encoded(value: object) -> bytes:
    if not isinstance(value, str):
        raise ValueError("expected text; write it in quotes")
    return value.encode(errors="surrogatepass")


def _password(value: bytes) -> Secret:
    """Without the line end that editors and `echo` leave behind."""
    found = value.removesuffix(b"\n").removesuffix(b"\r") if value.endswith(b"\n") else value
    if not 1 <= len(found) <= MAX_BYTES:
        raise ValueError(f"has {len(found)} bytes, expected 1..{MAX_BYTES}, as TCP MD5 takes; choose another")
    return Secret(found)
