"""A real API server by kubeconfig: for contract tests that it must pass as the double does."""

from __future__ import annotations

import base64
import ssl
import tempfile
from pathlib import Path

import yaml

from tests.testing.apiserver.wire import Wire


def wire_of(path: str) -> Wire:
    """The current context's server, with a client certificate or a token."""
    document = yaml.safe_load(Path(path).read_text())
    context = _named(document["contexts"], document["current-context"])["context"]
    cluster = _named(document["clusters"], context["cluster"])["cluster"]
    user = _named(document["users"], context["user"])["user"]
    return Wire(cluster["server"], token=user.get("token", ""), context=_tls(cluster, user))


def _named(entries, name):
    return next(each for each in entries if each["name"] == name)


def _tls(cluster, user):
    authority = _pem(cluster, "certificate-authority")
    context = ssl.create_default_context(cadata=authority.decode() if authority else None)
    certificate, key = _pem(user, "client-certificate"), _pem(user, "client-key")
    if certificate and key:
        with tempfile.NamedTemporaryFile() as file:
            file.write(certificate + b"\n" + key)
            file.flush()
            context.load_cert_chain(file.name)
    return context


def _pem(entry, name):
    if data := entry.get(f"{name}-data"):
        return base64.b64decode(data)
    return Path(entry[name]).read_bytes() if name in entry else b""
